"""Programs that read text and archives, and write only where an option or an operand says so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline_facets.shell import table
from wardline_facets.shell.options import read_options, row
from wardline_facets.shell.scripts import awk_only_reads, sed_only_reads
from wardline_facets.shell.words import Unclear, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_facets.shell.judge import Findings
    from wardline_facets.shell.options import Handler

__all__ = ["FILTERS"]

_SED: Final = row(
    "nErsuz --quiet --silent --regexp-extended --separate --null-data --posix --debug --sandbox",
    "el --expression --line-length",
    optional="i",
    writes="--in-place",
)


def _sed(findings: Findings, words: Sequence[Word]) -> None:
    found = read_options(words, _SED)
    findings.opaque = findings.opaque or found.unknown
    if found.writes or any(name == "-i" for name, _ in found.given):
        findings.writes = True
    scripts = [value for name, value in found.given if name in ("-e", "--expression")]
    if not scripts:
        scripts, _ = [*found.operands[:1]], found.operands
    if not scripts:
        findings.opaque = True
    for script in scripts:
        try:
            if script is None or script.text is None:
                raise Unclear("a script that is not known")
            if not sed_only_reads(script.text):
                findings.writes = findings.opaque = True
        except Unclear:
            findings.opaque = True


_AWK: Final = row("", "Fv --field-separator --assign", first=True)


def _awk(findings: Findings, words: Sequence[Word]) -> None:
    found = read_options(words, _AWK)
    findings.opaque = findings.opaque or found.unknown
    script = found.operands[0].text if found.operands else None
    for word in found.operands[1:]:
        if word.prefix.startswith("/inet"):
            findings.network = True
        elif not word.operand:
            findings.opaque = True
    try:
        if script is None:
            raise Unclear("a program that is not known")
        if not awk_only_reads(script):
            findings.writes = findings.opaque = True
    except Unclear:
        findings.opaque = True


def _xmllint(findings: Findings, words: Sequence[Word]) -> None:
    for operand in findings.options(words, table.ROWS["xmllint"]):
        _local(findings, operand)


def _local(findings: Findings, operand: Word) -> None:
    """The operand may be an address as well as a file."""
    if operand.text is None or ":" in operand.text:
        findings.network = findings.opaque = True


_TAR: Final = row(
    "tvzjJa --list --verbose --gzip --bzip2 --xz --zstd --wildcards --full-time --force-local",
    "fC --file --directory --exclude --strip-components",
    writes="xcruAI --extract --create --append --update --delete --concatenate "
    "--checkpoint-action --to-command --use-compress-program --rsh-command --info-script --get",
)


def _tar(findings: Findings, words: Sequence[Word]) -> None:
    first = words[0] if words else None
    if first is not None and first.text and first.text[0] != "-" and first.single:
        words = [Word("-" + first.text, "-" + first.text, single=True), *words[1:]]
    found = read_options(words, _TAR)
    listing = any(name in ("-t", "--list") for name, _ in found.given)
    findings.opaque = findings.opaque or found.unknown or not listing
    findings.writes = findings.writes or found.writes
    archive = found.value("-f", "--file")
    local = any(name == "--force-local" for name, _ in found.given)
    if archive is not None and (archive.text is None or ":" in archive.text) and not local:
        findings.network = findings.opaque = True


def _pages(findings: Findings, words: Sequence[Word], known: str) -> None:
    if any(word.prefix.startswith("+") for word in words):
        findings.opaque = True  # a command to begin with
    findings.options(words, table.ROWS[known])


_SECTION: Final = re.compile(r"[A-Za-z0-9][\w.+:-]*", re.ASCII)


def _man(findings: Findings, words: Sequence[Word]) -> None:
    if any(word.text in ("-P", "-H", "--pager") for word in words):
        findings.writes = findings.opaque = True
    for operand in findings.options(words, table.ROWS["man"]):
        if operand.text is None or not _SECTION.fullmatch(operand.text):
            findings.opaque = True


def _one_operand(findings: Findings, words: Sequence[Word], name: str) -> None:
    """The second operand is a file to write."""
    found = read_options(words, table.ROWS[name])
    if len(found.operands) > 1:
        findings.writes = True
    findings.opaque = findings.opaque or (found.unknown and len(found.operands) < 2)


FILTERS: Final[dict[str, Handler]] = dict.fromkeys(("awk", "gawk", "mawk", "nawk"), _awk) | {
    "gsed": _sed,
    "less": lambda findings, words: _pages(findings, words, "less"),
    "man": _man,
    "more": lambda findings, words: _pages(findings, words, "more"),
    "sed": _sed,
    "tar": _tar,
    "uniq": lambda findings, words: _one_operand(findings, words, "uniq"),
    "xmllint": _xmllint,
    "xxd": lambda findings, words: _one_operand(findings, words, "xxd"),
}
"""Handlers by the names of programs."""
