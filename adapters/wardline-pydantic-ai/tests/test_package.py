"""The package as a newcomer meets it: the example, the versions that it starts with."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wardline_pydantic_ai
from wardline import ConfigurationError

HERE = Path(__file__).parent


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
