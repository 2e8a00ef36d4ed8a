"""The two ends of judging: a permit behind a recorded intent, or a recorded refusal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NoReturn

from wardline.errors import ActionDenied, LedgerError, StoreError
from wardline.guard import messages
from wardline.guard.permit import Permit
from wardline.guard.records import decided

if TYPE_CHECKING:
    from wardline.action import Action
    from wardline.decision import Decision
    from wardline.facts import Facts
    from wardline.guard.calls import Calls
    from wardline.guard.charges import Plan
    from wardline.guard.machinery import Machinery
    from wardline.guard.outcomes import Outcomes
    from wardline.guard.request import Request

__all__ = ["Endings"]

_log = logging.getLogger("wardline")


class Endings:
    """Lets actions through, or refuses them, with one binding record each."""

    __slots__ = ("_calls", "_machinery", "_outcomes")

    def __init__(self, machinery: Machinery, calls: Calls, outcomes: Outcomes) -> None:
        self._machinery = machinery
        self._calls = calls
        self._outcomes = outcomes

    def permit(
        self,
        request: Request,
        decision: Decision,
        facts: Facts,
        now: int,
    ) -> Permit:
        """Write the intent and hand out the permit."""
        machinery = self._machinery
        approval = request.approval
        call_id = request.action.call_id
        if call_id:
            self._calls.begin(request, decision, now)
        more: dict[str, Any] = {}
        if request.attempt != 1:
            more["attempt"] = request.attempt
        if approval is not None:
            more["approval"] = approval.id
            more["approved_by"] = [answer.by for answer in approval.answers if answer.approved]
        if request.by_reference:
            more["opaque"] = sorted(request.by_reference)
        # Nothing may fail any more once the intent is written: the clock is read before.
        started = machinery.clock.monotonic()
        try:
            record = self._record("intent", request, decision, facts, now, more)
            intent = machinery.ledger.append(record)
        except LedgerError:
            if call_id:
                self._calls.not_begun(request, now)
            raise
        return Permit(self._outcomes, request, decision, intent, started)

    def deny(
        self,
        request: Request,
        decision: Decision,
        facts: Facts,
        now: int,
        plan: Plan | None,
        extra: dict[str, Any] | None = None,
        *,
        screened: bool = False,
    ) -> NoReturn:
        """Record the refusal, count it, and raise it."""
        machinery = self._machinery
        more = {"by": "screening" if screened else "authorising", **(extra or {})}
        machinery.ledger.append(self._record("refusal", request, decision, facts, now, more))
        try:
            if plan is not None and (charges := machinery.meters.denied(plan)):
                machinery.store.reserve(charges, now, force=True)
            if request.action.call_id:
                self._calls.refused(request, decision, now)
        except StoreError as error:  # the refusal is recorded and stands
            _log.error("the store did not take note of a refusal: %s", error)
        raise ActionDenied(
            messages.denied(request.action, decision, machinery.policies),
            action=request.action,
            decision=decision,
        )

    def record_broken(self, action: Action, decision: Decision, request: Request | None) -> None:
        """Record a refusal that comes from broken machinery or from a call that cannot be judged."""
        machinery = self._machinery
        record = decided(
            "refusal",
            request.action if request else action,
            decision,
            None,
            machinery.clock.last(),
            getattr(request, "fingerprint", ""),
            machinery.acting(action.principal)[1],
            {},
        )
        machinery.ledger.append(record)

    def _record(
        self,
        kind: str,
        request: Request,
        decision: Decision,
        facts: Facts,
        now: int,
        more: dict[str, Any],
    ) -> bytes:
        machinery = self._machinery
        if machinery.record_arguments:
            more["arguments"] = request.bytes.decode()
        return decided(
            kind,
            request.action,
            decision,
            facts,
            now,
            request.fingerprint,
            request.who,
            more,
        )
