"""Memory and retrieval, behind the same hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toyagents.hooks import Hook

__all__ = ["Memory", "Retriever"]


class _Shelf:
    def __init__(self, name: str, hooks: Sequence[Hook]) -> None:
        self.name = name
        self.hooks = list(hooks)

    def _do(self, kind: str, args: dict[str, Any], call: Callable[[dict[str, Any]], Any]) -> Any:
        for hook in reversed(self.hooks):
            call = _wrapped(hook, kind, self.name, call)
        return call(args)

    async def _ado(
        self, kind: str, args: dict[str, Any], call: Callable[[dict[str, Any]], Any]
    ) -> Any:
        async def last(given: dict[str, Any]) -> Any:
            return call(given)

        run: Any = last
        for hook in reversed(self.hooks):
            run = _awrapped(hook, kind, self.name, run)
        return await run(args)


def _wrapped(hook: Hook, kind: str, name: str, call: Any) -> Any:
    return lambda args: hook.wrap_shelf(kind, name, args, call)


def _awrapped(hook: Hook, kind: str, name: str, call: Any) -> Any:
    return lambda args: hook.awrap_shelf(kind, name, args, call)


class Memory(_Shelf):
    """Texts that agents remember; `store` has `write(text)` and `read(query)`."""

    def __init__(self, store: Any, hooks: Sequence[Hook] = ()) -> None:
        super().__init__("memory", hooks)
        self.store = store

    def write(self, text: str) -> None:
        """Remember a text."""
        self._do("memory_write", {"text": text}, lambda args: self.store.write(args["text"]))

    async def awrite(self, text: str) -> None:
        """Do what `write` does."""
        await self._ado("memory_write", {"text": text}, lambda args: self.store.write(args["text"]))

    def read(self, query: str) -> list[str]:
        """Return what is remembered."""
        found: list[str] = self._do(
            "memory_read", {"query": query}, lambda args: self.store.read(args["query"])
        )
        return found

    async def aread(self, query: str) -> list[str]:
        """Do what `read` does."""
        found: list[str] = await self._ado(
            "memory_read", {"query": query}, lambda args: self.store.read(args["query"])
        )
        return found


class Retriever(_Shelf):
    """Documents; `store` has `read(query)`."""

    def __init__(self, store: Any, hooks: Sequence[Hook] = ()) -> None:
        super().__init__("documents", hooks)
        self.store = store

    def search(self, query: str) -> list[str]:
        """Return the documents for a query."""
        found: list[str] = self._do(
            "retrieval", {"query": query}, lambda args: self.store.read(args["query"])
        )
        return found

    async def asearch(self, query: str) -> list[str]:
        """Do what `search` does."""
        found: list[str] = await self._ado(
            "retrieval", {"query": query}, lambda args: self.store.read(args["query"])
        )
        return found
