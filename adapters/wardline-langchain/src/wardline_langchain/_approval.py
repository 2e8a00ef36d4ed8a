"""Approvals: a run that has a checkpointer is suspended, and asks again when it is resumed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from langgraph.types import interrupt

from wardline import Action, AnswerRefused, Approval, ApprovalPending, Guard, Permit, Reply

if TYPE_CHECKING:
    from wardline_langchain._way import Way

__all__ = ["permitted"]


async def permitted(
    way: Way, action: Action, opaque: Collection[str] = (), *, suspend: bool
) -> Permit:
    """Return the permit for `action`; where an approval is pending, suspend the run if it can be.

    A resumed run comes by here again from the start: it is judged anew, because somebody may have
    answered elsewhere, and only if the question is still open does the value count that it was resumed
    with.
    """
    why = ""
    while True:
        try:
            return await way.authorize(action, opaque)
        except ApprovalPending as pending:
            if not suspend:
                raise
            approval = await way.aside(way.guard.store.approval, pending.approval)
            if approval is None:
                raise
            answer = interrupt(_payload(pending, approval, opaque, why))
            why = await way.aside(_take, way.guard, approval, answer)


def _payload(
    pending: ApprovalPending, approval: Approval, opaque: Collection[str], why: str
) -> dict[str, Any]:
    """Return what the person who answers gets to see."""
    shown = pending.action.args if pending.action is not None else {}
    payload: dict[str, Any] = {
        "approval": approval.id,
        "kind": approval.kind,
        "tool": approval.name,
        "arguments": {name: value for name, value in shown.items() if name not in opaque},
        "rule": pending.rule,
        "reason": approval.reason,
        "message": str(pending),
        "approvers": sorted({one for need in approval.requirements for one in need.approvers}),
        "expires": datetime.fromtimestamp(approval.expires / 1_000_000, UTC).isoformat(),
    }
    if why:
        payload["why"] = why
    return payload


def _take(guard: Guard, approval: Approval, answer: object) -> str:
    """Give an answer to the guard; return why it does not count, or ""."""
    if not (
        isinstance(answer, Mapping)
        and type(answer.get("approved")) is bool
        and isinstance(answer.get("by"), str)
        and answer["by"]
    ):
        return "an answer is {'approved': true or false, 'by': 'os:<login>'}"
    named = answer.get("approval")
    if named is None and _asked_before(guard, approval):
        # A resumed run replays all earlier answers of this call, and none may count twice.
        return (
            "this call was asked about before: say which approval you mean, {'approval': '<id>', …}"
        )
    if named not in (None, approval.id):
        return f"that answer is for another approval, {named}"
    reply = Reply(
        answer["by"], approved=answer["approved"], note=str(answer.get("note", "")), how="resume"
    )
    try:
        guard.answer(approval.id, reply)
    except AnswerRefused as error:
        return str(error)
    return ""


def _asked_before(guard: Guard, approval: Approval) -> bool:
    return any(one.key == approval.key and one.id != approval.id for one in guard.store.approvals())
