"""A pattern as a Thompson automaton, over classes of characters instead of characters.

Characters that no part of the pattern tells apart share a class.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from wardline.cel.regex.sets import MAX_CODE_POINT, WORD, Ranges
from wardline.cel.regex.syntax import (
    Alternatives,
    Assertion,
    Chars,
    PatternError,
    Repeat,
    Sequence,
    Tree,
)

__all__ = ["LETTER", "NEWLINE", "OTHER", "START", "Classes", "Thompson"]

_MAX_STATES = 12_000
_MAX_CLASSES = 250
_NEWLINES: Ranges = ((10, 10),)

START, NEWLINE, LETTER, OTHER = range(4)
"""What stands beside a place in the text: its start or end, a newline, a word character, others."""


class Thompson:
    """States by number; 0 is the match and `start` where a match begins.

    `moves` are the ways on. A state with `chars` moves on by reading one of them, one with a `place`
    where the assertion holds, any other freely.
    """

    __slots__ = ("chars", "moves", "places", "start")

    def __init__(self, tree: Tree) -> None:
        self.moves: list[tuple[int, ...]] = [()]
        self.chars: list[Ranges | None] = [None]
        self.places: list[str] = [""]
        self.start = self._add(tree, 0)

    def _state(self, moves: tuple[int, ...], chars: Ranges | None = None, place: str = "") -> int:
        if len(self.moves) >= _MAX_STATES:
            raise PatternError(
                f"the pattern needs more than {_MAX_STATES:,} states", "Use smaller counts."
            )
        self.moves.append(moves)
        self.chars.append(chars)
        self.places.append(place)
        return len(self.moves) - 1

    def _add(self, tree: Tree, then: int) -> int:
        """The state at which `tree`, followed by state `then`, begins."""
        match tree:
            case Chars(ranges=ranges):
                return self._state((then,), ranges)
            case Assertion(kind=kind):
                return self._state((then,), None, kind)
            case Sequence(items=items):
                for item in reversed(items):
                    then = self._add(item, then)
                return then
            case Alternatives(items=items):
                return self._state(tuple(self._add(item, then) for item in items))
            case Repeat():
                return self._add_repeat(tree, then)

    def _add_repeat(self, tree: Repeat, then: int) -> int:
        if tree.most is None:
            loop = self._state(())
            self.moves[loop] = (self._add(tree.item, loop), then)
            then = loop
        else:
            out = then
            for _ in range(tree.most - tree.least):
                then = self._state((self._add(tree.item, then), out))
        for _ in range(tree.least):
            then = self._add(tree.item, then)
        return then


class Classes:
    """The classes of characters of an automaton.

    `contexts` says for each class what its characters are to an assertion, `accepts` for each state
    which classes it reads, and `ascii` is a table for `bytes.translate`.
    """

    __slots__ = ("_bounds", "_numbers", "accepts", "ascii", "contexts")

    def __init__(self, automaton: Thompson) -> None:
        sets = list(dict.fromkeys(ranges for ranges in automaton.chars if ranges is not None))
        places = set(automaton.places)
        lines = bool(places & {"line_start", "line_end"})
        words = bool(places & {"word", "not_word"})
        told = [*sets, *([_NEWLINES] if lines else []), *([WORD] if words else [])]
        self._bounds = sorted(
            {0, *(cut for ranges in told for low, high in ranges for cut in (low, high + 1))}
            - {MAX_CODE_POINT + 1}
        )
        keys = [0] * len(self._bounds)
        for number, ranges in enumerate(told):
            for low, high in ranges:
                begin = bisect_left(self._bounds, low)
                for place in range(begin, bisect_right(self._bounds, high)):
                    keys[place] |= 1 << number
        distinct = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        if len(distinct) > _MAX_CLASSES:
            raise PatternError("the pattern tells too many characters apart", "Use fewer classes.")
        self._numbers = [distinct[key] for key in keys]
        word_bit, line_bit = (1 << len(told) - 1 if words else 0), (1 << len(sets) if lines else 0)
        self.contexts = [
            LETTER if key & word_bit else NEWLINE if key & line_bit else OTHER for key in distinct
        ]
        accepted = {
            ranges: frozenset(number for key, number in distinct.items() if key & (1 << bit))
            for bit, ranges in enumerate(sets)
        }
        self.accepts = [None if ranges is None else accepted[ranges] for ranges in automaton.chars]
        self.ascii = bytes(self.of(code) if code < 128 else 0 for code in range(256))

    def of(self, code: int) -> int:
        """The class of a code point."""
        return self._numbers[bisect_right(self._bounds, code) - 1]
