"""One small change to a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.cases.mutants.edits import Edit, applied

if TYPE_CHECKING:
    from wardline.policy.source import Source

__all__ = ["Mutant"]


class Mutant:
    """One small change to a document: `what` says it in words, at `line` and `column` of the file.

    `id` stays the same as long as what is changed stays the same, wherever it moves to.
    """

    __slots__ = ("column", "edits", "id", "line", "source", "what")

    def __init__(self, id: str, what: str, source: Source, edits: tuple[Edit, ...]) -> None:
        self.id = id
        self.what = what
        self.source = source
        self.edits = edits
        text = source.text
        first = edits[0].start
        while first < edits[0].end and text[first] in ", \r\n":
            first += 1
        self.line, self.column = source.place(first)

    @property
    def text(self) -> str:
        """The whole document with the change."""
        return applied(self.edits, self.source.text)

    def diff(self) -> tuple[str, ...]:
        """Return the lines that change, as a unified diff has them."""
        from difflib import unified_diff

        before, after = self.source.text.splitlines(), self.text.splitlines()
        return tuple(list(unified_diff(before, after, n=0, lineterm=""))[2:])

    def as_dict(self) -> dict[str, Any]:
        """Return the mutant as plain data."""
        return {
            "mutant": self.id,
            "what": self.what,
            "file": self.source.file,
            "line": self.line,
            "column": self.column,
            "diff": list(self.diff()),
        }
