"""What is known of symbolic links, for conditions that ask where a path leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SymbolicLinks"]


class SymbolicLinks:
    """Where paths really lead: `known` maps an absolute path to the one without symbolic links.

    What a condition asks for beyond that is kept in `asked`, and is judged by its text alone.
    """

    __slots__ = ("asked", "known")

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self.asked: set[str] = set()

    def real(self, path: str) -> str:
        """Return where a path leads, as far as it is known."""
        found = self.known.get(path)
        if found is None:
            self.asked.add(path)
            return path
        return found
