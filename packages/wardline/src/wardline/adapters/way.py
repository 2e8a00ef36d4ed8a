"""One implementation of every hook, for runs with and without an event loop.

A hook is a coroutine. What may wait goes through its `Way`: without an event loop that never suspends,
so `now` runs the coroutine to its end in one go.
"""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Coroutine

    from wardline.action import Action
    from wardline.guard.guard import Guard
    from wardline.guard.permit import Permit

__all__ = ["Way", "now"]

R = TypeVar("R")


class Way:
    """How a hook waits: `loop` says whether it is awaited inside an event loop."""

    __slots__ = ("loop",)

    def __init__(self, *, loop: bool) -> None:
        self.loop = loop

    async def authorize(self, guard: Guard, action: Action, opaque: Collection[str] = ()) -> Permit:
        """Authorise `action`."""
        if self.loop:
            return await guard.aauthorize(action, opaque=opaque)
        return guard.authorize(action, opaque=opaque)

    async def aside(self, guard: Guard, fn: Callable[..., R], *args: Any) -> R:
        """Call `fn`, which may touch the disk."""
        return await guard.aside(fn, *args) if self.loop else fn(*args)

    async def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call what the framework brings: a tool, a model; await what it returns if that can be."""
        result = fn(*args)
        return await result if self.loop and inspect.isawaitable(result) else result

    @asynccontextmanager
    async def holding(self, permit: Permit) -> AsyncIterator[Permit]:
        """Be inside the action of `permit`, and close it with whatever ends the block."""
        if self.loop:
            async with permit:
                yield permit
        else:
            with permit:
                yield permit


def now(hook: Coroutine[Any, Any, R]) -> R:
    """Run a hook that never suspends."""
    try:
        hook.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    hook.close()
    raise RuntimeError("a hook waited for an event loop that is not there")
