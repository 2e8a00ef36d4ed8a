"""Programs and builtins whose words no row of the table can describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline_facets.shell import table
from wardline_facets.shell.containers import docker, kubectl
from wardline_facets.shell.developing import DEVELOPING
from wardline_facets.shell.filters import FILTERS
from wardline_facets.shell.git import git
from wardline_facets.shell.options import row
from wardline_facets.shell.running import RUNNING
from wardline_facets.shell.system import SYSTEM
from wardline_facets.shell.variables import harmless_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_facets.shell.judge import Findings
    from wardline_facets.shell.options import Handler
    from wardline_facets.shell.words import Word

__all__ = ["HANDLERS"]


def _printf(findings: Findings, words: Sequence[Word]) -> None:
    if words and not words[0].operand:
        findings.opaque = True  # -v writes into a variable


def _test(findings: Findings, words: Sequence[Word]) -> None:
    """`test …`; the reader has checked `[ … ]` and `[[ … ]]` by their operators."""
    texts = [word.text for word in words]
    if len(words) > 4 or "-v" in texts or "-R" in texts or not all(word.single for word in words):
        findings.opaque = True
    if len(words) == 2 and texts[0] is None:
        findings.opaque = True


_READ: Final = row("rs", "dnNptu")


def _read(findings: Findings, words: Sequence[Word]) -> None:
    for name in findings.options(words, _READ):
        if name.text is None or not harmless_name(name.text):
            findings.opaque = True


def _read_lines(findings: Findings, words: Sequence[Word]) -> None:
    for name in findings.options(words, row("t", "dnOsu")):
        if name.text is None or not harmless_name(name.text):
            findings.opaque = True


def _cd(findings: Findings, words: Sequence[Word]) -> None:
    folder = words[-1].text if words else None
    if not folder or folder[0] in "/-~" or ".." in folder.split("/") or len(words) > 1:
        findings.elsewhere = True


def _nothing_given(findings: Findings, words: Sequence[Word]) -> None:
    findings.opaque = findings.opaque or bool(words)


def _opaque(findings: Findings, _: Sequence[Word]) -> None:
    findings.opaque = True


HANDLERS: Final[dict[str, Handler]] = (
    dict.fromkeys(table.OPAQUE, _opaque)
    | dict.fromkeys(table.INTERPRETERS - {"go"}, _opaque)
    | dict.fromkeys(("test", "[", "[["), _test)
    | dict.fromkeys(("cd", "pushd", "popd"), _cd)
    | dict.fromkeys(("mapfile", "readarray"), _read_lines)
    | dict.fromkeys(("jobs", "times", "dirs"), _nothing_given)
    | {"docker": docker, "git": git, "kubectl": kubectl, "podman": docker}
    | {"printf": _printf, "read": _read}
    | RUNNING
    | FILTERS
    | SYSTEM
    | DEVELOPING
)
"""Handlers by the names of programs."""
