"""How rules see an action: for whom they are, under which types, and with which catalogue entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.activation import UNLISTED, UNLISTED_FOR_ALLOW, Activation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wardline.action import Action, Principal
    from wardline.facts import Facts
    from wardline.policy.groups import Group
    from wardline.policy.model import Document, Rule

__all__ = ["is_for", "tool_view", "types_seen", "views"]


def is_for(rule: Rule | Group, principal: Principal) -> bool:
    """Return whether `agent` means this principal, or if it restricts one that it acts for."""
    if rule.agent is None:
        return True
    match = rule.agent.match
    if match(principal.id) or match(principal.name or principal.id):
        return True
    return rule.restricting and any(map(match, principal.chain))


def types_seen(rule: Rule | Group, document: Document, own: str, verb: str) -> tuple[str, ...]:
    """Return the values of `action.type` under which the rule looks at an action, in turn.

    It holds if it does under one of them. `own` is the type of the action, `verb` its verb or "".
    """
    if not verb or verb == own or not rule.reads_type:
        return (own,)
    if rule.restricting:
        return (own, verb)
    entry = document.tools.find(own)
    return (verb,) if entry is not None and entry.type_from == "action" else (own,)


def tool_view(rule: Rule | Group, document: Document, own: str) -> Mapping[str, Any]:
    """Return what the rule sees as `tool`, for the tool of type `own`."""
    entry = document.tools.find(own)
    if entry is not None:
        return entry.view
    return UNLISTED if rule.restricting else UNLISTED_FOR_ALLOW


def views(rule: Rule, document: Document, action: Action, facts: Facts) -> Iterator[Activation]:
    """Yield what the rule's condition is evaluated on; it holds where it does on one of them.

    The same object is yielded again with another `type`. This is for those who take one condition
    apart; `decide` looks at many rules at once.
    """
    if rule.program is None:
        return
    if facts.error is not None and "action.error" not in rule.program.reads:
        return  # what failed has no result that the condition could read
    env = Activation(action, facts, action.args, facts.result)
    env.tool = tool_view(rule, document, action.type)
    for type_ in types_seen(rule, document, action.type, action.verb):
        env.type = type_
        yield env
