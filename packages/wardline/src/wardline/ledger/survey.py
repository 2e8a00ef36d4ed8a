"""What a new segment's header says about the segments that are already there.

Every header names each other segment of the directory: its number of complete records, its last
hash, its state (`closed`, `abandoned`, `live`) and a torn tail's length and digest. To keep headers
short when there are thousands of segments, one is left out where it is *covered*: some segment that
this header names has, in its own header, named it as ended (`closed` or `abandoned`), or named a
segment that did, and so on. That loses no evidence: an ended segment does not change any more, and
the hash chain of the segment that named it protects what was said about it.

A header also counts and digests the names that it covers (`covered`). The next writer compares that
with the directory and need not open those segments again; only where the two differ does it follow
the headers one by one.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from wardline.ledger.format import (
    GENESIS,
    MAX_LINE,
    SUFFIX,
    is_segment_name,
    parse_fields,
    stated_hash,
    stated_seq,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "Claim",
    "Survey",
    "claims_of",
    "header_of",
    "is_live",
    "last_newline",
    "segment_names",
    "survey",
]

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Claim:
    """What the header of the segment `by` says about another segment.

    `torn` is None, or the torn tail's length in bytes and its SHA-256 in hex.
    """

    by: str
    segment: str
    records: int
    head: str
    state: str
    torn: tuple[int, str] | None

    def as_fields(self) -> dict[str, Any]:
        """Return the claim as the header stores it."""
        fields: dict[str, Any] = {
            "segment": self.segment,
            "records": self.records,
            "head": self.head,
            "state": self.state,
        }
        if self.torn is not None:
            fields["torn"] = {"bytes": self.torn[0], "sha256": self.torn[1]}
        return fields


@dataclass(frozen=True, slots=True)
class Survey:
    """The claims a header makes, and what it covers through them."""

    claims: tuple[Claim, ...]
    covered: frozenset[str]

    def as_fields(self) -> dict[str, Any]:
        """Return the two fields of the header."""
        return {
            "earlier": [claim.as_fields() for claim in self.claims],
            "covered": {"segments": len(self.covered), "sha256": _digest(self.covered)},
        }


def segment_names(directory: str | os.PathLike[str]) -> list[str]:
    """Return the names of all segments, sorted; OSError if the directory cannot be read."""
    with os.scandir(directory) as entries:
        return sorted(
            entry.name
            for entry in entries
            if is_segment_name(entry.name) and entry.is_file(follow_symlinks=False)
        )


def is_live(file: BinaryIO) -> bool:
    """Whether a writer still holds the lock of this segment."""
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file.fileno(), fcntl.LOCK_UN)
    return False


def header_of(path: Path) -> dict[str, Any] | None:
    """Return the fields of a segment's header, or None where it has no header that verifies."""
    try:
        with path.open("rb") as file:
            line = file.readline(MAX_LINE)
    except FileNotFoundError:
        return None
    line, newline = line[:-1], line[-1:]
    if newline != b"\n" or stated_hash(line) != sha256(GENESIS + line[:-SUFFIX]).digest():
        return None
    try:
        fields = parse_fields(line)
    except ValueError:
        return None
    return fields if fields.get("type") == "segment" else None


def claims_of(by: str, header: dict[str, Any]) -> Iterator[Claim]:
    """Yield the claims of the header of segment `by`, passing over what has not their form."""
    earlier = header.get("earlier")
    for entry in earlier if type(earlier) is list else ():
        if type(entry) is not dict:
            continue
        name, records, head = entry.get("segment"), entry.get("records"), entry.get("head")
        state, torn = entry.get("state"), entry.get("torn")
        if not (type(name) is str and type(records) is int and type(head) is str):
            continue
        tail = None
        if type(torn) is dict:
            length, digest = torn.get("bytes"), torn.get("sha256")
            if type(length) is int and type(digest) is str:
                tail = (length, digest)
        yield Claim(by, name, records, head, state if type(state) is str else "", tail)


