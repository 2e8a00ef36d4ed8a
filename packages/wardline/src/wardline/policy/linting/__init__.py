"""What loads and is probably not meant. Only what is certain is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.policy.linting import limits, people, rules, terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wardline.errors import Problem
    from wardline.policy.compile import PolicySet

__all__ = ["warnings"]


def warnings(
    policies: PolicySet, approvers: Mapping[str, Sequence[str]] | None
) -> tuple[Problem, ...]:
    """Do what `wardline.policy.lint` does."""
    found: list[Problem] = []
    covered = rules.covered(policies)
    for document in policies.documents:
        own = [
            *document.notes,
            *terms.check(document),
            *rules.check(document),
            *covered.get(document.name, ()),
            *limits.check(document),
            *people.check(document, approvers),
        ]
        found += sorted(own, key=lambda problem: (problem.line, problem.column))
    return tuple(dict.fromkeys(found))
