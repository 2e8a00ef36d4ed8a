"""What an action counts for: reserving before it runs, taking back what did not, looking ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.guard.charges import UNNAMED
from wardline.store.types import Reservation

if TYPE_CHECKING:
    from wardline.decision import Decision
    from wardline.guard.charges import Plan
    from wardline.guard.machinery import Machinery
    from wardline.guard.request import Request

__all__ = ["Counting"]


class Counting:
    """Moves the counters of one guard."""

    __slots__ = ("_machinery",)

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery

    def plan(self, request: Request, now: int) -> Plan | None:
        """Return what the call would count for, None where nothing is counted."""
        meters = self._machinery.meters
        if meters.idle:
            return None
        return meters.plan(request.action, request.principal, request.session, request.run, now)

    def rule_plan(self, request: Request, decision: Decision, now: int) -> Plan | None:
        """Return what it would count for by the rules that matched."""
        return self._machinery.meters.rule_plan(
            decision.matched,
            request.action,
            request.principal,
            request.session,
            request.run,
            now,
        )

    def reserve(
        self, request: Request, plan: Plan | None, now: int
    ) -> tuple[Plan | None, Reservation | None]:
        """Count what is planned, if the limits let it; the request remembers that."""
        if plan is None or not plan.charges:
            return plan, None
        reservation = self._machinery.store.reserve(plan.charges, now)
        request.reserved.append((plan, reservation))
        return plan, reservation

    def release(self, request: Request) -> None:
        """Take back what was counted for a call that does not run."""
        while request.reserved:
            _, reservation = request.reserved.pop()
            self._machinery.store.release(reservation)

    def force(self, request: Request, now: int) -> None:
        """Count what a limit refused and somebody has approved."""
        for index, (plan, reservation) in enumerate(request.reserved):
            if not reservation.granted:
                forced = self._machinery.store.reserve(plan.charges, now, force=True)
                request.reserved[index] = (plan, forced)

    def foresee(
        self, plan: Plan | None, now: int, taken: dict[str, int]
    ) -> tuple[Plan | None, Reservation | None]:
        """Return what reserving would find, without moving a counter.

        Whether an item has been counted before is left to the authorisation: it costs nothing then.
        """
        if plan is None:
            return None, None
        used = self._machinery.store.used(plan.charges, now) if plan.charges else ()
        before = tuple(
            amount + taken.get(charge.key + charge.bucket, 0)
            for amount, charge in zip(used, plan.charges, strict=True)
        )
        exceeded = tuple(
            index
            for index, charge in enumerate(plan.charges)
            if charge.at_most is not None
            and (not charge.item or charge.item.startswith(UNNAMED))
            and before[index] + charge.amount > charge.at_most
        )
        return plan, Reservation(before, exceeded, tuple(plan.charges), None, not exceeded)
