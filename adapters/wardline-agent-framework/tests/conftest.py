"""What the tests share: a switched-off telemetry, and the warnings of the framework itself."""

from __future__ import annotations

import os

os.environ.update(ENABLE_INSTRUMENTATION="false", AGENT_FRAMEWORK_USER_AGENT_DISABLED="true")

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
    UsageDetails,
)

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read
from wardline_agent_framework import WardlineMiddleware


class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
    """A client whose model gives its `turns`, one a call, and writes down what it was sent."""

    model = "scripted"

    def __init__(self, *turns: Any) -> None:
        super().__init__()
        self.turns = list(turns)
        self.heard: list[str] = []

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **more: Any) -> Any:
        self.heard.append("\n".join(str(message.to_dict()) for message in messages))
        turn = self.turns.pop(0) if self.turns else "done"
        pieces = turn if isinstance(turn, tuple) else (turn,)
        contents = [
            Content.from_text(one) if isinstance(one, str) else one
            for piece in pieces
            for one in (piece if isinstance(piece, list) else [piece])
        ]
        if stream:

            async def updates() -> AsyncIterator[ChatResponseUpdate]:
                for content in contents:
                    yield ChatResponseUpdate(role="assistant", contents=[content])

            return ResponseStream(updates(), finalizer=ChatResponse.from_updates)

        async def response() -> Any:
            message = Message(role="assistant", contents=contents)
            used = UsageDetails(total_token_count=100)
            return ChatResponse(messages=[message], usage_details=used)

        return response()


class World:
    """A guard with its own ledger, a tool that leaves a mark, and agents under it."""

    Scripted = Scripted

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ran: list[Any] = []
        self._guards: list[Guard] = []
        ran = self.ran

        def pay(to: str, amount: int = 1) -> str:
            """Pay somebody."""
            ran.append((to, amount))
            return f"paid {to} SECRET"

        self.pay = pay

    def guard(self, policy: str, **options: Any) -> Guard:
        head = "apiVersion: wardline/v1\nname: test\ndefault_action: allow\napprovers: [team]\n"
        catalogue = "tools: {pay: {args: {to: string, amount: number}}}\n"
        guard = Guard(
            parse_policies(head + catalogue + policy),
            store=MemoryStore(),
            ledger=Ledger(self.home / "ledger"),
            approvers={"team": ["os:alice"]},
            **options,
        )
        self._guards.append(guard)
        return guard

    def middleware(self, policy: str | Guard = "", **options: Any) -> WardlineMiddleware:
        guard = policy if isinstance(policy, Guard) else self.guard(policy)
        return WardlineMiddleware(guard, **options)

    def agent(self, policy: Any, *turns: Any, name: str = "root", **options: Any) -> Agent:
        """Return an agent; `policy` None leaves it without middleware of ours."""
        options.setdefault("tools", [self.pay])
        mine = options.pop("middleware", [])
        denied = {"on_denied": options.pop("on_denied")} if "on_denied" in options else {}
        if policy is not None:
            ours = isinstance(policy, WardlineMiddleware)
            mine = [policy if ours else self.middleware(policy, **denied), *mine]
        return Agent(client=Scripted(*turns), name=name, middleware=mine, **options)

    def play(self, agent: Agent, message: Any = "go", **options: Any) -> Any:
        return asyncio.run(agent.run(message, **options))

    def stream(self, agent: Agent, message: Any = "go", **options: Any) -> list[Any]:
        async def run() -> list[Any]:
            return [update async for update in agent.run(message, stream=True, **options)]

        return asyncio.run(run())

    def records(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the decisions in the ledger, with what came of each as `status`."""
        records = [{**one.fields, "ref": str(one.ref)} for one in read(self.home / "ledger")]
        ends = {one["intent"]: one["status"] for one in records if one["type"] == "outcome"}
        return [
            {
                **one,
                "status": ends.get(one["ref"], "open") if one["type"] == "intent" else "refused",
            }
            for one in records
            if one["type"] in ("intent", "refusal") and (not kinds or one["kind"] in kinds)
        ]

    def decided(self, *kinds: str) -> list[tuple[str, str]]:
        return [(one["name"], one["status"]) for one in self.records(*(kinds or ("tool_call",)))]

    @staticmethod
    def called(name: str, id: str = "1", /, **args: Any) -> Content:
        return Content.from_function_call(call_id=id, name=name, arguments=args)

    @staticmethod
    def results(response: Any) -> list[str]:
        contents = [one for message in response.messages for one in message.contents]
        return [str(one.result) for one in contents if one.type == "function_result"]

    def close(self) -> None:
        for guard in self._guards:
            guard.ledger.close()
            guard.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()
