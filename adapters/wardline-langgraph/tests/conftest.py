"""Telemetry is off before the framework is imported; tests find the modules beside them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.update(LANGSMITH_TRACING="false", LANGCHAIN_TRACING_V2="false")
sys.path.insert(0, str(Path(__file__).parent))

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from scripted import Speaking

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read


def pytest_configure(config: pytest.Config) -> None:
    """LangChain silences this warning of its own for the whole process, which two threads undo."""
    config.addinivalue_line(
        "filterwarnings", "ignore:Support for class-based `config`:DeprecationWarning"
    )


class House:
    """Guards over one ledger, tools that leave a mark, and models that say what they are told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ran: list[Any] = []
        self.heard: list[list[Any]] = []
        self._open: list[Guard] = []
        house = self

        @tool
        def pay(to: str, amount: int = 1) -> str:
            "Pay somebody."
            house.ran.append((to, amount))
            return f"paid {to}"

        @tool
        def wipe(disk: str) -> str:
            "Wipe a disk."
            house.ran.append(disk)
            return "empty"

        self.pay, self.wipe, self.tools = pay, wipe, [pay, wipe]

    def guard(self, policy: str = "", **options: Any) -> Guard:
        if "default_action:" not in policy:
            policy = f"default_action: allow\n{policy}"
        options.setdefault("store", MemoryStore())
        options.setdefault("ledger", Ledger(self.path / "ledger"))
        head = "apiVersion: wardline/v1\nname: p\napprovers: [payers]\n"
        guard = Guard(parse_policies(head + policy), home=self.path, **options)
        self._open.append(guard)
        return guard

    def model(self, *answers: Any) -> Speaking:
        """Return a model that gives these answers, by how often it has spoken in a conversation."""

        def says(messages: list[Any]) -> AIMessage:
            self.heard.append(messages)
            spoken = sum(isinstance(one, AIMessage) for one in messages)
            answer = answers[spoken] if spoken < len(answers) else "done"
            if isinstance(answer, AIMessage):
                return answer.model_copy(deep=True)
            return AIMessage(answer)

        return Speaking(says=says)

    def records(self, *types: str, kind: str = "") -> list[dict[str, Any]]:
        found = [dict(one.fields) for one in read(self.path / "ledger")]
        found = [one for one in found if not types or one["type"] in types]
        return [one for one in found if not kind or one.get("kind") == kind]

    def close(self) -> None:
        for guard in self._open:
            guard.ledger.close()
            guard.close()


def calls(*made: tuple[str, dict[str, Any]]) -> AIMessage:
    """Return an answer that makes calls, with the ids 0, 1, …"""
    return AIMessage(
        "",
        tool_calls=[
            {"name": name, "args": args, "id": str(number)}
            for number, (name, args) in enumerate(made)
        ],
    )


House.calls = staticmethod(calls)  # type: ignore[attr-defined]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.close()
