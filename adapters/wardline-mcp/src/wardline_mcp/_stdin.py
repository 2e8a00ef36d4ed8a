"""Lines of standard input, for a process that must be able to end while nobody writes any."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import CancelledError
from typing import Final

__all__ = ["StandardInput"]

_CHUNK: Final = 1 << 16


class StandardInput:
    """Yields the lines of standard input.

    A thread that waits for input cannot be stopped, and one of the pool would be waited for at the end.
    This one is left behind, and reads the descriptor itself, whose lock nobody needs then.
    """

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=64)
        self._loop: asyncio.AbstractEventLoop | None = None

    def __aiter__(self) -> StandardInput:
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._read, name="wardline-stdin", daemon=True).start()
        return self

    async def __anext__(self) -> str:
        line = await self._lines.get()
        if line is None:
            raise StopAsyncIteration
        return line

    def _read(self) -> None:
        rest = b""
        while chunk := self._chunk():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if not self._put(line.decode("utf-8", "replace")):
                    return
        if rest and not self._put(rest.decode("utf-8", "replace")):
            return
        self._put(None)

    def _chunk(self) -> bytes:
        try:
            return os.read(self._descriptor, _CHUNK)
        except OSError:  # nobody can write there any more
            return b""

    def _put(self, line: str | None) -> bool:
        """Hand a line over, waiting where nobody takes them; return whether anybody is there."""
        assert self._loop is not None
        put = self._lines.put(line)
        try:
            asyncio.run_coroutine_threadsafe(put, self._loop).result()
        except (RuntimeError, CancelledError):
            put.close()
            return False
        return True
