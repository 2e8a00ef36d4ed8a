"""Disk space kept back, so that outcomes of permits already given can still be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["RESERVE_BYTES", "Reserve", "is_full"]

RESERVE_BYTES = 256 * 1024
"""Room for several hundred outcomes and the header of a segment."""


class Reserve:
    """One writer's reserve: a file in the directory of the ledger, really written, without a name.

    It is unlinked as soon as it is open, so its blocks return by themselves when the process dies.
    OSError if it cannot be written.
    """

    __slots__ = ("_fd",)

    def __init__(self, directory: str, nonce: str) -> None:
        path = Path(directory, f".reserve-{os.getpid()}-{nonce}")
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            path.unlink()
            # Random bytes: a file system that compresses would keep nothing back for zeros.
            data, done = os.urandom(RESERVE_BYTES), 0
            while done < RESERVE_BYTES:
                done += os.write(self._fd, data[done:])
        except OSError:
            self.release()
            raise

    def release(self) -> None:
        """Give the space back, also where a child after `fork` still has the file open."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.ftruncate(fd, 0)
            finally:
                os.close(fd)

    def forget(self) -> None:
        """In a child after `fork`: close the copy and leave the parent's space alone."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def is_full(error: OSError) -> bool:
    """Whether a write failed for lack of room; a short write (no `errno`) is taken for that too."""
    return error.errno in {0, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
