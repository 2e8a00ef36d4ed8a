"""Standard: what goes on around a refusal, and what a framework does again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.findings import Mismatch, Overrun
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.decisions import NO_SHELL
from wardline_testing.world import DONE, WHY

if TYPE_CHECKING:
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit

__all__ = ["Turns"]


class Turns(Room):
    """Batches and turns."""

    def test_siblings_of_a_denied_call_go_on(self, kit: Kit, path: EntryPoint) -> None:
        """The other calls of the batch run, and the model gets all results and the one refusal."""
        world = kit.world(NO_SHELL)
        calls = (
            ToolCall("pay", {"to": "a"}, "c1"),
            ToolCall("shell", {"command": "ls"}, "c2"),
            ToolCall("pay", {"to": "b"}, "c3"),
        )
        agent = AgentSpec(tools=world.tools.all, says=(Say(calls=calls), Say(DONE)))
        played = world.play(agent, path)
        if set(played.report.refused) != {"c2"}:
            raise Mismatch(f"one call was denied; the report says {dict(played.report.refused)}")
        played.ran("pay", {"to": "a", "amount": 1}, {"to": "b", "amount": 1})
        last = played.scene.heard[-1][1]
        for text in ("paid a 1", "paid b 1", WHY):
            if text not in last:
                raise Mismatch(f"the model was not sent {text!r} after the batch")
        if DONE not in played.report.final:
            raise Mismatch("the run did not go on after the refusal")

    def test_call_ids_may_repeat(self, kit: Kit, path: EntryPoint) -> None:
        """Models use their ids again: the same call in a later turn is another action."""
        world = kit.world()
        turn = Say(calls=(ToolCall("pay", {"to": "alice"}, "1"),))
        agent = AgentSpec(tools=world.tools.all, says=(turn, turn, Say(DONE)))
        played = world.play(agent, path)
        played.ended()
        played.ran("pay", *({"to": "alice", "amount": 1},) * 2)
        played.decided("pay", allowed=2)

    def test_every_attempt_is_judged(self, kit: Kit, path: EntryPoint) -> None:
        """If the framework tries a failed tool again, that is judged and recorded again."""
        world = kit.world()
        tools = (*world.tools.all, world.tools.flaky)
        says = (Say(calls=(ToolCall("flaky", {"text": "x"}),)), Say(DONE))
        played = world.play(AgentSpec(tools=tools, says=says), path)
        outcomes = [one.outcomes for one in world.decisions("flaky") if not one.refused]
        starts = len(played.starts("flaky"))
        if outcomes != [("failed",), ("succeeded",)][:starts]:
            raise Overrun(f"`flaky` started {starts} times; the ledger says {outcomes}")
