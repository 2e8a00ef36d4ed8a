"""A world for each test: a guard with its own state, agents with a scripted model, tools that leave a mark."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read
from wardline_llama_index import govern

CATALOGUE = """
tools:
  read_file: {effects: [read], args: {path: string}}
  delete_file: {effects: [write, destructive], args: {path: string}}
  pay: {effects: [write], args: {to: string, amount: number}}
"""


def pytest_configure(config: Any) -> None:
    # A context is kept without its memory, as LlamaIndex says each time.
    line = "ignore:Skipping serialization of known unserializable key"
    config.addinivalue_line("filterwarnings", line)
    # Its ReActAgent asks inside of a step what its workflows say is not asked there.
    config.addinivalue_line("filterwarnings", "ignore:is_running called:DeprecationWarning")
    # LlamaIndex looks for steps among all attributes of an agent, deprecated ones of pydantic too.
    for name in ("__fields__", "__fields_set__", "model_fields", "model_computed_fields"):
        line = f"ignore:.*[`']{name}[`'] attribute:DeprecationWarning"
        config.addinivalue_line("filterwarnings", line)


class World:
    """What a test needs, and what it looks at afterwards."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ran: list[Any] = []
        self.guards: list[Guard] = []
        world = self

        def read_file(path: str) -> str:
            "Read a file."
            world.ran.append(("read_file", path))
            return f"contents of {path}"

        def delete_file(path: str) -> str:
            "Delete a file."
            world.ran.append(("delete_file", path))
            return "deleted"

        async def pay(to: str, amount: int = 1) -> str:
            "Pay somebody."
            world.ran.append(("pay", to, amount))
            return f"paid {to}"

        self.tools: list[Any] = [read_file, delete_file, pay]

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

    def plain(self, *answers: Any, tools: Any = None, name: str = "root", **options: Any) -> Any:
        """Return an agent that nothing governs, whose model gives `answers` and then says "done"."""
        kind = options.pop("kind", FunctionAgent)
        llm = options.pop("llm", None) or self.model(*answers)
        tools = self.tools if tools is None else tools
        return kind(tools=tools, llm=llm, name=name, description=f"The {name}.", **options)

    def agent(
        self,
        policy: str | Guard,
        *answers: Any,
        on_denied: Any = "message",
        suspend: bool = False,
        **options: Any,
    ) -> Any:
        """Return such an agent under `policy`."""
        guard = policy if isinstance(policy, Guard) else self.guard(policy)
        return govern(self.plain(*answers, **options), guard, on_denied=on_denied, suspend=suspend)

    @staticmethod
    def model(*answers: Any) -> MockFunctionCallingLLM:
        """Return a model that gives `answers`, and keeps what it was sent in `sent`."""
        sent: list[list[ChatMessage]] = []

        def answer(messages: Any, **_: Any) -> ChatMessage:
            sent.append(list(messages))
            said = answers[len(sent) - 1] if len(sent) <= len(answers) else "done"
            if isinstance(said, str):
                return ChatMessage(role="assistant", content=said)
            return said.model_copy(deep=True)

        llm = MockFunctionCallingLLM(response_generator=answer)
        llm.__dict__["sent"] = sent
        return llm

    @staticmethod
    def run(agent: Any, text: str = "go", **given: Any) -> tuple[Any, list[Any]]:
        """Run an agent; return its result and everything that it streamed."""

        async def main() -> tuple[Any, list[Any]]:
            handler = agent.run(user_msg=text, **given)
            events = [event async for event in handler.stream_events()]
            return await handler, events

        return asyncio.run(main())

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
        blocks: list[Any] = [TextBlock(text=text)] if text else []
        blocks += [
            ToolCallBlock(tool_call_id=str(number), tool_name=name, tool_kwargs=args)
            for number, (name, args) in enumerate(calls)
        ]
        return ChatMessage(role="assistant", blocks=blocks)

    @staticmethod
    def told(llm: Any) -> list[str]:
        """Return the results of tools that a model was told at last."""
        return [one.content for one in llm.sent[-1] if one.role == "tool"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for guard in world.guards:
        guard.ledger.close()
        guard.close()
