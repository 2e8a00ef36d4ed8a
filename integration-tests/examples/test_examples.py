"""The example of every adapter that is installed here runs offline, blocks, and leaves a sound ledger."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from wardline.ledger import read, verify

EXAMPLES = Path(__file__).parents[2] / "examples"
PREFIX = "wardline-"
INSTALLED = {
    str(one.metadata["Name"]).removeprefix(PREFIX)
    for one in distributions()
    if any(point.group == "wardline.adapters" for point in one.entry_points)
}


@pytest.mark.parametrize("adapter", sorted(INSTALLED) or ["none"])
def test_the_example_blocks_and_leaves_a_ledger_that_verifies(adapter: str, tmp_path: Path) -> None:
    if adapter == "none":
        pytest.skip("no adapter is installed here; the sessions of the adapters run this")
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, EXAMPLES / f"{adapter.replace('-', '_')}.py", "--home", home],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ledger = home / "ledger"
    assert verify(ledger).ok
    records = [one.fields for one in read(ledger)]
    decided = [one for one in records if one["type"] in ("intent", "refusal")]
    acted = [one for one in decided if one["kind"] in ("tool_call", "retrieval", "memory_write")]
    ran = [one["status"] for one in records if one["type"] == "outcome"]
    assert any(one["effect"] == "deny" for one in acted), "it blocks nothing"
    assert any(one["type"] == "intent" for one in acted), "it lets nothing run"
    assert "succeeded" in ran
    assert "Traceback" not in done.stderr
