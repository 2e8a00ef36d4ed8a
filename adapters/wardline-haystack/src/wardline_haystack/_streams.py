"""What an answer streams: passed on as far as it has been judged."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from haystack.dataclasses import StreamingChunk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["Stream"]


class Stream:
    """The chunks of one answer on their way to the application's `callback`, None where there is none.

    Tool calls wait until they have been screened, if `calls_wait`. Everything waits once it is `held`.
    """

    def __init__(
        self, callback: Callable[[StreamingChunk], Any] | None, *, calls_wait: bool
    ) -> None:
        self._callback = callback
        self._calls_wait = calls_wait
        self._calls: list[StreamingChunk] = []
        self._chunks: list[StreamingChunk] = []
        self.held = False

    def taker(self, *, loop: bool) -> Callable[[StreamingChunk], Any] | None:
        """Return what the generator gets for a callback; a coroutine function with a `loop`."""
        callback = self._callback
        if callback is None:
            return None

        def take(chunk: StreamingChunk) -> Any:
            if chunk.tool_calls and self._calls_wait:
                self._calls.append(chunk)
            elif self.held:
                self._chunks.append(chunk)
            else:
                return callback(chunk)
            return None

        async def take_inside(chunk: StreamingChunk) -> None:
            shown = take(chunk)
            if inspect.isawaitable(shown):
                await shown

        return take_inside if loop else take

    async def end(self, text: str, *, final: bool) -> None:
        """Pass on what was held back of an answer of which `text` is what may be known."""
        if not self.held:
            return
        if "".join(chunk.content for chunk in self._chunks) != text:
            reason: Any = "stop" if final else "tool_calls"
            self._chunks = [StreamingChunk(text, index=0, start=True, finish_reason=reason)]
        for chunk in self._chunks:
            await self._show(chunk)

    async def screened(self, count: int, refused: Collection[int]) -> None:
        """Pass on the tool calls of an answer with `count` of them, but not those that are `refused`."""
        blocks = {delta.index: None for chunk in self._calls for delta in chunk.tool_calls or ()}
        order = list(blocks)
        told = len(order) == count or not refused  # or nobody knows which piece is of which call
        for chunk in self._calls:
            deltas = [
                one
                for one in chunk.tool_calls or ()
                if told and order.index(one.index) not in refused
            ]
            if deltas or chunk.finish_reason:
                await self._show(replace(chunk, tool_calls=deltas or None))
        self._calls = []

    async def _show(self, chunk: StreamingChunk) -> None:
        shown = self._callback(chunk) if self._callback is not None else None
        if inspect.isawaitable(shown):
            await shown
