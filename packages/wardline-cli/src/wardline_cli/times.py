"""Times for people and for programs; the ledger and the store count microseconds since 1970."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeGuard

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["age_of", "ago", "is_time", "iso", "local", "now", "span"]

_SECOND: Final = 1_000_000
_YEAR_10000: Final = 253_402_300_800 * _SECOND - 86_400 * _SECOND  # in any time zone
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def now() -> int:
    """Return the wall clock's time."""
    return time.time_ns() // 1000


def iso(t: int) -> str:
    """Return a time as RFC 3339 in UTC."""
    return _at(t).isoformat(timespec="microseconds").replace("+00:00", "Z")


def local(t: int) -> str:
    """Return a time in this machine's time zone, to the second."""
    return _at(t).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _at(t: int) -> datetime:
    return datetime.fromtimestamp(t // _SECOND, UTC).replace(microsecond=t % _SECOND)


def is_time(value: object) -> TypeGuard[int]:
    """Whether a value from a file is a time that can be shown."""
    return type(value) is int and 0 <= value < _YEAR_10000


def span(microseconds: int) -> str:
    """Return a length of time in its largest whole unit, as in `3 min`."""
    seconds = abs(microseconds) // _SECOND
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "less than 1 s"


def ago(t: int) -> str:
    """Return how long ago a time was."""
    return f"{span(now() - t)} ago"


def age_of(path: Path) -> str:
    """Return how long ago a file was last written to, the write-ahead log beside it included."""
    newest = 0
    for part in (path, path.with_name(path.name + "-wal")):
        if part.exists():
            newest = max(newest, part.stat().st_mtime_ns // 1000)
    return ago(newest)
