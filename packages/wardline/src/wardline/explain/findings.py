"""What each rule made of an action, and what one of them lacked to match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wardline.decide import look_at
from wardline.views import is_for, views

if TYPE_CHECKING:
    from wardline.action import Action
    from wardline.activation import Activation
    from wardline.cel.terms import Term
    from wardline.facts import Facts
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Document, Rule

__all__ = ["Finding", "Miss", "findings", "out_of_reach"]

_LONGEST: Final = 120


class Miss(NamedTuple):
    """The one term of a condition that kept a rule from matching.

    `saw` has the values that the term read, as (what, value) in words.
    """

    term: str
    saw: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        seen = ", ".join(f"{what} is {value}" for what, value in self.saw)
        return f"`{self.term}` is false" + (f": {seen}" if seen else "")


class Finding:
    """What one rule made of an action: `matched`, `failed` or `not matched`, and why.

    `miss` is set where a single term of its condition was false and all others held.
    """

    __slots__ = ("miss", "rule", "status", "why")

    def __init__(self, rule: Rule, status: str, why: str, miss: Miss | None = None) -> None:
        self.rule = rule
        self.status = status
        self.why = why
        self.miss = miss

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        rule = self.rule
        made: dict[str, Any] = {
            "document": rule.document,
            "rule": rule.name,
            "action": rule.action,
            "at": f"{rule.file}:{rule.line}",
            "status": self.status,
            "why": self.why,
        }
        if self.miss is not None:
            made["nearly"] = {"term": self.miss.term, "saw": dict(self.miss.saw)}
        return made


def findings(policies: PolicySet, action: Action, facts: Facts) -> tuple[Finding, ...]:
    """Return what each rule of each document makes of the action."""
    applied = dict(policies.applicable(facts.principal))
    return tuple(
        _finding(rule, document, applied, action, facts)
        for document in policies.documents
        for rule in document.rules
    )


def _finding(
    rule: Rule, document: Document, applied: dict[Document, bool], action: Action, facts: Facts
) -> Finding:
    if reason := out_of_reach(rule, document, applied, action):
        return Finding(rule, "not matched", reason)
    if rule.agent is not None and not is_for(rule, facts.principal):
        return Finding(rule, "not matched", f"it is for the agents {_named(rule.agent)}")
    matched, failed = look_at(rule, document, action, facts, acting=applied[document])
    if matched:
        always = "it has no condition" if rule.program is None else "its condition holds"
        return Finding(rule, "matched", always + (", recorded only" if rule.mode else ""))
    if failed:
        return Finding(rule, "failed", failed[0].message)
    miss = _miss(rule, document, action, facts)
    if miss is not None:
        return Finding(rule, "not matched", str(miss), miss)
    return Finding(rule, "not matched", f"its condition is false: {rule.condition}")


def _miss(rule: Rule, document: Document, action: Action, facts: Facts) -> Miss | None:
    """Return the only false term of a condition, in whichever view of the action comes nearest."""
    from wardline.cel.terms import conjuncts  # `import wardline` loads no language

    assert rule.program is not None
    parts = conjuncts(rule.program.expr)
    for env in views(rule, document, action, facts):
        values = [part.value(env) for part in parts]
        if values.count(False) == 1 and None not in values:
            part = parts[values.index(False)]
            return Miss(part.text, tuple(_saw(part, env)))
    return None


def _saw(part: Term, env: Activation) -> list[tuple[str, str]]:
    from wardline.cel.terms import readings

    found = []
    for reading in readings(part):
        value = reading.anything(env)
        found.append((reading.text, "not there" if value is None else _words(value[0])))
    return found


def _words(value: Any) -> str:
    """Return a value as a reader expects it: JSON where there is one."""
    import json

    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def out_of_reach(
    rule: Rule, document: Document, applied: dict[Document, bool], action: Action
) -> str:
    """Return why a rule is not even looked at, or ""."""
    if document not in applied:
        return "its document is for other agents, environments or tenants"
    if not rule.restricting and not applied[document]:
        return (
            "its document applies to somebody this agent acts for, whose permissions do not pass on"
        )
    if (action.kind, action.stage) not in rule.on:
        stages = ", ".join(sorted(f"{k}.after" if s == "after" else k for k, s in rule.on))
        return f"it is on {stages}"
    if rule.tool is not None and not rule.tool.match(action.type):
        return f"it is for the tools {_named(rule.tool)}"
    return ""


def _named(globs: Any) -> str:
    return ", ".join(globs.patterns)
