"""Tools of developers that run code of the working copy, or what its configuration names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline_facets.shell import table
from wardline_facets.shell.options import read_options, row
from wardline_facets.shell.subcommands import SUBCOMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_facets.shell.judge import Findings
    from wardline_facets.shell.options import Handler
    from wardline_facets.shell.words import Word

__all__ = ["DEVELOPING"]

_PYTEST: Final = row(
    "qvsxl --lf --ff --last-failed --failed-first --collect-only --co --no-header --no-summary --version "
    "--exitfirst --verbose --quiet --showlocals --strict-markers --nf --sw --stepwise --fixtures --markers",
    "kmrn --tb --maxfail --durations --timeout --color --deselect --ignore --verbosity --show-capture",
)


def _pytest(findings: Findings, words: Sequence[Word]) -> None:
    found = read_options(words, _PYTEST)
    findings.local = True
    findings.opaque = findings.opaque or found.unknown
    for operand in found.operands:
        _inside(findings, operand)


def _inside(findings: Findings, operand: Word) -> None:
    """Whether an operand names something in the working copy."""
    text = operand.text
    if text is None or text[:1] in ("/", "~", "@") or ".." in re.split(r"[/\\:]", text):
        findings.opaque = True


def _mypy(findings: Findings, words: Sequence[Word]) -> None:
    findings.local = True
    for operand in findings.options(words, table.ROWS["mypy"]):
        _inside(findings, operand)


def _flake8(findings: Findings, words: Sequence[Word]) -> None:
    findings.local = True
    for operand in findings.options(words, table.ROWS["flake8"]):
        _inside(findings, operand)


def _ruff(findings: Findings, words: Sequence[Word]) -> None:
    command = words[0].text if words else None
    if command in ("check", "format"):
        found = read_options(words[1:], table.ROWS["ruff-" + command])
        asks = any(name in ("--check", "--diff") for name, _ in found.given)
        if command == "format" and not asks:
            findings.writes = True
        findings.opaque = findings.opaque or (found.unknown and (command == "check" or asks))
        findings.writes = findings.writes or found.writes
    elif command not in ("version", "--version", "rule", "linter"):
        findings.opaque = True


def _python(findings: Findings, words: Sequence[Word]) -> None:
    texts = [word.text for word in words[:2]]
    if texts == ["-m", "pytest"]:
        findings.programs["pytest"] = None
        _pytest(findings, words[2:])
    elif texts == ["-m", "pip"]:
        findings.programs["pip"] = None
        findings.subcommand(SUBCOMMANDS["pip"], words[2:])
    else:
        findings.opaque = True


_PYTHONS: Final[dict[str, Handler]] = dict.fromkeys(("python", "python2", "python3"), _python)
DEVELOPING: Final = _PYTHONS | {
    "flake8": _flake8,
    "mypy": _mypy,
    "py.test": _pytest,
    "pytest": _pytest,
    "ruff": _ruff,
}
"""Handlers by the names of programs."""
