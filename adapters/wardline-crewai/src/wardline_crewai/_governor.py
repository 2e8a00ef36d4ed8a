"""What stands between CrewAI and the guard: turns, tool calls, model calls, texts, memories."""

from __future__ import annotations

import copy
import json
from collections import Counter, OrderedDict
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Literal
from weakref import WeakValueDictionary

from crewai.execution import get_execution_uuid
from crewai.hooks import HookAborted
from crewai.tools.tool_failure import ToolFailure
from crewai.utilities.agent_utils import extract_tool_call_info

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Adapter, Call, Place, Plain, Suspended, Tickets, Way, now
from wardline_crewai._turns import Asked, FlowStep, Paused, Turn
from wardline_crewai._twins import become

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from wardline import Guard, PolicySet
    from wardline.adapters import Result

__all__ = ["KINDS", "TICKETS", "Governor"]

KINDS: Final = (
    "run",
    "input",
    "model_call",
    "tool_call",
    "delegation",
    "memory_read",
    "memory_write",
    "retrieval",
    "output",
)
"""The kinds of action that this adapter sees."""

_RUNS: Final = 1024
"""How many runs a governor remembers."""

TICKETS: Final = Tickets(
    "crewai", "Let an agent that `wardline_crewai.govern` has governed call it"
)
"""What the tools of governed agents look for when they start."""

_turn: ContextVar[Turn | None] = ContextVar("wardline_crewai_turn", default=None)


