"""What was decided, by which rule, and what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wardline.canonical import Plain
    from wardline.policy.model import Rule

__all__ = ["ALLOW", "ASK", "DENY", "EFFECTS", "Advice", "Ask", "Decision", "Failure"]

ALLOW: Final = "allow"
ASK: Final = "require_approval"
DENY: Final = "deny"

EFFECTS: Final = (ALLOW, ASK, DENY)
"""The effects of a decision, the strictest last."""


class Ask:
    """One demand for approval: who may answer, how many must, and until when.

    `expires_in` is in microseconds, None for the default. `approvers` are the names as the policy
    has them; the guard's configuration maps groups to people.
    """

    __slots__ = (
        "approvers",
        "document",
        "expires_in",
        "quorum",
        "reason",
        "rule",
        "separation_of_duties",
    )

    def __init__(
        self,
        document: str,
        rule: str,
        approvers: tuple[str, ...],
        *,
        quorum: int = 1,
        expires_in: int | None = None,
        separation_of_duties: bool = False,
        reason: str = "",
    ) -> None:
        self.document = document
        self.rule = rule
        self.approvers = approvers
        self.quorum = quorum
        self.expires_in = expires_in
        self.separation_of_duties = separation_of_duties
        self.reason = reason


class Failure:
    """A rule whose condition failed while it ran, and how."""

    __slots__ = ("message", "rule")

    def __init__(self, rule: Rule, message: str) -> None:
        self.rule = rule
        self.message = message


class Advice:
    """What a rule, limit or document would have done if it were binding."""

    __slots__ = ("document", "effect", "rule")

    def __init__(self, document: str, rule: str, effect: str) -> None:
        self.document = document
        self.rule = rule
        self.effect = effect


class Decision:
    """The answer to one action. Treat as immutable: equal answers may be one object.

    `rule` made the decision, in `document`, at `file`:`line` (0 for a standing rule); `reason` is
    its reason for humans and models. `matched` and `failed` list all rules that held or erred.
    `replacement` is the new arguments (on `after`: the new result) where redact or transform rules
    changed them, else None.
    """

    __slots__ = (
        "advice",
        "asks",
        "document",
        "effect",
        "failed",
        "file",
        "line",
        "matched",
        "policy",
        "reason",
        "replacement",
        "rule",
    )

    def __init__(
        self,
        effect: str,
        *,
        rule: str,
        policy: str,
        document: str = "",
        reason: str = "",
        file: str = "",
        line: int = 0,
        matched: tuple[Rule, ...] = (),
        failed: tuple[Failure, ...] = (),
        asks: tuple[Ask, ...] = (),
        advice: tuple[Advice, ...] = (),
        replacement: Plain | None = None,
    ) -> None:
        self.effect = effect
        self.rule = rule
        self.policy = policy
        self.document = document
        self.reason = reason
        self.file = file
        self.line = line
        self.matched = matched
        self.failed = failed
        self.asks = asks
        self.advice = advice
        self.replacement = replacement

    @property
    def allowed(self) -> bool:
        """Whether the action may run without anybody's answer."""
        return self.effect == ALLOW

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as plain data, the same for equal decisions."""
        return {
            "effect": self.effect,
            "rule": self.rule,
            "document": self.document,
            "reason": self.reason,
            "file": self.file,
            "line": self.line,
            "matched": [f"{rule.document}/{rule.name}" for rule in self.matched],
            "failed": [
                {"rule": f"{failure.rule.document}/{failure.rule.name}", "error": failure.message}
                for failure in self.failed
            ],
            "asks": [
                {"rule": f"{ask.document}/{ask.rule}", "approvers": list(ask.approvers)}
                for ask in self.asks
            ],
            "advice": [
                {"rule": f"{advice.document}/{advice.rule}", "effect": advice.effect}
                for advice in self.advice
            ],
            "changed": self.replacement is not None,
            "policy": self.policy,
        }

    def __repr__(self) -> str:
        return f"<Decision {self.effect} by {self.rule!r}>"
