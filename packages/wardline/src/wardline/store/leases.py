"""Who is alive: one locked file for each owner, let go by the kernel when its process dies.

A lock of flock(2) belongs to the open file, so it needs no heartbeat, survives nothing and cannot be
left behind by SIGKILL. A file that is missing or that nobody holds means a dead owner.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from wardline.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Leases"]


class Leases:
    """The leases of one store object, as files in `directory`. Not safe under threads by itself."""

    __slots__ = ("_directory", "_held")

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, int] = {}

    def __contains__(self, owner: str) -> bool:
        return owner in self._held

    def _file(self, owner: str) -> str:
        digest = hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()
        return str(self._directory / f"{digest[:32]}.lease")

    def take(self, owner: str, deadline: float) -> None:
        """Hold the lease of `owner` from now on; refuses an owner that another store object holds."""
        file = self._file(owner)
        until = time.monotonic() + deadline
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            while True:
                fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                if self._locked(fd, file):
                    self._held[owner] = fd
                    return
                os.close(fd)
                if time.monotonic() >= until:
                    raise StoreError(
                        f"{file}: waited {deadline:g} s for the lease of owner {owner!r}, which "
                        "another store object holds; give every guard an owner name of its own"
                    )
                time.sleep(0.001)
        except OSError as error:
            raise StoreError(
                f"{file}: the lease of owner {owner!r} cannot be taken ({error.strerror}); "
                "make the directory writable"
            ) from error

    @staticmethod
    def _locked(fd: int, file: str) -> bool:
        """Whether `fd` is now locked by us and still is the file of that name."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        try:
            return os.path.samestat(os.fstat(fd), os.stat(file))  # noqa: PTH116 - beside fstat
        except FileNotFoundError:
            return False

    def alive(self, owner: str) -> bool:
        """Whether somebody, in whatever process, holds the lease of `owner`."""
        if owner in self._held:
            return True
        file = self._file(owner)
        try:
            fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(
                f"{file}: the lease of owner {owner!r} cannot be read ({error.strerror}); "
                "make the file readable for this user"
            ) from error
        try:
            # Shared, so that two who ask at once do not take each other for the owner.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def end(self, owner: str) -> None:
        """Let the lease of `owner` go."""
        fd = self._held.pop(owner, None)
        if fd is not None:
            # Removed while it is locked: whoever opens it in between sees that the name is gone.
            with suppress(OSError):
                os.unlink(self._file(owner))  # noqa: PTH108 - a str, as in the rest of this module
            os.close(fd)

    def end_all(self) -> None:
        """Let every lease go."""
        for owner in list(self._held):
            self.end(owner)

    def abandon(self) -> None:
        """Close inherited files in a child after fork; the parent's locks stay the parent's."""
        for fd in self._held.values():
            os.close(fd)
        self._held.clear()

    def sweep(self) -> None:
        """Remove the files of dead owners."""
        for path in self._directory.glob("*.lease"):
            with suppress(OSError):
                fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    if self._locked(fd, str(path)):
                        path.unlink()
                finally:
                    os.close(fd)
