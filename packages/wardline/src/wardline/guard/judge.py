"""From a call to a permit or a refusal. One implementation, whoever drives it, sync or async."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from wardline.decide import decide
from wardline.decision import ASK, DENY, Decision
from wardline.errors import (
    ActionRefused,
    AlreadyRan,
    ApprovalPending,
    StoreError,
)
from wardline.facts import Facts
from wardline.guard import messages
from wardline.guard.asking import covers, refusal_reason
from wardline.guard.calls import Calls
from wardline.guard.counting import Counting
from wardline.guard.endings import Endings
from wardline.guard.permit import Permit
from wardline.guard.request import Request

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wardline.action import Action, Principal
    from wardline.guard.asking import Asking
    from wardline.guard.charges import Plan
    from wardline.guard.machinery import Machinery
    from wardline.guard.outcomes import Outcomes
    from wardline.policy.model import Limit
    from wardline.store.approvals import Approval
    from wardline.store.types import Reservation

__all__ = ["Judge"]

_log = logging.getLogger("wardline")


class Judge:
    """Judges the calls of one guard."""

    __slots__ = ("_asking", "_calls", "_counting", "_endings", "_machinery")

    def __init__(self, machinery: Machinery, asking: Asking, outcomes: Outcomes) -> None:
        self._machinery = machinery
        self._asking = asking
        self._counting = Counting(machinery)
        self._calls = Calls(machinery, outcomes)
        self._endings = Endings(machinery, self._calls, outcomes)

    def admit(
        self,
        kind: str,
        name: str,
        args: Mapping[str, Any],
        opaque: Collection[str] = (),
        *,
        principal: Principal | None = None,
        session: str = "",
        run: str = "",
        call_id: str = "",
        framework: str = "",
        parent: str = "",
    ) -> Request:
        """Find the session and the principal of a call and copy its arguments.

        Raises `SessionLostError` for a lost session, `CanonicalError` for arguments without a
        canonical form.
        """
        machinery = self._machinery
        place, run, parent = machinery.sessions.find(name, session, run, parent)
        acting, who = machinery.acting(principal or machinery.sessions.acting())
        known = machinery.registry.names.get((kind, name))
        request = Request(place, run, acting, who, known)
        if known is not None and known.opaque:
            opaque = (*opaque, *known.opaque)
        request.take(kind, name, args, opaque, call_id, framework, parent)
        return request

    def admit_action(self, action: Action, opaque: Collection[str] = ()) -> Request:
        """Do the same for an action."""
        return self.admit(
            action.kind,
            action.name,
            action.args,
            opaque,
            principal=action.principal,
            session=action.session,
            run=action.run,
            call_id=action.call_id,
            framework=action.framework,
            parent=action.parent,
        )

    def record_broken(self, action: Action, decision: Decision, request: Request | None) -> None:
        """Record a refusal that comes from broken machinery or from a call that cannot be judged."""
        self._endings.record_broken(action, decision, request)

    def attempt(self, request: Request) -> Permit | Approval:
        """Judge a call on the facts of this moment.

        Returns a permit, or the approval that has to be answered first by the approver of this
        process. Raises an `ActionRefused` otherwise.
        """
        machinery = self._machinery
        session = request.session
        if not session.lock.acquire(False):
            session.acquire(machinery.deadline)
        try:
            if request.received is not None:
                request.begin()
            now = machinery.clock.now()
            if machinery.clock.jumped:
                machinery.note_jump()
            if request.action.call_id:
                self._calls.check(request, now)
            answer = self._decide(request, now)
            if type(answer) is not Permit:
                self._counting.release(request)
            return answer
        except BaseException:
            try:
                self._counting.release(request)
            except StoreError as error:  # what is on its way to the caller is a refusal already
                _log.error("what a refused call reserved was not released: %s", error)
            raise
        finally:
            session.lock.release()

    def _decide(self, request: Request, now: int) -> Permit | Approval:
        machinery = self._machinery
        plan = reservation = None
        if not machinery.meters.idle:
            plan, reservation = self._counting.reserve(
                request, self._counting.plan(request, now), now
            )
        facts = self._facts(request, plan, reservation, now)
        decision, facts = machinery.decided(request.action, facts)
        if decision.effect != DENY and machinery.policies.rule_limits:
            decision, facts = self._rule_limits(request, decision, facts, now)
        if decision.effect == DENY:
            self._endings.deny(request, decision, facts, now, plan)
        if decision.replacement is not None:
            request.adopt(decision.replacement)
        if decision.effect == ASK:
            approval = self._approval(request, decision, facts, now, plan)
            if approval is not None:
                return approval
            self._counting.force(request, now)
        return self._endings.permit(request, decision, facts, now)

    def screen(
        self, action: Action, opaque: Collection[str], taken: dict[str, int]
    ) -> ActionRefused | None:
        """Judge one member of a model's answer, as if the earlier ones had started.

        `taken` sums up, by counter, what those that were not refused would have moved.
        """
        try:
            request = self.admit_action(action, opaque)
            request.session.acquire(self._machinery.deadline)
            try:
                now = self._machinery.clock.now()
                if request.action.call_id:
                    self._calls.check(request, now)
                policies = self._machinery.policies
                plan, reservation = self._counting.foresee(
                    self._counting.plan(request, now), now, taken
                )
                facts = self._facts(request, plan, reservation, now)
                decision, facts = self._machinery.decided(request.action, facts)
                bound: Plan | None = None
                if decision.effect != DENY and policies.rule_limits:
                    bound = self._counting.rule_plan(request, decision, now)
                    bound, found = self._counting.foresee(bound, now, taken)
                    if bound is not None and found is not None and not found.granted:
                        facts = _exceeding(facts, bound, found)
                        decision = decide(policies, request.action, facts)
                if decision.effect == DENY:
                    self._endings.deny(request, decision, facts, now, plan, screened=True)
                for charge in (*(plan.charges if plan else ()), *(bound.charges if bound else ())):
                    name = charge.key + charge.bucket
                    taken[name] = taken.get(name, 0) + charge.amount
            finally:
                request.session.lock.release()
        except AlreadyRan:
            return None  # authorising it will hand out what it returned
        except ActionRefused as refusal:
            return refusal
        return None

    # Facts and reservations

    def _facts(
        self, request: Request, plan: Plan | None, reservation: Reservation | None, now: int
    ) -> Facts:
        machinery = self._machinery
        action = request.action
        place = request.session
        session, run = place.view, request.run_view
        exceeded: tuple[Limit, ...] = ()
        if plan is not None and reservation is not None:
            session, run = plan.views(session, run, reservation.before)
            if reservation.exceeded:
                exceeded = plan.exceeded(reservation)
        return Facts(
            request.principal,
            session,
            run,
            now,
            machinery.switches(action, request.principal, place),
            exceeded,
            registered=request.known is not None,
        )

    def _rule_limits(
        self, request: Request, decision: Decision, facts: Facts, now: int
    ) -> tuple[Decision, Facts]:
        """Count for the limits that belong to the rules which matched, and judge again if one breaks."""
        machinery = self._machinery
        plan = self._counting.rule_plan(request, decision, now)
        if plan is None:
            return decision, facts
        _, reservation = self._counting.reserve(request, plan, now)
        if reservation is None or reservation.granted:
            return decision, facts
        broken = _exceeding(facts, plan, reservation)
        return decide(machinery.policies, request.action, broken), broken

    # Approvals

    def _approval(
        self, request: Request, decision: Decision, facts: Facts, now: int, plan: Plan | None
    ) -> Approval | None:
        """Return None once the action may run, or the approval that this process can ask about.

        Raises `ActionDenied` for an answer that is no, `ApprovalPending` where somebody outside has
        to answer.
        """
        machinery = self._machinery
        approval = request.answered or self._calls.approval(request, decision)
        if approval is None or not covers(approval, decision.asks):
            request.answered = None
            approval = self._asking.request(request, decision, now)
        if approval.status == "approved" and machinery.store.consume_approval(
            approval.id, request.fingerprint, decision.policy, now
        ):
            request.approval = approval
            return None
        if approval.status == "pending" and request.answered is None and now < approval.expires:
            if machinery.approver is not None:
                return approval
            if request.action.call_id:
                self._calls.waits(request, decision, approval, now)
            raise ApprovalPending(
                messages.pending(request.action, decision, approval.id),
                approval=approval.id,
                action=request.action,
                decision=decision,
            )
        reason, who = refusal_reason(approval, request.why)
        return self._endings.deny(
            request,
            _with_reason(decision, reason),
            facts,
            now,
            plan,
            extra={"approval": approval.id, **who},
        )


def _exceeding(facts: Facts, plan: Plan, found: Reservation) -> Facts:
    """Return the facts with the limits that `found` says are exceeded too."""
    return facts.with_exceeded((*facts.exceeded, *plan.exceeded(found)))


def _with_reason(decision: Decision, reason: str) -> Decision:
    """Return the decision as a denial for another reason."""
    return Decision(
        DENY,
        rule=decision.rule,
        policy=decision.policy,
        document=decision.document,
        reason=reason,
        file=decision.file,
        line=decision.line,
        matched=decision.matched,
        failed=decision.failed,
        advice=decision.advice,
    )
