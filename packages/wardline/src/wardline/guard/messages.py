"""What a refusal says to the model: one short sentence it can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.decision import ASK

if TYPE_CHECKING:
    from wardline.action import Action
    from wardline.decision import Decision
    from wardline.policy import PolicySet

__all__ = ["denied", "pending", "withheld"]

_MOST_NAMES: Final = 8


def denied(action: Action, decision: Decision, policies: PolicySet) -> str:
    """Return the sentence for an action that was refused."""
    text = f"`{action.name}` was not run: refused by {_by(decision)}"
    reason = decision.reason.rstrip(".")
    if reason:
        text += f": {reason}"
    if decision.rule in {"builtin:default", "builtin:unlisted", "builtin:registered"}:
        names = policies.allowed_names()
        if names:
            shown = ", ".join(names[:_MOST_NAMES])
            more = ", and others" if len(names) > _MOST_NAMES else ""
            text += f". Rules allow, in some cases: {shown}{more}"
    return text + "."


def pending(action: Action, decision: Decision, approval: str) -> str:
    """Return the sentence for an action that waits for somebody."""
    people = sorted({name for ask in decision.asks for name in ask.approvers})
    who = ", ".join(people) or "an approver"
    return (
        f"`{action.name}` was not run yet: {_by(decision)} asks for the approval of {who} "
        f"(approval {approval})."
    )


def withheld(action: Action, decision: Decision) -> str:
    """Return the sentence for an action that ran and whose result is not released."""
    reason = f": {decision.reason.rstrip('.')}" if decision.reason else ""
    verb = "asks about" if decision.effect == ASK else "withholds"
    return f"`{action.name}` ran, but {_by(decision)} {verb} its result{reason}."


def _by(decision: Decision) -> str:
    if decision.rule.startswith("builtin:"):
        return f"the standing rule `{decision.rule}`"
    return f"the rule `{decision.rule}`"