class Governor:
    """What governs the crews and agents that were given to one call of `govern`.

    `guard` is a `Guard`, or what one is made from. `on_denied` says what becomes of a refusal:
    "message" tells the model, "raise" ends the run. `unused` names kinds of action that never happen
    here although the policy has rules for them. `backstop` lets the tools of governed agents start by
    nobody else.

    Raises `ConfigurationError` for a rule that could never be asked, and what `Guard` raises.
    """

    def __init__(
        self,
        guard: Guard | str | Path | PolicySet | Sequence[str | Path],
        *,
        on_denied: Literal["message", "raise"] = "message",
        unused: Collection[str] = (),
        backstop: bool = True,
    ) -> None:
        if on_denied not in ("message", "raise"):
            raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
        self.adapter = Adapter(
            "CrewAI", guard, KINDS, unused=unused, cannot_wait=("output",), tickets=TICKETS
        )
        self.backstop = backstop
        self.guard = self.adapter.guard
        self.raises = on_denied == "raise"
        self._lock = Lock()
        self._turns: OrderedDict[str, Counter[str]] = OrderedDict()
        self._twins: WeakValueDictionary[int, Any] = WeakValueDictionary()

    def twin(self, one: Any, methods: Any) -> Any:
        """Return the governed copy of what may be shared with others; one copy of each."""
        if isinstance(one, methods) and getattr(one, "_governor", None) is self:
            return one
        with self._lock:
            found = self._twins.get(id(one))
            if found is None:
                found = become(copy.copy(one), methods, self)
                found.__pydantic_private__["_original"] = one  # so that nothing else gets its id
                self._twins[id(one)] = found
        return found

    # Turns

    def here(self, agent: Any = None) -> Turn:
        """Return the turn of the calling code, or a new one outside any: a model or a memory alone."""
        turn = _turn.get()
        if turn is not None and turn.place.guard is self.guard:
            return turn
        return self._open(agent, None, "alone")

    @contextmanager
    def turn(self, agent: Any, task: Any, key: str) -> Iterator[tuple[Turn, bool]]:
        """Be in the turn of `agent` at `task`; yield it, and whether it is there already.

        It is where CrewAI starts a task anew that an error has ended. `key` names the task in its run.
        """
        turn = _turn.get()
        if task is not None and turn is not None and turn.agent is agent and turn.task is task:
            turn.again()
            yield turn, True
            return
        turn = self._open(agent, task, key)
        token = _turn.set(turn)
        try:
            with turn.place:
                yield turn, False
        finally:
            _turn.reset(token)
            if any(isinstance(one, Paused) for one in turn.parked):
                self._count(turn.key.rpartition("/")[0], -1)  # it goes on in the same turn

    def _count(self, path: str, by: int) -> int:
        """Count the turns of a path; those of a run that was long ago are forgotten."""
        run = path.partition("/")[0]
        with self._lock:
            counts = self._turns.setdefault(run, Counter())
            self._turns.move_to_end(run)
            if len(self._turns) > _RUNS:
                self._turns.popitem(last=False)
            counts[path] += by
            return counts[path]

    def _open(self, agent: Any, task: Any, key: str) -> Turn:
        outer = _turn.get()
        if outer is not None and outer.place.guard is not self.guard:
            outer = None
        execution = get_execution_uuid() or ""
        role = str(getattr(agent, "role", ""))
        path = f"{outer.key}/{role}/{key}" if outer is not None else f"{execution}/{key}"
        path = f"{path}/{self._count(path, 1)}"
        step = outer.step if outer is not None else FlowStep(execution)
        if self.guard.here() is None:
            session = step.flow or execution
            place = Place.open(self.guard, "crewai", session=session, run=execution)
        else:  # a coworker: its session has the same name again where CrewAI starts the task anew
            session = path if outer is not None else ""
            place = Place.open(self.guard, "crewai", session=session, agent=role)
        return Turn(agent, task, place, path, step, outer)

    def stop(self, turn: Turn, refused: ActionRefused) -> HookAborted:
        """Return what ends the run for a refusal; CrewAI swallows or retries every other error.

        It is parked as well: even this one goes no further where a coworker raises it.
        """
        stop = HookAborted(str(refused), source="wardline")
        stop.__cause__ = refused
        turn.parked.append(stop)
        return stop

    # Tools

    async def screen(self, way: Way, turn: Turn, answer: Sequence[Any]) -> bool:
        """Judge all calls of one answer together; return whether all of them may go on."""
        calls: list[Call] = []
        asked: list[Asked] = []
        for one in answer:
            info = extract_tool_call_info(one)
            given = _arguments(info[2]) if info is not None else None
            if info is None or given is None:
                continue  # CrewAI answers a call that it cannot read by itself, and starts nothing
            tool = turn.tools.get(info[1])
            asked.append(turn.ask(tool.name if tool else info[1], given))
            calls.append(
                Call(
                    asked[-1].name,
                    given,
                    id=asked[-1].id,
                    bind=tool.bound if tool else None,
                    known=tool is not None,
                )
            )
        verdicts = await self.adapter.screen(way, turn.place, calls)
        for one, verdict in zip(asked, verdicts, strict=True):
            one.refused = verdict
        turn.expect(asked)
        refused = [one for one in asked if one.refused is not None]
        if refused and self.raises:
            assert refused[0].refused is not None
            raise self.stop(turn, refused[0].refused)
        return not refused

    async def tool_call(
        self,
        way: Way,
        turn: Turn,
        tool: Any,
        given: Mapping[str, Any],
        body: Callable[[dict[str, Any], str], Any],
    ) -> Any:
        """Authorise a tool call on its final arguments, run it, and judge what it returns.

        `body` gets the arguments and the id of the call. A refusal comes back as CrewAI's own
        `ToolFailure`, which answers the very call.
        """
        asked = turn.start(tool.name, given)
        if asked.refused is not None:
            return self._failure(turn, asked.refused)
        call = Call(tool.name, given, id=asked.id, bind=tool.bound)
        try:
            return await self.adapter.act(
                way,
                turn.place,
                call,
                lambda args, _: body(args, asked.id),
                result=tool.returned,
                stored=_kept,
                suspend=turn.suspend,
            )
        except Suspended as suspended:
            turn.parked.append(Paused(suspended.question))
            return ToolFailure(message=str(suspended))
        except ActionRefused as refused:
            return self._failure(turn, refused)

    def _failure(self, turn: Turn, refused: ActionRefused) -> ToolFailure:
        if self.raises:
            self.stop(turn, refused)
        return ToolFailure(message=str(refused))

    async def delegate(
        self, way: Way, turn: Turn, coworker: str, args: Mapping[str, Any], id: str, body: Any
    ) -> Any:
        """Authorise that work goes to `coworker`, before it starts, and let it."""
        call = Call(coworker, args, id=f"{id}/delegation", parent=id)
        return await self.adapter.act(
            way, turn.place, call, body, kind="delegation", suspend=turn.suspend
        )

    # Texts, memories, documents

    def text(self, kind: str, text: str) -> str:
        """Return what of a text may go in or out; raises an `ActionRefused` where nothing may."""
        if not self.guard.policies.speaks_of(kind):
            return text
        return now(self.adapter.text(Way(loop=False), self.here().place, kind, text))

    async def step(
        self,
        way: Way,
        kind: str,
        name: str,
        args: Mapping[str, Any],
        body: Callable[[dict[str, Any]], Any],
        result: Callable[[Any], Result] = Plain,
    ) -> Any:
        """Authorise a step of the framework that is no tool or model call, and judge what it gives."""
        given = {key: value for key, value in args.items() if value is not None}
        turn = self.here()
        try:
            return await self.adapter.act(
                way,
                turn.place,
                Call(name, given),
                lambda final, _: body(final),
                kind=kind,
                result=result,
            )
        except ActionRefused as refused:
            if self.raises:  # CrewAI does without what it did not get, and goes on
                self.stop(turn, refused)
            raise


def _arguments(raw: Any) -> dict[str, Any] | None:
    """Return the arguments of a call as CrewAI reads them; None where it cannot."""
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except json.JSONDecodeError:
            return None
    return dict(raw) if isinstance(raw, dict) else None


def _kept(result: Any) -> Any:
    return result
