"""The first lines that a newcomer writes, and versions that nobody has proved."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from haystack.components.generators.chat import MockChatGenerator

import wardline_haystack
from wardline import ConfigurationError
from wardline.adapters import versions

README = Path(__file__).parents[1] / "README.md"


def test_the_readmes_first_lines_block(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: wardline/v1\nname: first\ndefault_action: deny\n"
    )
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
    model = MockChatGenerator([world.turn(("pay", {"to": "bob"})), "done"])
    names: dict[str, Any] = {"model": model, "tools": world.tools, "messages": world.go}
    exec(code, names)
    assert world.results(names["out"])[0][1] is True
    assert world.ran == []


def test_an_unproved_version_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(versions, "version", lambda _: "4.0.0")
        with pytest.raises(
            ConfigurationError, match=r"proved with haystack-ai 3\.4 to 3\.4, and 4\.0"
        ):
            importlib.reload(wardline_haystack)
    importlib.reload(wardline_haystack)
