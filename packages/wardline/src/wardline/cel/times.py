"""Points in time and lengths of time: reading, writing, and the parts a calendar has.

A point in time is counted in whole nanoseconds, without leap seconds. Named time zones come from the
operating system's database (or the `tzdata` package, where that is installed); a zone that is not
there is an error, never UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from wardline.cel.kinds import Duration, Timestamp
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "LENGTHS",
    "PARTS",
    "Zone",
    "as_datetime",
    "duration",
    "duration_text",
    "moment",
    "parse_duration",
    "parse_timestamp",
    "timestamp",
    "timestamp_text",
    "zone",
]

_SECOND: Final = 10**9
_DAY: Final = 86_400 * _SECOND
_EPOCH: Final = date(1970, 1, 1).toordinal()
_FIRST: Final = (1 - _EPOCH) * _DAY
_LAST: Final = (date(9999, 12, 31).toordinal() + 1 - _EPOCH) * _DAY - 1
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_LENGTH = re.compile(r"([0-9]{0,19})(?:\.([0-9]{0,19}))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)", re.ASCII)
_OFFSET = re.compile(r"([+-]?)(\d\d):(\d\d)", re.ASCII)
_UNITS: Final = {
    "ns": 1, "us": 10**3, "\u00b5s": 10**3, "\u03bcs": 10**3, "ms": 10**6, "s": _SECOND,
    "m": 60 * _SECOND, "h": 3600 * _SECOND,
}  # fmt: skip
_MOST_CHARACTERS: Final = 128
_MOST_OFFSET: Final = 24 * 60


def timestamp(nanos: int) -> Timestamp:
    """The point in time, if it lies in the years 1 to 9999."""
    if _FIRST <= nanos <= _LAST:
        return Timestamp(nanos)
    raise EvaluationError("a point in time must lie in the years 1 to 9999")


def duration(nanos: int) -> Duration:
    """The length of time, if its nanoseconds fit into 64 bits."""
    if _INT_MIN <= nanos <= _INT_MAX:
        return Duration(nanos)
    raise EvaluationError("a duration must be shorter than 292 years")


def moment(value: datetime) -> Timestamp:
    """The point in time that a `datetime` with a time zone means.

    Raises EvaluationError where it has none, or one that is not Python's own.
    """
    held = value.tzinfo
    if type(held) is not timezone:
        from zoneinfo import ZoneInfo

        if type(held) is not ZoneInfo:
            raise EvaluationError("a point in time without a time zone cannot be compared")
    past = value - _START
    return timestamp((past.days * 86_400 + past.seconds) * _SECOND + past.microseconds * 1000)


def as_datetime(value: Timestamp) -> datetime:
    """The point in time as a `datetime` in UTC; EvaluationError below microseconds."""
    micros, rest = divmod(value.nanos, 1000)
    if rest:
        raise EvaluationError("a point in time with nanoseconds has no plain form")
    return _START + timedelta(microseconds=micros)


# Texts


def parse_timestamp(text: str) -> Timestamp:
    """The point in time that an RFC 3339 text means, to the nanosecond."""
    found = _RFC3339.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    if found is None:
        raise EvaluationError("the text is not a point in time such as 2026-01-31T12:00:00Z")
    year, month, day, hour, minute, second = (int(found[place]) for place in range(1, 7))
    try:
        days = date(year, month, day).toordinal() - _EPOCH
    except ValueError as error:
        raise EvaluationError("the text names a day that no calendar has") from error
    if hour > 23 or minute > 59 or second > 59:
        raise EvaluationError("the text names a time that no clock shows")
    nanos = days * _DAY + (hour * 3600 + minute * 60 + second) * _SECOND
    nanos += int((found[7] or "0")[:9].ljust(9, "0"))  # what is finer is cut off
    if found[8]:
        nanos -= _minutes(found[8], found[9], found[10]) * 60 * _SECOND
    return timestamp(nanos)


def _minutes(sign: str, hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total >= _MOST_OFFSET:
        raise EvaluationError("the time zone's offset is out of range")
    return -total if sign == "-" else total


def timestamp_text(value: Timestamp) -> str:
    """The point in time as RFC 3339 in UTC, with as many decimals as it needs."""
    days, rest = divmod(value.nanos, _DAY)
    seconds, nanos = divmod(rest, _SECOND)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{date.fromordinal(days + _EPOCH).isoformat()}T{clock}{_decimals(nanos)}Z"


def _decimals(nanos: int) -> str:
    return f".{nanos:09}".rstrip("0") if nanos else ""


def parse_duration(text: str) -> Duration:
    """The length of time that a text such as `1h30m` or `-1.5s` means."""
    body = text[1:] if text[:1] in ("+", "-") else text
    if body == "0":
        return Duration(0)
    total, at = 0, 0
    while at < len(body) <= _MOST_CHARACTERS:
        found = _LENGTH.match(body, at)
        if found is None or not (found[1] or found[2]):
            break
        unit = _UNITS[found[3]]
        decimals = found[2] or ""
        total += int(found[1] or "0") * unit + int(decimals or "0") * unit // 10 ** len(decimals)
        at = found.end()
    if not body or at != len(body):
        raise EvaluationError("the text is not a duration such as 1h30m or 1.5s")
    return duration(-total if text[0] == "-" else total)


def duration_text(value: Duration) -> str:
    """The length of time in seconds, such as `1.5s`."""
    seconds, nanos = divmod(abs(value.nanos), _SECOND)
    return f"{'-' if value.nanos < 0 else ''}{seconds}{_decimals(nanos)}s"


# Time zones and the parts of a date


class Zone:
    """A time zone that is ready: either an offset in nanoseconds or a zone of the database."""

    __slots__ = ("_named", "_offset")

    def __init__(self, offset: int, named: tzinfo | None = None) -> None:
        self._offset = offset
        self._named = named

    def local(self, value: Timestamp) -> int:
        """What clocks in this zone show then, as nanoseconds since 1970 there."""
        if self._named is None:
            return value.nanos + self._offset
        # At either end of the years a local date may have no `datetime`; a day from it, rules are the same.
        nanos = min(max(value.nanos, _FIRST + 2 * _DAY), _LAST - 2 * _DAY)
        offset = (
            (_START + timedelta(microseconds=nanos // 1000)).astimezone(self._named).utcoffset()
        )
        assert offset is not None
        return value.nanos + offset // timedelta(microseconds=1) * 1000


_UTC: Final = Zone(0)


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """The zone of a name such as `Europe/Berlin`, or of an offset such as `+02:00`.

    Raises EvaluationError where the database of this machine does not hold it.
    """
    found = _OFFSET.fullmatch(name) if len(name) <= 6 else None
    if found is not None:
        return Zone(_minutes(found[1], found[2], found[3]) * 60 * _SECOND)
    if name in ("UTC", ""):
        return _UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        if len(name) <= _MOST_CHARACTERS and name.isascii() and name.isprintable():
            return Zone(0, ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise EvaluationError("this machine knows no time zone of that name")


def _part(count: Callable[[int], int]) -> Callable[[Timestamp, Zone], int]:
    def part(value: Timestamp, where: Zone) -> int:
        return count(where.local(value))

    return part


def _day(local: int) -> tuple[int, date]:
    """The year, and a date with the same month, day and weekday that a `date` can hold."""
    ordinal = local // _DAY + _EPOCH
    cycles = (ordinal < 1) - (
        ordinal > date.max.toordinal()
    )  # of 400 years, after which days repeat
    day = date.fromordinal(ordinal + cycles * _CYCLE)
    return day.year - 400 * cycles, day


_CYCLE: Final = 146_097


PARTS: Final[dict[str, Callable[[Timestamp, Zone], int]]] = {
    "getFullYear": _part(lambda local: _day(local)[0]),
    "getMonth": _part(lambda local: _day(local)[1].month - 1),
    "getDate": _part(lambda local: _day(local)[1].day),
    "getDayOfMonth": _part(lambda local: _day(local)[1].day - 1),
    "getDayOfWeek": _part(lambda local: _day(local)[1].isoweekday() % 7),
    "getDayOfYear": _part(lambda local: _day(local)[1].timetuple().tm_yday - 1),
    "getHours": _part(lambda local: local // (3600 * _SECOND) % 24),
    "getMinutes": _part(lambda local: local // (60 * _SECOND) % 60),
    "getSeconds": _part(lambda local: local // _SECOND % 60),
    "getMilliseconds": _part(lambda local: local // 10**6 % 1000),
}
"""The parts of a date, in a time zone; months and most days count from 0, as CEL has it."""


def _whole(nanos: int, unit: int) -> int:
    return nanos // unit if nanos >= 0 else -(-nanos // unit)


LENGTHS: Final[dict[str, Callable[[Duration], int]]] = {
    "getHours": lambda value: _whole(value.nanos, 3600 * _SECOND),
    "getMinutes": lambda value: _whole(value.nanos, 60 * _SECOND),
    "getSeconds": lambda value: _whole(value.nanos, _SECOND),
    "getMilliseconds": lambda value: (
        _whole(value.nanos, 10**6) - 1000 * _whole(value.nanos, _SECOND)
    ),
}
"""The units of a duration: whole hours, minutes and seconds of it all, milliseconds of the last second."""
