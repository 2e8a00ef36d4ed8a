"""Memories and retrievers: judged in their own methods."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

from llama_index.core.schema import QueryBundle

from wardline import ConfigurationError
from wardline.adapters import Call, Place, Plain, Way, now
from wardline_llama_index._results import Found, with_text
from wardline_llama_index._turns import FRAMEWORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from llama_index.core.llms import ChatMessage

    from wardline_llama_index._governor import Governor

__all__ = ["GovernedMemory", "governed_retriever"]

# A method that goes by another one of the same object is judged once.
_inside: ContextVar[object] = ContextVar("wardline_llama_index_inside", default=None)


async def _act(
    shelf: Any,
    way: Way,
    kind: str,
    args: dict[str, Any],
    run: Callable[[dict[str, Any]], Any],
    result: Any = Plain,
) -> Any:
    """Do something to a memory or a retriever, as far as it may be done."""
    if _inside.get() is shelf:
        return await way.run(run, args)
    governor: Governor = type(shelf).wardline
    adapter = governor.adapter
    name = type(shelf).__name__
    with adapter.guard.refusing(kind, name):
        place = Place.open(adapter.guard, FRAMEWORK)

    async def body(judged: dict[str, Any]) -> Any:
        token = _inside.set(shelf)
        try:
            return await way.run(run, judged)
        finally:
            _inside.reset(token)

    def start(judged: dict[str, Any], _permit: object) -> Any:
        return body(judged) if way.loop else now(body(judged))

    return await adapter.act(way, place, Call(name, args), start, kind=kind, result=result)


def governed_retriever(kind: type[Any]) -> type[Any]:
    """Return the class `kind` of retrievers with its searches judged.

    It has that one base alone, or objects of `kind` could not become objects of it.
    """

    class Governed(kind):  # type: ignore[misc]
        wardline: ClassVar[Any]

        def retrieve(self, str_or_query_bundle: Any) -> Any:
            return now(_search(self, Way(loop=False), super().retrieve, str_or_query_bundle))

        async def aretrieve(self, str_or_query_bundle: Any) -> Any:
            return await _search(self, Way(loop=True), super().aretrieve, str_or_query_bundle)

    Governed.__name__, Governed.__qualname__ = kind.__name__, kind.__qualname__
    Governed.__module__, Governed.__doc__ = kind.__module__, kind.__doc__
    return Governed


async def _search(retriever: Any, way: Way, search: Callable[..., Any], asked: Any) -> Any:
    text = asked.query_str if isinstance(asked, QueryBundle) else str(asked)

    def run(judged: dict[str, Any]) -> Any:
        return search(asked if judged["query"] == text else QueryBundle(judged["query"]))

    return await _act(retriever, way, "retrieval", {"query": text}, run, Found)


class GovernedMemory:
    """A memory whose reads and writes are judged."""

    __slots__ = ()

    wardline: ClassVar[Any]

    def get(self, input: str | None = None, **kwargs: Any) -> Any:
        """Read what belongs to `input`."""
        return now(self._read(Way(loop=False), super().get, input, kwargs))  # type: ignore[misc]

    async def aget(self, input: str | None = None, **kwargs: Any) -> Any:
        """Do the same inside an event loop."""
        return await self._read(Way(loop=True), super().aget, input, kwargs)  # type: ignore[misc]

    def get_all(self) -> Any:
        """Read everything."""
        every = super().get_all  # type: ignore[misc]
        return now(self._read(Way(loop=False), lambda _=None: every()))

    async def aget_all(self) -> Any:
        """Do the same inside an event loop."""
        every = super().aget_all  # type: ignore[misc]
        return await self._read(Way(loop=True), lambda _=None: every())

    def put(self, message: ChatMessage) -> None:
        """Write one message."""
        now(self._write(Way(loop=False), super().put, message))  # type: ignore[misc]

    async def aput(self, message: ChatMessage) -> None:
        """Do the same inside an event loop."""
        await self._write(Way(loop=True), super().aput, message)  # type: ignore[misc]

    def put_messages(self, messages: list[ChatMessage]) -> None:
        """Write several messages."""
        now(self._write(Way(loop=False), super().put_messages, messages))  # type: ignore[misc]

    async def aput_messages(self, messages: list[ChatMessage]) -> None:
        """Do the same inside an event loop."""
        await self._write(Way(loop=True), super().aput_messages, messages)  # type: ignore[misc]

    def set(self, messages: list[ChatMessage]) -> None:
        """Write messages in the place of all that is there."""
        now(self._write(Way(loop=False), super().set, messages))  # type: ignore[misc]

    async def aset(self, messages: list[ChatMessage]) -> None:
        """Do the same inside an event loop."""
        await self._write(Way(loop=True), super().aset, messages)  # type: ignore[misc]

    async def _read(
        self,
        way: Way,
        read: Callable[..., Any],
        query: str | None = None,
        more: dict[str, Any] | None = None,
    ) -> Any:
        def run(judged: dict[str, Any]) -> Any:
            return read(judged["query"] or query, **(more or {}))

        return await _act(self, way, "memory_read", {"query": query or ""}, run, _Remembered)

    async def _write(self, way: Way, write: Callable[..., Any], what: Any) -> None:
        messages = list(what) if isinstance(what, list | tuple) else [what]
        text = "\n\n".join(one.content or "" for one in messages)

        def run(judged: dict[str, Any]) -> Any:
            if judged["text"] == text:
                return write(what)
            if len(messages) != 1:
                raise ConfigurationError(
                    "a rule changed the text of several messages at once, and nobody knows of which. "
                    "Write them one by one"
                )
            changed = with_text(messages[0], judged["text"])
            return write([changed] if isinstance(what, list | tuple) else changed)

        await _act(self, way, "memory_write", {"text": text}, run)


class _Remembered:
    """What a memory gave: rules read the texts of the messages."""

    __slots__ = ("_raw", "content")

    failed = ""

    def __init__(self, raw: Any) -> None:
        self._raw = list(raw)
        self.content = [one.content or "" for one in self._raw]

    def released(self, content: Any) -> Any:
        """Return the messages with these texts in them."""
        if not isinstance(content, list) or len(content) != len(self._raw):
            raise ConfigurationError(
                "a rule changed how many messages were read, or made something else of them; nothing "
                "is released"
            )
        return [
            one if text == judged else with_text(one, str(text))
            for one, text, judged in zip(self._raw, content, self.content, strict=True)
        ]
