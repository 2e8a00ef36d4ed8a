"""What ends a command early, and how it is told to a person or a program."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from wardline_cli import exits, output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline import Problem

__all__ = [
    "CommandError",
    "NothingRecordedError",
    "UsageError",
    "problem_as_dict",
    "show_problem",
    "tell",
]


class CommandError(Exception):
    """A command that could not do what it was asked; the message says what to do about it."""

    code: ClassVar[int] = exits.FAILED
    kind: ClassVar[str] = "failed"


class UsageError(CommandError):
    """A command line that means nothing."""

    code = exits.USAGE
    kind = "usage"


class NothingRecordedError(CommandError):
    """There is no state or no ledger where the command looked."""

    code = exits.NOTHING_RECORDED
    kind = "nothing_recorded"


def tell(
    code: int, kind: str, message: str, *, as_json: bool, problems: Sequence[Problem] = ()
) -> int:
    """Print an error, on standard error or as one JSON document on standard output; return `code`."""
    if as_json:
        error: dict[str, Any] = {"kind": kind, "message": message}
        if problems:
            error["problems"] = [problem_as_dict(problem, "error") for problem in problems]
        output.print_json({"error": error, "exit_code": code})
        return code
    for problem in problems:
        for line in show_problem(problem, "error", colour=output.err_colour()):
            output.complain(line)
    if not problems:
        output.complain(output.paint("error", "red", on=output.err_colour()) + ": ", end="")
        first = len("error: ")
        for line in message.splitlines():
            output.complain(output.folded(output.printable(line), sys.stderr, first=first))
            first = 0
    return code


def problem_as_dict(problem: Problem, severity: str) -> dict[str, Any]:
    """Return a problem of a policy as plain data."""
    return {
        "severity": severity,
        "message": problem.message,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "source": problem.source,
        "hint": problem.hint,
    }


def show_problem(problem: Problem, severity: str, *, colour: bool) -> list[str]:
    """Return a problem as lines: where and what, the line with a caret, and what to do."""
    where = f"{problem.file}:{problem.line}:{problem.column}" if problem.line else problem.file
    word = output.paint(severity, "red" if severity == "error" else "yellow", on=colour)
    lines = [f"{output.printable(where)}: {word}: {output.printable(problem.message)}"]
    if problem.source:
        lines.append(f"    {output.printable(problem.source)}")
        lines.append(
            "    " + " " * max(problem.column - 1, 0) + output.paint("^", "red", on=colour)
        )
    if problem.hint:
        lines += [f"  {output.printable(line)}" for line in problem.hint.splitlines()]
    return lines
