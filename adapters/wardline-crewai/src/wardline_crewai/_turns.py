"""A turn: one agent at work on one task or one message, and the tool calls it was screened for."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any

from crewai.flow.async_feedback import HumanFeedbackPending, PendingFeedbackContext
from crewai.flow.flow_context import current_flow_id, current_flow_method_name, current_flow_name
from crewai.hooks import HookAborted
from opentelemetry import baggage

from wardline.adapters import Suspended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline import ActionRefused
    from wardline.adapters import Place

__all__ = ["ANSWERED", "Asked", "FlowStep", "Paused", "Turn"]

ANSWERED = "answered"
"""What a flow that was suspended for an approval emits when it is resumed."""


class Paused(HookAborted):
    """Ends a run that waits for an approval; CrewAI lets nothing else leave a crew at once.

    `question` is what somebody is asked.
    """

    def __init__(self, question: Mapping[str, Any]) -> None:
        super().__init__(str(question.get("message", "")), source="wardline")
        self.question = question


class FlowStep:
    """The method of the application's flow inside which a crew or an agent was started."""

    __slots__ = ("execution", "flow", "method", "name")

    def __init__(self, execution: str) -> None:
        # A flow that goes on with a conversation still has an id of its own here.
        given = baggage.get_baggage("flow_inputs")
        kept = given.get("id") if isinstance(given, dict) else None
        self.flow = str(kept or current_flow_id.get() or "")
        self.name = current_flow_name.get() or ""
        self.method = current_flow_method_name.get()
        self.execution = execution

    def pending(self, paused: Paused) -> HumanFeedbackPending:
        """Return what suspends the flow, with the question in `callback_info`."""
        question = dict(paused.question)
        context = PendingFeedbackContext(
            flow_id=self.flow,
            flow_class=self.name,
            method_name=self.method,
            method_output=None,
            message=str(question.get("message", "")),
            emit=[ANSWERED],
            default_outcome=ANSWERED,
            metadata={"wardline": question},
            execution_uuid=self.execution or None,
        )
        return HumanFeedbackPending(context, callback_info={"wardline": question})


class Asked:
    """A call that the model asked for; `refused` if screening did not let it through."""

    __slots__ = ("digest", "id", "name", "refused")

    def __init__(self, name: str, digest: str, id: str) -> None:
        self.name = name
        self.digest = digest
        self.id = id
        self.refused: ActionRefused | None = None


class Turn:
    """One agent at work on one task or one message.

    `key` names the turn in its session, the same again in another process. `tools` are the agent's, by
    the name that its model knows them under. `parked` are what ends the run before the next model call;
    turns inside one another share it, because CrewAI swallows what is raised inside a coworker.
    """

    def __init__(
        self, agent: Any, task: Any, place: Place, key: str, step: FlowStep, outer: Turn | None
    ) -> None:
        self.agent = agent
        self.task = task
        self.place = place
        self.key = key
        self.step = step
        self.tools: dict[str, Any] = {}
        self.parked: list[HookAborted] = outer.parked if outer is not None else []
        self._lock = Lock()
        self._asked: list[Asked] = []
        self._counts: Counter[str] = Counter()

    def ask(self, name: str, given: Mapping[str, Any]) -> Asked:
        """Return a new call.

        CrewAI starts a task again from its beginning, and a model gives the same call another id then:
        what stays is the tool, the arguments, and how often they have come.
        """
        digest = _digest(given)
        with self._lock:
            self._counts[f"{name}/{digest}"] += 1
            count = self._counts[f"{name}/{digest}"]
        return Asked(name, digest, f"{self.key}/{name}/{digest}/{count}")

    def expect(self, asked: list[Asked]) -> None:
        """Remember the calls of an answer that were screened."""
        with self._lock:
            self._asked += asked

    def start(self, name: str, given: Mapping[str, Any]) -> Asked:
        """Return the call that starts now.

        One whose arguments were changed since is found by its name: a refused one first.
        """
        digest = _digest(given)
        with self._lock:
            same = [one for one in self._asked if one.name == name]
            exact = [one for one in same if one.digest == digest]
            refused = [one for one in same if one.refused is not None]
            found = next(iter([*exact, *refused, *same]), None)
            if found is not None:
                self._asked.remove(found)
        if found is None or (found not in exact and found.refused is None):
            return self.ask(name, given)
        return found

    def again(self) -> None:
        """Forget what was asked: CrewAI starts the task anew, and its calls are those of before."""
        with self._lock:
            self._asked.clear()
            self._counts.clear()

    def stop(self) -> None:
        """Raise what ends the run, if something does."""
        if self.parked:
            raise self.parked[0]

    @property
    def suspend(self) -> Any:
        """Return what suspends the run with a question; None outside a flow, where nothing can."""
        return _suspend if self.step.flow else None


def _suspend(question: dict[str, Any]) -> Any:
    raise Suspended(question)


def _digest(given: Mapping[str, Any]) -> str:
    text = json.dumps(given, sort_keys=True, default=repr, ensure_ascii=False)
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
