"""Checking one segment: a line at a time, against the chain and against what later headers say."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from wardline.ledger.format import (
    FORMAT,
    GENESIS,
    SUFFIX,
    parse_fields,
    stated_hash,
    stated_seq,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.ledger.survey import Claim

__all__ = ["Chain"]

_WINDOW = 4096
"""How many records back a duplicate is recognised as one; further back it counts as inserted."""


class _State:
    """The chain before some line: the number it should have, and the hashes it may build on.

    `heads` has two members after a line whose hash does not fit (the one that it states, and the one
    that it should have), and is empty after a line that has none: the next line is taken on trust
    then, since the damage has been reported.
    """

    __slots__ = ("gaps", "heads", "seq")

    def __init__(
        self, seq: int, heads: tuple[bytes, ...], gaps: tuple[tuple[int, int], ...]
    ) -> None:
        self.seq = seq
        self.heads = heads
        self.gaps = gaps


class Chain:
    """The check of one segment; `report(record, offset, kind, message)` takes what it finds."""

    __slots__ = (
        "_before",
        "_claims",
        "_closed",
        "_last",
        "_name",
        "_recent",
        "_report",
        "_state",
        "lines",
    )

    def __init__(
        self, name: str, claims: list[Claim], report: Callable[[int, int, str, str], None]
    ) -> None:
        self._name = name
        self._report = report
        self._claims = {claim.records: claim for claim in claims if claim.head}
        self._state = _State(0, (GENESIS,), ())
        self._before = self._state
        self._last = b""
        self._recent: dict[int, bytes] = {}
        self._closed = False
        self.lines = 0

    @property
    def records(self) -> int:
        """How many records the segment has by its own count."""
        return self._state.seq

    def take(self, line: bytes, offset: int) -> dict[str, Any] | None:
        """Check the next line (without newline).

        Return its fields, or None if it is not a record or a copy of one.
        """
        record = self.lines
        self.lines += 1
        try:
            fields = parse_fields(line)
            seq, stated = stated_seq(line), stated_hash(line)
            if seq < 0 or stated is None:
                message = "it does not begin with `seq` and end with `hash`"
                raise ValueError(message)
        except ValueError as error:
            self.reject(record, offset, f"not a record: {error}")
            return None
        wrong = self._place(record, offset, seq, line, stated)
        if wrong is not None:
            self._report(record, offset, *wrong)
            if wrong[0] == "duplicated":
                return None
        self._check_type(record, offset, fields)
        return fields

    def reject(self, record: int, offset: int, message: str) -> None:
        """Count a line that is no record."""
        self._report(record, offset, "malformed", message)
        self._advance(_State(self._state.seq + 1, (), self._state.gaps), b"")

    def is_complete(self, tail: bytes) -> bool:
        """Whether a torn tail is a whole record with something else than a newline behind it."""
        line = tail[:-1]
        stated = stated_hash(line)
        return stated is not None and _links(self._state.heads, line, stated)

    def _place(
        self, record: int, offset: int, seq: int, line: bytes, stated: bytes
    ) -> tuple[str, str] | None:
        """Move on over a line; return the kind and the words of what is wrong with its place."""
        state, before = self._state, self._before
        linked = not state.heads or _links(state.heads, line, stated)
        if seq == state.seq:
            heads = (stated,) if linked else (stated, _hash(state.heads[0], line))
            self._advance(_State(seq + 1, heads, state.gaps), line)
            self._remember(record, offset, seq, stated)
            return (
                None
                if linked
                else ("altered", "its hash does not match its bytes and the record before it")
            )
        if not linked and self._renumbered(line, stated):
            self._advance(_State(state.seq + 1, (stated,), state.gaps), line)
            return "altered", f"its number was changed from {state.seq} to {seq}"
        if not linked and self._recent.get(seq) == stated:
            return "duplicated", f"a second copy of record {seq}"
        if not linked and seq == before.seq and before.heads and _links(before.heads, line, stated):
            return self._step_back(record, offset, seq, line, stated)
        if seq > state.seq:
            self._advance(_State(seq + 1, (stated,), (*state.gaps, (state.seq, seq))), line)
            self._remember(record, offset, seq, stated)
            return (
                "deleted",
                f"{_span(state.seq, seq)} missing before this one, which states number {seq}",
            )
        for gap in state.gaps:
            if gap[0] <= seq < gap[1]:
                return "reordered", f"this is record {seq}, moved here from further up"
        return (
            "inserted",
            f"it states number {seq}, where {state.seq} was due, and is not part of the chain",
        )

    def _renumbered(self, line: bytes, stated: bytes) -> bool:
        """Whether the line fits if it states the number that is due."""
        due = b'{"seq":%d' % self._state.seq + line[line.index(b",") :]
        return _links(self._state.heads, due, stated)

    def _step_back(
        self, record: int, offset: int, seq: int, line: bytes, stated: bytes
    ) -> tuple[str, str]:
        """Take a line that continues the chain as if the line before it were not there."""
        before, last = self._before, self._last
        follows = stated_seq(last) == seq + 1
        last_hash = stated_hash(last)
        if follows and last_hash is not None and _links((stated,), last, last_hash):
            self._state = _State(seq + 2, (last_hash,), before.gaps)
            return "reordered", f"this is record {seq}; it and record {seq + 1} have changed places"
        self._state = _State(seq + 1, (stated,), before.gaps)
        self._last = line
        self._remember(record, offset, seq, stated)
        return "inserted", f"the line before this one was inserted; record {seq} is this one"

    def _advance(self, state: _State, line: bytes) -> None:
        self._before, self._state, self._last = self._state, state, line

    def _remember(self, record: int, offset: int, seq: int, stated: bytes) -> None:
        self._recent[seq] = stated
        if len(self._recent) > _WINDOW:
            del self._recent[next(iter(self._recent))]
        claim = self._claims.get(seq + 1)
        if claim is not None and claim.head != stated.hex():
            self._report(
                record, offset, "rewritten", f"it is not the record {seq} that {claim.by} saw here"
            )

    def _check_type(self, record: int, offset: int, fields: dict[str, Any]) -> None:
        kind = fields.get("type")
        if self._closed:
            self._report(
                record, offset, "after-close", "it stands after the record that closed the segment"
            )
        self._closed = self._closed or kind == "close"
        if record > 0:
            if kind == "segment":
                self._report(record, offset, "header", "a header that is not the first record")
        elif kind != "segment":
            self._report(record, offset, "header", "the segment does not begin with its header")
        elif fields.get("segment") != self._name:
            other = str(fields.get("segment"))[:80]
            self._report(
                record, offset, "header", f"the header belongs to another segment, {other!r}"
            )
        elif fields.get("format") != FORMAT:
            self._report(
                record, offset, "header", "the header states a format that is not known here"
            )


def _hash(previous: bytes, line: bytes) -> bytes:
    return sha256(previous + line[:-SUFFIX]).digest()


def _links(heads: tuple[bytes, ...], line: bytes, stated: bytes) -> bool:
    return any(_hash(head, line) == stated for head in heads)


def _span(start: int, end: int) -> str:
    return f"record {start} is" if end - start == 1 else f"records {start} to {end - 1} are"
