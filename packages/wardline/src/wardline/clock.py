"""The one place that reads a clock.

Recorded time never runs backwards within a process: `Clock.now` is `max(previous, wall)`, so a wall
clock that is set back shortens no window and no expiry.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOUR", "MINUTE", "SECOND", "Clock", "as_datetime"]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Recorded time in microseconds since the Unix epoch (UTC), and a monotonic twin for deadlines.

    `wall` and `monotonic` return nanoseconds; tests pass their own. `jumped` holds the size in
    microseconds of the last forward step of over an hour until somebody records it.
    """

    __slots__ = ("_last", "_monotonic", "_offset", "_wall", "jumped")

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._last = 0
        self._offset = 0
        self.jumped = 0

    def now(self) -> int:
        """Return the recorded time: the wall clock, or the previous answer if that is later."""
        wall = self._wall() // 1000
        last = self._last
        if wall <= last:
            return last
        if wall - last > HOUR:
            self._compare(wall)
        self._last = wall
        return wall

    def last(self) -> int:
        """Return the last recorded time without reading any clock; 0 if there is none."""
        return self._last

    def monotonic(self) -> int:
        """Return microseconds on a clock that nothing can set."""
        return self._monotonic() // 1000

    def _compare(self, wall: int) -> None:
        """Tell a step of the wall clock from an hour in which nobody asked for the time."""
        offset = wall - self.monotonic()
        if self._last and offset - self._offset > HOUR:
            self.jumped = offset - self._offset
        self._offset = offset


def as_datetime(t: int) -> datetime:
    """Return recorded time `t` (microseconds) as an aware UTC datetime."""
    return _EPOCH + timedelta(microseconds=t)
