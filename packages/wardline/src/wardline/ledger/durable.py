"""Making records durable: one daemon thread that syncs, so that no caller can hang in the kernel."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING

from wardline.errors import LedgerError

if TYPE_CHECKING:
    from wardline.ledger.segment import Segment

__all__ = ["GROUP", "Syncer", "make_durable"]

GROUP = 256
"""Unsynced records that start a sync at once."""

_TICK = 0.004
"""Seconds between two looks at what is owed; leaves one of the 5 ms for the thread to be scheduled."""

_IDLE_TICKS = 25
"""Ticks without a record after which the thread sleeps until it is woken."""


def make_durable(fd: int) -> None:
    """Return once the contents of `fd` are on stable storage; OSError if they are not."""
    if sys.platform == "darwin":
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError:
            # Not every file system of macOS knows F_FULLFSYNC; what it does know is fsync.
            os.fsync(fd)
    else:
        os.fdatasync(fd)


class Syncer:
    """The sync thread of one writer.

    It follows one segment at a time. With `eager` it syncs whenever it is woken (group commit: what
    was written before a sync began is covered by it); otherwise within 5 ms of the first unsynced
    record. The thread starts with the first segment that needs it and holds no reference to the
    ledger. `deadline` is in seconds.
    """

    __slots__ = (
        "_busy",
        "_busy_since",
        "_deadline",
        "_done",
        "_eager",
        "_segment",
        "_stopped",
        "_thread",
        "_wake",
    )

    def __init__(self, *, eager: bool, deadline: float) -> None:
        self._eager = eager
        self._deadline = deadline
        self._segment: Segment | None = None
        self._busy: Segment | None = None
        self._busy_since = 0.0
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._done = threading.Condition(threading.Lock())
        # A binary semaphore: held while there is nothing to do, released to wake the thread.
        self._wake = threading.Lock()
        self._wake.acquire()

    def wake(self) -> None:
        """Make the thread look at what is owed."""
        with contextlib.suppress(RuntimeError):  # it has been woken already
            self._wake.release()

    def follow(self, segment: Segment) -> None:
        """Turn to `segment`; LedgerError while a sync of another one hangs, or without a thread."""
        end = monotonic() + self._deadline
        with self._done:
            while self._busy is not None:
                left = min(end, self._busy_since + self._deadline) - monotonic()
                if left <= 0 or not self._done.wait(left):
                    waited = monotonic() - self._busy_since
                    raise LedgerError(f"the disk has not answered a sync for {waited:.1f} s")
            self._segment = segment
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="wardline-ledger-sync", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                raise LedgerError(f"the ledger's sync thread does not start: {error}") from error
            self._thread = thread

    def wait(self, segment: Segment, count: int) -> None:
        """Return once the first `count` records of `segment` are durable.

        LedgerError if a sync failed or the deadline passed; the segment takes no further record then.
        """
        self.wake()
        end = monotonic() + self._deadline
        with self._done:
            while segment.durable < count:
                if segment.failure is None:
                    left = end - monotonic()
                    if left > 0:
                        self._done.wait(left)
                        continue
                    segment.fail(f"no sync within {self._deadline:g} s")
                segment.told = True
                raise LedgerError(f"{segment.name}: {segment.failure}")

    def retire(self, segment: Segment) -> None:
        """Close the file of `segment`: now, or when the sync that still uses it returns."""
        with self._done:
            if self._segment is segment:
                self._segment = None
            if self._busy is segment:
                segment.orphan = True
            else:
                segment.close_file()
            self._done.notify_all()

    def stop(self) -> None:
        """Let the thread end."""
        self._stopped = True
        self.wake()

    def forget(self) -> None:
        """In a child after `fork`: close the copies of the parent's files."""
        for segment in (self._segment, self._busy):
            if segment is not None:
                segment.close_file()

    def _run(self) -> None:
        idle = 0
        while not self._stopped:
            segment = self._segment
            if segment is None or segment.failure is not None or segment.seq == segment.durable:
                idle = self._rest(segment, idle)
                continue
            idle = 0
            if not self._eager:
                # The first unsynced record is at most as old as `owed_since`; a full group is at once.
                left = (segment.owed_since or monotonic()) + _TICK - monotonic()
                if left > 0 and segment.seq - segment.durable < GROUP:
                    self._wake.acquire(timeout=left)
            self._sync(segment)

    def _rest(self, segment: Segment | None, idle: int) -> int:
        """Wait for work; ticking at first, so that a busy writer need not wake the thread."""
        if not self._eager and idle < _IDLE_TICKS:
            self._wake.acquire(timeout=_TICK)
            return idle + 1
        if segment is not None:
            segment.wake_at = segment.seq
            if segment.failure is None and segment.seq != segment.durable:
                return 0  # written before the writer could see that it has to wake us
        self._wake.acquire()
        return 0

    def _sync(self, segment: Segment) -> None:
        with self._done:
            if segment.fd < 0 or self._segment is not segment:
                return
            self._busy = segment
            started = self._busy_since = monotonic()
        segment.owed_since = segment.owed_since or started
        count = segment.seq
        failure: str | None = None
        try:
            if segment.directory is not None:
                _sync_directory(segment.directory)
                segment.directory = None
            make_durable(segment.fd)
        except OSError as error:
            failure = f"a sync failed: {error.strerror or error}"
        with self._done:
            if failure is None:
                segment.durable = count
                segment.owed_since = started if segment.seq != count else 0.0
                segment.wake_at = count + GROUP
            else:
                segment.fail(failure)
            self._busy = None
            if segment.orphan:
                segment.close_file()
            self._done.notify_all()


def _sync_directory(path: str) -> None:
    """Make the name of a new file as durable as its contents."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
