"""What loads and is probably not meant. Only what is certain is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.policy.lint import limits, people, rules, terms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wardline.errors import Problem
    from wardline.policy.compile import PolicySet

__all__ = ["lint"]


def lint(
    policies: PolicySet, *, approvers: Mapping[str, Sequence[str]] | None = None
) -> tuple[Problem, ...]:
    """Return warnings, in the order of documents and lines.

    `approvers` is what a guard will be given; without it nothing is said of who can answer.
    """
    warnings: list[Problem] = []
    covered = rules.covered(policies)
    for document in policies.documents:
        found = [
            *document.notes,
            *terms.check(document),
            *rules.check(document),
            *covered.get(document.name, ()),
            *limits.check(document),
            *people.check(document, approvers),
        ]
        warnings += sorted(found, key=lambda problem: (problem.line, problem.column))
    return tuple(dict.fromkeys(warnings))
