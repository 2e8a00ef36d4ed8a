"""Rules that can never match, and rules that another one makes superfluous."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.action import DEFAULT_KINDS, type_of
from wardline.policy.globs import intersect
from wardline.policy.linting.logic import facts_of, follows
from wardline.policy.linting.terms import never_holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.errors import Problem
    from wardline.policy.compile import PolicySet
    from wardline.policy.globs import Globs
    from wardline.policy.model import Document, Rule

__all__ = ["check", "covered"]

_MOST_COMPARED: Final = 20_000
"""How many pairs of rules are compared: a hint is not worth a wait."""

_CALLS: Final = frozenset({("tool_call", "before"), ("tool_call", "after")})


def check(document: Document) -> Iterator[Problem]:
    """Yield the rules of a document that can never match, or that allow what is allowed anyway."""
    for rule in document.rules:
        if why := _dead(document, rule):
            message, hint = why
            yield _at(document, rule, f"rule `{rule.name}` can never match: {message}", hint)
        elif _allowed_anyway(document, rule):
            yield _at(
                document,
                rule,
                f"rule `{rule.name}` allows what is allowed by default",
                "remove the rule, or let `default_action` be deny",
            )


def _dead(document: Document, rule: Rule) -> tuple[str, str] | None:
    """Return why no action can be one that the rule is for, and what to do."""
    if rule.types == frozenset() or rule.names == frozenset():
        return (
            "its condition asks for nothing that exists",
            "remove the rule, or the part of the condition that excludes the rest",
        )
    if rule.tool is None:
        return _for_strangers(document, rule)
    if _apart(document, rule):
        asked = ", ".join(sorted(rule.types or rule.names or ()))
        return (
            f"its condition asks for {asked}, and `tool` is {', '.join(rule.tool.patterns)}",
            "let both name the same tool, or keep one of the two",
        )
    if _unlisted(document, rule.tool, rule):
        wanted = " or ".join(rule.tool.patterns)
        return (
            f"the catalogue lists no tool that is {wanted}, and unlisted tools are refused",
            "list the tool under `tools`, or correct the name",
        )
    return _for_strangers(document, rule)


def _apart(document: Document, rule: Rule) -> bool:
    assert rule.tool is not None
    if rule.names is not None and not any(rule.tool.match(type_of(name)) for name in rule.names):
        return True
    # A restricting rule also holds for a verb, which says nothing about the name.
    verbs = any(entry.type_from for entry in document.tools.entries)
    by_type = not rule.restricting and not verbs
    return by_type and rule.types is not None and not any(map(rule.tool.match, rule.types))


def _unlisted(document: Document, tool: Globs, rule: Rule) -> bool:
    """Return whether a rule is for tools alone that its document refuses before it."""
    if document.unlisted_tools != "deny" or not rule.on <= _CALLS:
        return False
    listed = [type_of(entry.name) for entry in document.tools.entries]
    return not any(intersect(pattern, name) for pattern in tool.patterns for name in listed)


def _for_strangers(document: Document, rule: Rule) -> tuple[str, str] | None:
    meant = document.applies_to
    if meant is None or not meant.agents or rule.agent is None or rule.restricting:
        return None  # a restricting rule also looks at those that somebody acts for
    if any(intersect(a, b) for a in rule.agent.patterns for b in meant.agents.patterns):
        return None
    return (
        "the document applies to no agent that it is for",
        "let `agent` name some of those under `applies_to`",
    )


def _allowed_anyway(document: Document, rule: Rule) -> bool:
    if rule.action != "allow" or rule.mode:
        return False
    by_default = document.default_action in (None, "allow")
    return by_default or not any(
        stage == "before" and kind in DEFAULT_KINDS for kind, stage in rule.on
    )


# Pairs


def covered(policies: PolicySet) -> dict[str, list[Problem]]:
    """Return what is to be said of rules that another rule covers, by document."""
    found: dict[str, list[Problem]] = {}
    documents = {document.name: document for document in policies.documents}
    reported = {
        rule.ordinal
        for rule in policies.rules
        if _dead(documents[rule.document], rule) or never_holds(rule)
    }
    dead = frozenset(reported)
    budget = _MOST_COMPARED
    for rules in _groups(policies):
        for other in rules:
            for rule in rules if other.ordinal not in dead else ():
                if rule is other or rule.ordinal in reported:
                    continue
                budget -= 1
                if budget < 0:
                    return found
                said = _said(rule, other)
                if not said or not _covers(policies, other, rule):
                    continue
                same = _covers(policies, rule, other)
                if same and rule.action == other.action and rule.ordinal < other.ordinal:
                    continue  # the later one repeats the earlier one
                reported.add(rule.ordinal)
                found.setdefault(rule.document, []).append(
                    _problem(documents[rule.document], rule, other, said, same=same)
                )
    return found


_REPEATS: Final = "repeats"
_ADDS: Final = "adds nothing"
_NOTHING: Final = "allows nothing"
_CHANGES: Final = "changes nothing"


def _said(rule: Rule, other: Rule) -> str:
    """Return what becomes of `rule` where `other` covers it, "" where both have their say."""
    if other.mode or rule.mode or rule.action == "audit" or other.detectors or rule.detectors:
        return ""
    if rule.action == other.action == "require_approval":
        return _REPEATS if _details(rule) == _details(other) else ""
    if rule.action == other.action and rule.action in ("allow", "deny"):
        return _ADDS
    if rule.action == other.action:
        return _REPEATS if _details(rule) == _details(other) else ""
    if other.action == "deny":
        return {"allow": _NOTHING, "require_approval": _ADDS}.get(rule.action, _CHANGES)
    return _NOTHING if (rule.action, other.action) == ("allow", "require_approval") else ""


def _problem(document: Document, rule: Rule, other: Rule, said: str, *, same: bool) -> Problem:
    where = f"line {other.line}" + ("" if other.file == rule.file else f" of {other.file}")
    if same and rule.action == other.action:
        return _at(
            document, rule, f"rule `{rule.name}` repeats `{other.name}` on {where}", "keep one"
        )
    if said == _NOTHING and same:
        return _at(
            document,
            rule,
            f"rule `{rule.name}` allows nothing: `{other.name}` on {where} contradicts it, and "
            f"{other.action} wins",
            "keep one of them",
        )
    why = {
        "deny": "denies all of it",
        "require_approval": "asks about all of it",
        "allow": "allows all of it",
    }.get(other.action, "does the same")
    return _at(
        document,
        rule,
        f"rule `{rule.name}` {said}: `{other.name}` on {where} {why}",
        "remove one of them, or give the wider one a condition",
    )


def _groups(policies: PolicySet) -> Iterator[list[Rule]]:
    """Yield rules that may cover one another: those for the same tools, each with those for any."""
    wide = [rule for rule in policies.rules if rule.tool is None or rule.tool.wild]
    by_tool: dict[str, list[Rule]] = {}
    for rule in policies.rules:
        if rule.tool is not None:
            for name in rule.tool.exact:
                by_tool.setdefault(name, []).append(rule)
    for rules in by_tool.values():
        yield sorted({*rules, *wide}, key=lambda rule: rule.ordinal)
    if not by_tool:
        yield wide


def _covers(policies: PolicySet, wide: Rule, rule: Rule) -> bool:
    """Return whether `wide` holds certainly wherever `rule` does."""
    if not rule.on <= wide.on or not _agents(policies, wide, rule):
        return False
    if wide.tool is not None and not _inside(rule.tool, wide.tool):
        return False
    if wide.program is None:
        return True
    facts = facts_of(rule.program.expr.root) if rule.program is not None else []
    return follows(facts, wide.program.expr.root)


def _agents(policies: PolicySet, wide: Rule, rule: Rule) -> bool:
    """Return whether `wide` is for everybody that `rule` is for."""
    if wide.agent is not None and (
        rule.agent is None or set(wide.agent.patterns) != set(rule.agent.patterns)
    ):
        return False
    if wide.document == rule.document:
        return True
    document = next(one for one in policies.documents if one.name == wide.document)
    return document.applies_to is None and document.mode == "strict" and wide.action != "allow"


def _inside(inner: Globs | None, outer: Globs) -> bool:
    """Return whether everything that `inner` matches is matched by `outer`, as far as is plain."""
    if inner is None:
        return "*" in outer.patterns
    return all(
        pattern in outer.patterns or (pattern in inner.exact and outer.match(pattern))
        for pattern in inner.patterns
    )


def _details(rule: Rule) -> tuple[object, ...]:
    programs = tuple((path, program.text) for path, program in rule.set)
    return (
        rule.approvers,
        rule.quorum,
        rule.expires_in,
        rule.separation_of_duties,
        rule.paths,
        programs,
    )


def _at(document: Document, rule: Rule, message: str, hint: str) -> Problem:
    return document.source.problem(message, rule.line, rule.column, hint)
