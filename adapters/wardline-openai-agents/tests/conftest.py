"""Quiet the SDK before it is imported, and give each test a world of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.update(OPENAI_AGENTS_DISABLE_TRACING="1", DO_NOT_TRACK="1")
os.environ.pop("OPENAI_API_KEY", None)
sys.path.insert(0, str(Path(__file__).parent))

import pytest
from agents.run import get_default_agent_runner, set_default_agent_runner
from openai_world import World, close_default_loop


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    runner = get_default_agent_runner()
    world = World(tmp_path)
    yield world
    for guard in world.guards:
        guard.ledger.close()
        guard.close()
    set_default_agent_runner(runner)


@pytest.fixture(autouse=True)
def default_loop() -> Iterator[None]:
    """Close the event loop that `Runner.run_sync` leaves open for the next run of its thread."""
    yield
    close_default_loop()
