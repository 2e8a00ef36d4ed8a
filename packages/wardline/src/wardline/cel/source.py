"""The text of one condition and where it stands in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.errors import PolicyError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Source"]


class Source:
    """A condition's text, with the place where it begins in its file.

    `line` and `column` (from 1) are where the text begins. `columns` are the columns at which the
    text's lines begin, for texts that are indented in the file; without it the first line begins at
    `column` and the others at 1.
    """

    __slots__ = ("column", "columns", "file", "line", "text")

    def __init__(
        self,
        text: str,
        line: int = 1,
        column: int = 1,
        file: str = "<policy>",
        columns: Sequence[int] | None = None,
    ) -> None:
        self.text = text
        self.line = line
        self.column = column
        self.file = file
        self.columns = tuple(columns) if columns is not None else None

    def place(self, at: int) -> tuple[int, int]:
        """The line and column in the file of the character at offset `at`."""
        before = self.text[:at]
        row = before.count("\n")
        return self.line + row, self._indent(row) + at - (before.rfind("\n") + 1) + 1

    def _indent(self, row: int) -> int:
        if self.columns is not None and row < len(self.columns):
            return self.columns[row] - 1
        return self.column - 1 if row == 0 else 0

    def problem(self, message: str, at: int, hint: str = "") -> Problem:
        """A problem at offset `at`, with the line it stands in."""
        line, column = self.place(at)
        row = line - self.line
        shown = " " * self._indent(row) + self.text.split("\n")[row].rstrip("\r")
        return Problem(message, self.file, line, column, shown, hint)

    def error(self, message: str, at: int, hint: str = "") -> PolicyError:
        """The same as an error to raise."""
        return PolicyError(self.problem(message, at, hint))
