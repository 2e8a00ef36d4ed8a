"""The text of a policy document, and how a mistake in it is shown."""

from __future__ import annotations

import re
from bisect import bisect_right
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from wardline.errors import PolicyError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["LARGEST", "Source", "nearest", "suggestion"]

LARGEST: Final = 16 * 1024 * 1024
"""The largest document that is read, in bytes."""

_BREAK: Final = re.compile(r"\r\n|\r|\n")
_LONGEST_LINE: Final = 240


class Source:
    """One document as it was written: `file` names it in messages, `path` is None for plain text.

    `digest` is the SHA-256 of its bytes, so it does not depend on where the file lies.
    """

    __slots__ = ("_starts", "digest", "file", "path", "text")

    def __init__(self, text: str, file: str, path: Path | None = None) -> None:
        self.text = text
        self.file = file
        self.path = path
        self._starts: list[int] | None = None
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise PolicyError(
                Problem(
                    "the text has half a surrogate pair in it",
                    file,
                    *self.place(error.start),
                    hint="write the character itself, in UTF-8",
                )
            ) from None
        if len(data) > LARGEST:
            raise PolicyError(Problem(_too_large(len(data)), file))
        self.digest = sha256(data).hexdigest()

    @classmethod
    def load(cls, path: Path, file: str) -> Source:
        """Read the file at `path`; raises `PolicyError` where that cannot be done."""
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size <= LARGEST else b""
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise PolicyError(Problem(f"the file cannot be read: {reason}", file)) from error
        if size > LARGEST:
            raise PolicyError(Problem(_too_large(size), file))
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
            raise PolicyError(
                Problem("the file is not UTF-8", file, line, column, hint="save it as UTF-8")
            ) from None
        source = cls(text, file, path)
        source.digest = sha256(data).hexdigest()
        return source

    def line(self, number: int) -> str:
        """Return line `number`, counted from 1, or "" where there is none."""
        starts = self._line_starts()
        if not 0 < number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of the character at `offset`."""
        starts = self._line_starts()
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """Return the offset of the character at `line` and `column`."""
        return min(self._line_starts()[line - 1] + column - 1, len(self.text))

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *(found.end() for found in _BREAK.finditer(self.text))]
        return self._starts

    def problem(self, message: str, line: int, column: int, hint: str = "") -> Problem:
        """Return the problem at `line` and `column`, with the text of that line."""
        text = self.line(line).rstrip()
        if len(text) > _LONGEST_LINE or "\t" in text or not text.isprintable():
            # A caret below such a line would point nowhere.
            text = ""
        return Problem(message, self.file, line, column, text, hint)


def _too_large(size: int) -> str:
    return f"the document has {size:,} bytes; at most {LARGEST:,} are read"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the word of `known` that `word` was probably meant to be, or ""."""
    from difflib import get_close_matches

    by_folded = {name.casefold().replace("-", "_"): name for name in known}
    found = get_close_matches(word.casefold().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else ""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a hint: the nearest known word, else all of them."""
    names = list(known)
    close = nearest(word, names) if len(word) <= _LONGEST_LINE else ""
    if close:
        return f"did you mean `{close}`?"
    return "known here: " + ", ".join(names) if names else ""
