"""Core: the calls of one answer are screened together, before any of them runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.findings import Mismatch, NotJudged
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.decisions import NO_SHELL
from wardline_testing.world import DONE, WHY

if TYPE_CHECKING:
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit

__all__ = ["Batches"]

_TWO = """
limits: [{name: two, count: calls, tool: pay, at_most: 2, per: session}]
"""


class Batches(Room):
    """Several calls in one answer."""

    def test_denied_sibling_never_runs(self, kit: Kit, path: EntryPoint) -> None:
        """The denied member of a batch never runs, wherever in it it stands."""
        for place in range(3):
            world = kit.world(NO_SHELL)
            calls = [ToolCall("pay", {"to": "a"}, "c1"), ToolCall("pay", {"to": "b"}, "c2")]
            calls.insert(place, ToolCall("shell", {"command": "ls"}, "c0"))
            says = (Say(calls=tuple(calls)), Say(DONE))
            played = world.play(AgentSpec(tools=world.tools.all, says=says), path)
            played.never_ran("shell")
            played.decided("shell", refused=1)
            played.visible("c0", WHY)

    def test_whole_batch_is_screened_first(self, kit: Kit, path: EntryPoint) -> None:
        """A refusal in a batch is on record before the first of its siblings starts."""
        world = kit.world(NO_SHELL)
        calls = (
            ToolCall("pay", {"to": "a"}, "c1"),
            ToolCall("pay", {"to": "b"}, "c2"),
            ToolCall("shell", {"command": "ls"}, "c3"),
        )
        agent = AgentSpec(tools=world.tools.all, says=(Say(calls=calls), Say(DONE)))
        played = world.play(agent, path)
        played.never_ran("shell")
        early = [dict(one.args) for one in played.starts("pay") if not one.refusals]
        if early:
            raise NotJudged(
                f"{early} ran before the denied call of the same answer was judged: screen the whole "
                "answer where the framework has it, before it starts anything"
            )
        (refused,) = played.decided("shell", refused=1)
        if refused.record.get("by") != "screening":
            raise Mismatch(f"the call was refused by {refused.record.get('by')}, not by screening")

    def test_limit_counts_over_the_batch(self, kit: Kit, path: EntryPoint) -> None:
        """What is over a limit is refused before any of the batch runs, in the order of the answer."""
        world = kit.world(_TWO)
        calls = tuple(ToolCall("pay", {"to": who}, f"c{who}") for who in "abc")
        agent = AgentSpec(tools=world.tools.all, says=(Say(calls=calls), Say(DONE)))
        played = world.play(agent, path)
        if any(one.args["to"] == "c" for one in played.starts("pay")):
            raise Mismatch("the third call of the answer ran although the limit is two")
        if any(not one.refusals for one in played.starts("pay")):
            raise NotJudged("the first call ran before the third was refused")
        played.visible("cc", "two")
