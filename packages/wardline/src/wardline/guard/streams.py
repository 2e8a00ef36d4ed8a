"""Results that arrive piece by piece: generators, awaitables and what a framework streams.

A stream passes through as it comes and is closed by its outcome, unless a rule can bind on what it
carries: then it is read to its end, judged whole, and only then released. One that is abandoned has
the outcome `unknown`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec, cast

if TYPE_CHECKING:
    from wardline.guard.permit import Permit

__all__ = ["adopted", "arelaying", "relay"]

P = ParamSpec("P")


def relay(permit: Permit, stream: Iterator[Any]) -> Generator[Any, Any, Any]:
    """Yield what `stream` yields, as far as it may be released, and close the permit."""
    try:
        if permit.buffers:
            yield from permit.succeeded(list(stream))
            return None
        result = yield from cast("Generator[Any, Any, Any]", stream)
    except BaseException as error:
        if not permit.closed:
            permit.ended(error)
        raise
    permit.succeeded(stream)
    return result


def _primed(permit: Permit, stream: Iterator[Any]) -> Generator[Any, Any, Any]:
    """Be `relay` after a first item that nobody sees.

    A generator that never began does not learn that it is abandoned; one that waits here does.
    """
    try:
        yield
    except GeneratorExit as error:
        permit.ended(error)
        raise
    return (yield from relay(permit, stream))


def arelaying(
    start: Callable[P, Awaitable[tuple[Permit, AsyncIterator[Any]]]],
) -> Callable[P, AsyncGenerator[Any, Any]]:
    """Return an asynchronous generator function that does what `relay` does.

    `start` is awaited before the first item and returns the permit and the stream.
    """

    async def relayed(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
        permit, stream = await start(*args, **kwargs)
        try:
            if permit.buffers:
                whole = [item async for item in stream]
                for item in await permit.aside(permit.succeeded, whole):
                    yield item
                return
            step: Awaitable[Any] = anext(stream)
            while True:
                try:
                    item = await step
                except StopAsyncIteration:
                    break
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:
                    if not isinstance(stream, AsyncGenerator):
                        raise
                    step = stream.athrow(error)  # what `yield from` does in a plain generator
                else:
                    asend = getattr(stream, "asend", None)
                    step = anext(stream) if asend is None else asend(sent)
        except GeneratorExit as error:
            if not permit.closed:
                permit.ended(error)
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
            raise
        except BaseException as error:
            if not permit.closed:
                await permit.aside(permit.ended, error)
            raise
        await permit.aside(permit.succeeded, stream)

    return relayed


def adopted(permit: Permit, result: Any) -> Any:
    """Return a stand-in for a result that is still to come, which closes the permit; else None."""
    later: Any = None
    if inspect.isgenerator(result):
        later = _primed(permit, result)
        next(later)
    elif inspect.isasyncgen(result):
        later = arelaying(_started)(permit, result)
    elif inspect.isawaitable(result):
        later = _awaited(permit, result)
    if later is not None:
        permit.hand_over()
    return later


async def _started(permit: Permit, stream: AsyncIterator[Any]) -> tuple[Permit, AsyncIterator[Any]]:
    return permit, stream


async def _awaited(permit: Permit, result: Awaitable[Any]) -> Any:
    async with permit:
        return await permit.aside(permit.succeeded, await result)
