"""Sets of code points, as sorted tuples of inclusive ranges, and RE2's named classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ANY",
    "DIGIT",
    "MAX_CODE_POINT",
    "NOT_NEWLINE",
    "POSIX",
    "SPACE",
    "WORD",
    "Ranges",
    "fold",
    "holds",
    "invert",
    "union",
]

Ranges: TypeAlias = tuple[tuple[int, int], ...]

MAX_CODE_POINT = 0x10FFFF


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges sorted, with those that touch or overlap joined."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            if high > joined[-1][1]:
                joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return tuple(joined)


def invert(ranges: Ranges) -> Ranges:
    """Every code point that is not in `ranges`."""
    gaps: list[tuple[int, int]] = []
    low = 0
    for start, end in ranges:
        if start > low:
            gaps.append((low, start - 1))
        low = end + 1
    if low <= MAX_CODE_POINT:
        gaps.append((low, MAX_CODE_POINT))
    return tuple(gaps)


def holds(ranges: Ranges, code: int) -> bool:
    """Whether `code` is in `ranges`."""
    return any(low <= code <= high for low, high in ranges)


ANY: Ranges = ((0, MAX_CODE_POINT),)
NOT_NEWLINE = invert(((10, 10),))

_LOWER = (97, 122)
_UPPER = (65, 90)
DIGIT: Ranges = ((48, 57),)
SPACE: Ranges = ((9, 10), (12, 13), (32, 32))
WORD = union([DIGIT[0], _UPPER, (95, 95), _LOWER])

POSIX: dict[str, Ranges] = {
    "alnum": union([DIGIT[0], _UPPER, _LOWER]),
    "alpha": (_UPPER, _LOWER),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": DIGIT,
    "graph": ((33, 126),),
    "lower": (_LOWER,),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": (_UPPER,),
    "word": WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}

# Letters that are equal but for case, beyond plain A-Z and À-Þ: Unicode's simple case folding.
_ORBITS = (
    (0x4B, 0x6B, 0x212A), (0x53, 0x73, 0x17F), (0xC5, 0xE5, 0x212B), (0xB5, 0x39C, 0x3BC),
    (0xDF, 0x1E9E), (0xFF, 0x178),
)  # fmt: skip
_ORBIT = {code: orbit for orbit in _ORBITS for code in orbit}
# Beyond Latin-1: blocks without upper and lower case in any version of Unicode so far.
_CASELESS = (
    (0x590, 0x109F), (0x2010, 0x2065), (0x2190, 0x245F), (0x2500, 0x2BFF), (0x2E80, 0xA63F),
    (0xAC00, 0xD7FF), (0xE000, 0xFAFF), (0x1F000, 0x3FFFF), (0xE0000, MAX_CODE_POINT),
)  # fmt: skip


def fold(low: int, high: int) -> Ranges | None:
    """The range with the other cases of its letters; None where they are not known here."""
    if low <= 0x80 and high == MAX_CODE_POINT:
        return union([(low, high), _LOWER, _UPPER])
    beyond = max(low, 0x100)
    caseless = any(start <= beyond and high <= end for start, end in _CASELESS)
    known = caseless or (low == high and low in _ORBIT)
    if high >= beyond and not known:
        return None
    found = [(low, high)]
    for code in range(low, min(high, 0xFF) + 1):
        found += [(other, other) for other in _cases(code)]
    if low == high and low in _ORBIT:
        found += [(other, other) for other in _ORBIT[low]]
    return union(found)


def _cases(code: int) -> tuple[int, ...]:
    if code in _ORBIT:
        return _ORBIT[code]
    if 65 <= code <= 90 or (0xC0 <= code <= 0xDE and code != 0xD7):
        return (code + 32,)
    if 97 <= code <= 122 or (0xE0 <= code <= 0xFE and code != 0xF7):
        return (code - 32,)
    return ()
