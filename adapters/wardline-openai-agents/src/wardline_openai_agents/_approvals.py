"""Approvals: the SDK's interruptions, and the approvals of the guard that they stand for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agents import RunState

from wardline import AnswerRefused, ConfigurationError
from wardline.adapters import Place, Way, asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agents import Agent
    from agents.items import ToolApprovalItem

    from wardline import Approval, Guard

__all__ = ["answer", "place_of", "questions", "settle"]

_NAME = "openai-agents"
_OPEN = ("pending", "approved", "denied", "expired", "cancelled")


def questions(result: Any) -> list[dict[str, Any]]:
    """Return what a suspended run asks: the approval's id, the tool, its arguments, who may answer.

    `result` is what `Runner` returned, or a `RunState` of a governed agent.
    """
    items = result.get_interruptions() if isinstance(result, RunState) else result.interruptions
    found = []
    for item in items:
        guard = _guard(item.agent)
        found += [asked(one) for one in _narrow(_approvals(guard, item))]
    return found


async def answer(state: RunState[Any, Any], given: Mapping[str, Any]) -> None:
    """Give an answer, `{"approved": bool, "by": "os:<login>"}`, to what a suspended run asks.

    The application vouches for `by`. `approval` says which question is meant where there are several.
    The run goes on by `Runner.run(governed, state)`, and with what the guard then decides. Raises
    `AnswerRefused` for an answer that does not count.
    """
    waiting = [
        (item, one)
        for item in state.get_interruptions()
        for one in _narrow(_approvals(_guard(item.agent), item))
        if one.status == "pending" and given.get("approval") in (None, one.id)
    ]
    if len(waiting) != 1:
        raise AnswerRefused(
            f"{len(waiting)} questions of this run could be meant: say which, {{'approval': '<id>', …}}"
        )
    ((item, approval),) = waiting
    governed: Any = item.agent
    adapter = governed.governor.adapter
    complete = {**given, "approval": approval.id}
    if why := await adapter.answer(Way(loop=True), approval.id, complete):
        raise AnswerRefused(why)


def place_of(guard: Guard, state: RunState[Any, Any], conversation: str) -> Place | None:
    """Return where a suspended run was, None where none of its questions is the guard's.

    The SDK's state has no room for our ids, but the approvals know them. Raises `ConfigurationError`
    where the state could be of several runs.
    """
    found: dict[tuple[str, str], Approval] = {}
    for item in state.get_interruptions():
        for one in _approvals(guard, item):
            run, session = one.run.split("/")[0], one.session.removesuffix(f"/{one.run}")
            if conversation in ("", session):
                found.setdefault((session, run), one)
    if not found:
        return None
    if len(found) > 1:
        raise ConfigurationError(
            "this state could be of several runs that wait for an approval, because the model's ids of "
            "calls are not unique; give every run a `session=`, `conversation_id=` or "
            "RunConfig(group_id=…) of its own"
        )
    (((session, run), approval),) = found.items()
    if approval.run == run:
        return Place.again(guard, _NAME, approval)
    return Place.open(guard, _NAME, session=session, run=run)


def settle(guard: Guard, place: Place, state: RunState[Any, Any]) -> None:
    """Let the SDK go on with every call whose question is settled; the guard then decides."""
    for item in state.get_interruptions():
        mine = [
            one
            for one in _approvals(guard, item)
            if one.run.split("/")[0] == place.ids["run"].split("/")[0]
        ]
        if mine and not any(_waits(one) for one in mine):
            state.approve(item)


def _waits(approval: Approval) -> bool:
    return approval.status == "pending" and time.time() * 1_000_000 < approval.expires


def _approvals(guard: Guard, item: ToolApprovalItem) -> list[Approval]:
    """Return the approvals that an interruption may stand for."""
    name, id = item.qualified_name, item.call_id
    if not name or not id:
        return []
    return [
        one
        for one in guard.store.approvals()
        if one.name == name and one.call_id.endswith(f"/{id}") and one.status in _OPEN
    ]


def _narrow(found: Iterable[Approval]) -> Sequence[Approval]:
    """Return the last approval of each call."""
    return list({(one.session, one.call_id): one for one in found}.values())


def _guard(agent: Agent[Any]) -> Guard:
    governor = getattr(agent, "governor", None)
    if governor is None:
        raise ConfigurationError(
            f"nobody governs `{agent.name}`; load the state with the governed agent"
        )
    guard: Guard = governor.adapter.guard
    return guard
