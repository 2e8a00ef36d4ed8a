"""Which patterns Python's `re` may run, and how they are written for it.

`re` backtracks. A pattern goes to it only where the work at each place of the text has a bound that
is known beforehand: no repetition without an upper bound, and few ways to match. For a search that
only answers yes or no, repetitions at either end of a pattern can be cut to their least count first,
so `.*foo.*` is `foo`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cel.regex.sets import ANY, NOT_NEWLINE
from wardline.cel.regex.syntax import Alternatives, Assertion, Chars, Repeat, Sequence, Tree

if TYPE_CHECKING:
    from wardline.cel.regex.sets import Ranges

__all__ = ["UNBOUNDED", "needed_text", "trim", "work", "write"]

UNBOUNDED = 1 << 40


# What a search may leave out


def trim(tree: Tree) -> Tree:
    """A pattern that is found in the same texts, without needless repetition at its ends."""
    return _trim(_trim(tree, 0), -1)


def _trim(tree: Tree, end: int) -> Tree:
    match tree:
        case Alternatives(items=items):
            return Alternatives(tuple(_trim(item, end) for item in items))
        case Repeat(item=item, least=least):
            if least == 0:
                return Sequence(())
            return _trim(item, end) if least == 1 else Repeat(item, least, least)
        case Sequence(items=items) if items:
            rest = items[1:] if end == 0 else items[:-1]
            outer = _trim(items[end], end)
            if outer == Sequence(()):
                return _trim(Sequence(rest), end)
            kept = (outer, *rest) if end == 0 else (*rest, outer)
            return kept[0] if len(kept) == 1 else Sequence(kept)
        case _:
            return tree


def needed_text(tree: Tree) -> str:
    """The longest text that every match must hold, as far as it is plain to see."""
    items = tree.items if isinstance(tree, Sequence) else (tree,)
    best = run = ""
    for item in items:
        if isinstance(item, Chars) and len(item.ranges) == 1:
            low, high = item.ranges[0]
            run = run + chr(low) if low == high else ""
        elif not isinstance(item, Assertion):
            run = ""
        if len(run) > len(best):
            best = run
    return best


# How much `re` could have to do


def work(tree: Tree) -> int:
    """The most steps a backtracking match from one place can take; UNBOUNDED where there is no bound."""
    return min(_work(tree)[0], UNBOUNDED)


def _work(tree: Tree) -> tuple[int, int]:
    """The steps, and in how many ways the tree can match from one place."""
    match tree:
        case Sequence(items=items):
            steps, ways = 1, 1
            for item in items:
                more, times = _work(item)
                steps = min(steps + ways * more, UNBOUNDED)
                ways = min(ways * times, UNBOUNDED)
            return steps, ways
        case Alternatives(items=items):
            parts = [_work(item) for item in items]
            steps = 1 + sum(part[0] for part in parts)
            return min(steps, UNBOUNDED), min(sum(part[1] for part in parts), UNBOUNDED)
        case Repeat(item=item, least=least, most=most):
            if most is None:
                return UNBOUNDED, UNBOUNDED
            return _repeated(_work(item), least, most)
        case _:
            return 1, 1


def _repeated(once: tuple[int, int], least: int, most: int) -> tuple[int, int]:
    steps, ways, reached = 1, 0, 1
    for count in range(most + 1):
        if count >= least:
            ways += reached
        if count < most:
            steps += reached * (once[0] + 1)
            reached *= once[1]
        if steps >= UNBOUNDED or ways >= UNBOUNDED:
            return UNBOUNDED, UNBOUNDED
    return steps, ways


# The pattern in Python's syntax


def write(tree: Tree) -> str:
    """The pattern for `re`, with nothing left to a flag or to `re`'s own classes."""
    match tree:
        case Chars(ranges=ranges):
            return _write_set(ranges)
        case Assertion(kind=kind):
            return _PLACES[kind]
        case Sequence(items=items):
            return "".join(
                f"(?:{write(i)})" if isinstance(i, Alternatives) else write(i) for i in items
            )
        case Alternatives(items=items):
            return "(?:" + "|".join(write(item) for item in items) + ")"
        case Repeat(item=item, least=least, most=most):
            return f"(?:{write(item)}){{{least},{'' if most is None else most}}}"


_PLACES = {
    "start": r"\A",
    "end": r"\Z",
    "line_start": r"(?m:^)",
    "line_end": r"(?m:$)",
    "word": r"\b",
    "not_word": r"(?!\b)",  # Python's own `\B` does not match an empty text before 3.14
}


def _write_set(ranges: Ranges) -> str:
    if not ranges:
        return r"(?!)"
    if ranges == ANY:
        return r"(?s:.)"
    if ranges == NOT_NEWLINE:
        return r"[^\n]"
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _write_char(ranges[0][0])
    inside = "".join(
        _write_char(low) if low == high else f"{_write_char(low)}-{_write_char(high)}"
        for low, high in ranges
    )
    return f"[{inside}]"


def _write_char(code: int) -> str:
    char = chr(code)
    if char.isascii() and char.isalnum():
        return char
    return f"\\x{code:02x}" if code < 256 else f"\\U{code:08x}"
