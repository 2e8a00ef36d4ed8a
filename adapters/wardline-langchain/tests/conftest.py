"""A world for each test: a scripted model, tools that leave a mark, a guard with its own state."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.update(LANGSMITH_TRACING="false", LANGCHAIN_TRACING_V2="false")

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import BaseTool, tool

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read
from wardline_langchain import WardlineMiddleware

USAGE = {"input_tokens": 60, "output_tokens": 40, "total_tokens": 100}


def pytest_configure(config: pytest.Config) -> None:
    """LangChain silences this warning of its own for the whole process, which two threads undo."""
    config.addinivalue_line(
        "filterwarnings", "ignore:Support for class-based `config`:DeprecationWarning"
    )


CATALOGUE = """
tools:
  read_file: {effects: [read], args: {path: string}}
  delete_file: {effects: [write, destructive], args: {path: string}}
  pay: {effects: [write], args: {to: string, amount: number}}
  shell: {args: {command: string, unsafe: boolean}}
  plain: {args: {x: number, force: boolean}}
"""


class Scripted(BaseChatModel):
    """Answers by how often it has spoken before, so it needs no memory of its own."""

    model_name: str = "scripted-1"
    answers: list[AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _answer(self, messages: list[BaseMessage]) -> AIMessage:
        spoken = sum(message.type == "ai" for message in messages)
        if spoken >= len(self.answers):
            return AIMessage("done", usage_metadata=USAGE)
        answer = self.answers[spoken]
        return answer.model_copy(update={"usage_metadata": USAGE}, deep=True)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        return ChatResult(generations=[ChatGeneration(message=self._answer(messages))])

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        answer = self._answer(messages)
        words = answer.text.split(" ") if answer.text else []
        pieces = [word + " " * (number < len(words) - 1) for number, word in enumerate(words)]
        chunks = [AIMessageChunk(piece) for piece in pieces]
        calls = [
            {"name": c["name"], "args": json.dumps(c["args"]), "id": c["id"], "index": i}
            for i, c in enumerate(answer.tool_calls)
        ]
        chunks.append(AIMessageChunk("", tool_call_chunks=calls, usage_metadata=USAGE))
        for chunk in chunks:
            generation = ChatGenerationChunk(message=chunk)
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=generation)
            yield generation


class World:
    """What a test needs, and what it looks at afterwards."""

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
        self.tools: list[BaseTool] = [read_file, delete_file, pay]

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

    def middleware(self, policy: str | Guard, **options: Any) -> WardlineMiddleware:
        guard = policy if isinstance(policy, Guard) else self.guard(policy)
        return WardlineMiddleware(guard, **options)

    def agent(
        self,
        policy: str | Guard | WardlineMiddleware,
        *answers: AIMessage,
        tools: Any = None,
        before: Any = (),
        after: Any = (),
        on_denied: Any = "message",
        **options: Any,
    ) -> Any:
        """Return an agent under `policy` whose model gives `answers`."""
        if not isinstance(policy, WardlineMiddleware):
            policy = self.middleware(policy, on_denied=on_denied)
        return create_agent(
            options.pop("model", None) or Scripted(answers=list(answers)),
            self.tools if tools is None else tools,
            middleware=[*before, policy, *after],
            **options,
        )

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


def call(name: str, id: str = "1", **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": id}


def turn(*calls: dict[str, Any], text: str = "") -> AIMessage:
    return AIMessage(text, tool_calls=list(calls))


def tool_texts(out: Any) -> list[str]:
    return [message.content for message in out["messages"] if message.type == "tool"]


GO = {"messages": [HumanMessage("go")]}

World.scripted = Scripted  # type: ignore[attr-defined]
World.call, World.turn, World.tool_texts, World.go = (  # type: ignore[attr-defined]
    staticmethod(call),
    staticmethod(turn),
    staticmethod(tool_texts),
    GO,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for guard in world.guards:
        guard.ledger.close()
        guard.close()
