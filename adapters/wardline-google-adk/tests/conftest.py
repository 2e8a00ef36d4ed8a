"""What the tests share: apps of scripted agents, and the warnings of ADK itself."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

os.environ.update(OTEL_SDK_DISABLED="true", ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS="false")

import pytest
from google.adk.agents import LlmAgent
from google.adk.apps import App
from google.adk.events import Event
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.genai import types

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read
from wardline_google_adk import WardlinePlugin

logging.getLogger("google_adk").setLevel(logging.CRITICAL)


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what ADK warns of about itself, and nothing else."""
    for line in (
        r"ignore:\[EXPERIMENTAL\]:UserWarning",
        r"ignore:The `plugins` argument is deprecated:DeprecationWarning",  # AgentTool's own use
    ):
        config.addinivalue_line("filterwarnings", line)


class Scripted(BaseLlm):
    """A model that gives its `turns`, one a call, and writes down what it was sent."""

    model: str = "scripted"
    turns: list[Any]
    heard: list[str]

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        self.heard.append(llm_request.model_dump_json(include={"contents"}))
        turn = self.turns.pop(0) if self.turns else "done"
        for answer in turn if isinstance(turn, tuple) else (turn,):
            yield answer if isinstance(answer, LlmResponse) else LlmResponse(content=said(answer))


def said(answer: Any) -> types.Content:
    """Return what a model says: a text, a call or a list of calls."""
    if isinstance(answer, str):
        answer = types.Part(text=answer)
    return types.Content(role="model", parts=answer if isinstance(answer, list) else [answer])


def called(name: str, /, id: str | None = None, **args: Any) -> types.Part:
    return types.Part(function_call=types.FunctionCall(name=name, args=args, id=id))


class World:
    """A guard with its own ledger, a tool that leaves a mark, and the runs of apps under it."""

    said, called = staticmethod(said), staticmethod(called)

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

    def agent(self, *turns: Any, name: str = "root", **options: Any) -> LlmAgent:
        options.setdefault("tools", [self.pay])
        model = Scripted(turns=list(turns), heard=[])
        return LlmAgent(name=name, description="An agent.", model=model, **options)

    def runner(self, policy: str | Guard, root: Any, *others: Any, **options: Any) -> Runner:
        """Return a runner of an app with the governor first."""
        services = {
            k: options.pop(k) for k in ("memory_service", "artifact_service") if k in options
        }
        services.setdefault("session_service", options.pop("sessions", InMemorySessionService()))
        guard = policy if isinstance(policy, Guard) else self.guard(policy)
        plugins = [WardlinePlugin(guard, **options), *others]
        app = App(name="shop", root_agent=root, plugins=plugins)
        return Runner(app=app, auto_create_session=True, **services)

    def play(
        self, runner: Runner, message: Any = "go", *, session: str = "s", **options: Any
    ) -> list[Event]:
        """Run an app on a message and return its events."""
        if isinstance(message, str):
            message = types.Content(role="user", parts=[types.Part(text=message)])
        options.setdefault("user_id", "u")

        async def run() -> list[Event]:
            events = runner.run_async(session_id=session, new_message=message, **options)
            return [event async for event in events]

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
    def texts(events: list[Event]) -> list[str]:
        parts = [
            part for one in events for part in (one.content.parts if one.content else None) or ()
        ]
        return [part.text for part in parts if part.text]

    @staticmethod
    def responses(events: list[Event]) -> list[Any]:
        return [one.response for event in events for one in event.get_function_responses()]

    def close(self) -> None:
        for guard in self._guards:
            guard.ledger.close()
            guard.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()
