"""The writer: one `Ledger` per process appends records to its own segment."""

from __future__ import annotations

import atexit
import os
import weakref
from binascii import hexlify
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Literal, Self

from wardline.clock import Clock
from wardline.errors import LedgerError
from wardline.ledger.durable import GROUP
from wardline.ledger.format import MAX_LINE, RecordRef
from wardline.ledger.segment import INTERRUPTED
from wardline.ledger.turnover import Turnover

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Ledger"]

_MAX_BODY = MAX_LINE - 256


class Ledger(Turnover):
    """An open ledger: a directory, and in it the one segment that this object writes.

    `durability` says what `append` has done when it returns:

    - `batch`: the record is written (`write(2)`), and synced within 5 ms or 256 records; SIGKILL
      loses nothing, a power cut at most that window
    - `sync`: a sync that covers the record has succeeded; threads that wait together share one
    - `none`: the record may still be in a buffer of 64 KiB, which SIGKILL loses

    `deadline` (seconds, monotonic) bounds every wait inside `append`: for the lock, for a sync, for a
    new segment. A segment of `segment_bytes` or more is closed and followed by a new one. `clock`
    gives the recorded time of headers and closings.

    Thread-safe. A child after `fork` goes on with a segment of its own. An open ledger is closed when
    the interpreter exits. Use it as a context manager, or call `close`.

    Raises ConfigurationError for arguments without meaning, and LedgerError if no first segment can
    be opened.
    """

    __slots__ = ()

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        durability: Literal["batch", "sync", "none"] = "batch",
        deadline: float = 2.0,
        segment_bytes: int = 64 * 1024 * 1024,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            str(Path(directory).absolute()),
            durability=durability,
            deadline=deadline,
            segment_bytes=segment_bytes,
            clock=clock or Clock(),
        )
        _register(self)

    @property
    def directory(self) -> Path:
        """The directory of the ledger."""
        return Path(self._directory)

    @property
    def durability(self) -> str:
        """What `append` has done when it returns: `batch`, `sync` or `none`."""
        return self._durability

    @property
    def segment(self) -> str | None:
        """The name of the segment that takes the next record, or None while there is none."""
        segment = self._segment
        return segment.name if segment is not None else None

    def append(self, body: bytes, *, reserved: bool = False) -> RecordRef:
        """Write one record and return where it stands; it is acknowledged when this returns.

        `body` is one compact JSON object in UTF-8, without a newline and with at least one field
        (`{"type":…`), but without `seq` and `hash`, which the ledger adds. `reserved` is for records
        that complete what has been permitted already: they may use the space that is kept back for
        the day on which the disk is full.

        Raises LedgerError if the record could not be acknowledged. It may be in the ledger
        nevertheless, as after a power cut; the next append opens a new segment, and fails in its turn
        for as long as that does not succeed.
        """
        if (
            not 6 <= len(body) <= _MAX_BODY
            or body[0] != 123
            or body[1] != 34
            or body[-1] != 125
            or 10 in body
        ):
            _check(body)
        lock = self._lock
        if not lock.acquire(False):
            self._wait_for_lock(lock)
        try:
            # What follows is `_append` and `Segment.write` for one body on a segment in good order.
            segment = self._segment
            now = monotonic()
            if (
                segment is None
                or (size := segment.size) >= segment.limit
                or ((since := segment.owed_since) and now - since > self._deadline)
            ):
                segment, seq = self._append((body,), reserved=reserved)
            else:
                seq = segment.seq
                head = b'{"seq":%d,' % seq + body[1:-1]
                digest = sha256(segment.head + head).digest()
                line = b'%b,"hash":"%b"}\n' % (head, hexlify(digest))
                segment.size = INTERRUPTED
                try:
                    written = os.write(segment.fd, line)
                except OSError as error:
                    segment, seq = self._after_failure(segment, error, (body,), reserved=reserved)
                else:
                    if written == len(line):
                        segment.head = digest
                        segment.seq = seq + 1
                        segment.size = size + written
                        if not since:
                            segment.owed_since = now
                        if seq >= segment.wake_at:
                            segment.wake_at = seq + GROUP
                            self._syncer.wake()
                    else:
                        short = OSError(0, f"the file took {written} of {len(line)} bytes")
                        segment, seq = self._after_failure(
                            segment, short, (body,), reserved=reserved
                        )
        finally:
            lock.release()
        if self._syncs:
            self._syncer.wait(segment, seq + 1)
        return RecordRef(segment.name, seq)

    def append_many(self, bodies: Sequence[bytes], *, reserved: bool = False) -> list[RecordRef]:
        """Write several records with one `write(2)` and return where they stand.

        Like `append` for each, but cheaper; if it raises, any number of the first ones may be in the
        ledger, none of them acknowledged.
        """
        for body in bodies:
            _check(body)
        if not bodies:
            return []
        lock = self._lock
        if not lock.acquire(False):
            self._wait_for_lock(lock)
        try:
            segment, seq = self._append(bodies, reserved=reserved)
        finally:
            lock.release()
        count = len(bodies)
        if self._syncs:
            self._syncer.wait(segment, seq + count)
        name = segment.name
        return [RecordRef(name, number) for number in range(seq, seq + count)]

    def flush(self) -> None:
        """Return once every record is synced, or with durability `none` once it is written.

        Raises LedgerError if that fails.
        """
        lock = self._lock
        self._wait_for_lock(lock)
        try:
            segment = self._segment
            if segment is None:
                return
            fault = self._fault(segment)
            if fault is not None:
                raise LedgerError(f"{segment.name}: {fault}")
            count = segment.seq
            if self._buffers:
                self._flush(segment)
        finally:
            lock.release()
        if not self._buffers:
            self._syncer.wait(segment, count)

    def close(self) -> None:
        """End the segment with a record of type `close`, synced, and give everything back.

        Closing twice does nothing. Raises LedgerError if the end could not be written; the ledger is
        closed all the same.
        """
        lock = self._lock
        self._wait_for_lock(lock)
        try:
            if self._closed:
                return
            self._closed = True
            self._give_up_reserve()
            segment = self._segment
            if segment is not None:
                fault = self._fault(segment)
                if fault is not None:
                    self._abandon(segment, fault)
                    raise LedgerError(f"{segment.name} was not closed: {fault}")
                self._finish(segment)
        finally:
            self._syncer.stop()
            lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            _close(self)


def _check(body: bytes) -> None:
    """Raise LedgerError for what cannot be the body of a record."""
    if len(body) < 6 or body[:2] != b'{"' or body[-1:] != b"}" or 10 in body:
        raise LedgerError("a record must be one compact JSON object on one line")
    if len(body) > _MAX_BODY:
        raise LedgerError(f"a record may have {_MAX_BODY} bytes; this one has {len(body)}")


_open_ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()
_hooked = False


def _register(ledger: Ledger) -> None:
    global _hooked  # noqa: PLW0603 - the hooks belong to the process
    if not _hooked:
        os.register_at_fork(after_in_child=_fork_all)
        atexit.register(_close_all)
        _hooked = True
    _open_ledgers.add(ledger)


def _fork_all() -> None:
    for ledger in list(_open_ledgers):
        ledger._after_fork()


def _close_all() -> None:
    for ledger in list(_open_ledgers):
        _close(ledger)


def _close(ledger: Ledger) -> None:
    try:
        ledger.close()
    except LedgerError as error:
        import logging  # not before it is needed: it is slow to import

        log = logging.getLogger(__name__)
        log.warning("the ledger in %s was not closed cleanly: %s", ledger.directory, error)
