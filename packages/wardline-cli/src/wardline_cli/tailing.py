"""The latest records of a ledger, over all its writers, and those that come after them."""

from __future__ import annotations

import time
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from wardline_cli.records import HIDDEN, entry, outcome_of, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wardline.ledger import StoredRecord

__all__ = ["Tail"]

_POLL: Final = 0.2
_SLACK: Final = 2_000_000  # a file system's clock is coarser than the ledger's
_MOST_KNOWN: Final = 10_000
_MORE: Final = 4  # outcomes become part of their intents, and begin and end are hidden
_MARGIN: Final = 32
_NEWLINE: Final = b"\n"


class Tail:
    """Reads the end of the ledger in `directory`.

    `known` has the entries of the intents that were read, by their references, so that an outcome can
    name its action. `broken` counts lines that are no records.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.known: dict[str, dict[str, Any]] = {}
        self.broken = 0
        self._ends: dict[str, int] = {}

    def latest(self, number: int) -> list[dict[str, Any]]:
        """Return the latest entries by time, the oldest first; an outcome is part of its intent."""
        found: list[tuple[int, dict[str, Any]]] = []
        for changed, path in self._newest_first():
            if len(found) >= number:
                oldest = sorted(t for t, _ in found)[-number]
                if changed + _SLACK < oldest:
                    break
            found += self._last_of(path, number)
        found.sort(key=itemgetter(0))
        return [made for _, made in found[-number:]]

    def follow(self) -> Iterator[dict[str, Any]]:
        """Yield what is recorded after `latest`, for ever."""
        from wardline.ledger import StoredRecord, tail

        for _, path in self._segments():
            if path.name not in self._ends:
                last = tail(path, 1)
                self._ends[path.name] = _end(last[0]) if last else 0
        while True:
            for size, path in sorted(self._segments(), key=itemgetter(1)):
                start = self._ends.get(path.name, 0)
                if size <= start:
                    continue
                with path.open("rb") as file:
                    file.seek(start)
                    for raw in file:
                        if not raw.endswith(_NEWLINE):
                            break
                        record = StoredRecord(path.name, start, raw[:-1])
                        start += len(raw)
                        self._ends[path.name] = start
                        if (made := self._entry(record)) is not None:
                            yield made
            time.sleep(_POLL)

    def _segments(self) -> list[tuple[int, Path]]:
        """Return the segments with their sizes; one that is still empty may go away again."""
        return [(size, path) for size, _, path in self._stats() if size]

    def _newest_first(self) -> list[tuple[int, Path]]:
        """Return when the segments were last written to (µs), and their paths."""
        return sorted(((t, path) for size, t, path in self._stats() if size), reverse=True)

    def _stats(self) -> Iterator[tuple[int, int, Path]]:
        for path in self.directory.glob("*.jsonl"):
            with suppress(FileNotFoundError):
                found = path.stat()
                yield found.st_size, found.st_mtime_ns // 1000, path

    def _last_of(self, path: Path, number: int) -> list[tuple[int, dict[str, Any]]]:
        """Return up to `number` entries from the end of one segment, with their times."""
        from wardline.ledger import tail

        records = tail(path, _MORE * number + _MARGIN)
        if records:
            self._ends[path.name] = _end(records[-1])
        made: list[tuple[int, dict[str, Any]]] = []
        t = 0
        for record in records:
            one = self._entry(record)
            if one is None:
                continue
            if one["type"] == "outcome":
                intent = self.known.get(str(one["record"].get("intent")))
                if intent is not None:
                    intent["outcome"] = outcome_of(record)
                    continue
            # What has no time stands behind what was written before it.
            t = one["record"]["t"] if one["time"] else t
            made.append((t, one))
        return made[-number:]

    def _entry(self, record: StoredRecord) -> dict[str, Any] | None:
        from wardline import LedgerError

        try:
            made = entry(record)
        except LedgerError as error:
            self.broken += 1
            return unreadable(record, str(error))
        if made["type"] == "intent":
            if len(self.known) >= _MOST_KNOWN:
                self.known.pop(next(iter(self.known)))
            self.known[made["ref"]] = made
        return None if made["type"] in HIDDEN else made


def _end(record: StoredRecord) -> int:
    return record.offset + len(record.raw) + 1
