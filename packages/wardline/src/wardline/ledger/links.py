"""Pairing intents and outcomes across segments, in memory for what is open only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.ledger.format import RecordRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Links"]

_Place = tuple[str, int]


class Links:
    """Intents and outcomes in the order in which they are read.

    `seen(by, segment)` says how many records of `segment` the header of `by` found there, or 0;
    `report(segment, record, offset, message)` takes what is wrong.
    """

    __slots__ = ("_early", "_open", "_report", "_seen")

    def __init__(
        self, seen: Callable[[str, str], int], report: Callable[[str, int, int, str], None]
    ) -> None:
        self._seen = seen
        self._report = report
        self._open: dict[str, set[int]] = {}
        # Outcomes whose intent is not open: it comes later, has an outcome already, or is not there.
        self._early: dict[_Place, tuple[str, int, int]] = {}

    def take(self, segment: str, record: int, offset: int, fields: Mapping[str, Any]) -> None:
        """Take the next record, of whatever type; `record` is the number of its line."""
        kind = fields.get("type")
        if kind == "intent":
            self._intent(segment, fields["seq"])
        elif kind == "outcome":
            self._outcome(segment, record, offset, fields.get("intent"))

    def open_intents(self) -> Iterator[RecordRef]:
        """Yield the intents that have no outcome."""
        for segment, records in self._open.items():
            for record in sorted(records):
                yield RecordRef(segment, record)

    def unresolved(self) -> dict[str, dict[int, tuple[str, int, int]]]:
        """Return the outcomes left over: by segment and number of their intent, where they stand."""
        left: dict[str, dict[int, tuple[str, int, int]]] = {}
        for (segment, record), place in self._early.items():
            left.setdefault(segment, {})[record] = place
        return left

    def _intent(self, segment: str, record: int) -> None:
        early = self._early.pop((segment, record), None)
        if early is None:
            self._open.setdefault(segment, set()).add(record)
            return
        # Between two writers the order of names says nothing. But what the header of the intent's
        # segment has seen was there before the intent.
        if early[0] == segment or self._seen(segment, early[0]) > early[1]:
            self._report(*early, f"an outcome that comes before its intent, {segment}:{record}")

    def _outcome(self, segment: str, record: int, offset: int, intent: object) -> None:
        try:
            target = RecordRef.parse(intent if isinstance(intent, str) else "")
        except ValueError:
            self._report(segment, record, offset, "an outcome that names no intent")
            return
        opened = self._open.get(target.segment)
        if opened is not None and target.seq in opened:
            opened.remove(target.seq)
            if not opened:
                del self._open[target.segment]
            return
        place = (target.segment, target.seq)
        if place in self._early:
            self._report(segment, record, offset, f"a second outcome for the intent {target}")
        else:
            self._early[place] = (segment, record, offset)