def survey(directory: str, own: str, ended: str | None = None) -> Survey:
    """Look at every segment but `own`, as far as no header has settled it already.

    `ended` is this process's previous segment, which has ended even if its lock is still held.
    OSError if the directory or a segment cannot be read.
    """
    names = [name for name in segment_names(directory) if name != own]
    covered = _covered_by_newest(directory, names)
    walk = covered is None
    known: set[str] = set() if covered is None else covered
    claims = []
    for name in reversed(names):
        if name in known:
            continue
        try:
            claims.append(_inspect(directory, own, name, ended=name == ended))
        except FileNotFoundError:
            continue  # its writer could not write the header and took the file away
        if walk:
            _follow(directory, name, known)
    # With a skewed clock a segment may be named before the walk finds it covered.
    known.difference_update(claim.segment for claim in claims)
    return Survey(tuple(claims), frozenset(known.intersection(names)))


def _covered_by_newest(directory: str, names: list[str]) -> set[str] | None:
    """Return what naming the newest segment covers, if its header fits the directory."""
    if not names:
        return set()
    newest = names[-1]
    header = header_of(Path(directory, newest))
    if header is None:
        return None
    claims = {claim.segment: claim for claim in claims_of(newest, header)}
    before = {name for name in names if name < newest and name not in claims}
    stated = header.get("covered")
    if stated != {"segments": len(before), "sha256": _digest(before)}:
        return None
    return before | {name for name, claim in claims.items() if claim.state != "live"}


def _follow(directory: str, name: str, known: set[str]) -> None:
    """Add to `known` everything that naming `name` covers."""
    stack = [name]
    while stack:
        by = stack.pop()
        header = header_of(Path(directory, by))
        for claim in claims_of(by, header) if header else ():
            if (
                claim.state != "live"
                and claim.segment not in known
                and is_segment_name(claim.segment)
            ):
                known.add(claim.segment)
                stack.append(claim.segment)


def _inspect(directory: str, own: str, name: str, *, ended: bool) -> Claim:
    with Path(directory, name).open("rb") as file:
        live = not ended and is_live(file)
        size = file.seek(0, os.SEEK_END)
        end = last_newline(file, size) + 1
        torn = None if live or end == size else (size - end, _digest_of(file, end, size))
        start = last_newline(file, end - 1) + 1 if end else 0
        file.seek(start)
        line = file.read(min(end - start, MAX_LINE))[:-1]
        seq, head = stated_seq(line), stated_hash(line)
        if end and (seq < 0 or head is None):
            # Not a record of ours: say how many lines there are and leave the rest to verify.
            return Claim(
                own, name, _count_lines(file, end), "", "live" if live else "abandoned", torn
            )
        closed = not live and torn is None and _is_close(line)
        state = "live" if live else "closed" if closed else "abandoned"
        return Claim(own, name, seq + 1, head.hex() if head else "", state, torn)


def _is_close(line: bytes) -> bool:
    try:
        return parse_fields(line).get("type") == "close"
    except ValueError:
        return False


def last_newline(file: BinaryIO, end: int) -> int:
    """Return where the last newline before `end` stands, or -1."""
    while end > 0:
        start = max(end - _CHUNK, 0)
        file.seek(start)
        at = file.read(end - start).rfind(b"\n")
        if at >= 0:
            return start + at
        end = start
    return -1


def _chunks(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (chunk := file.read(min(_CHUNK, end - start))):
        start += len(chunk)
        yield chunk


def _digest_of(file: BinaryIO, start: int, end: int) -> str:
    digest = sha256()
    for chunk in _chunks(file, start, end):
        digest.update(chunk)
    return digest.hexdigest()


def _count_lines(file: BinaryIO, end: int) -> int:
    return sum(chunk.count(b"\n") for chunk in _chunks(file, 0, end))


def _digest(names: Iterable[str]) -> str:
    return sha256("\n".join(sorted(names)).encode()).hexdigest()
