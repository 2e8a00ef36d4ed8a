"""Cases: one action each, with the decision that is expected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wardline.canonical import canonical

if TYPE_CHECKING:
    from pathlib import Path

    from wardline.cases.expected import Difference, Expected
    from wardline.cases.given import Given
    from wardline.decision import Decision
    from wardline.errors import Problem

__all__ = ["Case", "CaseFile", "CaseResult", "shown"]


def shown(value: Any) -> Any:
    """Return a value as plain data, in its canonical form."""
    return json.loads(canonical(value))


class Case:
    """One action, the facts it meets, and what is expected of the decision.

    It stands in `file` at `line`. Immutable.
    """

    __slots__ = ("expected", "file", "given", "line", "name")

    def __init__(self, name: str, given: Given, expected: Expected, file: str, line: int) -> None:
        self.name = name
        self.given = given
        self.expected = expected
        self.file = file
        self.line = line

    def __repr__(self) -> str:
        return f"<Case {self.name!r} {self.file}:{self.line}>"


class CaseFile:
    """The cases of one file, and the policies that they are judged by, as one set.

    `file` is the path for messages; `policies` are the files and folders that the file names.
    """

    __slots__ = ("cases", "file", "path", "policies")

    def __init__(
        self, path: Path, file: str, policies: tuple[Path, ...], cases: tuple[Case, ...]
    ) -> None:
        self.path = path
        self.file = file
        self.policies = policies
        self.cases = cases


class CaseResult:
    """What became of one case.

    `differences` is empty where it passed. `decision` is None where the case could not be judged;
    `problem` then says why.
    """

    __slots__ = ("case", "decision", "differences", "hints", "problem")

    def __init__(
        self,
        case: Case,
        decision: Decision | None,
        differences: tuple[Difference, ...] = (),
        hints: tuple[str, ...] = (),
        problem: Problem | None = None,
    ) -> None:
        self.case = case
        self.decision = decision
        self.differences = differences
        self.hints = hints
        self.problem = problem

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain data."""
        made: dict[str, Any] = {
            "name": self.case.name,
            "line": self.case.line,
            "passed": self.passed,
            "differences": [
                {
                    "key": one.key,
                    "expected": shown(one.expected),
                    "got": shown(one.got),
                }
                for one in self.differences
            ],
            "hints": list(self.hints),
            "decision": self.decision.as_dict() if self.decision is not None else None,
        }
        if self.problem is not None:
            made["problem"] = str(self.problem)
        return made

    @property
    def passed(self) -> bool:
        """Whether the decision is the one that is expected."""
        return self.problem is None and not self.differences
