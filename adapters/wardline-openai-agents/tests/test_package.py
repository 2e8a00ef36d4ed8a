"""The package as a newcomer meets it: the example, the versions that it starts with."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wardline_openai_agents
from wardline import ConfigurationError

HERE = Path(__file__).parent


def test_the_example_runs_offline_and_really_blocks():
    example = HERE.parents[2] / "examples" / "openai_agents.py"
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "did not run" in done.stdout
    assert "Refunds: [('4711', 45.0)]" in done.stdout
    assert "The ledger is verified" in done.stdout


def test_INST_5_a_version_that_was_not_proved_refuses_to_start(monkeypatch):
    monkeypatch.setattr("wardline.adapters.versions.version", lambda name: "0.99.1")
    with pytest.raises(ConfigurationError, match=r"openai-agents 0\.24 .* 0\.99\.1 is installed"):
        importlib.reload(wardline_openai_agents)


def test_X_5_the_public_names_are_these():
    assert sorted(wardline_openai_agents.__all__) == [
        "GovernedMemory",
        "KINDS",
        "answer",
        "coverage",
        "framework",
        "govern",
        "questions",
    ]
    assert all(hasattr(wardline_openai_agents, name) for name in wardline_openai_agents.__all__)
