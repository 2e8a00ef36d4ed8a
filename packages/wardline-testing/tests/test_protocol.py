"""The suite for single calls, played by a client instead of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

pytest.importorskip("toyagents", reason="needs packages/wardline-testing/toy installed")

from toyagents import Tool

from wardline import ActionRefused, Guard
from wardline.adapters import Adapter, Call, Covered, Place, Way
from wardline_testing import Denial, Never, ProtocolConformance, RunReport, Scene
from wardline_testing.suite.conformance import tests_of as listed


class Server:
    """A server of tools that judges every call, and answers a refused one with an error."""

    def __init__(self, guard: Guard, tools: Sequence[Any], session: str) -> None:
        self.adapter = Adapter("toy protocol", guard, ("tool_call",))
        self.tools = {one.name: Tool(one.name, coroutine=one.coroutine) for one in tools}
        self.defaults = {one.name: one.defaults for one in tools}
        self.place = Place.open(guard, "toy-protocol", session=session)
        self.calls = 0

    async def call(self, name: str, args: dict[str, Any]) -> tuple[bool, str]:
        self.calls += 1
        call = Call(
            name,
            args,
            id=f"{self.place.ids['run']}/{self.calls}",
            bind=lambda given: {**self.defaults.get(name, {}), **given},
            known=name in self.tools,
        )
        try:
            return False, str(
                await self.adapter.act(Way(loop=True), self.place, call, self.run(name))
            )
        except ActionRefused as refused:
            return True, str(refused)
        except RuntimeError as error:
            return True, f"it failed: {error}"

    def run(self, name: str) -> Any:
        return lambda args, _: self.tools[name].acall(args)


class TestProtocol(ProtocolConformance):
    adapter = "wardline-testing"
    framework = "toy-protocol"
    distributions = ("toyagents",)
    kinds = ("tool_call",)
    paths = ("async",)
    denials: ClassVar = {"message": Denial.REFUSED}
    no_rewriter = "nothing stands between this server and its tools"
    gaps: ClassVar = {"test_coverage_names_the_ungoverned": Never("the server governs all it has")}

    async def run(self, scene: Scene) -> RunReport:
        assert scene.guard is not None
        server = Server(scene.guard, scene.agent.tools, scene.thread)
        refused: dict[str, str] = {}
        got: list[str] = []
        while not (said := scene.speak("root", got)).final:
            for one in said.calls:
                failed, text = await server.call(one.tool, dict(one.args))
                got.append(text)
                if failed:
                    refused[one.id] = text
        return RunReport(final="\n".join(got), refused=refused)

    async def coverage(self, scene: Scene) -> Sequence[Covered]:
        return [Covered("tool_call", one.name, "server", True) for one in scene.agent.tools]


def test_single_calls_have_no_batches_streams_and_agents() -> None:
    names = set(listed(ProtocolConformance))
    assert {"test_denied_by_argument", "test_later_hook_cannot_smuggle"} <= names
    assert not any("sub_agent" in one or "stream" in one or "batch" in one for one in names)
    assert asyncio.iscoroutinefunction(TestProtocol.run)
