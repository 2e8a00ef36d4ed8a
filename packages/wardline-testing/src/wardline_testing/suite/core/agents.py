"""Core: agents that other agents call or hand over to are governed without being told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.findings import Crashed, Mismatch
from wardline_testing.played import causes
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.decisions import NO_SHELL
from wardline_testing.world import DONE, WHY

if TYPE_CHECKING:
    from wardline_testing.harness import Nesting
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit, World

__all__ = ["Agents", "nested"]

_ONE_SHELL = """
limits: [{name: one-shell, count: calls, tool: shell, at_most: 1, per: session}]
"""
_ODD_NAMES = ("Support agent", "\u00dcn\u00efc\u00f6de \u4e2d\u6587", "a.b-c/d:e", "x" * 60)


def nested(world: World, nesting: Nesting, *says: Say, first: tuple[Say, ...] = ()) -> AgentSpec:
    """Return an agent that calls or hands over to `helper`, which says `says`."""
    helper = AgentSpec("helper", tools=world.tools.all, says=(*says, Say("helped")))
    if nesting == "call":
        asks = Say(asks="helper", text="do it")
        return AgentSpec(tools=world.tools.all, says=(*first, asks, Say(DONE)), calls=(helper,))
    over = Say(hands_to="helper", text="do it")
    return AgentSpec(tools=world.tools.all, says=(*first, over), hands_to=(helper,))


class Agents(Room):
    """Sub-agents, agents as tools, and hand-offs."""

    def test_sub_agent_is_governed(self, kit: Kit, path: EntryPoint, nesting: Nesting) -> None:
        """A call that the policy denies is refused to an inner agent too, and it hears of that."""
        world = kit.world(NO_SHELL)
        call = Say(calls=(ToolCall("shell", {"command": "ls"}, "inner-1"),))
        played = world.play(nested(world, nesting, call), path)
        played.ended()
        played.never_ran("shell")
        played.decided("shell", refused=1)
        if "helper" not in played.scene.spoken:
            raise Mismatch("the inner agent's model was never asked")
        if not played.heard(WHY, "helper"):
            raise Mismatch("the inner agent's model was never told that its call was refused")

    def test_sub_agent_acts_on_behalf(self, kit: Kit, path: EntryPoint, nesting: Nesting) -> None:
        """What an inner agent does is recorded as done by it, on behalf of the outer one."""
        world = kit.world()
        call = Say(calls=(ToolCall("pay", {"to": "inner"}, "inner-1"),))
        outer = Say(calls=(ToolCall("pay", {"to": "outer"}, "outer-1"),))
        played = world.play(nested(world, nesting, call, first=(outer,)), path)
        played.ended()
        played.ran("pay", {"to": "outer", "amount": 1}, {"to": "inner", "amount": 1})
        played.judged_before()
        found = {one.args["to"]: one for one in played.decided("pay", allowed=2)}
        above, below = found["outer"], found["inner"]
        if above.chain or not below.chain or below.chain[-1] != above.record["principal"]["id"]:
            raise Mismatch(
                f"the outer agent acted as {above.record['principal']}, the inner one as "
                f"{below.record['principal']}: its chain should end with the outer one"
            )
        if nesting == "call" and not below.depth:
            raise Mismatch("the inner agent's session does not lie below the outer agent's")

    def test_sub_agent_shares_the_limits(
        self, kit: Kit, path: EntryPoint, nesting: Nesting
    ) -> None:
        """What an inner agent does counts in the session of the outer one."""
        world = kit.world(_ONE_SHELL)
        outer = Say(calls=(ToolCall("shell", {"command": "outer"}, "outer-1"),))
        inner = Say(calls=(ToolCall("shell", {"command": "inner"}, "inner-1"),))
        played = world.play(nested(world, nesting, inner, first=(outer,)), path)
        played.ended()
        played.ran("shell", {"command": "outer"})
        played.decided("shell", allowed=1, refused=1)

    def test_odd_agent_names(self, kit: Kit, path: EntryPoint) -> None:
        """Any name that the framework accepts for an agent is accepted."""
        for name in _ODD_NAMES:
            world = kit.world(NO_SHELL)
            calls = (ToolCall("pay", {"to": "a"}, "c1"), ToolCall("shell", {"command": "x"}, "c2"))
            agent = AgentSpec(name, tools=world.tools.all, says=(Say(calls=calls), Say(DONE)))
            played = world.play(agent, path)
            if played.error is not None and not played.scene.spoken:
                _refused_by_the_framework(type(self).adapter, name, played.error)
                continue
            played.ended()
            played.ran("pay", {"to": "a", "amount": 1})
            played.never_ran("shell")
            played.decided("shell", refused=1)


def _refused_by_the_framework(adapter: str, name: str, error: BaseException) -> None:
    """Expect that it was not the adapter, or Wardline, that would not have this name."""
    ours = ("wardline.", f"{adapter.replace('-', '_')}.")
    for one in causes(error):
        trace = one.__traceback__
        last = ""
        while trace is not None:
            last = str(trace.tb_frame.f_globals.get("__name__", "")) + "."
            trace = trace.tb_next
        if last.startswith(ours):
            raise Crashed(f"an agent named {name!r} was not accepted: {error!r}") from error
