"""The package as a newcomer meets it: the README, the example, the versions that it starts with."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic_world import Scripted, call

import wardline_pydantic_ai
from wardline import ConfigurationError

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def test_the_start_in_the_readme_runs(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(from pydantic_ai.*?)```", README.read_text(), re.DOTALL)
    policy = (
        "apiVersion: wardline/v1\nname: p\nrules: [{name: r, tool: find_order, action: allow}]\n"
    )
    (tmp_path / "policy.yaml").write_text(policy)
    monkeypatch.chdir(tmp_path)
    found: list[str] = []

    def find_order(order: str) -> str:
        """Look an order up."""
        found.append(order)
        return order

    script = Scripted([call("find_order", "1", order="4711")])
    names: dict[str, Any] = {"model": script.model, "find_order": find_order}
    exec(code, names)
    names["agent"]._root_capability.apply(
        lambda one: one.adapter.guard.close() if hasattr(one, "adapter") else None
    )
    assert names["result"].output == "done"
    assert found == ["4711"]


def test_the_example_runs_offline_and_really_blocks():
    example = HERE.parents[2] / "examples" / "pydantic_ai.py"
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "did not run" in done.stdout
    assert "Orders: [('hinge', 40)]; archived: []" in done.stdout
    assert "The ledger is verified" in done.stdout


def test_INST_5_a_version_that_was_not_proved_refuses_to_start(monkeypatch):
    monkeypatch.setattr("wardline.adapters.versions.version", lambda name: "3.1.0")
    with pytest.raises(ConfigurationError, match=r"pydantic-ai-slim 2\.62 .* 3\.1\.0 is installed"):
        importlib.reload(wardline_pydantic_ai)


def test_X_5_the_public_names_are_these():
    assert sorted(wardline_pydantic_ai.__all__) == [
        "KINDS",
        "Wardline",
        "coverage",
        "framework",
        "questions",
    ]
    assert all(hasattr(wardline_pydantic_ai, name) for name in wardline_pydantic_ai.__all__)
