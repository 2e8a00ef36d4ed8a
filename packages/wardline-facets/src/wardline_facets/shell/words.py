"""Words of a command line: what quotes leave of them, and how much of the rest is known."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

__all__ = [
    "ALIKE",
    "ANY",
    "ONE",
    "UNKNOWN",
    "Part",
    "Unclear",
    "Word",
    "ansi_c",
    "bare",
    "double_quoted",
    "join",
    "literal",
]


class Unclear(Exception):
    """A text that cannot be resolved: whoever judges it has to call it opaque."""


class Word:
    """One word of a command after quote removal.

    `text` is the whole word, or None where a part is only known at run time. `prefix` is what every
    word that the shell makes of it begins with. `single` is false where the shell may make no word or several of
    it. `plain` is true where the word was written without quotes and escapes, as reserved words and
    names of variables have to be.
    """

    __slots__ = ("plain", "prefix", "single", "text")

    def __init__(self, text: str | None, prefix: str, *, single: bool, plain: bool = False) -> None:
        self.text = text
        self.prefix = prefix
        self.single = single
        self.plain = plain

    def cut(self, length: int) -> Word:
        """What follows the first `length` characters, which must be known."""
        text = None if self.text is None else self.text[length:]
        return Word(text, self.prefix[length:], single=self.single)

    @property
    def operand(self) -> bool:
        """Whether no program can take this word for an option."""
        return self.prefix[:1] not in ("", "-") or self.text in ("", "-")


def literal(text: str) -> Word:
    """A word that is wholly known."""
    return Word(text, text, single=True)


UNKNOWN: Final = Word(None, "", single=False)
"""Any number of words, of which nothing is known."""

Part: TypeAlias = tuple[str | None, int]
"""Known text, or None for what is only known at run time; and how many words it makes: `ONE`, `ALIKE`
(several that begin alike, as file names do) or `ANY` (as what is expanded without quotes)."""

ANY: Final = 0
ONE: Final = 1
ALIKE: Final = 2

_ESCAPES: Final = {
    "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t",
    "v": "\v", "\\": "\\", "'": "'", '"': '"', "?": "?",
}  # fmt: skip
_ANSI = re.compile(
    r"\\(?:([abeEfnrtv\\'\"?])|([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})"
    r"|U([0-9a-fA-F]{1,8}))|([^\\])",
    re.DOTALL,
)
_BARE = re.compile(r"\\(.)|([*?\[])|([^\\\s'\"`$&;|<>()*?\[]+)", re.DOTALL)
_EXPANDING = re.compile(r"[$](?=[A-Za-z_0-9({\[*@#?$!'\"-])|`")
_TILDE = re.compile(r"~(?:/|$)")


def ansi_c(text: str) -> str:
    """What stands in `$'…'`, with its escapes resolved."""
    out = []
    at = 0
    while found := _ANSI.match(text, at):
        at = found.end()
        simple, octal, *hexadecimal, plain = found.groups()
        if plain is not None:
            out.append(plain)
        elif simple is not None:
            out.append(_ESCAPES[simple])
        else:
            number = next((int(digits, 16) for digits in hexadecimal if digits), None)
            code = int(octal, 8) & 0xFF if number is None else number
            # Bytes above ASCII depend on the locale, and a NUL ends the string early.
            if not 0 < code < 0x80:
                raise Unclear("an escape outside ASCII")
            out.append(chr(code))
    if at != len(text):
        raise Unclear("an unknown escape")
    return "".join(out)


def double_quoted(text: str) -> str:
    """What a piece of a double-quoted string stands for; it must hold no expansion."""
    if _EXPANDING.search(re.sub(r"\\.", "", text, flags=re.DOTALL)):
        raise Unclear("an expansion that was not seen")
    if '"' in re.sub(r"\\.", "", text, flags=re.DOTALL):
        raise Unclear("a quote that was not seen")
    return re.sub(r"\\([$`\"\\])|\\\n", lambda found: found[1] or "", text)


def bare(text: str, *, first: bool) -> list[Part]:
    """The parts of an unquoted piece of a word; `first` where it begins the word."""
    parts: list[Part] = []
    at = 0
    if first and text[0] == "~":
        if not _TILDE.match(text):
            return [(None, ANY)]
        parts.append(("/", ONE))  # a home is an absolute folder; which one does not matter
        parts.append((None, ONE))
        at = 1
    elif first and text[0] == "#":
        raise Unclear("a comment that was not seen")
    while at < len(text):
        found = _BARE.match(text, at)
        if found is None:
            raise Unclear("a character that belongs to no word")
        escaped, glob, plain = found.groups()
        at = found.end()
        if glob is not None:
            parts.append((None, ALIKE))
        elif escaped != "\n":
            parts.append((escaped or plain, ONE))
    return parts


def join(parts: list[Part], *, plain: bool = False) -> Word:
    """The word that the parts make."""
    prefix = ""
    known = True
    for text, _ in parts:
        if text is None:
            known = False
        elif known:
            prefix += text
    if not known and any(count == ANY for _, count in parts):
        prefix = ""  # the first of several words may be cut off anywhere, and the others begin anew
    single = all(count == ONE for _, count in parts)
    return Word(prefix if known else None, prefix, single=single, plain=plain)
