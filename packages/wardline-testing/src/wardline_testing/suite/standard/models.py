"""Standard: model calls, what people say, and what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.findings import Leaked, Mismatch, NotJudged, RanDespiteDenial
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.decisions import one_call
from wardline_testing.world import DONE, WHY

if TYPE_CHECKING:
    from wardline_testing.played import Played
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit, World

__all__ = ["Models"]

_TRACE = "TRACE-2d90"
_NO_MODEL = f"rules: [{{name: no-model, on: model_call, action: deny, reason: {WHY}}}]"
_TOKENS = "limits: [{name: tokens, count: tokens, at_most: 50000, per: session}]"
_NO_INPUT = f"""
rules:
  - {{name: no-input, on: input, condition: "has(args.text) && args.text.contains('{_TRACE}')", action: deny}}
"""
_NO_OUTPUT = _NO_INPUT.replace("input", "output")
_CHANGED = f"""
rules:
  - name: changed
    on: output
    condition: "has(args.text) && args.text.contains('{_TRACE}')"
    action: transform
    set: {{args.text: "'CHANGED'"}}
"""
_NO_ANSWER = f"""
rules:
  - {{name: no-answer, on: model_call.after, condition: "string(action.result).contains('{_TRACE}')", action: deny}}
"""


class Models(Room):
    """What reaches a model, and what comes from it."""

    def test_denied_model_call(self, kit: Kit, path: EntryPoint) -> None:
        """A model that a rule denies is never asked."""
        world = kit.world(_NO_MODEL)
        played = world.play(one_call(world, "pay", to="alice"), path)
        _never_asked(played)
        played.noticed()
        if not any(one.refused for one in world.decisions(kind="model_call")):
            raise NotJudged("there is no refusal of a model call on record")

    def test_model_calls_are_recorded(self, kit: Kit, path: EntryPoint) -> None:
        """Every request of a model is one action, with its outcome."""
        world = kit.world("rules: [{name: watch, on: model_call, action: audit}]")
        played = world.play(one_call(world, "pay", to="alice"), path)
        played.ended()
        found = [one.outcomes for one in world.decisions(kind="model_call")]
        if found != [("succeeded",)] * 2:
            raise NotJudged(f"the model answered twice; the ledger says {found} of model calls")

    def test_tokens_are_counted(self, kit: Kit, path: EntryPoint) -> None:
        """What a model says that it took counts, and over the limit it is not asked again."""
        world = kit.world(_TOKENS)
        says = (Say(calls=(ToolCall("pay", {"to": "a"}),), tokens=60_000), Say(DONE))
        played = world.play(AgentSpec(tools=world.tools.all, says=says), path)
        if played.scene.spoken.get("root") != 1:
            raise Mismatch(
                f"the model took 60,000 tokens of 50,000, and was asked {played.scene.spoken} times"
            )
        played.noticed()

    def test_denied_input(self, kit: Kit, path: EntryPoint) -> None:
        """What a person may not say never reaches a model."""
        world = kit.world(_NO_INPUT)
        played = world.play(one_call(world, "pay", to="a"), path, prompt=f"please {_TRACE}")
        _never_asked(played)
        played.noticed()

    def test_denied_output(self, kit: Kit, path: EntryPoint) -> None:
        """A final answer that a rule denies does not reach the caller."""
        world = kit.world(_NO_OUTPUT)
        played = world.play(_tells(world), path)
        _unsaid(played)
        played.noticed()

    def test_changed_output(self, kit: Kit, path: EntryPoint) -> None:
        """The caller gets what a rule has made of the final answer."""
        world = kit.world(_CHANGED)
        played = world.play(_tells(world), path)
        _unsaid(played)
        if "CHANGED" not in played.report.final:
            raise Mismatch(f"the caller got {played.report.final!r}")

    def test_withheld_answer(self, kit: Kit, path: EntryPoint) -> None:
        """An answer of the model that a rule withholds reaches nobody."""
        world = kit.world(_NO_ANSWER)
        played = world.play(_tells(world), path)
        _unsaid(played)
        played.noticed()


def _tells(world: World) -> AgentSpec:
    return AgentSpec(tools=world.tools.all, says=(Say(f"the answer is {_TRACE}, as it happens"),))


def _unsaid(played: Played) -> None:
    if played.error is None and _TRACE in played.report.final + "".join(played.report.stream):
        raise Leaked(f"the caller got {_TRACE}: {played.report}")


def _never_asked(played: Played) -> None:
    if played.scene.spoken:
        raise RanDespiteDenial(f"the model was asked {played.scene.spoken} times")
