"""The optional tier: what an adapter declares in `optional` is tested, and nothing else is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.findings import Leaked, Mismatch, NotJudged
from wardline_testing.script import AgentSpec, Say
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.decisions import one_call
from wardline_testing.suite.core.neighbours import ONE_EACH, apart, shell_and_pay, together
from wardline_testing.world import DONE

if TYPE_CHECKING:
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit

__all__ = ["Optional"]

_TRACE = "TRACE-91aa"
_CHANGED_INPUT = f"""
rules:
  - name: changed
    on: input
    condition: "has(args.text) && args.text.contains('{_TRACE}')"
    action: transform
    set: {{args.text: "'CHANGED'"}}
"""


class Optional(Room):
    """What some frameworks let an adapter do."""

    def test_changed_input(self, kit: Kit, path: EntryPoint) -> None:
        """The model hears what a rule has made of what a person says."""
        world = kit.world(_CHANGED_INPUT)
        played = world.play(one_call(world, "pay", to="a"), path, prompt=f"please {_TRACE}")
        played.ended()
        if played.heard(_TRACE) or not played.heard("CHANGED"):
            raise Leaked(f"the model heard {played.scene.heard}")

    def test_conversation_keeps_its_session(self, kit: Kit, path: EntryPoint) -> None:
        """Two runs of one conversation belong to one session, by the framework's own id of it."""
        world = kit.world()
        for who in "ab":
            agent = one_call(world, "pay", to=who)
            world.play(agent, path, thread="conversation-7", durable=True).ended()
        sessions = {one.session for one in world.decisions("pay")}
        if len(sessions) != 1:
            raise NotJudged(f"one conversation was judged in the sessions {sessions}")

    def test_one_adapter_object_serves_two_users(self, kit: Kit, path: EntryPoint) -> None:
        """Two conversations at once through one object of the adapter's do not mix."""
        world = kit.world(ONE_EACH)
        kept: dict[str, object] = {}
        scenes = [
            world.scene(shell_and_pay(world, who), path, thread=f"thread-{who}", kept=kept)
            for who in "ab"
        ]
        first = world.scene(shell_and_pay(world, "c"), path, thread="thread-c", kept=kept)
        world.played(first).ended()
        if not kept:
            raise Mismatch(
                "the harness kept nothing in `scene.kept`: put the adapter's object there"
            )
        world.probe.forget()
        apart(world, together(*((world, scene) for scene in scenes)))

    def test_answer_without_tools(self, kit: Kit, path: EntryPoint) -> None:
        """An agent without tools is governed too: its model call is on record."""
        world = kit.world("rules: [{name: watch, on: model_call, action: audit}]")
        world.play(AgentSpec(says=(Say(DONE),)), path).ended()
        found = [one.outcomes for one in world.decisions(kind="model_call")]
        if found != [("succeeded",)]:
            raise NotJudged(f"the model answered once; the ledger says {found} of model calls")
