"""Which segment takes the next record: opening, rotation, failure, a full disk, `fork`."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from wardline.errors import ConfigurationError, LedgerError
from wardline.ledger.durable import GROUP, Syncer
from wardline.ledger.format import FORMAT, segment_name
from wardline.ledger.reserve import Reserve, is_full
from wardline.ledger.segment import INTERRUPTED, Segment, create_segment
from wardline.ledger.survey import survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.clock import Clock

__all__ = ["Turnover"]

_BUFFER = 64 * 1024
_RETRY = 0.05
_RETRY_MOST = 1.0


class Turnover:
    """The half of a `Ledger` that is not in a hurry. All its methods run under the lock.

    A failed write or sync abandons the segment and is raised; the next append opens a new segment, whose
    header names the abandoned one and why, or fails in its turn. After a failed attempt the next one
    waits 50 ms, then twice as long, at most 1 s. On a full disk records that are `reserved` get the
    space that is kept back, in a segment of their own; others fail until that space is there again.
    """

    __slots__ = (
        "__weakref__",
        "_buffers",
        "_clock",
        "_closed",
        "_deadline",
        "_directory",
        "_durability",
        "_failed",
        "_lock",
        "_named",
        "_previous",
        "_reserve",
        "_retry_at",
        "_retry_delay",
        "_segment",
        "_segment_bytes",
        "_syncer",
        "_syncs",
        "_unwritten",
    )

    def __init__(
        self, directory: str, *, durability: str, deadline: float, segment_bytes: int, clock: Clock
    ) -> None:
        if durability not in {"batch", "sync", "none"}:
            message = f"durability is {durability!r}; it must be 'batch', 'sync' or 'none'"
            raise ConfigurationError(message)
        if not deadline > 0 or segment_bytes < 1:
            raise ConfigurationError("deadline and segment_bytes must be above 0")
        self._directory = directory
        self._durability = durability
        self._deadline = deadline
        self._segment_bytes = segment_bytes
        self._clock = clock
        self._syncs = durability == "sync"
        self._buffers = durability == "none"
        self._closed = True
        self._named = 0
        self._lock = threading.Lock()
        self._syncer = Syncer(eager=self._syncs, deadline=deadline)
        self._segment: Segment | None = None
        self._reserve: Reserve | None = None
        self._previous: str | None = None
        self._failed: dict[str, str] | None = None
        self._unwritten = 0
        self._retry_at = 0.0
        self._retry_delay = 0.0
        try:
            Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _refusal(directory, error) from error
        with self._lock:
            try:
                self._open(reserved=False)
            except LedgerError:
                self._give_up_reserve()
                raise
        self._closed = False

    def _append(self, bodies: Sequence[bytes], *, reserved: bool) -> tuple[Segment, int]:
        """Append on whatever segment can be had; return it and the number of the first record."""
        segment = self._prepare(reserved=reserved)
        try:
            return segment, self._put(segment, bodies)
        except OSError as error:
            return self._after_failure(segment, error, bodies, reserved=reserved)

    def _put(self, segment: Segment, bodies: Sequence[bytes]) -> int:
        if self._buffers:
            first = segment.hold(bodies)
            if segment.buffered >= _BUFFER or self._reserve is None:
                segment.flush()
            return first
        first = segment.write(bodies)
        segment.owed_since = segment.owed_since or monotonic()
        if segment.seq > segment.wake_at:
            segment.wake_at = segment.seq + GROUP
            self._syncer.wake()
        return first

    def _after_failure(
        self, segment: Segment, error: OSError, bodies: Sequence[bytes], *, reserved: bool
    ) -> tuple[Segment, int]:
        """Abandon the segment. If there was no room, a `reserved` record goes on in a new one.

        First without the space kept back, since the file may have been what was full, then with it.
        """
        again = False
        while True:
            self._abandon(segment, error.strerror or str(error))
            if not (reserved and is_full(error)) or (again and self._reserve is None):
                self._unwritten += 1
                raise _refusal(segment.name, error) from error
            if again:
                self._give_up_reserve()
            again = True
            segment = self._open(reserved=True)
            try:
                first = self._put(segment, bodies)
                segment.flush()
            except OSError as caught:
                error = caught
            else:
                return segment, first

    def _prepare(self, *, reserved: bool) -> Segment:
        """Return a segment that takes a record; LedgerError if there is none to be had."""
        if self._closed:
            raise LedgerError("the ledger is closed")
        segment = self._segment
        if segment is not None:
            fault = self._fault(segment)
            if fault is not None:
                self._abandon(segment, fault)
                if segment.size != INTERRUPTED and not segment.told:
                    self._unwritten += 1
                    raise LedgerError(f"{segment.name}: {fault}")
            elif self._reserve is None:
                if not reserved:
                    self._restore_reserve(segment)
                return segment
            elif segment.size >= self._segment_bytes and segment.seq > 1:
                self._finish(segment)
            else:
                return segment
        return self._open(reserved=reserved)

    def _fault(self, segment: Segment) -> str | None:
        """Return why the segment may not go on, or None."""
        if segment.size == INTERRUPTED:
            return "a write was interrupted"
        return self._sync_fault(segment)

    def _sync_fault(self, segment: Segment) -> str | None:
        """Return why no sync of the segment can be relied on, or None."""
        if segment.failure is not None:
            return segment.failure
        if segment.owed_since and monotonic() - segment.owed_since > self._deadline:
            return f"no sync within {self._deadline:g} s"
        return None

    def _abandon(self, segment: Segment, reason: str) -> None:
        """Leave the segment as it is; the next header names it, its end and `reason`."""
        if not self._buffers and self._sync_fault(segment) is None:
            # What was acknowledged before the failure is still owed its sync.
            with contextlib.suppress(LedgerError):
                self._syncer.wait(segment, segment.seq)
        segment.fail(reason)
        self._failed = {"segment": segment.name, "reason": reason}
        self._leave(segment)

    def _leave(self, segment: Segment) -> None:
        self._segment = None
        self._previous = segment.name
        self._syncer.retire(segment)

    def _finish(self, segment: Segment) -> None:
        """Close a segment that is in order; LedgerError, and it is abandoned, if that fails."""
        body = b'{"type":"close","t":%d}' % self._clock.now()
        try:
            if self._buffers:
                segment.hold((body,))
                segment.flush()
            else:
                segment.write((body,))
                self._syncer.wait(segment, segment.seq)
        except OSError as error:
            self._abandon(segment, error.strerror or str(error))
            raise _refusal(segment.name, error) from error
        except LedgerError:
            self._abandon(segment, segment.failure or "its end was not synced")
            raise
        self._leave(segment)

    def _flush(self, segment: Segment) -> None:
        try:
            segment.flush()
        except OSError as error:
            self._abandon(segment, error.strerror or str(error))
            raise _refusal(segment.name, error) from error

    def _open(self, *, reserved: bool) -> Segment:
        """Open the next segment and make its header durable; LedgerError if that fails."""
        if not reserved and monotonic() < self._retry_at:
            self._unwritten += 1
            reason = self._failed["reason"] if self._failed else "see the error before this one"
            raise LedgerError(f"{self._directory}: still no new segment ({reason})")
        try:
            try:
                if self._reserve is None and not reserved:
                    self._reserve = Reserve(self._directory, os.urandom(3).hex())
                segment = self._create()
            except OSError as error:
                if not (reserved and is_full(error) and self._reserve is not None):
                    raise
                self._give_up_reserve()
                segment = self._create()
        except (OSError, LedgerError) as error:
            self._unwritten += 1
            self._retry_delay = min(max(2 * self._retry_delay, _RETRY), _RETRY_MOST)
            self._retry_at = monotonic() + self._retry_delay
            if isinstance(error, OSError):
                raise _refusal(self._directory, error) from error
            raise
        self._retry_at = self._retry_delay = 0.0
        self._segment = segment
        self._failed = None
        self._unwritten = 0
        self._set_limit(segment)
        return segment

    def _create(self) -> Segment:
        t = self._clock.now()
        self._named = max(t, self._named + 1)
        name = segment_name(self._named, os.getpid(), os.urandom(3).hex())
        segment = create_segment(self._directory, name)
        try:
            if not self._buffers:
                self._syncer.follow(segment)
            segment.write((self._header(name, t),))
            if not self._buffers:
                segment.owed_since = monotonic()
                self._syncer.wait(segment, 1)
        except (OSError, LedgerError):
            # A header that was written stays, since another writer's header may name it by now.
            if segment.seq == 0:
                Path(self._directory, name).unlink(missing_ok=True)
            else:
                self._previous = name
            self._syncer.retire(segment)
            raise
        return segment

    def _header(self, name: str, t: int) -> bytes:
        host = sha256(os.uname().nodename.encode()).hexdigest()[:16]
        header = {
            "type": "segment",
            "format": FORMAT,
            "segment": name,
            "t": t,
            "writer": {"pid": os.getpid(), "host": host},
            "durability": self._durability,
            **survey(self._directory, name, self._previous).as_fields(),
        }
        if self._failed is not None:
            header["failed"] = {**self._failed, "unwritten": self._unwritten}
        return json.dumps(header, separators=(",", ":")).encode()

    def _restore_reserve(self, segment: Segment) -> None:
        """Keep space back again after a full disk; LedgerError while there is none."""
        now = monotonic()
        if now < self._retry_at:
            self._unwritten += 1
            raise LedgerError(f"{self._directory}: the disk was full and is not known to have room")
        try:
            self._reserve = Reserve(self._directory, os.urandom(3).hex())
            body = b'{"type":"note","t":%d,"note":"the disk has room again","unwritten":%d}'
            self._put(segment, (body % (self._clock.now(), self._unwritten),))
        except OSError as error:
            self._unwritten += 1
            self._retry_delay = min(max(2 * self._retry_delay, _RETRY), _RETRY_MOST)
            self._retry_at = now + self._retry_delay
            self._give_up_reserve()
            if segment.size == INTERRUPTED:
                self._abandon(segment, error.strerror or str(error))
            raise _refusal(self._directory, error) from error
        self._retry_at = self._retry_delay = 0.0
        self._unwritten = 0
        self._set_limit(segment)

    def _set_limit(self, segment: Segment) -> None:
        """Say when `append` has to ask: at the end of the segment, or each time.

        Each time if there is a buffer, and in the space kept back, which only outcomes may use.
        """
        direct = self._reserve is not None and not self._buffers
        segment.limit = self._segment_bytes if direct else 0

    def _give_up_reserve(self) -> None:
        reserve, self._reserve = self._reserve, None
        if reserve is not None:
            reserve.release()

    def _wait_for_lock(self, lock: threading.Lock) -> None:
        if not lock.acquire(timeout=self._deadline):
            raise LedgerError(f"the ledger's lock was not free within {self._deadline:g} s")

    def _reset(self) -> None:
        """Take the state of a writer without a segment."""
        self._lock = threading.Lock()
        self._syncer = Syncer(eager=self._syncs, deadline=self._deadline)
        self._segment = None
        self._reserve = None
        self._previous = None
        self._failed = None
        self._unwritten = 0
        self._retry_at = 0.0
        self._retry_delay = 0.0

    def _after_fork(self) -> None:
        """In the child: leave segment, buffer and reserve to the parent."""
        if self._closed:
            return
        if self._segment is not None:
            self._segment.close_file()
        self._syncer.forget()
        if self._reserve is not None:
            self._reserve.forget()
        self._reset()


def _refusal(where: str, error: OSError) -> LedgerError:
    return LedgerError(f"{where}: {error.strerror or error}")
