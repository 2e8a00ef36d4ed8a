"""The tokens of a query, as far as every reader agrees on them.

Where a string or a comment ends decides which words are commands. Servers differ in that, and within
one server settings do, so whatever two readers could end at different places makes the text strange:
a backslash before a quote, nested comments, executable comments, quotes that look like quotes.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

__all__ = ["MAX_CHARACTERS", "Statement", "Token", "bare", "split"]

MAX_CHARACTERS: Final = 20_000
"""A longer text is not split at all."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `word`, `number`, `string`, `name` (quoted) or `mark`; bare words in upper case."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(slots=True)
class Statement:
    """One statement: its text with comments removed and white space collapsed, and its tokens.

    `source` is the whole text that it stands in.
    """

    source: str
    text: str = ""
    tokens: list[Token] = field(default_factory=list)

    def word(self, at: int) -> str:
        """The bare word at a place, in upper case, or an empty string."""
        if at >= len(self.tokens) or self.tokens[at].kind != "word":
            return ""
        return self.tokens[at].text

    def mark(self, at: int) -> str:
        """The mark at a place, or an empty string."""
        if at >= len(self.tokens) or self.tokens[at].kind != "mark":
            return ""
        return self.tokens[at].text

    def after(self, at: int) -> Statement:
        """The statement without its first tokens."""
        rest = self.tokens[at:]
        return Statement(self.source, self.source[rest[0].start : rest[-1].end], rest)


