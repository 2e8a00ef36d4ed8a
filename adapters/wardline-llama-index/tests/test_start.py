"""The first lines that a newcomer writes, and versions that nobody has proved."""

from __future__ import annotations

import ast
import asyncio
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import wardline_llama_index
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
    llm = world.model(world.turn(("pay", {"to": "bob"})))
    names: dict[str, Any] = {"llm": llm, "tools": world.tools}
    asyncio.run(eval(compile(code, "README", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names))
    assert "was not run" in world.told(llm)[0]
    assert world.ran == []


def test_an_unproved_version_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(versions, "version", lambda _: "0.15.0")
        with pytest.raises(
            ConfigurationError, match=r"proved with llama-index-core 0\.14 to 0\.14"
        ):
            importlib.reload(wardline_llama_index)
    importlib.reload(wardline_llama_index)
