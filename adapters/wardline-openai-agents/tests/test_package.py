"""The package as a newcomer meets it: the README, the example, the versions that it starts with."""

from __future__ import annotations

import asyncio
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from openai_world import Scripted, say

import wardline_openai_agents
from wardline import ConfigurationError

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def test_the_start_in_the_readme_runs(world, tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(from agents.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "policy.yaml").write_text(
        "apiVersion: wardline/v1\nname: p\ndefault_action: allow\n"
    )
    monkeypatch.chdir(tmp_path)

    @function_tool
    def find_order(order: str) -> str:
        """Look an order up."""
        return order

    class Provider:
        model = Scripted([say("it is on its way")])

        def get_model(self, name: str | None) -> Any:
            return self.model

    original = Runner.run
    names = {"find_order": find_order, "billing": Agent("billing")}
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    exec(f"async def main():\n{lines}    return result\n", names)

    async def run(agent: Any, text: str) -> Any:
        return await original(agent, text, run_config=RunConfig(model_provider=Provider()))

    monkeypatch.setattr(Runner, "run", run)
    assert asyncio.run(names["main"]()).final_output == "it is on its way"


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
