"""A world for each test: a scripted model, tools that leave a mark, a guard with its own state."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.update(
    CREWAI_DISABLE_TELEMETRY="true",
    CREWAI_DISABLE_TRACKING="true",
    CREWAI_DISABLE_VERSION_CHECK="true",
    CREWAI_TESTING="true",
    CREWAI_TRACING_ENABLED="false",
    OTEL_SDK_DISABLED="true",
)

import pytest

_WARNINGS = (
    "ignore:Cannot set an attribute on 'crewai.rag':ImportWarning",
    "ignore::DeprecationWarning:crewai",  # its own use of its own deprecated fields
)


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what CrewAI warns about by itself."""
    for line in _WARNINGS:
        config.addinivalue_line("filterwarnings", line)


CATALOGUE = """
tools:
  read_file: {effects: [read], args: {path: string}}
  delete_file: {effects: [write, destructive], args: {path: string}}
  pay: {effects: [write], args: {to: string, amount: number}}
"""


def call(name: str, id: str = "1", **args: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(args)}
    return {"id": id, "type": "function", "function": function}


def react(name: str, **args: Any) -> str:
    return f"Thought: t\nAction: {name}\nAction Input: {json.dumps(args)}\nObservation"


class World:
    """What a test needs, and what it looks at afterwards."""

    call = staticmethod(call)
    react = staticmethod(react)

    def __init__(self, home: Path) -> None:
        from crewai import BaseLLM
        from crewai.tools import tool

        self.home = home
        self.ran: list[Any] = []
        self.heard: list[Any] = []
        self.guards: list[Any] = []
        world = self

        class Scripted(BaseLLM):
            script: list[Any]
            native: bool = True

            def call(self, messages: Any, tools: Any = None, **options: Any) -> Any:
                world.heard.append([dict(one) for one in messages])
                answer = self.script.pop(0) if self.script else "Final Answer: done"
                if isinstance(answer, Exception):
                    raise answer
                return answer

            async def acall(self, messages: Any, tools: Any = None, **options: Any) -> Any:
                return self.call(messages, tools, **options)

            def supports_function_calling(self) -> bool:
                return self.native

        @tool("read_file")
        def read_file(path: str) -> str:
            "Read a file."
            world.ran.append(("read_file", path))
            return f"contents of {path}"

        @tool("delete_file")
        def delete_file(path: str) -> str:
            "Delete a file."
            world.ran.append(("delete_file", path))
            return "deleted"

        @tool("pay")
        def pay(to: str, amount: int = 1) -> str:
            "Pay somebody."
            world.ran.append(("pay", to, amount))
            return f"paid {to}"

        self.scripted = Scripted
        self.read_file, self.delete_file, self.pay = read_file, delete_file, pay

    def guard(self, rules: str, default: str = "allow", **options: Any) -> Any:
        """Return a guard with `rules`."""
        from wardline import Guard, MemoryStore, parse_policies
        from wardline.ledger import Ledger

        head = f"apiVersion: wardline/v1\nname: test\ndefault_action: {default}\n"
        options.setdefault("store", MemoryStore())
        guard = Guard(
            parse_policies(f"{head}{CATALOGUE}{rules}"),
            home=self.home,
            ledger=Ledger(self.home / "ledger"),
            **options,
        )
        self.guards.append(guard)
        return guard

    def model(self, *script: Any, native: bool = True, **options: Any) -> Any:
        return self.scripted(model="scripted-1", script=list(script), native=native, **options)

    def agent(self, *script: Any, tools: Any = None, role: str = "worker", **options: Any) -> Any:
        """Return an agent whose model gives the answers of `script`."""
        from crewai import Agent

        native = options.pop("native", True)
        model = options.pop("llm", None) or self.model(*script, native=native)
        given = [self.read_file, self.delete_file, self.pay] if tools is None else tools
        return Agent(role=role, goal="g", backstory="b", llm=model, tools=given, **options)

    def crew(self, *agents: Any, description: str = "do it", **options: Any) -> Any:
        """Return a crew with one task for the first of the agents."""
        from crewai import Crew, Task

        task = Task(description=description, expected_output="x", agent=agents[0])
        return Crew(agents=list(agents), tasks=options.pop("tasks", [task]), **options)

    def tool_texts(self) -> list[str]:
        """Return what the model heard of its tools at last."""
        return [one["content"] for one in self.heard[-1] if one["role"] == "tool"]

    def records(self, *types: str) -> list[dict[str, Any]]:
        """Return what the ledger holds, oldest first, each record with its reference."""
        from wardline.ledger import read

        found = [{**one.fields, "ref": str(one.ref)} for one in read(self.home / "ledger")]
        return [one for one in found if not types or one["type"] in types]

    def decided(self, kind: str = "tool_call") -> list[tuple[str, str]]:
        """Return each decided action of a kind as its name and what became of it."""
        outcomes = {one["intent"]: one["status"] for one in self.records("outcome")}
        return [
            (
                one["name"],
                "refused" if one["type"] == "refusal" else outcomes.get(one["ref"], "open"),
            )
            for one in self.records("intent", "refusal")
            if one["kind"] == kind
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for guard in world.guards:
        guard.ledger.close()
        guard.close()
