"""Core: what is allowed runs once, what is denied never, and the ledger says what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.ledger import verify
from wardline_testing.findings import Mismatch, NotWhatHappened
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.world import DONE, WHY

if TYPE_CHECKING:
    from typing import Literal

    from wardline_testing.played import Played
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit, World

__all__ = ["NO_SHELL", "Decisions", "one_call"]

NO_SHELL = f"rules: [{{name: no-shell, tool: shell, action: deny, reason: {WHY}}}]"
_NO_RM = f"""
rules:
  - {{name: no-rm, tool: shell, condition: "args.command.startsWith('rm')", action: deny, reason: {WHY}}}
"""
_ONLY_PAY = """
default_action: deny
rules: [{name: pay-anybody, tool: pay, action: allow}]
"""


def one_call(world: World, tool: str, **args: object) -> AgentSpec:
    """Return an agent that has all tools and calls one of them."""
    return AgentSpec(tools=world.tools.all, says=(Say(calls=(ToolCall(tool, args),)), Say(DONE)))


class Decisions(Room):
    """One call at a time."""

    def test_allowed_call_runs_once(self, kit: Kit, path: EntryPoint) -> None:
        """It runs with the model's arguments, after its intent, and the run ends normally."""
        world = kit.world()
        played = world.play(one_call(world, "pay", to="alice", amount=3), path)
        final = played.report.final
        played.ran("pay", {"to": "alice", "amount": 3})
        (decided,) = played.decided("pay", allowed=1)
        played.judged_before()
        framework = decided.record.get("framework")
        if framework != type(self).framework:
            raise Mismatch(
                f"the action says that its framework is {framework!r}, the harness says "
                f"{type(self).framework!r}"
            )
        if self.has_model and DONE not in final:
            raise Mismatch(f"the model ended with {DONE!r}, the run with {final!r}")
        if played.report.refused:
            raise Mismatch(
                f"nothing was refused, but the report says {dict(played.report.refused)}"
            )
        if self.has_model and not played.heard("paid alice 3"):
            raise Mismatch("the model never got the result of the tool")

    def test_denied_by_name(
        self, kit: Kit, path: EntryPoint, on_denied: Literal["message", "raise"]
    ) -> None:
        """A tool that a rule denies never runs, and whoever has to learns of it."""
        world = kit.world(NO_SHELL)
        _denied(world.play(one_call(world, "shell", command="ls"), path, on_denied=on_denied))

    def test_denied_by_argument(
        self, kit: Kit, path: EntryPoint, on_denied: Literal["message", "raise"]
    ) -> None:
        """A call denied for its arguments never runs; the same tool with others does."""
        world = kit.world(_NO_RM)
        _denied(world.play(one_call(world, "shell", command="rm -r /"), path, on_denied=on_denied))
        world = kit.world(_NO_RM)
        played = world.play(one_call(world, "shell", command="ls"), path, on_denied=on_denied)
        played.ran("shell", {"command": "ls"})

    def test_denied_by_default(self, kit: Kit, path: EntryPoint) -> None:
        """What no rule allows never runs where the default is to deny."""
        world = kit.world(_ONLY_PAY)
        played = world.play(one_call(world, "shell", command="ls"), path)
        played.never_ran("shell")
        played.decided("shell", refused=1)
        played.visible("call-1", "builtin:default")

    def test_unregistered_name_is_refused(self, kit: Kit, path: EntryPoint) -> None:
        """A name that no tool has is refused on record, whatever the policy's default; nothing runs."""
        world = kit.world()
        agent = AgentSpec(
            tools=(world.tools.pay,),
            says=(Say(calls=(ToolCall("no_such_tool", {"to": "alice"}),)), Say(DONE)),
        )
        played = world.play(agent, path)
        played.never_ran("pay")
        played.decided("no_such_tool", refused=1)

    def test_every_call_has_one_decision(self, kit: Kit, path: EntryPoint) -> None:
        """Each call of each turn has exactly one binding decision, before it runs."""
        world = kit.world(_NO_RM)
        turns = (
            Say(calls=(ToolCall("pay", {"to": "a"}, "c1"), ToolCall("pay", {"to": "b"}, "c2"))),
            Say(calls=(ToolCall("shell", {"command": "ls"}, "c3"),)),
            Say(calls=(ToolCall("shell", {"command": "rm x"}, "c4"),)),
            Say(calls=(ToolCall("pay", {"to": "c"}, "c5"),)),
            Say(DONE),
        )
        played = world.play(AgentSpec(tools=world.tools.all, says=turns), path)
        played.ran("pay", *({"to": who, "amount": 1} for who in "abc"))
        played.ran("shell", {"command": "ls"})
        played.decided("pay", allowed=3)
        played.decided("shell", allowed=1, refused=1)
        played.judged_before()
        played.visible("c4", WHY)

    def test_ledger_says_what_happened(self, kit: Kit, path: EntryPoint) -> None:
        """What returned is `succeeded`, what raised is `failed`, and the chain holds."""
        world = kit.world()
        world.play(one_call(world, "pay", to="alice"), path)
        world.play(
            one_call(world, "broken", text="x"), path
        )  # raises or goes on, as the framework does
        for tool, truth in (("pay", "succeeded"), ("broken", "failed")):
            said = [one.outcomes for one in world.decisions(tool)]
            ran = len(world.probe.of(tool))
            if said != [(truth,)] * ran or not ran:
                raise NotWhatHappened(
                    f"`{tool}` ran {ran} times and {truth}; the ledger says {said}"
                )
        world.ledger.close()
        if not (found := verify(world.ledger.directory)).ok:
            raise NotWhatHappened(str(found))


def _denied(played: Played) -> None:
    played.never_ran("shell")
    played.decided("shell", refused=1)
    played.visible("call-1", WHY)
