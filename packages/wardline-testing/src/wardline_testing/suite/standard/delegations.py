"""Standard: an agent that asks or hands over to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.findings import NotJudged, RanDespiteDenial
from wardline_testing.script import Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.agents import nested
from wardline_testing.world import WHY

if TYPE_CHECKING:
    from wardline_testing.harness import Nesting
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit

__all__ = ["Delegations"]

_NO_HELPER = f"""
rules:
  - {{name: no-helper, on: delegation, condition: "action.name == 'helper'", action: deny, reason: {WHY}}}
"""
_WATCH = "rules: [{name: watch, on: delegation, action: audit}]"


class Delegations(Room):
    """Delegations, as calls and as hand-offs."""

    def test_denied_delegation(self, kit: Kit, path: EntryPoint, nesting: Nesting) -> None:
        """An agent to which a rule forbids to delegate never starts."""
        world = kit.world(_NO_HELPER)
        call = Say(calls=(ToolCall("pay", {"to": "inner"}, "inner-1"),))
        played = world.play(nested(world, nesting, call), path)
        if "helper" in played.scene.spoken:
            raise RanDespiteDenial("the inner agent's model was asked")
        played.never_ran("pay")
        played.noticed()
        played.decided("helper", refused=1, kind="delegation")

    def test_delegation_is_recorded(self, kit: Kit, path: EntryPoint, nesting: Nesting) -> None:
        """A delegation is an action of the one who delegates, before the other acts."""
        world = kit.world(_WATCH)
        call = Say(calls=(ToolCall("pay", {"to": "inner"}, "inner-1"),))
        played = world.play(nested(world, nesting, call), path)
        played.ended()
        (delegated,) = played.decided("helper", allowed=1, kind="delegation")
        (paid,) = played.decided("pay", allowed=1)
        if delegated.record["t"] > paid.record["t"]:
            raise NotJudged("the delegation was judged after the inner agent had acted")
        if delegated.chain or not paid.chain:
            raise NotJudged(
                f"it was delegated by {delegated.record['principal']}, and "
                f"{paid.record['principal']} acted"
            )
