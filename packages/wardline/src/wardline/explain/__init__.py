"""Why a decision is what it is, and what would make it another.

`explain` says what every rule made of an action, which of them lacked a single term, what each of the
three gates says, and the smallest change under which the decision would be another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.decide import decide
from wardline.explain.findings import Finding, findings
from wardline.explain.gates import Gate, gates

if TYPE_CHECKING:
    from wardline.action import Action
    from wardline.decision import Decision
    from wardline.explain.flips import Flip
    from wardline.facts import Facts
    from wardline.policy.compile import PolicySet

__all__ = ["Explanation", "Finding", "Gate", "explain"]


class Explanation:
    """A decision, a finding for each rule, the gates, and the smallest changes that would flip it.

    `flips` is empty where no small change was found, and None where none was looked for because
    another engine has a say.
    """

    __slots__ = ("decision", "findings", "flips", "gates")

    def __init__(
        self,
        decision: Decision,
        findings: tuple[Finding, ...],
        gates: tuple[Gate, Gate, Gate],
        flips: tuple[Flip, ...] | None,
    ) -> None:
        self.decision = decision
        self.findings = findings
        self.gates = gates
        self.flips = flips

    def as_dict(self) -> dict[str, Any]:
        """Return the explanation as plain data."""
        return {
            "decision": self.decision.as_dict(),
            "gates": [gate.as_dict() for gate in self.gates],
            "rules": [finding.as_dict() for finding in self.findings],
            "flips": None if self.flips is None else [flip.as_dict() for flip in self.flips],
        }


def explain(policies: PolicySet, action: Action, facts: Facts) -> Explanation:
    """Return the decision of `decide` on the same input, and what led to it."""
    # `import wardline` stays quick for those who only decide.
    from wardline.explain.flips import flips

    decision = decide(policies, action, facts)
    return Explanation(
        decision,
        findings(policies, action, facts),
        gates(policies, action, facts),
        flips(policies, action, facts, decision.effect),
    )
