"""Calls that carry an id, and what becomes of one that has been here before.

Same id, other arguments: another call. Same id, same arguments: refused again unless policy, approvals
or switches have changed; pending waits for the same approval; open is refused as in flight, or is
unknown once its guard is gone; what ran is not run again; what failed is judged anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from wardline.errors import ActionDenied, AlreadyRan
from wardline.guard.outcomes import read_result

if TYPE_CHECKING:
    from wardline.decision import Decision
    from wardline.guard.machinery import Machinery
    from wardline.guard.outcomes import Outcomes
    from wardline.guard.request import Request
    from wardline.store.approvals import Approval
    from wardline.store.types import CallState

__all__ = ["Calls"]


class Calls:
    """What the store knows of the calls of one guard. Only for requests that carry a call id."""

    __slots__ = ("_machinery", "_outcomes")

    def __init__(self, machinery: Machinery, outcomes: Outcomes) -> None:
        self._machinery = machinery
        self._outcomes = outcomes

    def check(self, request: Request, now: int) -> None:
        """Raise for a call that was refused under the same policy and switches, runs, or has run."""
        machinery = self._machinery
        state = machinery.store.call(request.key, request.claimed)
        if state is None or state.status in {"failed", "pending"}:
            return
        if state.status == "refused":
            stamp = _stamp(machinery.policies.digest, machinery.store.generation())
            if state.policy != stamp:
                return
            raise ActionDenied(
                f"`{request.action.name}` was refused before, for the same call with the same "
                "arguments, and nothing has changed since.",
                action=request.action,
            )
        if state.status == "open" and not machinery.store.owner_alive(state.owner):
            machinery.store.mark_unknown(request.key, request.claimed, state.owner, now)
            state = state._replace(status="unknown")
        if state.status == "unknown" and _may_repeat(request):
            return
        if state.status == "held":
            state = self._outcomes.release_held(request, state, now)
        self._refuse(request, state)

    def _refuse(self, request: Request, state: CallState) -> NoReturn:
        name = request.action.name
        if state.status == "succeeded":
            raise AlreadyRan(
                f"`{name}` has already run for this call.",
                action=request.action,
                result=read_result(state.result),
                has_result=state.result is not None,
            )
        why = {
            "open": "is already in flight for this call",
            "unknown": "was started for this call and nobody knows what came of it, so it is not "
            "run again; declare the tool `idempotent: true` if that is safe",
            "held": "ran, and its result waits for an approval",
        }.get(state.status, f"is {state.status}")
        raise ActionDenied(f"`{name}` {why}.", action=request.action)

    def begin(self, request: Request, decision: Decision, now: int) -> None:
        """Open the next attempt. Raises an `ActionRefused` if somebody else has."""
        machinery = self._machinery
        state = machinery.store.begin_call(
            request.key,
            request.claimed,
            owner=machinery.owner,
            policy=decision.policy,
            now=now,
            approval=request.approval.id if request.approval else "",
            idempotent=_may_repeat(request),
        )
        if not state.opened:
            self._refuse(request, state)
        request.attempt = state.attempt

    def not_begun(self, request: Request, now: int) -> None:
        """Close an attempt that could not be recorded; nothing has run."""
        self._machinery.store.finish_call(
            request.key, request.claimed, "failed", None, now, attempt=request.attempt
        )

    def refused(self, request: Request, decision: Decision, now: int) -> None:
        """Remember that the call was refused, and under what."""
        machinery = self._machinery
        machinery.store.note_call(
            request.key,
            request.claimed,
            "refused",
            owner=machinery.owner,
            policy=_stamp(decision.policy, machinery.generation()),
            now=now,
        )

    def waits(self, request: Request, decision: Decision, approval: Approval, now: int) -> None:
        """Remember for which approval the call waits."""
        machinery = self._machinery
        machinery.store.note_call(
            request.key,
            request.claimed,
            "pending",
            owner=machinery.owner,
            policy=decision.policy,
            now=now,
            approval=approval.id,
        )

    def approval(self, request: Request, decision: Decision) -> Approval | None:
        """Return the approval that this very call waited for, unless the policy has changed since."""
        machinery = self._machinery
        if not request.action.call_id:
            return None
        state = machinery.store.call(request.key, request.claimed)
        if state is None or state.status != "pending" or not state.approval:
            return None
        approval = machinery.store.approval(state.approval)
        return approval if approval is not None and approval.policy == decision.policy else None


def _may_repeat(request: Request) -> bool:
    return request.known is not None and request.known.idempotent


def _stamp(policy: str, generation: int) -> str:
    """Return what a refusal held under: another policy or another switch may decide anew."""
    return f"{policy}/{generation}"
