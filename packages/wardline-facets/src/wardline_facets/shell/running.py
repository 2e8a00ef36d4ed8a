"""Programs and builtins that run what they are given: other programs, or text for a shell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline_facets.shell.options import names, read_options, row
from wardline_facets.shell.variables import harmless_variable
from wardline_facets.shell.words import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_facets.shell.judge import Findings
    from wardline_facets.shell.options import Handler

__all__ = ["RUNNING"]

_ENV: Final = row("i0v --ignore-environment --null", "uC --unset --chdir", first=True)
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)


def _env(findings: Findings, words: Sequence[Word]) -> None:
    found = read_options(words, _ENV)
    findings.opaque = findings.opaque or found.unknown
    if found.value("-C", "--chdir") is not None:
        findings.elsewhere = True
    operands = found.operands
    while operands and (assignment := _ASSIGNMENT.match(operands[0].prefix)):
        value = operands[0].cut(assignment.end())
        if not harmless_variable(assignment[1], value):
            findings.opaque = True
        operands = operands[1:]
    if operands:
        findings.command(operands)


_XARGS: Final = row(
    "0rtx --null --no-run-if-empty --verbose",
    "adEILnPs --arg-file --delimiter --max-args --max-procs --max-lines",
    optional="ile",
    first=True,
)


def _xargs(findings: Findings, words: Sequence[Word]) -> None:
    found = read_options(words, _XARGS)
    findings.opaque = findings.opaque or found.unknown
    if any(name in ("-i", "-e", "-l") for name, _ in found.given):
        findings.opaque = True  # with optional values, which differ from one xargs to the next
    mark = found.value("-I")
    if mark is None:
        # What it reads follows, and may look like options.
        operands = [*found.operands, Word(None, "", single=False)]
    else:
        operands = [_replaced(word, mark.text or "") for word in found.operands]
    if found.operands:
        findings.command(operands)


def _replaced(word: Word, mark: str) -> Word:
    """A word in which something takes the place of `mark`."""
    if word.text is None or not mark or mark in word.text:
        start = word.prefix.partition(mark)[0] if mark else ""
        return Word(None, start, single=word.single)
    return word


def _shell(findings: Findings, words: Sequence[Word]) -> None:
    """A shell reads a text, a file or its input; only a text that stands there can be judged."""
    flags = words[0].text if words else None
    payload = words[1].text if len(words) > 1 else None
    if flags is None or payload is None or not re.fullmatch(r"-[exu]*c[exu]*", flags):
        findings.opaque = True
        for word in words[1:]:
            if word.text is not None and flags is not None and flags[:1] == "-" and "c" in flags:
                findings.text(word.text)
                break
        return
    findings.text(payload)


def _eval(findings: Findings, words: Sequence[Word]) -> None:
    texts = [word.text for word in words]
    known = [text for text in texts if text is not None]
    if len(known) != len(texts):
        findings.opaque = True
    findings.text(" ".join(known))


_SU: Final = row("lmp", "cs --command")


def _su(findings: Findings, words: Sequence[Word]) -> None:
    findings.opaque = True
    payload = read_options(words, _SU).value("-c", "--command")
    if payload is not None and payload.text is not None:
        findings.text(payload.text)


def _script(findings: Findings, words: Sequence[Word]) -> None:
    findings.writes = findings.opaque = True
    payload = read_options(words, row("aefq", "c --command")).value("-c", "--command")
    if payload is not None and payload.text is not None:
        findings.text(payload.text)


def _loader(findings: Findings, words: Sequence[Word]) -> None:
    findings.opaque = True
    if words:
        findings.command(words)


_FIND_TESTS: Final = names("""
    -name -iname -path -ipath -wholename -iwholename -regex -iregex -type -xtype -size -mtime -mmin
    -atime -amin -ctime -cmin -newer -anewer -cnewer -newermt -newerct -newerat -maxdepth -mindepth
    -perm -user -group -uid -gid -links -inum -samefile -regextype -fstype -lname -ilname -used
    -printf
    """)
_FIND_WORDS: Final = names("""
    -depth -d -empty -nouser -nogroup -readable -writable -executable -true -false -prune -quit
    -print -print0 -ls -not -a -and -o -or -follow -xdev -mount -daystart -noleaf -H -L -P -O1 -O2
    -O3 ! ( ) , -ignore_readdir_race -warn -nowarn
    """)
_FIND_RUNS: Final = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
_FIND_WRITES: Final = frozenset({"-delete", "-fprint", "-fprint0", "-fprintf", "-fls"})


def _find(findings: Findings, words: Sequence[Word]) -> None:
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word.text in _FIND_RUNS:
            at = _find_runs(findings, words, at)
        elif word.text in _FIND_WRITES:
            findings.writes = True
        elif word.text in _FIND_TESTS:
            findings.opaque = findings.opaque or at == len(words) or not words[at].single
            at += 1
        elif word.text in _FIND_WORDS:
            continue
        elif not word.operand or word.prefix[:1] in "(!,":
            findings.opaque = True


def _find_runs(findings: Findings, words: Sequence[Word], at: int) -> int:
    command: list[Word] = []
    while at < len(words) and words[at].text != ";":
        if words[at].text == "+" and command and command[-1].text is None:
            break
        # What is found begins like the folder that was searched, and so never like an option.
        word = words[at]
        found = word.text is not None and "{}" in word.text
        command.append(
            Word(None, word.prefix.partition("{}")[0] or "/", single=True) if found else word
        )
        at += 1
    if command:
        findings.command(command)
    if at >= len(words):
        findings.opaque = True
    return at + 1


_SHELLS: Final[dict[str, Handler]] = dict.fromkeys(
    ("sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "rbash"), _shell
)
RUNNING: Final = _SHELLS | {
    "env": _env,
    "eval": _eval,
    "find": _find,
    "gfind": _find,
    "ld.so": _loader,
    "script": _script,
    "su": _su,
    "xargs": _xargs,
}
"""Handlers by the names of programs."""
