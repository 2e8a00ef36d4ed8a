from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read

HEAD = "apiVersion: wardline/v1\nname: p\ndefault_action: allow\n"


class House:
    """Guards over one ledger, and what they wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[Guard] = []

    def guard(self, body: str = "", **settings: Any) -> Guard:
        settings.setdefault("store", MemoryStore())
        settings.setdefault("ledger", Ledger(self.path / "ledger"))
        guard = Guard(parse_policies(HEAD + textwrap.dedent(body)), **settings)
        self._open.append(guard)
        return guard

    def records(self, *types: str) -> list[dict[str, Any]]:
        found = [dict(record.fields) for record in read(self.path / "ledger")]
        return [one for one in found if not types or one["type"] in types]

    def close(self) -> None:
        for guard in self._open:
            guard.ledger.close()
            guard.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()


@pytest.fixture
def make(house: House) -> Callable[..., Guard]:
    return house.guard
