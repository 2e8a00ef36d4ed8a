"""Standard: a run that is stopped in its middle."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from wardline import Operator
from wardline_testing.findings import Crashed, NotWhatHappened, RanDespiteDenial
from wardline_testing.played import Played, in_thread
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.world import DONE

if TYPE_CHECKING:
    from wardline_testing.scene import EntryPoint, Scene
    from wardline_testing.world import Kit, World

__all__ = ["Interruptions"]

_PATIENCE = 10.0
"""Seconds in which a tool has to start, or a cancelled run to end."""


class Interruptions(Room):
    """A freeze and a cancellation, while a tool runs."""

    def test_freeze_in_mid_run(self, kit: Kit, path: EntryPoint) -> None:
        """Nothing starts any more once somebody has frozen everything."""
        world = kit.world(durable=True)

        def freeze() -> None:
            with Operator(world.home) as operator:
                operator.freeze("everything", "", "the kit says so")

        world.tools.act = freeze
        says = (
            Say(calls=(ToolCall("freeze", {"why": "x"}, "c1"),)),
            Say(calls=(ToolCall("pay", {"to": "alice"}, "c2"),)),
            Say(DONE),
        )
        tools = (*world.tools.all, world.tools.freeze)
        played = world.play(AgentSpec(tools=tools, says=says), path)
        played.ran("freeze", {"why": "x"})
        played.never_ran("pay")
        played.noticed()

    def test_cancellation(self, kit: Kit, awaited: EntryPoint) -> None:
        """A tool that runs when its run is cancelled ends as `unknown`, and nothing starts any more."""
        if awaited == "sync":
            raise Crashed("a framework without an event loop has no cancellation: declare `Never`")
        world = kit.world()
        says = (
            Say(calls=(ToolCall("slow", {"text": "x"}, "c1"),)),
            Say(calls=(ToolCall("pay", {"to": "alice"}, "c2"),)),
            Say(DONE),
        )
        tools = (*world.tools.all, world.tools.slow)
        scene = world.scene(AgentSpec(tools=tools, says=says), awaited)
        in_thread(lambda: asyncio.run(_cancelled(self, world, scene))).get()
        played = Played(world, scene, None, None)
        played.never_ran("pay")
        (decided,) = played.decided("slow", allowed=1)
        if decided.outcomes != ("unknown",):
            raise NotWhatHappened(
                f"`slow` was cancelled while it ran; the ledger says {decided.outcomes}"
            )


async def _cancelled(room: Room, world: World, scene: Scene) -> None:
    """Run a scene, and cancel it while `slow` waits."""
    task = asyncio.ensure_future(room.run(scene))
    for _ in range(int(_PATIENCE * 100)):
        if world.tools.begun.is_set() or task.done():
            break
        await asyncio.sleep(0.01)
    if not world.tools.begun.is_set():
        task.cancel()
        raise Crashed("the tool that was to be cancelled never started")
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait([task], timeout=_PATIENCE)
    if not task.done():
        raise RanDespiteDenial("the run goes on although it was cancelled")
    await asyncio.sleep(0.05)  # for what goes on although nobody waits for it
