"""The open end of a segment: its file, its lock and the state of its chain."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wardline.ledger.format import GENESIS, encode_line

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["INTERRUPTED", "Segment", "create_segment", "write_whole"]

INTERRUPTED = sys.maxsize
"""The `size` of a segment while a write is under way, and for good if that write did not return."""


class Segment:
    """A segment that this process writes. Its fields are the writer's, under the writer's lock.

    The sync thread writes only `durable`, `owed_since`, `wake_at` and, through `fail`, `failure` and
    `limit`.

    - `seq`: the number of the next record; `head`: the hash of the last one
    - `size`: bytes so far, the buffer included; at `limit` or above a record may not just be appended
    - `durable`: records that a sync covers; `owed_since`: monotonic seconds, 0.0 if nothing is owed
    - `wake_at`: the sync thread wants to be woken when a record of this number is written
    - `failure`: why it takes no further record; `told`: a caller has been told so
    - `orphan`: the sync that still uses the file is to close it
    - `buffer`, `buffered`: lines not yet written, and their bytes (durability `none`)
    """

    __slots__ = (
        "buffer",
        "buffered",
        "directory",
        "durable",
        "failure",
        "fd",
        "head",
        "limit",
        "name",
        "orphan",
        "owed_since",
        "seq",
        "size",
        "told",
        "wake_at",
    )

    def __init__(self, name: str, fd: int, directory: str) -> None:
        self.name = name
        self.fd = fd
        self.directory: str | None = directory
        self.seq = 0
        self.head = GENESIS
        self.size = 0
        self.limit = 0
        self.durable = 0
        self.owed_since = 0.0
        self.wake_at = 0
        self.failure: str | None = None
        self.orphan = False
        self.told = False
        self.buffer: list[bytes] = []
        self.buffered = 0

    def write(self, bodies: Sequence[bytes]) -> int:
        """Write one record per body with one `write(2)`; return the number of the first.

        OSError, also for a short write; the segment is `INTERRUPTED` then.
        """
        first, size = self.seq, self.size
        data, head = self._encode(bodies)
        self.size = INTERRUPTED
        write_whole(self.fd, data)
        self.head = head
        self.seq = first + len(bodies)
        self.size = size + len(data)
        return first

    def hold(self, bodies: Sequence[bytes]) -> int:
        """Like `write`, into the buffer."""
        first, size = self.seq, self.size
        self.size = INTERRUPTED
        data, self.head = self._encode(bodies)
        self.buffer.append(data)
        self.buffered += len(data)
        self.seq = first + len(bodies)
        self.size = size + len(data)
        return first

    def flush(self) -> None:
        """Write what the buffer holds; OSError as in `write`."""
        if self.buffer:
            size, self.size = self.size, INTERRUPTED
            write_whole(self.fd, b"".join(self.buffer))
            self.buffer.clear()
            self.buffered = 0
            self.size = size

    def fail(self, reason: str) -> None:
        """Take no further record, because of `reason`."""
        if self.failure is None:
            self.failure = reason
        self.limit = 0

    def close_file(self) -> None:
        """Close the file, which gives up the lock."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _encode(self, bodies: Sequence[bytes]) -> tuple[bytes, bytes]:
        seq, head, lines = self.seq, self.head, []
        for body in bodies:
            line, head = encode_line(seq, body, head)
            lines.append(line)
            seq += 1
        return b"".join(lines), head


def write_whole(fd: int, data: bytes) -> None:
    """Write `data` with one call; a short write is an OSError, since half a line is already there."""
    written = os.write(fd, data)
    if written != len(data):
        message = f"the file took {written} of {len(data)} bytes"
        raise OSError(0, message)


def create_segment(directory: str, name: str) -> Segment:
    """Create and lock the file of a new segment, still without its header. OSError if that fails.

    The file gets its name only when it is locked, so nobody can take it for an abandoned one.
    """
    hidden, path = Path(directory, f".new-{name}"), Path(directory, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    fd = os.open(hidden, flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
    except OSError:
        os.close(fd)
        hidden.unlink(missing_ok=True)
        raise
    return Segment(name, fd, directory)
