"""How one rule sees an action: under which types, with which catalogue entry, and for whom.

`decide` looks at many rules at once and keeps its own loop; this is the same for a single rule, for
those who take a condition apart. A test holds the two against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.activation import UNLISTED, UNLISTED_FOR_ALLOW, Activation
from wardline.canonical import encode
from wardline.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.action import Action, Principal
    from wardline.facts import Facts
    from wardline.policy.model import Document, Rule

__all__ = ["is_for", "views"]


def is_for(rule: Rule, principal: Principal) -> bool:
    """Return whether the rule's `agent` means this principal, or one that it acts for."""
    if rule.agent is None:
        return True
    names = [principal.id, principal.name or principal.id]
    if rule.restricting:
        names += principal.chain
    return any(map(rule.agent.match, names))


def views(rule: Rule, document: Document, action: Action, facts: Facts) -> Iterator[Activation]:
    """Yield what the rule's condition is evaluated on; it holds where it does on one of them.

    The same object is yielded again with another `type`.
    """
    if rule.program is None:
        return
    if facts.error is not None and "action.error" not in rule.program.reads:
        return  # what failed has no result that the condition could read
    env = Activation(
        action,
        facts,
        action.args,
        facts.result,
        lambda: fingerprint(action, facts.principal, encode(action.args)),
    )
    entry = document.tools.entry(action.name)
    if entry is not None:
        env.tool = entry.view
    else:
        env.tool = UNLISTED if rule.restricting else UNLISTED_FOR_ALLOW
    types = [action.type]
    if rule.reads_type and action.verb and action.verb != action.type:
        if rule.restricting:
            types.append(action.verb)
        elif entry is not None and entry.type_from == "action":
            types = [action.verb]
    for type_ in types:
        env.type = type_
        yield env
