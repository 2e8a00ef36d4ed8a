from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wardline import Guard, MemoryStore, PolicySet, parse_policies
from wardline.ledger import Ledger, read, verify
from wardline.store.sqlite import SQLiteStore

HEAD = "apiVersion: wardline/v1\nname: p\ndefault_action: {default}\n"


def policy(body: str = "", default: str = "allow") -> PolicySet:
    text = body if "apiVersion" in body else HEAD.format(default=default) + textwrap.dedent(body)
    return parse_policies(text, file="policy.yaml")


class Bench:
    """Guards over one directory, and what they wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: list[Guard] = []

    def guard(
        self,
        body: str | PolicySet = "",
        *,
        default: str = "allow",
        tools: str = "",
        **settings: Any,
    ) -> Guard:
        """Return a guard over `body`, with a store in memory unless `sqlite` or `store` is given."""
        if settings.pop("sqlite", False):
            settings["store"] = SQLiteStore(self.path / "state.db")
        settings.setdefault("store", MemoryStore())
        settings.setdefault("ledger", Ledger(self.path / "ledger", durability="batch"))
        policies = policy(body, default) if isinstance(body, str) else body
        guard = Guard(policies, **settings)
        for name in tools.split():
            guard.register("tool_call", name)
        self._open.append(guard)
        return guard

    def records(self, *types: str) -> list[dict[str, Any]]:
        """Return what is in the ledger, of these types."""
        for guard in self._open:
            if guard.ledger.durability == "none":
                guard.ledger.flush()
        fields = [dict(record.fields) for record in read(self.path / "ledger")]
        return [one for one in fields if not types or one["type"] in types]

    def decisions(self) -> list[dict[str, Any]]:
        """Return the binding decision records."""
        return self.records("intent", "refusal")

    def check(self) -> None:
        """Fail unless the ledger is intact."""
        report = verify(self.path / "ledger")
        assert report.ok, str(report)

    def close(self) -> None:
        for guard in self._open:
            guard.close()
            guard.ledger.close()
            guard.store.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()
    if (tmp_path / "ledger").exists():
        made.check()


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start another Python process on a piece of code; `sys.argv[1]` is the directory of the test."""

    def start(code: str, *args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), str(tmp_path), *args]
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
