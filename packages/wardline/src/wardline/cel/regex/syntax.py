r"""Reads a pattern in RE2's syntax.

What RE2 refuses (look-around, back-references, possessive and atomic groups, counts above 1,000) is
refused here, and so is what RE2 has but this version does not: Unicode classes (`\pL`) and `\\C`.
Whether a repetition is greedy and what a group captures do not matter to a search that only answers
yes or no, so the tree does not keep them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from wardline.cel.regex.sets import (
    ANY,
    DIGIT,
    MAX_CODE_POINT,
    NOT_NEWLINE,
    POSIX,
    SPACE,
    WORD,
    Ranges,
    fold,
    invert,
    union,
)

__all__ = [
    "Alternatives",
    "Assertion",
    "Chars",
    "PatternError",
    "Repeat",
    "Sequence",
    "Tree",
    "parse",
]

_MAX_COUNT = 1000
_MAX_GROUPS = 48


class PatternError(ValueError):
    """A pattern that cannot be used; `hint` says what to write instead, where there is something."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place: `start`, `end`, `line_start`, `line_end`, `word` boundary, or `not_word`."""

    kind: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several."""

    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`item`, `least` to `most` times; without an upper bound where `most` is None."""

    item: Tree
    least: int
    most: int | None


Tree: TypeAlias = Chars | Assertion | Sequence | Alternatives | Repeat

_PERL = {"d": DIGIT, "s": SPACE, "w": WORD}
_CONTROLS = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_PLACES = {"A": "start", "z": "end", "b": "word", "B": "not_word"}
_HEX = frozenset("0123456789abcdefABCDEF")
_GROUP_ERRORS = {
    "=": "look-ahead", "!": "look-ahead", "<=": "look-behind", "<!": "look-behind",
    ">": "an atomic group", "#": "a comment", "|": "a branch reset", "(": "a conditional",
    "R": "recursion", "&": "recursion",
}  # fmt: skip


def parse(pattern: str) -> Tree:
    """The tree of a pattern; PatternError where it is not one."""
    return _Parser(pattern).run()


