"""Standard: arguments and results that a rule changes or withholds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.findings import Leaked, Mismatch, NotWhatHappened
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.decisions import one_call
from wardline_testing.world import SECRET, WHY

if TYPE_CHECKING:
    from wardline_testing.played import Played
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit

__all__ = ["Results"]

_ONE_AT_MOST = """
rules: [{name: one-at-most, tool: pay, action: transform, set: {args.amount: "1"}}]
"""
_GONE = """
rules: [{name: gone, on: tool_call.after, tool: leak, action: transform, set: {result: "'GONE'"}}]
"""
_HIDE = f"""
rules: [{{name: hide, on: tool_call.after, tool: leak, action: deny, reason: {WHY}}}]
"""


class Results(Room):
    """What goes into a tool and what comes out of it."""

    def test_transform_reaches_the_body(self, kit: Kit, path: EntryPoint) -> None:
        """The body gets the arguments that a rule has made of them."""
        world = kit.world(_ONE_AT_MOST)
        played = world.play(one_call(world, "pay", to="alice", amount=900), path)
        played.ended()
        played.ran("pay", {"to": "alice", "amount": 1})
        played.judged_before()

    def test_defaults_are_judged(self, kit: Kit, path: EntryPoint) -> None:
        """Arguments that the model leaves out are judged as the body will get them."""
        world = kit.world()
        played = world.play(one_call(world, "pay", to="alice"), path)
        (decided,) = played.decided("pay", allowed=1)
        if dict(decided.args) != {"to": "alice", "amount": 1}:
            raise Mismatch(f"the body got an amount of 1; what was judged is {dict(decided.args)}")

    def test_redacted_result(self, kit: Kit, path: EntryPoint) -> None:
        """The model gets of a result what the rules have left of it."""
        world = kit.world(_GONE)
        played = world.play(one_call(world, "leak", topic="x"), path)
        played.ended()
        played.ran("leak", {"topic": "x"})
        _unheard(played)
        told = played.heard("GONE") if self.has_model else "GONE" in played.report.final
        if not told:
            raise Mismatch("the model never got what the rule made of the result")

    def test_withheld_result(self, kit: Kit, path: EntryPoint) -> None:
        """The model gets a refusal instead of a withheld result, and the ledger says `withheld`."""
        world = kit.world(_HIDE)
        played = world.play(one_call(world, "leak", topic="x"), path)
        played.ran("leak", {"topic": "x"})
        _unheard(played)
        played.visible("call-1", "hide")
        (decided,) = played.decided("leak", allowed=1)
        if decided.outcomes != ("withheld",):
            raise NotWhatHappened(f"the result was withheld; the ledger says {decided.outcomes}")


def _unheard(played: Played) -> None:
    if played.heard(SECRET):
        raise Leaked(f"a model was sent {SECRET}")
    if played.error is None and SECRET in played.report.final + "".join(played.report.stream):
        raise Leaked(f"the caller was given {SECRET}")
