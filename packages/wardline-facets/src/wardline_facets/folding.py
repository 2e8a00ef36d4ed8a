"""Text as a reader sees it, with the way back to the text as it is.

Full-width letters and digits, digits of other scripts, typographic dashes and spaces become their
ASCII counterparts, and characters that nobody sees vanish. What only looks alike across scripts
(a Cyrillic letter for a Latin one) stays what it is.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from typing import TypeAlias

__all__ = ["Folded", "Hit", "settle"]

Hit: TypeAlias = tuple[str, int, int]
"""The name of a detector, and where what it found starts and ends."""


def _folded(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Cf" or "\ufe00" <= char <= "\ufe0f":
        return ""
    if kind == "Nd":
        return str(unicodedata.digit(char))
    if kind == "Pd" or char == "\u2212":
        return "-"
    if kind == "Zs":
        return " "
    plain = unicodedata.normalize("NFKC", char)
    return plain if plain.isascii() else char


class Folded:
    """A text after folding; `span` turns places in it into places in the original."""

    __slots__ = ("_here", "_there", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        # After the characters that became none or several: places here, and what to add there.
        self._here: list[int] = []
        self._there: list[int] = []
        if text.isascii():
            return
        plain = {char: _folded(char) for char in set(text) if not char.isascii()}
        self.text = text.translate({ord(char): shown for char, shown in plain.items()})
        uneven = "".join(char for char, shown in plain.items() if len(shown) != 1)
        if not uneven:
            return
        shift = 0
        for found in re.finditer(f"[{re.escape(uneven)}]", text):
            length = len(plain[found[0]])
            self._here.append(found.start() - shift + length)
            shift += 1 - length
            self._there.append(shift)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a part of the folded text, which must not be empty, stands in the original."""
        return self._original(start), self._original(end - 1) + 1

    def _original(self, place: int) -> int:
        at = bisect_right(self._here, place)
        if at < len(self._here):
            # The place may be one of several that stand for one character.
            before = self._there[at - 1] if at else 0
            return min(place + before, self._here[at] + self._there[at] - 1)
        return place + (self._there[at - 1] if at else 0)


def settle(folded: Folded, found: list[Hit]) -> list[Hit]:
    """Hits in the folded text, the more telling ones first, as hits in the original.

    Of two that overlap the earlier in the list stays; the result is in the order of the text.
    """
    taken = bytearray(len(folded.text))
    kept = []
    for name, start, end in found:
        if taken.find(1, start, end) < 0:
            taken[start:end] = b"\x01" * (end - start)
            kept.append((name, *folded.span(start, end)))
    return sorted(kept, key=lambda hit: hit[1:])
