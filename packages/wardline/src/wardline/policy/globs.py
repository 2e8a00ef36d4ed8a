"""Patterns over names: `*` stands for any run of characters, `?` for any one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Globs", "intersect", "is_glob"]


class Globs:
    """Several patterns; a name matches when one of them does. Immutable.

    `exact` are those without a wildcard, `wild` the others, both in the order written. Matching takes
    time linear in pattern times name, whatever the pattern.
    """

    __slots__ = ("_exact", "_wild", "exact", "patterns", "wild")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self.exact = tuple(pattern for pattern in self.patterns if not is_glob(pattern))
        self.wild = tuple(pattern for pattern in self.patterns if is_glob(pattern))
        self._exact = frozenset(self.exact)
        joined = "|".join(_expression(pattern) for pattern in self.wild)
        self._wild = re.compile(joined, re.DOTALL) if joined else None

    def match(self, name: str) -> bool:
        """Return whether one of the patterns matches the whole of `name`."""
        if name in self._exact:
            return True
        return self._wild is not None and self._wild.fullmatch(name) is not None

    def __bool__(self) -> bool:
        return bool(self.patterns)

    def __repr__(self) -> str:
        return f"Globs({list(self.patterns)!r})"


def is_glob(text: str) -> bool:
    """Return whether `text` has a wildcard."""
    return "*" in text or "?" in text


def _expression(pattern: str) -> str:
    """Return a regular expression that never goes back over what an earlier `*` has taken."""
    parts = ["".join("." if c == "?" else re.escape(c) for c in run) for run in pattern.split("*")]
    if len(parts) == 1:
        return parts[0]
    middle = "".join(f"(?>.*?{part})" for part in parts[1:-1] if part)
    return f"{parts[0]}{middle}.*{parts[-1]}"


def intersect(one: str, other: str) -> bool:
    """Return whether some name matches both patterns."""
    # The states are pairs of positions; a star may take nothing or one more character.
    seen: set[tuple[int, int]] = set()
    open_pairs = [(0, 0)]
    while open_pairs:
        pair = open_pairs.pop()
        if pair in seen:
            continue
        seen.add(pair)
        i, j = pair
        a = one[i] if i < len(one) else ""
        b = other[j] if j < len(other) else ""
        if not a and not b:
            return True
        if a == "*":
            open_pairs.append((i + 1, j))
            if b:
                open_pairs.append((i, j + 1))
        if b == "*":
            open_pairs.append((i, j + 1))
            if a:
                open_pairs.append((i + 1, j))
        if a and b and "*" not in (a, b) and (a == b or "?" in (a, b)):
            open_pairs.append((i + 1, j + 1))
    return False
