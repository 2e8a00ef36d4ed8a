"""Core: guards, conversations and entry points do not leak into each other, and decide alike."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from wardline_testing.findings import Mismatch
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.decisions import NO_SHELL
from wardline_testing.world import DONE, WHY

if TYPE_CHECKING:
    from wardline_testing.played import Played
    from wardline_testing.scene import EntryPoint, Scene
    from wardline_testing.world import Kit, World

__all__ = ["ONE_EACH", "Neighbours", "apart", "shell_and_pay", "together"]

ONE_EACH: Final = f"""
limits: [{{name: one-each, count: calls, tool: pay, at_most: 1, per: session}}]
rules: [{{name: no-shell, tool: shell, action: deny, reason: {WHY}}}]
"""


class Neighbours(Room):
    """Two of everything at once."""

    def test_two_guards_do_not_leak(self, kit: Kit, path: EntryPoint) -> None:
        """Two runs at once under two guards: each is judged by its own."""
        strict, open_ = kit.world(NO_SHELL), kit.world()
        first, second = together(
            (strict, strict.scene(shell_and_pay(strict, "x"), path)),
            (open_, open_.scene(shell_and_pay(open_, "y"), path)),
        )
        first.never_ran("shell")
        first.decided("shell", refused=1)
        first.ran("pay", {"to": "x", "amount": 1})
        second.ran("shell", {"command": "y"})
        second.decided("shell", allowed=1)
        second.ran("pay", {"to": "y", "amount": 1})
        for played in (first, second):
            played.decided("pay", allowed=1)
            played.judged_before()

    def test_two_conversations_do_not_mix(self, kit: Kit, path: EntryPoint) -> None:
        """Two conversations at once under one guard: each counts and acts in its own session."""
        world = kit.world(ONE_EACH)
        scenes = [
            world.scene(shell_and_pay(world, who), path, thread=f"thread-{who}") for who in "ab"
        ]
        apart(world, together(*((world, scene) for scene in scenes)))

    def test_every_path_decides_the_same(self, kit: Kit) -> None:
        """All entry points decide, refuse and run the same."""
        seen = {}
        for path in type(self).paths:
            world = kit.world(NO_SHELL)
            played = world.play(shell_and_pay(world, "z"), path)
            seen[path] = (
                sorted((one.name, one.refused, str(one.args)) for one in world.decisions()),
                sorted((one.tool, str(one.args)) for one in world.probe.starts),
                dict(played.report.refused),
                played.report.final,
            )
        first, *others = seen
        for other in others:
            if seen[other] != seen[first]:
                raise Mismatch(f"{first} gives {seen[first]}, {other} gives {seen[other]}")


def apart(world: World, played: list[Played]) -> None:
    """Expect that two conversations, about `a` and `b`, each had a session of its own."""
    for one in played:
        if one.error is not None:
            one.ended()
    played[0].ran("pay", {"to": "a", "amount": 1}, {"to": "b", "amount": 1})
    sessions = {
        who: {one.session for one in world.decisions() if who in one.args.values()} for who in "ab"
    }
    if any(len(found) != 1 for found in sessions.values()) or sessions["a"] & sessions["b"]:
        raise Mismatch(f"the sessions of two conversations were {sessions}")


def shell_and_pay(world: World, who: str) -> AgentSpec:
    """Return an agent that pays somebody and, in the same answer, runs a command called like them."""
    says = (
        Say(calls=(ToolCall("pay", {"to": who}, "c1"), ToolCall("shell", {"command": who}, "c2"))),
        Say(DONE),
    )
    return AgentSpec(tools=world.tools.all, says=says)


def together(*plays: tuple[World, Scene]) -> list[Played]:
    """Play scenes at the same time; their models answer only when all have been asked."""
    gate = threading.Barrier(len(plays))

    def meets(_: str) -> None:
        with suppress(threading.BrokenBarrierError):
            gate.wait(5)

    def play(world: World, scene: Scene) -> Played:
        scene.spoke = meets
        return world.played(scene)

    with ThreadPoolExecutor(len(plays)) as pool:
        return [one.result() for one in [pool.submit(play, *one) for one in plays]]