_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+) | (?P<line>--[^\n]*) | (?P<block>/\*) | (?P<hash>\#)
    | (?P<string>'(?:[^']|'')*') | (?P<double>"(?:[^"]|"")*") | (?P<tick>`(?:[^`]|``)*`)
    | (?P<bracket>\[) | (?P<dollar>\$) | (?P<number>\d[\w.]*|\.\d\w*) | (?P<word>[^\W\d][\w$]*)
    | (?P<mark>::|:=|<>|<=|>=|!=|\|\||&&|->>|->|[-+*/%(),.;:=<>!|&^~?@{}\]])""",
    re.VERBOSE,
)
_BLOCK_END: Final = re.compile(r"\*/|/\*")
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\]")
_PLAIN_BRACKETED: Final = re.compile(r"[\w .,$-]*")
_DOLLAR_QUOTED: Final = re.compile(r"(\$(?:[A-Za-z_]\w*)?\$).*?\1", re.DOTALL)
_DOLLAR_NUMBER: Final = re.compile(r"\$\d+|\$(?=\.)")
_TEMPORARY: Final = re.compile(r"#{1,2}\w+")
_PREFIXES: Final = frozenset({"E", "N", "X", "B"})
_DOLLARS: Final = frozenset({"postgres", "duckdb", "snowflake"})
_BACKTICKS: Final = frozenset({"", "mysql", "sqlite", "bigquery"})
_BRACES: Final = frozenset({"duckdb", "snowflake"})


def split(text: str, dialect: str) -> tuple[list[Statement], bool]:
    """Split a text into statements; the second value says whether something in it is strange.

    `dialect` is a name of `wardline_facets.sql.dialects`, or empty where nobody said which it is.
    """
    if len(text) > MAX_CHARACTERS or _CONTROL.search(text):
        return [], True
    scan = _Scan(text, dialect)
    scan.run()
    return [statement for statement in scan.statements if statement.tokens], scan.strange


def bare(text: str) -> str:
    """The name that a quoted name stands for."""
    mark = text[:1]
    if mark in ('"', "`"):
        return text[1:-1].replace(mark * 2, mark)
    return text[1:-1] if mark == "[" else text


class _Scan:
    def __init__(self, text: str, dialect: str) -> None:
        self.text = text
        self.dialect = dialect
        self.strange = False
        self.statements = [Statement(text)]
        self._at = 0
        self._gap = False

    def run(self) -> None:
        while self._at < len(self.text):
            found = _TOKEN.match(self.text, self._at)
            if found is None:
                self.strange = True  # a backslash, an open quote, an unknown character
                self._add("mark", self._at + 1)
                continue
            kind = found.lastgroup or ""
            if kind == "space":
                self._skip(found.end())
            elif kind in ("line", "block", "hash"):
                self._comment(kind, found)
            elif kind in ("string", "double", "tick"):
                self._quoted(kind, found)
            elif kind == "bracket":
                self._bracket()
            elif kind == "dollar":
                self._dollar()
            elif kind == "mark" and found[0] == ";":
                self._skip(found.end())
                self.statements.append(Statement(self.text))
                self._gap = False
            else:
                self._plain(kind, found)

    def _skip(self, end: int) -> None:
        self._at = end
        self._gap = True

    def _add(self, kind: str, end: int) -> None:
        raw = self.text[self._at : end]
        statement = self.statements[-1]
        if self._gap and statement.tokens:
            statement.text += " "
        statement.text += raw
        shown = raw.upper() if kind == "word" else raw
        statement.tokens.append(Token(kind, shown, self._at, end))
        self._at = end
        self._gap = False

    def _plain(self, kind: str, found: re.Match[str]) -> None:
        raw = found[0]
        if not raw.isascii() and unicodedata.normalize("NFKC", raw) != raw:
            self.strange = True
        if "$" in raw and self.dialect != "oracle":
            self.strange = True
        if raw in ("{", "}") and self.dialect not in _BRACES:
            self.strange = True
        if raw == "@" and self.dialect == "oracle":
            self.strange = True  # a table of another server
        if raw == ":=" or (raw == "@" and not self.dialect and self._follows("=")):
            self.strange = True
        self._add(kind, found.end())

    def _follows(self, text: str) -> bool:
        return self.text.startswith(text, self._at + 1)

    def _comment(self, kind: str, found: re.Match[str]) -> None:
        raw = found[0]
        if kind == "hash":
            self._hash()
        elif kind == "line":
            # MySQL wants white space after the dashes and subtracts twice without it.
            if self.dialect in ("", "mysql") and raw[2:3] not in ("", " ", "\t", "\r"):
                self.strange = True
            self._skip(found.end())
        else:
            end = _BLOCK_END.search(self.text, self._at + 2)
            start = self.text[self._at + 2 : self._at + 4]
            # `/*!` runs, `/*+` is a hint, and whether an inner `/*` counts depends on the server.
            if end is None or end[0] == "/*" or start[:1] in ("!", "+") or start == "M!":
                self.strange = True
            self._skip(end.end() if end else len(self.text))

    def _hash(self) -> None:
        if self.dialect in ("mysql", "bigquery"):
            end = self.text.find("\n", self._at)
            self._skip(len(self.text) if end < 0 else end)
        elif self.dialect == "tsql" and (found := _TEMPORARY.match(self.text, self._at)):
            self._add("word", found.end())
        else:
            self.strange = self.strange or self.dialect != "postgres"
            self._add("mark", self._at + 1)

    def _quoted(self, kind: str, found: re.Match[str]) -> None:
        raw = found[0]
        mark = raw[0]
        if f"\\{mark}" in raw or (kind != "string" and "\\" in raw):
            self.strange = True
        if raw[1:3] == mark * 2 and self.dialect in ("", "bigquery"):
            self.strange = True  # three quotes begin a string of their own in BigQuery
        if kind == "tick" and self.dialect not in _BACKTICKS:
            self.strange = True
        if any(unicodedata.category(char) in ("Cf", "Cs") for char in raw if not char.isascii()):
            self.strange = True
        last = self.statements[-1].tokens[-1:]
        if last and last[0].end == self._at and last[0].kind in ("word", "number"):
            # `q'[…]'`, `U&'…'`, `r'…'` have rules of their own; so have two strings side by side.
            self.strange = self.strange or kind != "string" or last[0].text not in _PREFIXES
        elif last and last[0].end == self._at and last[0].text in ("&", "@"):
            self.strange = True
        self._add("string" if kind == "string" else "name", found.end())

    def _bracket(self) -> None:
        found = _BRACKETED.match(self.text, self._at)
        if self.dialect in ("tsql", "sqlite"):
            if found is None or self.text.startswith("]", found.end()):
                self.strange = True
                self._add("mark", self._at + 1)
            else:
                self._add("name", found.end())
            return
        # A name for some, an array or a subscript for others.
        if not self.dialect and (found is None or not _PLAIN_BRACKETED.fullmatch(found[1])):
            self.strange = True
        self._add("mark", self._at + 1)

    def _dollar(self) -> None:
        found = _DOLLAR_QUOTED.match(self.text, self._at) if self.dialect in _DOLLARS else None
        if found is not None:
            if self.dialect == "snowflake" and found[1] != "$$":
                self.strange = True
            self._add("string", found.end())
            return
        number = _DOLLAR_NUMBER.match(self.text, self._at)
        if number is None:
            self.strange = True
        self._add("mark", number.end() if number else self._at + 1)
