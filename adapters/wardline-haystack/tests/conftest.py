"""A world for each test: a guard with its own state, agents with a scripted model, tools that leave a mark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

import pytest
from haystack import tracing
from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage, ToolCall
from haystack.tools import Tool, tool

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read
from wardline_haystack import govern

CATALOGUE = """
tools:
  read_file: {effects: [read], args: {path: string}}
  delete_file: {effects: [write, destructive], args: {path: string}}
  pay: {effects: [write], args: {to: string, amount: number}}
  input: {args: {text: string}}
  output: {args: {text: string}}
  mock-model: {args: {messages: list(map)}}
  retriever: {args: {query: string}}
  writer: {args: {text: string}}
  helper: {args: {text: string}}
"""
GO = [ChatMessage.from_user("go")]


class World:
    """What a test needs, and what it looks at afterwards."""

    go = GO

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ran: list[Any] = []
        self.guards: list[Guard] = []
        world = self

        @tool
        def read_file(path: str) -> str:
            "Read a file."
            world.ran.append(("read_file", path))
            return f"contents of {path}"

        @tool
        def delete_file(path: str) -> str:
            "Delete a file."
            world.ran.append(("delete_file", path))
            return "deleted"

        @tool
        def pay(to: str, amount: int = 1) -> str:
            "Pay somebody."
            world.ran.append(("pay", to, amount))
            return f"paid {to}"

        self.read_file, self.delete_file, self.pay = read_file, delete_file, pay
        self.tools: list[Tool] = [read_file, delete_file, pay]

    def guard(self, policy: str, **options: Any) -> Guard:
        """Return a guard with the rules in `policy`; a document's head is added where it has none."""
        if "apiVersion" not in policy:
            policy = f"apiVersion: wardline/v1\nname: test\n{CATALOGUE}{policy}"
        options.setdefault("store", MemoryStore())
        if options["store"] is None:
            del options["store"]
        options.setdefault("ledger", Ledger(self.home / "ledger"))
        guard = Guard(parse_policies(policy), home=self.home, **options)
        self.guards.append(guard)
        return guard

    def plain(self, *answers: Any, tools: Any = None, **options: Any) -> Agent:
        """Return an agent that nothing governs, whose model gives `answers` and then says "done"."""
        return Agent(
            chat_generator=options.pop("model", None) or MockChatGenerator([*answers, "done"]),
            tools=self.tools if tools is None else tools,
            **options,
        )

    def agent(
        self,
        policy: str | Guard,
        *answers: Any,
        tools: Any = None,
        on_denied: Any = "message",
        suspend: bool = False,
        **options: Any,
    ) -> Agent:
        """Return such an agent under `policy`."""
        guard = policy if isinstance(policy, Guard) else self.guard(policy)
        agent = self.plain(*answers, tools=tools, **options)
        return govern(agent, guard, on_denied=on_denied, suspend=suspend)

    def records(self, *types: str) -> list[dict[str, Any]]:
        """Return what the ledger holds, oldest first, each record with its reference."""
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

    @staticmethod
    def turn(*calls: tuple[str, dict[str, Any]], text: str = "") -> ChatMessage:
        """Return an answer of the model with tool calls in it."""
        made = [ToolCall(name, args, id=str(n)) for n, (name, args) in enumerate(calls)]
        return ChatMessage.from_assistant(text or None, tool_calls=made)

    @staticmethod
    def results(out: Any) -> list[tuple[str, bool]]:
        """Return the results in a transcript, and whether each is an error."""
        found = [one.tool_call_result for one in out["messages"] if one.tool_call_result]
        return [(str(one.result), one.error) for one in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    tracing.disable_tracing()
    for guard in world.guards:
        guard.ledger.close()
        guard.close()
