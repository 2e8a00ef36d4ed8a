"""Why a decision is what it is: every rule that could have spoken, and what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.decide import decide, look_at

if TYPE_CHECKING:
    from wardline.action import Action
    from wardline.decision import Decision
    from wardline.facts import Facts
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Document, Rule

__all__ = ["Explanation", "Finding", "explain", "out_of_reach"]


class Finding:
    """What one rule made of an action: `matched`, `failed` or `not matched`, and why."""

    __slots__ = ("rule", "status", "why")

    def __init__(self, rule: Rule, status: str, why: str) -> None:
        self.rule = rule
        self.status = status
        self.why = why

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        rule = self.rule
        return {
            "document": rule.document,
            "rule": rule.name,
            "action": rule.action,
            "at": f"{rule.file}:{rule.line}",
            "status": self.status,
            "why": self.why,
        }


class Explanation:
    """A decision, and a finding for each rule of each document in the set."""

    __slots__ = ("decision", "findings")

    def __init__(self, decision: Decision, findings: tuple[Finding, ...]) -> None:
        self.decision = decision
        self.findings = findings

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        return {
            "decision": self.decision.as_dict(),
            "rules": [finding.as_dict() for finding in self.findings],
        }


def explain(policies: PolicySet, action: Action, facts: Facts) -> Explanation:
    """Return the decision of `decide` on the same input, with what every rule made of it."""
    decision = decide(policies, action, facts)
    applied = dict(policies.applicable(facts.principal))
    findings = tuple(
        _finding(rule, document, applied, action, facts)
        for document in policies.documents
        for rule in document.rules
    )
    return Explanation(decision, findings)


def _finding(
    rule: Rule, document: Document, applied: dict[Document, bool], action: Action, facts: Facts
) -> Finding:
    if reason := out_of_reach(rule, document, applied, action):
        return Finding(rule, "not matched", reason)
    matched, failed = look_at(rule, document, action, facts, acting=applied[document])
    if matched:
        audited = "" if not rule.mode else ", recorded only"
        return Finding(rule, "matched", f"its condition holds{audited}")
    if failed:
        return Finding(rule, "failed", failed[0].message)
    if rule.agent is not None and rule.program is None:
        return Finding(rule, "not matched", f"it is for the agents {_named(rule.agent)}")
    why = (
        f"its condition is false: {rule.condition}" if rule.condition else "it is for other agents"
    )
    return Finding(rule, "not matched", why)


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
