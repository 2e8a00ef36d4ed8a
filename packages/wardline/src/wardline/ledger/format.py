"""The bytes of the ledger: names of segments, lines, hashes, references. No I/O."""

from __future__ import annotations

import json
import re
from binascii import hexlify
from hashlib import sha256
from typing import Any

from wardline.clock import as_datetime

__all__ = [
    "FORMAT",
    "GENESIS",
    "MAX_LINE",
    "SUFFIX",
    "RecordRef",
    "encode_line",
    "is_segment_name",
    "parse_fields",
    "segment_name",
    "stated_hash",
    "stated_seq",
]

FORMAT = 1
"""The version that a segment's header states."""

GENESIS = bytes(32)
"""What stands for the previous hash in the first record of a segment."""

MAX_LINE = 16 * 1024 * 1024
"""The most bytes that a line may have, its newline included; a longer one is not a record."""

SUFFIX = 75
"""The length of `,"hash":"<64 hex>"}`, with which every line ends before its newline."""

_NAME = re.compile(r"\d{8}T\d{12}Z-\d{1,10}-[0-9a-f]{6}\.jsonl")
_SEQ = re.compile(rb'\{"seq":(0|[1-9][0-9]{0,17}),')
_HASH = re.compile(rb',"hash":"([0-9a-f]{64})"\}')


class RecordRef:
    """Where a record stands: the name of its segment and its number there. `str` gives `segment:seq`."""

    __slots__ = ("segment", "seq")

    def __init__(self, segment: str, seq: int) -> None:
        self.segment = segment
        self.seq = seq

    @classmethod
    def parse(cls, text: str) -> RecordRef:
        """Return the reference that `text` writes as `segment:seq`; ValueError if it is none."""
        segment, colon, seq = text.rpartition(":")
        if not (colon and is_segment_name(segment) and seq.isascii() and seq.isdigit()):
            message = f"{text[:100]!r} is not a reference to a record; expected `segment:seq`"
            raise ValueError(message)
        return cls(segment, int(seq))

    def __str__(self) -> str:
        return f"{self.segment}:{self.seq}"

    def __repr__(self) -> str:
        return f"RecordRef({self.segment!r}, {self.seq})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not RecordRef:
            return NotImplemented
        return self.seq == other.seq and self.segment == other.segment

    def __hash__(self) -> int:
        return hash((self.segment, self.seq))


def segment_name(t: int, pid: int, nonce: str) -> str:
    """Return the file name of a segment opened at `t` (µs) by process `pid`; `nonce` is 6 hex digits."""
    return f"{as_datetime(t):%Y%m%dT%H%M%S%f}Z-{pid}-{nonce}.jsonl"


def is_segment_name(name: str) -> bool:
    """Whether a file of this name is a segment."""
    return _NAME.fullmatch(name) is not None


def encode_line(seq: int, body: bytes, previous: bytes) -> tuple[bytes, bytes]:
    """Return the stored line of a record, with its newline, and the record's hash (32 bytes)."""
    head = b'{"seq":%d,' % seq + body[1:-1]
    digest = sha256(previous + head).digest()
    return b'%b,"hash":"%b"}\n' % (head, hexlify(digest)), digest


def stated_seq(line: bytes) -> int:
    """Return the number that a line gives itself, or -1 where it does not begin as a record does."""
    match = _SEQ.match(line)
    return int(match[1]) if match else -1


def stated_hash(line: bytes) -> bytes | None:
    """Return the hash that a line without its newline ends with, or None where there is none."""
    match = _HASH.fullmatch(line, max(len(line) - SUFFIX, 0))
    return bytes.fromhex(match[1].decode()) if match else None


def parse_fields(line: bytes) -> dict[str, Any]:
    """Return the fields of a line, in its order.

    ValueError for anything but one JSON object (RFC 8259) in UTF-8 whose objects, at any depth, have
    no key twice.
    """
    try:
        fields = _decoder.decode(line.decode("utf-8"))
    except RecursionError:
        message = "it is nested too deeply to be read"
        raise ValueError(message) from None
    if type(fields) is not dict:
        message = "it is not a JSON object"
        raise ValueError(message)
    return fields


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        message = f"the key {twice[:60]!r} occurs twice in one object"
        raise ValueError(message)
    return fields


def _constant(text: str) -> Any:
    message = f"{text} is not JSON"
    raise ValueError(message)


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
