"""The three gates that a decision passes, as people know them.

There is one decider and one kind of rule; the gates only sort what was decided by what it is about.
*Governance* is what documents say. *Trust* is who acts and by what name. *Reliability* is what was
used up and what was stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from wardline.decide import decide
from wardline.decision import ALLOW, DENY, EFFECTS
from wardline.facts import Facts

if TYPE_CHECKING:
    from wardline.action import Action
    from wardline.policy.compile import PolicySet

__all__ = ["Gate", "gates"]


class Gate(NamedTuple):
    """One gate: the effect it would have by itself, and why."""

    name: str
    effect: str
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Return the gate as plain data."""
        return {"gate": self.name, "effect": self.effect, "why": self.why}


def gates(policies: PolicySet, action: Action, facts: Facts) -> tuple[Gate, Gate, Gate]:
    """Return what each gate says to the action."""
    return (
        _governance(policies, action, facts),
        _trust(action, facts),
        _reliability(facts),
    )


def _governance(policies: PolicySet, action: Action, facts: Facts) -> Gate:
    alone = Facts(
        facts.principal,
        facts.session,
        facts.run,
        facts.now,
        modes=facts.modes,
        verdicts=facts.verdicts,
        links=facts.links,
        result=facts.result,
        error=facts.error,
        duration_ms=facts.duration_ms,
    )
    decision = decide(policies, action, alone)
    where = f", {decision.file}:{decision.line}" if decision.line else ""
    of = f" of document {decision.document}" if decision.document else ""
    return Gate("governance", decision.effect, f"{decision.rule}{of}{where}")


def _trust(action: Action, facts: Facts) -> Gate:
    who = facts.principal
    if not facts.registered:
        return Gate("trust", DENY, f"no framework has registered the name {action.name}")
    behalf = f" for {' > '.join(who.chain)}" if who.chain else ""
    return Gate("trust", ALLOW, f"{who.id}{behalf} acts, and the name {action.name} is registered")


def _reliability(facts: Facts) -> Gate:
    if facts.switches:
        switch = facts.switches[0]
        scope = f"{switch.scope} {switch.value}".strip()
        return Gate("reliability", DENY, f"{scope} is {switch.state} by {switch.by}")
    broken = [
        limit
        for limit in facts.exceeded
        if limit.binding and facts.modes.get(limit.document) != "audit"
    ]
    if broken:
        effect = max((limit.on_exceed for limit in broken), key=EFFECTS.index)
        names = ", ".join(limit.name for limit in broken)
        return Gate("reliability", effect, f"used up: {names}")
    return Gate("reliability", ALLOW, "nothing is frozen, and no limit is used up")
