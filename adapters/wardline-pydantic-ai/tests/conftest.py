"""Give each test a world of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import pytest
from pydantic_ai import models
from pydantic_world import World, close_default_loop

models.ALLOW_MODEL_REQUESTS = False


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("wardline_pydantic_ai._net._backstop", False)
    world = World(tmp_path)
    yield world
    for guard in world.guards:
        guard.ledger.close()
        guard.close()


@pytest.fixture(autouse=True)
def default_loop() -> Iterator[None]:
    """Close the event loop that `run_sync` leaves open for the next run of its thread."""
    yield
    close_default_loop()