class _Flags:
    """The flags in force: `i` case, `m` lines, `s` dot matches newline. `U` changes no answer."""

    __slots__ = ("i", "m", "s")

    def __init__(self, i: bool = False, m: bool = False, s: bool = False) -> None:
        self.i = i
        self.m = m
        self.s = s

    def copy(self) -> _Flags:
        return _Flags(self.i, self.m, self.s)


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.flags = _Flags()
        self.groups = 0
        self.names: set[str] = set()

    def run(self) -> Tree:
        tree = self.alternatives()
        if self.at < len(self.pattern):
            raise PatternError("`)` closes nothing", "For a parenthesis write `\\)`.")
        return tree

    def peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    # Structure

    def alternatives(self) -> Tree:
        branches = [self.sequence()]
        while self.peek("|"):
            self.at += 1
            branches.append(self.sequence())
        return branches[0] if len(branches) == 1 else Alternatives(tuple(branches))

    def sequence(self) -> Tree:
        items: list[Tree] = []
        repeated = False
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char in "|)":
                break
            counts = self.counts(char)
            if counts is not None:
                if repeated:
                    raise PatternError(
                        "two repetitions follow each other",
                        "RE2 has no possessive repetition; for a nested one write `(?:…)`.",
                    )
                if not items:
                    raise PatternError(f"there is nothing to repeat before `{char}`")
                items[-1] = _repeat(items[-1], *counts)
                repeated = True
                continue
            repeated = False
            items += self.atom(char)
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def counts(self, char: str) -> tuple[int, int | None] | None:
        """The bounds of a repetition that stands here, with the `?` of a lazy one."""
        if char in "*+?":
            found: tuple[int, int | None] = {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
            self.at += 1
        elif char == "{":
            close = self.pattern.find("}", self.at)
            low, comma, high = self.pattern[self.at + 1 : max(close, 0)].partition(",")
            if not _digits(low) or (high and not _digits(high)):
                return None  # as in RE2, a brace that counts nothing stands for itself
            least = _count(low)
            found = (least, (_count(high) if high else None) if comma else least)
            if found[1] is not None and found[1] < least:
                raise PatternError(f"`{{{low},{high}}}` counts backwards")
            self.at = close + 1
        else:
            return None
        if self.peek("?"):
            self.at += 1
        return found

    def atom(self, char: str) -> list[Tree]:
        r"""What stands here: nothing for flags, several items for `\Q…\E`."""
        flags = self.flags
        if char == "(":
            return self.group()
        if char == "[":
            return [self.char_class()]
        if char == "\\":
            return self.escape()
        self.at += 1
        if char == "^":
            return [Assertion("line_start" if flags.m else "start")]
        if char == "$":
            return [Assertion("line_end" if flags.m else "end")]
        if char == ".":
            return [Chars(ANY if flags.s else NOT_NEWLINE)]
        return [Chars(self.char(ord(char)))]

    def char(self, low: int, high: int | None = None) -> Ranges:
        high = low if high is None else high
        if low <= 0xDFFF and high >= 0xD800 and low == high:
            raise PatternError("a lone surrogate is not a character")
        if not self.flags.i:
            return ((low, high),)
        folded = fold(low, high)
        if folded is None:
            raise PatternError(
                "`(?i)` covers ASCII and Latin-1 letters in this version",
                "Write both cases of other letters as a class, outside `(?i)`.",
            )
        return folded

    def group(self) -> list[Tree]:
        self.groups += 1
        if self.groups > _MAX_GROUPS:
            raise PatternError(f"groups are nested deeper than {_MAX_GROUPS} levels")
        outer = self.flags
        self.flags = outer.copy()
        self.at += 1
        if self.peek("?") and not self.named_or_flags():
            outer.i, outer.m, outer.s = self.flags.i, self.flags.m, self.flags.s
            self.flags = outer
            self.groups -= 1
            return []
        inner = self.alternatives()
        if not self.peek(")"):
            raise PatternError("`(` is not closed", "For a parenthesis write `\\(`.")
        self.at += 1
        self.flags = outer
        self.groups -= 1
        return [inner]

    def named_or_flags(self) -> bool:
        """Read what follows `(?`; whether a group follows, and not only flags for the rest."""
        self.at += 1
        for mark in ("P<", "<"):
            after = self.pattern[self.at + len(mark) : self.at + len(mark) + 1]
            if self.peek(mark) and after not in ("=", "!"):
                self.name(self.at + len(mark))
                return True
        for mark, what in _GROUP_ERRORS.items():
            if self.peek(mark):
                raise PatternError(f"RE2 has no {what.removeprefix('a ').removeprefix('an ')}")
        return self.set_flags()

    def name(self, begin: int) -> None:
        end = self.pattern.find(">", begin)
        name = self.pattern[begin : max(end, begin)]
        if not name or not name.isascii() or not name.replace("_", "a").isalnum():
            raise PatternError("the name of a group is letters, digits and `_`, closed by `>`")
        if name in self.names:
            raise PatternError(f"two groups are named `{name}`")
        self.names.add(name)
        self.at = end + 1

    def set_flags(self) -> bool:
        value, seen = True, False
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            self.at += 1
            if char in "imsU":
                seen = True
                if char != "U":
                    setattr(self.flags, char, value)
            elif char == "-" and value:
                value, seen = False, False
            elif char in ":)" and (seen or value):
                return char == ":"
            else:
                break
        raise PatternError("`(?` is followed by no flag that RE2 knows", "RE2 has i, m, s and U.")

    # Characters

    def escape(self) -> list[Tree]:
        letter = self.pattern[self.at + 1 : self.at + 2]
        if letter == "Q":
            end = self.pattern.find("\\E", self.at + 2)
            text = self.pattern[self.at + 2 : end if end >= 0 else len(self.pattern)]
            self.at = end + 2 if end >= 0 else len(self.pattern)
            return [Chars(self.char(ord(char))) for char in text]
        if letter == "E":
            raise PatternError("`\\E` closes nothing")
        if letter in _PLACES:
            self.at += 2
            return [Assertion(_PLACES[letter])]
        perl = self.perl_class()
        if perl is not None:
            return [Chars(perl)]
        return [Chars(self.char(self.escaped()))]

    def perl_class(self) -> Ranges | None:
        letter = self.pattern[self.at + 1 : self.at + 2]
        if not letter or letter.lower() not in _PERL:
            return None
        self.at += 2
        ranges = self.folded(_PERL[letter.lower()])
        return invert(ranges) if letter.isupper() else ranges

    def folded(self, ranges: Ranges) -> Ranges:
        return union(part for low, high in ranges for part in self.char(low, high))

    def escaped(self) -> int:
        """The code point of an escape that stands for one character."""
        letter = self.pattern[self.at + 1 : self.at + 2]
        if not letter:
            raise PatternError("the pattern ends in a backslash", "For a backslash write `\\\\`.")
        start, self.at = self.at, self.at + 2
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter == "x":
            return self.hexadecimal()
        if letter == "0" or (letter in "1234567" and self.pattern[self.at : self.at + 1] in _OCTAL):
            digits = letter
            while len(digits) < 3 and self.pattern[self.at : self.at + 1] in _OCTAL:
                digits += self.pattern[self.at]
                self.at += 1
            return int(digits, 8)
        if letter.isascii() and not letter.isalnum():
            return ord(letter)
        shown = self.pattern[start : self.at]
        if letter in "123456789":
            raise PatternError("RE2 has no back-references")
        if letter in "pP":
            raise PatternError(
                f"`{shown}`: Unicode classes are not supported in this version",
                "List the ranges: `[\\x{0400}-\\x{04FF}]`.",
            )
        if letter == "Z":
            raise PatternError("RE2 has no `\\Z`", "For the end of the text write `$` or `\\z`.")
        raise PatternError(f"`{shown}` is not an escape")

    def hexadecimal(self) -> int:
        if self.peek("{"):
            end = self.pattern.find("}", self.at)
            digits = self.pattern[self.at + 1 : max(end, self.at)]
            self.at = end + 1
        else:
            digits = self.pattern[self.at : self.at + 2]
            self.at += 2
            if len(digits) != 2:
                digits = ""
        if not digits or len(digits) > 8 or not _HEX.issuperset(digits):
            raise PatternError("`\\x` needs two hexadecimal digits, or some in braces")
        code = int(digits, 16)
        if code > MAX_CODE_POINT:
            raise PatternError(f"`\\x{{{digits}}}` is not a character")
        return code

    # Classes

    def char_class(self) -> Tree:
        self.at += 1
        negated = self.peek("^")
        self.at += negated
        parts: list[tuple[int, int]] = []
        first = True
        while first or not self.peek("]"):
            if self.at >= len(self.pattern):
                raise PatternError("`[` is not closed", "For a bracket write `\\[`.")
            parts += self.class_item()
            first = False
        self.at += 1
        ranges = union(parts)
        return Chars(invert(ranges) if negated else ranges)

    def class_item(self) -> Ranges:
        if self.peek("[:"):
            end = self.pattern.find(":]", self.at + 2)
            if end >= 0:
                return self.posix(self.pattern[self.at + 2 : end], end + 2)
        if self.peek("\\"):
            perl = self.perl_class()
            if perl is not None:
                return perl
        low = self.class_char()
        after = self.pattern[self.at + 1 : self.at + 2]
        if not self.peek("-") or after == "]" or not after:
            return self.char(low)
        self.at += 1
        high = self.class_char()
        if high < low:
            raise PatternError("a range in `[…]` runs backwards")
        return self.char(low, high)

    def class_char(self) -> int:
        if self.peek("\\"):
            return self.escaped()
        code = ord(self.pattern[self.at])
        self.at += 1
        return code

    def posix(self, name: str, after: int) -> Ranges:
        negated = name.startswith("^")
        ranges = POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise PatternError(f"there is no class `[:{name}:]`")
        self.at = after
        folded = self.folded(ranges)
        return invert(folded) if negated else folded


_OCTAL = frozenset("01234567")


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _count(text: str) -> int:
    count = int(text) if len(text) <= 5 else _MAX_COUNT + 1
    if count > _MAX_COUNT:
        raise PatternError(f"a repetition may count to {_MAX_COUNT:,}")
    return count


def _repeat(item: Tree, least: int, most: int | None) -> Tree:
    tree = Repeat(item, least, most)
    if (least >= 2 or (most or 0) >= 2) and _room(tree, _MAX_COUNT) == 0:
        raise PatternError(f"nested repetitions together may count to {_MAX_COUNT:,}")
    return tree


def _room(tree: Tree, room: int) -> int:
    """What is left of `room` when it is divided by the counts on the way to the deepest leaf."""
    match tree:
        case Repeat(item=item, least=least, most=most):
            simple = (least, most) in ((0, None), (1, None), (0, 1))
            count = 1 if simple else (least if most is None else most)
            return _room(item, room // count if count > 0 else room)
        case Sequence(items=items) | Alternatives(items=items):
            return min((_room(item, room) for item in items), default=room)
        case _:
            return room
