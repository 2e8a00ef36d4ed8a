"""Which counters an action moves: the limits of the policy, and the counters its conditions read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.clock import SECOND, as_datetime
from wardline.facts import COUNTERS
from wardline.guard.session import new_id
from wardline.store.types import Charge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline.action import Action, Principal
    from wardline.guard.session import Session
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Limit, ToolEntry
    from wardline.store.types import Reservation

__all__ = ["UNNAMED", "Meters", "Plan"]

_CALLS: Final = frozenset(
    {
        "tool_call",
        "model_call",
        "message",
        "delegation",
        "memory_read",
        "memory_write",
        "retrieval",
    }
)
_NO_FILE: Final = "\0none"
UNNAMED: Final = "\0unnamed"
"""How the item begins that stands for a file nobody named."""

_MEASURED: Final = frozenset({"tokens", "seconds"})
"""Counts whose amount is known only afterwards."""


class Plan:
    """The charges of one action, and what each of them stands for.

    `limits[i]` is the limit behind charge `i`, None for a counter that a condition reads; `counts[i]`
    says what it counts.
    """

    __slots__ = ("charges", "counters", "counts", "limits")

    def __init__(self) -> None:
        self.charges: list[Charge] = []
        self.limits: list[Limit | None] = []
        self.counts: list[str] = []
        self.counters: list[tuple[int, str, str]] = []

    def add(self, charge: Charge, count: str, limit: Limit | None) -> None:
        """Append one charge."""
        self.charges.append(charge)
        self.limits.append(limit)
        self.counts.append(count)

    def exceeded(self, reservation: Reservation) -> tuple[Limit, ...]:
        """Return the limits that the reservation found exceeded."""
        limits = (self.limits[index] for index in reservation.exceeded)
        return tuple(limit for limit in limits if limit is not None)

    def settled(self, usage: dict[str, int]) -> dict[int, int]:
        """Return the true amounts, by charge, of the counts that are measured afterwards."""
        return {
            index: usage.get(count, 0)
            for index, count in enumerate(self.counts)
            if count in _MEASURED
        }

    def views(
        self, session: Mapping[str, Any], run: Mapping[str, Any], before: tuple[int, ...]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return the views of session and run with the counters that conditions read."""
        if not self.counters:
            return session, run
        views = {"session": dict(session), "run": dict(run)}
        for index, scope, count in self.counters:
            value = before[index]
            views[scope][count] = value // SECOND if count == "seconds" else value
        return views["session"], views["run"]


class Meters:
    """The counters of one policy set."""

    __slots__ = ("_counters", "_policies", "idle")

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self._counters = tuple(
            (scope, count)
            for scope in ("session", "run")
            for count in COUNTERS
            if f"{scope}.{count}" in policies.reads
        )
        self.idle = not self._counters and not any(d.limits for d in policies.documents)
        """Whether nothing is counted at all."""

    def plan(
        self,
        action: Action,
        principal: Principal,
        session: Session,
        run: str,
        now: int,
    ) -> Plan:
        """Return what the action would move if it ran now."""
        plan = Plan()
        for document, _ in self._policies.applicable(principal):
            entry = document.tools.entry(action.name) if action.kind == "tool_call" else None
            for limit in document.limits:
                if not limit.rule and limit.covers(action.kind, action.name):
                    self._add(plan, limit, action, entry, principal, session, run, now)
        listed = None
        if self._counters and action.kind == "tool_call":
            listed = self._policies.tool(action.name)
        for scope, count in self._counters:
            scope_id = session.root if scope == "session" else run
            amount, item = _amount(count, action, listed)
            plan.counters.append((len(plan.charges), scope, count))
            plan.add(Charge(f"{scope}/{scope_id}/{count}", amount, None, item=item), count, None)
        return plan

    def rule_plan(
        self,
        rules: tuple[Any, ...],
        action: Action,
        principal: Principal,
        session: Session,
        run: str,
        now: int,
    ) -> Plan | None:
        """Return what the limits that belong to the matched rules would move, or None for nothing."""
        names = {(rule.document, rule.name) for rule in rules}
        plan: Plan | None = None
        for document, _ in self._policies.applicable(principal):
            for limit in document.limits:
                if limit.rule and (limit.document, limit.rule) in names:
                    plan = plan or Plan()
                    self._add(plan, limit, action, None, principal, session, run, now)
        return plan

    def denied(self, plan: Plan) -> list[Charge]:
        """Return the charges that a denial of the action moves."""
        return [
            Charge(charge.key, 1, None, charge.window, charge.bucket)
            for charge, count in zip(plan.charges, plan.counts, strict=True)
            if count == "denials"
        ]

    @staticmethod
    def _add(
        plan: Plan,
        limit: Limit,
        action: Action,
        entry: ToolEntry | None,
        principal: Principal,
        session: Session,
        run: str,
        now: int,
    ) -> None:
        scope_id = {
            "run": run,
            "session": session.root,
            "agent": principal.id,
            "tenant": principal.tenant,
        }[limit.per]
        amount, item = _amount(limit.count, action, entry)
        at_most = limit.at_most * SECOND if limit.count == "seconds" else limit.at_most
        if limit.count in _MEASURED or limit.count == "denials":
            # Nothing is known beforehand: refuse once the bound is reached, charge the truth later.
            amount = limit.estimate * (SECOND if limit.count == "seconds" else 1)
            if not amount:
                at_most -= 1
        plan.add(
            Charge(
                f"limit/{limit.document}/{limit.name}/{limit.per}/{scope_id}",
                amount,
                at_most,
                limit.window,
                _bucket(limit, now),
                item,
                limit.binding,
            ),
            limit.count,
            limit,
        )


def _amount(count: str, action: Action, entry: ToolEntry | None) -> tuple[int, str]:
    """Return how much the action moves `count`, and the item it counts once where there is one."""
    kind = action.kind
    if count == "calls":
        return int(kind in _CALLS), ""
    if count == "tool_calls":
        return int(kind == "tool_call"), ""
    if count == "model_calls":
        return int(kind == "model_call"), ""
    if count == "files_changed":
        # Files have one counter, of items: what changes none, or one without a name, is in it too.
        if kind != "tool_call" or (entry is not None and not (entry.changes or _writes(entry))):
            return 0, _NO_FILE
        name = (
            str(action.args.get(entry.changes, "")) if entry is not None and entry.changes else ""
        )
        return 1, name or new_id(UNNAMED)
    return 0, ""


def _writes(entry: ToolEntry) -> bool:
    return "write" in entry.effects


def _bucket(limit: Limit, now: int) -> str:
    """Return the calendar period that `now` lies in, in the time zone of the limit."""
    if limit.calendar is None:
        return ""
    from zoneinfo import ZoneInfo

    unit, zone = limit.calendar
    local = as_datetime(now).astimezone(ZoneInfo(zone))
    if unit == "week":
        year, week, _ = local.isocalendar()
        return f"{year}-W{week:02}"
    return local.strftime({"hour": "%Y-%m-%dT%H%z", "day": "%Y-%m-%d", "month": "%Y-%m"}[unit])
