"""What cases never show of a policy: rules, the terms of their conditions, limits and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.cel.terms import terms
from wardline.decide import decide
from wardline.decision import DENY
from wardline.errors import PolicyError
from wardline.explain.findings import out_of_reach
from wardline.views import is_for, views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wardline.action import Action
    from wardline.cases.model import Case
    from wardline.cel.terms import Term
    from wardline.decision import Decision
    from wardline.facts import Facts
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Document, Rule

__all__ = ["Coverage", "RuleCoverage", "TermCoverage", "coverage", "percent"]


class TermCoverage:
    """How often a term of a condition was true and false, in cases that the rule is for."""

    __slots__ = ("false", "term", "true")

    def __init__(self, term: Term) -> None:
        self.term = term
        self.true = 0
        self.false = 0

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the outcomes that no case shows."""
        return tuple(
            name for name, seen in (("true", self.true), ("false", self.false)) if not seen
        )


class RuleCoverage:
    """How often a rule matched, did not match, and failed."""

    __slots__ = ("document", "failed", "matched", "not_matched", "rule", "terms")

    def __init__(self, rule: Rule, document: Document) -> None:
        self.rule = rule
        self.document = document
        self.matched = 0
        self.not_matched = 0
        self.failed = 0
        expr = rule.program.expr if rule.program is not None else None
        self.terms = tuple(map(TermCoverage, terms(expr))) if expr is not None else ()

    @property
    def covered(self) -> bool:
        """Whether some case is matched by the rule and some is not."""
        return bool(self.matched and self.not_matched)

    def see(self, action: Action, facts: Facts, decision: Decision, *, in_reach: bool) -> None:
        """Count one case."""
        if self.rule in decision.matched:
            self.matched += 1
        elif any(failure.rule is self.rule for failure in decision.failed):
            self.failed += 1
        else:
            self.not_matched += 1
        if not in_reach:
            return
        for env in views(self.rule, self.document, action, facts):
            for one in self.terms:
                value = one.term.value(env)
                one.true += value is True
                one.false += value is False


class Coverage:
    """What the cases of a suite show.

    `limits` are those that are never exceeded, `defaults` the documents whose default no case
    reaches, `unlisted` those whose `unlisted_tools: deny` refuses nothing. Percentages are whole
    numbers, rounded down: 100 means all.
    """

    __slots__ = ("defaults", "limits", "rules", "unlisted")

    def __init__(self, policies: PolicySet) -> None:
        self.rules = tuple(
            RuleCoverage(rule, document)
            for document in policies.documents
            for rule in document.rules
            if rule.on
        )
        self.limits = [limit for document in policies.documents for limit in document.limits]
        self.defaults = [d for d in policies.documents if d.default_action is not None]
        self.unlisted = [d for d in policies.documents if d.unlisted_tools == DENY]

    @property
    def rules_percent(self) -> int:
        """How many of the rules match some case and do not match another."""
        return percent(sum(one.covered for one in self.rules), len(self.rules))

    @property
    def terms_seen(self) -> tuple[int, int]:
        """How many outcomes of terms were seen, and how many there are: each can be true and false."""
        every = [term for rule in self.rules for term in rule.terms]
        return sum(2 - len(term.missing) for term in every), 2 * len(every)

    @property
    def terms_percent(self) -> int:
        """How many of these outcomes were seen."""
        return percent(*self.terms_seen)

    def missing(self) -> Iterator[tuple[str, int, str]]:
        """Yield what no case shows: a file, a line (0 for the whole document) and what it is."""
        for one in self.rules:
            rule = one.rule
            if not one.matched:
                how = "fails whenever it is looked at" if one.failed else "never matches"
                yield rule.file, rule.line, f"rule {rule.name} {how}"
            elif not one.not_matched:
                yield rule.file, rule.line, f"rule {rule.name} matches in every case"
            for term in one.terms:
                if term.missing:
                    outcomes = " and never ".join(term.missing)
                    message = f"rule {rule.name}: `{term.term.text}` is never {outcomes}"
                    yield rule.file, rule.line, message
        for limit in self.limits:
            yield limit.file, limit.line, f"limit {limit.name} is never exceeded"
        for document in self.defaults:
            message = f"no case comes to `default_action: {document.default_action}`"
            yield document.file, 0, f"document {document.name}: {message}"
        for document in self.unlisted:
            message = "no case is refused by `unlisted_tools: deny`"
            yield document.file, 0, f"document {document.name}: {message}"

    def as_dict(self) -> dict[str, Any]:
        """Return the coverage as plain data."""
        seen, outcomes = self.terms_seen
        return {
            "rules": {"percent": self.rules_percent, "of": len(self.rules)},
            "terms": {"percent": self.terms_percent, "seen": seen, "of": outcomes},
            "missing": [
                {"file": file, "line": line, "message": message}
                for file, line, message in self.missing()
            ],
            "by_rule": [
                {
                    "document": one.rule.document,
                    "rule": one.rule.name,
                    "matched": one.matched,
                    "not_matched": one.not_matched,
                    "failed": one.failed,
                    "terms": [
                        {"text": term.term.text, "true": term.true, "false": term.false}
                        for term in one.terms
                    ],
                }
                for one in self.rules
            ],
        }


def percent(part: int, whole: int) -> int:
    """Return a percentage, rounded down; of nothing, all is there."""
    return 100 * part // whole if whole else 100


def coverage(policies: PolicySet, cases: Iterable[Case]) -> Coverage:
    """Return what the cases show of the policies, whether they pass or not."""
    found = Coverage(policies)
    for case in cases:
        try:
            facts = case.given.facts(policies)
        except PolicyError:
            continue  # it fails as a case, and shows nothing
        _see(found, policies, case.given.action, facts)
    return found


def _see(found: Coverage, policies: PolicySet, action: Action, facts: Facts) -> None:
    decision = decide(policies, action, facts)
    found.limits = [limit for limit in found.limits if limit not in facts.exceeded]
    if decision.rule == "builtin:default":
        found.defaults = [d for d in found.defaults if d.name != decision.document]
    if decision.rule == "builtin:unlisted":
        found.unlisted = [d for d in found.unlisted if d.name != decision.document]
    if not decision.document:
        return  # decided before any rule was looked at
    applied = dict(policies.applicable(facts.principal))
    for one in found.rules:
        in_reach = not out_of_reach(one.rule, one.document, applied, action) and is_for(
            one.rule, facts.principal
        )
        one.see(action, facts, decision, in_reach=in_reach)
