"""What loads and is probably not meant. Only what is certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.action import type_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.errors import Problem
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Document, Limit, Rule

__all__ = ["lint"]


def lint(policies: PolicySet) -> tuple[Problem, ...]:
    """Return warnings, in the order of documents and lines."""
    warnings: list[Problem] = []
    for document in policies.documents:
        found = [*document.notes, *_dead(document), *_repeated(document), *_limits(document)]
        warnings += sorted(found, key=lambda problem: (problem.line, problem.column))
    return tuple(warnings)


def _at(document: Document, thing: Rule | Limit, message: str, hint: str) -> Problem:
    return document.source.problem(message, thing.line, thing.column, hint)


def _dead(document: Document) -> Iterator[Problem]:
    """Yield rules whose `tool` and condition exclude each other."""
    verbs = any(entry.type_from for entry in document.tools.entries)
    for rule in document.rules:
        if rule.types == frozenset() or rule.names == frozenset():
            yield _at(
                document,
                rule,
                f"rule `{rule.name}` can never match: its condition asks for nothing that exists",
                "remove the rule, or the part of the condition that excludes the rest",
            )
        elif rule.tool is not None and _apart(rule, verbs):
            yield _at(
                document,
                rule,
                f"rule `{rule.name}` can never match: its condition asks for "
                + ", ".join(sorted(rule.types or rule.names or ()))
                + ", and `tool` is "
                + ", ".join(rule.tool.patterns),
                "let both name the same tool, or keep one of the two",
            )


def _apart(rule: Rule, verbs: bool) -> bool:
    assert rule.tool is not None
    if rule.names is not None and not any(rule.tool.match(type_of(name)) for name in rule.names):
        return True
    # A restricting rule also holds for a verb, which says nothing about the name.
    by_type = not rule.restricting and not verbs
    return by_type and rule.types is not None and not any(map(rule.tool.match, rule.types))


def _repeated(document: Document) -> Iterator[Problem]:
    """Yield rules that another one makes superfluous."""
    always: dict[tuple[object, ...], Rule] = {}
    seen: dict[tuple[object, ...], Rule] = {}
    for rule in document.rules:
        if rule.mode:
            continue
        scope = _scope(rule)
        if rule.action == "deny" and rule.program is None:
            always.setdefault(scope, rule)
        key = (*scope, rule.condition)
        first = seen.setdefault((*key, rule.action, *_details(rule)), rule)
        if first is not rule:
            yield _at(
                document,
                rule,
                f"rule `{rule.name}` repeats `{first.name}` on line {first.line}",
                "keep one of them",
            )
    for rule in document.rules:
        deny = always.get(_scope(rule))
        if deny is None or rule is deny or rule.mode or rule.action == "audit":
            continue
        if rule.action == "allow":
            yield _at(
                document,
                rule,
                f"rule `{rule.name}` allows nothing: `{deny.name}` on line {deny.line} always "
                "denies the same, and deny wins",
                "give the deny a condition, or remove this rule",
            )
        elif rule.action in ("deny", "require_approval") and rule.program is not None:
            yield _at(
                document,
                rule,
                f"rule `{rule.name}` adds nothing: `{deny.name}` on line {deny.line} always denies "
                "the same",
                "remove one of them",
            )


def _scope(rule: Rule) -> tuple[object, ...]:
    return (
        rule.on,
        frozenset(rule.tool.patterns) if rule.tool else None,
        frozenset(rule.agent.patterns) if rule.agent else None,
    )


def _details(rule: Rule) -> tuple[object, ...]:
    programs = tuple((path, program.text) for path, program in rule.set)
    return (
        rule.approvers,
        rule.quorum,
        rule.expires_in,
        rule.separation_of_duties,
        rule.paths,
        tuple(rule.detectors.items()),
        programs,
    )


def _limits(document: Document) -> Iterator[Problem]:
    """Yield limits that another one of the same count always reaches first."""
    for limit in document.limits:
        for other in document.limits:
            if other is limit or other.rule != limit.rule or _counted(other) != _counted(limit):
                continue
            tighter = other.at_most < limit.at_most or (
                other.at_most == limit.at_most and other.line < limit.line
            )
            if tighter and (other.on_exceed == "deny" or limit.on_exceed == other.on_exceed):
                yield _at(
                    document,
                    limit,
                    f"limit `{limit.name}` never binds: `{other.name}` stops at {other.at_most:,} of "
                    "the same",
                    "keep the lower one",
                )
                break


def _counted(limit: Limit) -> tuple[object, ...]:
    tool = frozenset(limit.tool.patterns) if limit.tool else None
    return (limit.count, limit.per, limit.window, limit.calendar, tool, limit.estimate)
