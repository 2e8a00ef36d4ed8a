"""Options of programs: what a row of the table says, and reading words by it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wardline_facets.shell.judge import Findings
    from wardline_facets.shell.words import Word

__all__ = ["Handler", "Options", "Row", "names", "read_options", "row"]


Handler: TypeAlias = "Callable[[Findings, Sequence[Word]], None]"
"""Judges the words that follow a program's name."""


def names(text: str) -> frozenset[str]:
    """The words of a text, as a set: how tables of names are written."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class Row:
    """What a program does with which options.

    `flags`, `valued` and `optional` are the options known to do no harm: without a value, with one,
    and with one only where it is attached. `writes` and `network` are options that do. Any other
    option makes the command opaque. `least` and `most` bound the number of operands, `needs` names
    options of which at least one has to be there, and `first` says that options end at the first
    operand.
    """

    flags: frozenset[str]
    valued: frozenset[str]
    optional: frozenset[str]
    writes: frozenset[str]
    network: frozenset[str]
    needs: frozenset[str]
    least: int
    most: int
    first: bool


def row(
    flags: str = "",
    valued: str = "",
    *,
    optional: str = "",
    writes: str = "",
    network: str = "",
    needs: str = "",
    least: int = 0,
    most: int = 1_000_000,
    first: bool = False,
) -> Row:
    """A row; options are written as words, one letter without and the others with their dashes."""

    def dashed(text: str) -> frozenset[str]:
        found: set[str] = set()
        for part in text.split():
            found |= {part} if part.startswith("-") else {"-" + letter for letter in part}
        return frozenset(found)

    return Row(
        dashed(flags),
        dashed(valued),
        dashed(optional),
        dashed(writes),
        dashed(network),
        dashed(needs),
        least,
        most,
        first,
    )


@dataclass(slots=True)
class Options:
    """What was found: options in order with their values, operands, and whether all was known."""

    given: list[tuple[str, Word | None]] = field(default_factory=list)
    operands: list[Word] = field(default_factory=list)
    unknown: bool = False
    writes: bool = False
    network: bool = False

    def value(self, *names: str) -> Word | None:
        """The value of the last of these options, or None."""
        found = [value for name, value in self.given if name in names]
        return found[-1] if found else None


def read_options(words: Sequence[Word], known: Row) -> Options:
    """Read the words that follow a program's name."""
    found = Options()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word.text == "--":
            found.operands += words[at:]
            break
        if word.operand:
            found.operands.append(word)
            if known.first:
                found.operands += words[at:]
                break
            continue
        if word.text is None and (not word.prefix or not word.single):
            found.unknown = True  # this may become any option
            found.operands.append(word)
            continue
        long = word.prefix.startswith("--") or word.prefix in known.valued | known.writes
        at = _long(word, words, at, known, found) if long else _short(word, words, at, known, found)
    count = len(found.operands)
    if not known.least <= count <= known.most:
        found.unknown = True
    if known.most < 1_000_000 and not all(operand.single for operand in found.operands):
        found.unknown = True
    if known.needs and not known.needs & {name for name, _ in found.given}:
        found.unknown = True
    return found


def _take(found: Options, known: Row, name: str, value: Word | None) -> None:
    found.given.append((name, value))
    if name in known.writes:
        found.writes = True
    elif name in known.network:
        found.network = True
    elif name not in known.flags | known.valued | known.optional:
        found.unknown = True


def _long(word: Word, words: Sequence[Word], at: int, known: Row, found: Options) -> int:
    name, equals, _ = word.prefix.partition("=")
    if not equals and word.text is None:
        found.unknown = True
        return at
    value = word.cut(len(name) + 1) if equals else None
    if name in known.flags and equals:
        found.unknown = True
    if not equals and name in known.valued:
        if at == len(words) or not words[at].single:
            found.unknown = True
            return at
        value = words[at]
        at += 1
    if not equals and _shortened(name, known):
        name = _shortened(name, known)
    _take(found, known, name, value)
    return at


def _shortened(name: str, known: Row) -> str:
    """The harmful option that this may be short for, or an empty string."""
    if name in known.flags | known.valued | known.optional or len(name) < 4:
        return ""
    return next((bad for bad in known.writes | known.network if bad.startswith(name)), "")


def _short(word: Word, words: Sequence[Word], at: int, known: Row, found: Options) -> int:
    letters = word.prefix[1:]
    for place, letter in enumerate(letters):
        name = "-" + letter
        if name in known.valued:
            rest = word.cut(place + 2)
            if rest.prefix or rest.text is None:
                found.unknown = found.unknown or not rest.single
                _take(found, known, name, rest)
                return at
            if at == len(words) or not words[at].single:
                found.unknown = True
                return at
            _take(found, known, name, words[at])
            return at + 1
        _take(found, known, name, None)
        if name in known.optional:
            found.unknown = found.unknown or not word.single
            return at
    if word.text is None:
        found.unknown = True
    return at
