"""Core: a stream gives nothing out that was refused, withheld or redacted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.findings import Leaked, Mismatch
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room, needs
from wardline_testing.suite.core.decisions import NO_SHELL, one_call
from wardline_testing.world import DONE, SECRET, WHY

if TYPE_CHECKING:
    from wardline_testing.played import Played
    from wardline_testing.world import Kit

__all__ = ["Streams"]

_TRACE = "_TRACE-8c1e"
_WITHHOLD = f"""
rules: [{{name: hide, on: tool_call.after, tool: leak, action: deny, reason: {WHY}}}]
"""
_NO_TRACE = f"""
rules: [{{name: no-trace, on: output, condition: "has(args.text) && args.text.contains('{_TRACE}')", action: deny}}]
"""


class Streams(Room):
    """What a consumer of the stream can read."""

    @needs(path="stream")
    def test_stream_tells_the_answer(self, kit: Kit) -> None:
        """An allowed answer is in the stream: a report without one could leak nothing."""
        world = kit.world()
        played = world.play(one_call(world, "pay", to="alice"), "stream")
        if DONE not in "".join(played.report.stream):
            raise Mismatch("the answer of the model is not in the report's `stream`")

    @needs(path="stream")
    def test_stream_leaks_no_denied_call(self, kit: Kit) -> None:
        """A denied call does not appear in the stream as one that happens."""
        world = kit.world(NO_SHELL)
        played = world.play(one_call(world, "shell", command=_TRACE), "stream")
        played.never_ran("shell")
        _silent(played, _TRACE)

    @needs(path="stream")
    def test_stream_leaks_no_withheld_result(self, kit: Kit) -> None:
        """A result that a rule withholds does not appear in the stream."""
        world = kit.world(_WITHHOLD)
        played = world.play(one_call(world, "leak", topic="x"), "stream")
        played.ran("leak", {"topic": "x"})
        _silent(played, SECRET)

    @needs(path="stream", kind="output")
    def test_stream_leaks_no_denied_output(self, kit: Kit) -> None:
        """A final answer that a rule denies does not appear in the stream."""
        world = kit.world(_NO_TRACE)
        agent = AgentSpec(
            tools=(world.tools.pay,),
            says=(
                Say(calls=(ToolCall("pay", {"to": "alice"}),)),
                Say(f"Paid, and here is the {_TRACE}, which is secret."),
            ),
        )
        played = world.play(agent, "stream")
        _silent(played, _TRACE)
        played.noticed()


def _silent(played: Played, text: str) -> None:
    if played.error is not None and played.refusal is None:
        played.ended()
    if played.error is None and text in "".join(played.report.stream):
        raise Leaked(f"the stream says {text}: {list(played.report.stream)}")
