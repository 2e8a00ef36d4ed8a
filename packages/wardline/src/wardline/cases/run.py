"""Running cases: every one goes through `decide`, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cases.model import CaseResult
from wardline.decide import decide
from wardline.errors import PolicyError
from wardline.explain.findings import findings
from wardline.policy.source import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wardline.action import Action
    from wardline.cases.model import Case
    from wardline.facts import Facts
    from wardline.policy.compile import PolicySet

__all__ = ["holds", "run_cases"]


def holds(policies: PolicySet, case: Case) -> bool:
    """Return whether the case passes, without working out why not."""
    try:
        facts = case.given.facts(policies)
    except PolicyError:
        return False
    action = case.given.action
    return not case.expected.differences(decide(policies, action, facts), action, facts)


def run_cases(policies: PolicySet, cases: Iterable[Case]) -> tuple[CaseResult, ...]:
    """Return what becomes of each case under these policies."""
    return tuple(_run(policies, case) for case in cases)


def _run(policies: PolicySet, case: Case) -> CaseResult:
    try:
        facts = case.given.facts(policies)
    except PolicyError as error:
        return CaseResult(case, None, problem=error.problems[0])
    action = case.given.action
    decision = decide(policies, action, facts)
    differences = case.expected.differences(decision, action, facts)
    hints = tuple(_hints(policies, case, action, facts)) if differences else ()
    return CaseResult(case, decision, differences, hints)


def _hints(policies: PolicySet, case: Case, action: Action, facts: Facts) -> Iterator[str]:
    """Yield what became of each rule that the case names."""
    stated = case.expected.stated
    rule = stated.get("rule")
    wanted = [*([rule] if rule else []), *stated.get("matched", ()), *stated.get("asks", ())]
    found_all = findings(policies, action, facts)
    names = {finding.rule.name for finding in found_all}
    for name in dict.fromkeys(wanted):
        if name.startswith("builtin:"):
            continue
        found = [
            one
            for one in found_all
            if name in (one.rule.name, f"{one.rule.document}/{one.rule.name}")
        ]
        for one in found:
            if one.status != "matched":
                yield f"rule {one.rule.name} ({one.rule.file}:{one.rule.line}): {one.status}: {one.why}"
        if not found:
            near = nearest(name, names)
            yield f"there is no rule {name}" + (f"; did you mean {near}?" if near else "")
