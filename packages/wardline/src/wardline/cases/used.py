"""Which limits an action would exceed, given what their counters show: the guard's own arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.clock import SECOND
from wardline.decide import decide
from wardline.guard.charges import Meters
from wardline.guard.session import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wardline.action import Action
    from wardline.facts import Facts
    from wardline.guard.charges import Plan
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Limit

__all__ = ["exceeded_by_use"]


def exceeded_by_use(
    policies: PolicySet, action: Action, facts: Facts, used: Mapping[str, int]
) -> tuple[Limit, ...]:
    """Return the limits that break if their counters show `used` before the action.

    Amounts are in the limit's own unit. A limit that counts the matches of one rule breaks only where
    that rule matches.
    """
    meters = Meters(policies)
    session = Sessions().open(facts.session["id"] or "session")
    place = (action, facts.principal, session, facts.run["id"] or "run", facts.now)
    found = list(_broken(meters.plan(*place), used))
    if policies.rule_limits:
        matched = decide(policies, action, facts).matched
        plan = meters.rule_plan(matched, *place)
        found += _broken(plan, used) if plan is not None else ()
    return tuple(found)


def _broken(plan: Plan, used: Mapping[str, int]) -> Iterator[Limit]:
    for charge, limit in zip(plan.charges, plan.limits, strict=True):
        if limit is None or charge.at_most is None:
            continue
        before = used.get(f"{limit.document}/{limit.name}", used.get(limit.name))
        if before is None:
            continue
        unit = SECOND if limit.count == "seconds" else 1
        if before * unit + charge.amount > charge.at_most:
            yield limit
