"""Approvals inside a framework: the question as a suspended run shows it, and the answer to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from wardline.errors import AnswerRefused
from wardline.guard.approvers import Reply

if TYPE_CHECKING:
    from collections.abc import Collection

    from wardline.errors import ApprovalPending
    from wardline.guard.guard import Guard
    from wardline.store.approvals import Approval

__all__ = ["Suspend", "Suspended", "asked", "question", "take"]

Suspend: TypeAlias = Callable[[dict[str, Any]], Any]
"""Suspends a run with a question. It returns the answer (or an awaitable of it) where the framework goes
on from there, and raises what the framework suspends by, or `Suspended`, where it does not."""


class Suspended(Exception):
    """Raised by a `Suspend` to leave the flow without running anything; `question` is what is asked."""

    def __init__(self, question: Mapping[str, Any]) -> None:
        self.question = question
        super().__init__(str(question.get("message", "")))


def question(
    pending: ApprovalPending, approval: Approval, opaque: Collection[str], why: str
) -> dict[str, Any]:
    """Return what the person who answers gets to see; `why` says why the last answer did not count."""
    shown = pending.action.args if pending.action is not None else {}
    return {
        **asked(approval, why),
        "arguments": {name: value for name, value in shown.items() if name not in opaque},
        "rule": pending.rule,
        "message": str(pending),
    }


def asked(approval: Approval, why: str = "") -> dict[str, Any]:
    """Return the same for an approval that was read back from the store."""
    found: dict[str, Any] = {
        "approval": approval.id,
        "kind": approval.kind,
        "tool": approval.name,
        "arguments": _readable(json.loads(approval.arguments)),
        "rule": approval.requirements[0].rule,
        "reason": approval.reason,
        "message": f"`{approval.name}` waits for approval {approval.id}.",
        "approvers": sorted({one for need in approval.requirements for one in need.approvers}),
        "expires": datetime.fromtimestamp(approval.expires / 1_000_000, UTC).isoformat(),
    }
    if why:
        found["why"] = why
    return found


def _readable(value: Any) -> Any:
    """Return what has a canonical form as people read it: numbers as numbers, the rest as text."""
    if isinstance(value, list):
        return [_readable(one) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, text),) = value.items()
        if tag in _NUMBERS:
            return _NUMBERS[tag](text)
        if tag.startswith("$") and not tag.startswith("$$"):
            return text
    return {key[1:] if key.startswith("$$") else key: _readable(one) for key, one in value.items()}


_NUMBERS: dict[str, Callable[[str], Any]] = {"$float": float, "$int": int}


def take(guard: Guard, approval: Approval, answer: object) -> str:
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
