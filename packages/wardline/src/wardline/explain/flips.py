"""The smallest change of facts under which the decision would be another one."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wardline.canonical import canonical
from wardline.decide import decide
from wardline.decision import ALLOW
from wardline.errors import CanonicalError
from wardline.explain.changes import ABSENT, Change, State, changes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.action import Action
    from wardline.facts import Facts
    from wardline.policy.compile import PolicySet

__all__ = ["Flip", "flips"]

_MOST: Final = 2000
"""How many decisions are tried."""

_SINGLE: Final = 800


class Flip(NamedTuple):
    """Changes with which the decision would be `effect`, by `rule`.

    `changes` are triples of a path, the value there and the value there would be.
    """

    effect: str
    rule: str
    changes: tuple[tuple[str, Any, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the flip as plain data; where an argument is not there, the key is not either."""
        return {
            "effect": self.effect,
            "rule": self.rule,
            "changes": [
                {
                    "what": path,
                    **({} if now is ABSENT else {"from": _plain(now)}),
                    **({} if new is ABSENT else {"to": _plain(new)}),
                }
                for path, now, new in self.changes
            ],
        }


def _plain(value: Any) -> Any:
    """Return a value in its canonical form, as plain data; what has none is only named."""
    try:
        return json.loads(canonical(list(value) if isinstance(value, tuple) else value))
    except CanonicalError:
        return str(value)


def flips(
    policies: PolicySet, action: Action, facts: Facts, effect: str
) -> tuple[Flip, ...] | None:
    """Return the smallest changes after which the effect is another, one for each effect.

    First everything that one change can do is tried, then pairs, each by `decide` itself; pairs are
    tried where one change leads nowhere, or to something else than `allow`. The search ends after a
    fixed number of decisions. None where other engines have a say: they would have to be asked about
    actions that nobody wants.
    """
    if policies.engines:
        return None
    state = State(action, facts)
    made = changes(policies, state)
    found: dict[str, Flip] = {}
    _search(policies, state, ((change,) for change in made[:_SINGLE]), effect, found)
    if ALLOW not in (effect, *found) or not found:
        pairs = islice(_pairs(made), _MOST - min(len(made), _SINGLE))
        _search(policies, state, pairs, effect, found, until=ALLOW)
    return tuple(sorted(found.values(), key=lambda flip: len(flip.changes)))


def _search(
    policies: PolicySet,
    state: State,
    tries: Iterator[tuple[Change, ...]],
    effect: str,
    found: dict[str, Flip],
    until: str = "",
) -> None:
    """Try changes and keep the first for each effect; ends with the one that leads to `until`."""
    for tried in tries:
        after = state.put({change.path: change.value for change in tried})
        decision = decide(policies, after.action, after.facts)
        if decision.effect == effect or decision.effect in found:
            continue
        told = tuple((change.path, state.get(change.path), change.value) for change in tried)
        found[decision.effect] = Flip(decision.effect, decision.rule, told)
        if decision.effect == until:
            return


def _pairs(made: list[Change]) -> Iterator[tuple[Change, Change]]:
    """Yield pairs of changes of different things, those of small ones first."""
    for total in range(1, 2 * len(made)):
        for low in range(max(0, total - len(made) + 1), (total + 1) // 2):
            one, other = made[low], made[total - low]
            if one.path != other.path:
                yield one, other
