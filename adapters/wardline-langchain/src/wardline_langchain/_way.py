"""One implementation of every hook, for runs with and without an event loop.

A hook is a coroutine. What may wait goes through its `Way`: without an event loop that never suspends,
so `now` runs the coroutine to its end in one go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from wardline import Action, Guard, Permit

__all__ = ["Way", "now"]

R = TypeVar("R")


class Way:
    """How one hook waits. `handler` calls the tool or the model, `loop` says if that is awaited."""

    __slots__ = ("guard", "handler", "loop")

    def __init__(
        self, guard: Guard, handler: Callable[[Any], Any] | None = None, *, loop: bool = False
    ) -> None:
        self.guard = guard
        self.handler = handler
        self.loop = loop

    async def authorize(self, action: Action, opaque: Collection[str] = ()) -> Permit:
        """Authorise `action`."""
        if self.loop:
            return await self.guard.aauthorize(action, opaque=opaque)
        return self.guard.authorize(action, opaque=opaque)

    async def aside(self, fn: Callable[..., R], *args: Any) -> R:
        """Call `fn`, which may touch the disk."""
        return await self.guard.aside(fn, *args) if self.loop else fn(*args)

    async def handle(self, request: Any) -> Any:
        """Call the tool or the model."""
        assert self.handler is not None
        return await self.handler(request) if self.loop else self.handler(request)


def now(hook: Coroutine[Any, Any, R]) -> R:
    """Run a hook that never suspends."""
    try:
        hook.send(None)
    except StopIteration as end:
        result: R = end.value
        return result
    hook.close()
    raise RuntimeError("a hook waited for an event loop that is not there")
