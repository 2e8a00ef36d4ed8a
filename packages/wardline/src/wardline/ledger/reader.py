"""Reading a ledger: records one by one, in constant memory, without judging them (see `verify`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardline.errors import LedgerError
from wardline.ledger.format import (
    MAX_LINE,
    RecordRef,
    parse_fields,
    stated_hash,
    stated_seq,
)
from wardline.ledger.survey import last_newline, segment_names

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["StoredRecord", "read", "tail"]


class StoredRecord:
    """A complete line of a segment.

    `raw` is the stored line without its newline (the leaf of a Merkle tree), `offset` the byte at
    which it begins, `seq` the number that it gives itself, or -1 where it gives none.
    """

    __slots__ = ("_fields", "offset", "raw", "segment", "seq")

    def __init__(self, segment: str, offset: int, raw: bytes) -> None:
        self.segment = segment
        self.seq = stated_seq(raw)
        self.offset = offset
        self.raw = raw
        self._fields: dict[str, Any] | None = None

    @property
    def ref(self) -> RecordRef:
        """The reference that `append` returned for this record."""
        return RecordRef(self.segment, self.seq)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields, `seq` and `hash` included; parsed once. LedgerError if the line is not JSON."""
        if self._fields is None:
            try:
                self._fields = parse_fields(self.raw)
            except ValueError as error:
                where = f"{self.segment}, byte {self.offset}"
                raise LedgerError(f"{where}: not a record: {error}; run `verify`") from error
        return self._fields

    @property
    def type(self) -> str:
        """The record's type, or an empty string. LedgerError if the line is not JSON."""
        value = self.fields.get("type")
        return value if isinstance(value, str) else ""

    @property
    def hash(self) -> str:
        """The hash that the line states, in hex, or an empty string."""
        stated = stated_hash(self.raw)
        return stated.hex() if stated is not None else ""

    def __repr__(self) -> str:
        return f"<StoredRecord {self.segment}:{self.seq}>"


def read(source: str | os.PathLike[str]) -> Iterator[StoredRecord]:
    """Yield the records of a segment, or of all segments of a directory in the order of their names.

    Torn tails are passed over. A segment that is still being written is read as far as it goes.
    LedgerError if something cannot be read or a line is longer than any record.
    """
    try:
        for path in _paths(source):
            yield from _read_segment(path)
    except OSError as error:
        raise LedgerError(f"{os.fspath(source)}: {error.strerror or error}") from error


def tail(source: str | os.PathLike[str], n: int) -> list[StoredRecord]:
    """Return the last `n` records, oldest first, without reading what comes before them.

    Segments stand in the order of their names, so records of writers that work at the same time are
    not interleaved. LedgerError as in `read`.
    """
    found: list[StoredRecord] = []
    try:
        for path in reversed(_paths(source)):
            if len(found) >= n:
                break
            found += _read_backwards(path, n - len(found))
    except OSError as error:
        raise LedgerError(f"{os.fspath(source)}: {error.strerror or error}") from error
    found.reverse()
    return found


def _paths(source: str | os.PathLike[str]) -> list[Path]:
    path = Path(source)
    return [path / name for name in segment_names(path)] if path.is_dir() else [path]


def _read_segment(path: Path) -> Iterator[StoredRecord]:
    offset = 0
    with path.open("rb") as file:
        while (line := file.readline(MAX_LINE)).endswith(b"\n"):
            yield StoredRecord(path.name, offset, line[:-1])
            offset += len(line)
        if len(line) == MAX_LINE:
            raise LedgerError(f"{path.name}, byte {offset}: a line longer than any record")


def _read_backwards(path: Path, n: int) -> Iterator[StoredRecord]:
    with path.open("rb") as file:
        end = last_newline(file, file.seek(0, os.SEEK_END))
        while n > 0 and end >= 0:
            before = last_newline(file, end)
            start = before + 1
            if end - start >= MAX_LINE:
                raise LedgerError(f"{path.name}, byte {start}: a line longer than any record")
            file.seek(start)
            yield StoredRecord(path.name, start, file.read(end - start))
            end = before
            n -= 1
