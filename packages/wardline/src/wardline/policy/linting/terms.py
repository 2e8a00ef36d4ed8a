"""Conditions that can never hold, that always do, and parts of them that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cel.tree import Logic, Node
from wardline.policy.linting.logic import facts_of, impossible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.errors import Problem
    from wardline.policy.model import Document, Rule

__all__ = ["check", "never_holds"]


def check(document: Document) -> Iterator[Problem]:
    """Yield the rules of a document whose condition is not what it seems."""
    for rule in document.rules:
        if rule.program is None or rule.types == frozenset() or rule.names == frozenset():
            continue  # the index has seen the latter
        root = rule.program.expr.root
        if never_holds(rule):
            yield _at(
                document,
                rule,
                f"rule `{rule.name}` can never match: what its condition asks for excludes itself",
                "remove the rule, or the part of the condition that excludes the rest",
            )
        elif impossible(facts_of(root, False)):
            yield _at(
                document,
                rule,
                f"the condition of rule `{rule.name}` always holds",
                "leave it out, or say what was meant",
            )
        else:
            yield from _dead_terms(document, rule, root)


def never_holds(rule: Rule) -> bool:
    """Return whether the condition of a rule is false whatever the action is."""
    return rule.program is not None and impossible(facts_of(rule.program.expr.root))


def _dead_terms(document: Document, rule: Rule, root: Node) -> Iterator[Problem]:
    """Yield the terms of a choice that can never be the reason why it holds."""
    facts = facts_of(root)
    for term, truth in facts:
        if not isinstance(term, Logic):
            continue
        others = [fact for fact in facts if fact[0] is not term]
        for number, one in enumerate(term.terms, 1):
            if impossible([*others, *facts_of(one, truth)]):
                yield _at(
                    document,
                    rule,
                    f"in the condition of rule `{rule.name}`, term {number} of a `{term.op}` "
                    "can never matter: the rest excludes it",
                    "remove the term, or what excludes it",
                )


def _at(document: Document, rule: Rule, message: str, hint: str) -> Problem:
    return document.source.problem(message, rule.line, rule.column, hint)
