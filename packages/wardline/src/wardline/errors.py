"""Every error that Wardline raises.

::

    WardlineError
    ├── PolicyError            a document that does not load         (ValueError)
    ├── ConfigurationError     a guard that refuses to start         (ValueError)
    ├── CanonicalError         a value without a canonical form      (ValueError)
    ├── EvaluationError        a condition that failed while running
    ├── EngineError            another policy engine that cannot answer
    ├── StoreError             state that cannot be read or written  (RuntimeError)
    ├── LedgerError            a record that cannot be written       (RuntimeError)
    ├── AnswerRefused          an answer that does not count         (PermissionError)
    └── ActionRefused          the action did not run                (PermissionError)
        ├── ActionDenied         a rule, a limit, a switch or a failure refused it
        ├── ApprovalPending      somebody has to answer first
        ├── AlreadyRan           this very call has run before
        └── ContentWithheld      it ran, and what it returned is not released

Refusals are `PermissionError`s, which the retry policies of agent frameworks leave alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.action import Action
    from wardline.decision import Decision

__all__ = [
    "ActionDenied",
    "ActionRefused",
    "AlreadyRan",
    "AnswerRefused",
    "ApprovalPending",
    "CanonicalError",
    "ConfigurationError",
    "ContentWithheld",
    "EngineError",
    "EvaluationError",
    "LedgerError",
    "PolicyError",
    "Problem",
    "StoreError",
    "WardlineError",
]


class WardlineError(Exception):
    """The root of every error in this module."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a policy document.

    `line` and `column` count from 1 and are 0 where the mistake has no place of its own. `source` is
    the text of that line, for the caret.
    """

    message: str
    file: str = "<policy>"
    line: int = 0
    column: int = 0
    source: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [f"{where}: {self.message}"]
        if self.source:
            parts += [f"  {self.source}", "  " + " " * max(self.column - 1, 0) + "^"]
        if self.hint:
            parts.append(f"  {self.hint}")
        return "\n".join(parts)


class PolicyError(WardlineError, ValueError):
    """A policy document that does not load; `problems` lists every mistake that was found."""

    def __init__(self, problems: Sequence[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigurationError(WardlineError, ValueError):
    """A guard, adapter or command that was set up in a way that cannot work."""


class CanonicalError(WardlineError, ValueError):
    """A value that has no canonical form; `path` says where it stands, as in `args.rows[3]`."""

    def __init__(self, message: str, path: str = "") -> None:
        self.path = path
        super().__init__(f"{path}: {message}" if path else message)


class EvaluationError(WardlineError):
    """A condition that failed while it ran: a missing field, a wrong type, an exceeded bound."""


class EngineError(WardlineError):
    """Another policy engine that does not accept a policy or cannot answer.

    `key` is the setting of the document that is wrong, "" where it is none of them.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class StoreError(WardlineError, RuntimeError):
    """The store cannot be read or written within its deadline."""


class LedgerError(WardlineError, RuntimeError):
    """The ledger cannot acknowledge a record."""


class AnswerRefused(WardlineError, PermissionError):
    """An answer to an approval that does not count; the approval is as it was.

    Whoever is not among the approvers, the asking principal, any member of its chain and whoever has
    answered before are refused, and so is every answer to what nobody waits for any more.
    """


class ActionRefused(WardlineError, PermissionError):
    """An action that was not let through.

    `str(error)` is one short sentence for the model. `action` and `decision` say what was judged
    and how; `decision` is None where the refusal comes from broken machinery.
    """

    def __init__(
        self, message: str, *, action: Action | None = None, decision: Decision | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.action = action
        self.decision = decision

    @property
    def rule(self) -> str | None:
        """The name of the rule that made the decision."""
        return self.decision.rule if self.decision is not None else None

    def __str__(self) -> str:
        return self.message


class ActionDenied(ActionRefused):
    """A rule, a default, a limit, a switch or broken machinery refused the action."""


class ApprovalPending(ActionRefused):
    """The action waits for an answer; `approval` is its id in the store."""

    def __init__(
        self,
        message: str,
        *,
        approval: str,
        action: Action | None = None,
        decision: Decision | None = None,
    ) -> None:
        super().__init__(message, action=action, decision=decision)
        self.approval = approval


class AlreadyRan(ActionRefused):
    """This call has run before; `result` is what it returned where results are kept."""

    def __init__(
        self,
        message: str,
        *,
        action: Action | None = None,
        result: object = None,
        has_result: bool = False,
    ) -> None:
        super().__init__(message, action=action)
        self.result = result
        self.has_result = has_result


class ContentWithheld(ActionRefused):
    """The action ran, and a rule on its `after` stage does not release what came of it."""
