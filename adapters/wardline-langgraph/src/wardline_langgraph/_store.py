"""Memory: every operation on a store is judged, whoever asks for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    PutOp,
    SearchItem,
    SearchOp,
)

from wardline import ConfigurationError, Permit
from wardline.adapters import Call, Way, now
from wardline_langgraph._governor import ASYNC, SYNC, Policy, governor
from wardline_langgraph._place import place_of, suspending_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wardline import Guard

__all__ = ["GovernedMemory"]


class GovernedMemory(BaseStore):
    """A store in front of `store` that asks before each operation.

    `guard` is a `Guard`, or what one is made from. `name` is what rules match as the memory's name. A
    refused operation raises its `ActionRefused`, and of several at once none runs.
    """

    def __init__(self, store: BaseStore, guard: Policy, *, name: str = "store") -> None:
        self._adapter = governor(guard)
        self._store = store
        self._name = name
        self.supports_ttl = store.supports_ttl
        self.ttl_config = store.ttl_config

    @property
    def guard(self) -> Guard:
        """The guard that decides here."""
        return self._adapter.guard

    def batch(self, ops: Iterable[Any]) -> list[Any]:
        """Judge and run operations in their order."""
        return now(self._judged(SYNC, list(ops)))

    async def abatch(self, ops: Iterable[Any]) -> list[Any]:
        """Do the same inside an event loop."""
        return await self._judged(ASYNC, list(ops))

    async def _judged(self, way: Way, ops: list[Any]) -> list[Any]:
        adapter = self._adapter
        with self.guard.refusing("memory_read", self._name):
            place = await place_of(adapter, way)
            calls = [Call(self._name, _arguments(op)) for op in ops]
        if len(ops) > 1:
            for kind in ("memory_read", "memory_write"):
                batch = [call for op, call in zip(ops, calls, strict=True) if _kind(op) == kind]
                for refusal in await adapter.screen(way, place, batch, kind=kind):
                    if refusal is not None:
                        raise refusal
        results = []
        for op, call in zip(ops, calls, strict=True):

            def run(args: dict[str, Any], _: Permit, op: Any = op) -> Any:
                return self._run(way, _with(op, args))

            results.append(
                await adapter.act(
                    way,
                    place,
                    call,
                    run,
                    kind=_kind(op),
                    result=_Namespaces if isinstance(op, ListNamespacesOp) else _Items,
                    suspend=suspending_here(),
                )
            )
        return results

    def _run(self, way: Way, op: Any) -> Any:
        if not way.loop:
            return self._store.batch([op])[0]

        async def one() -> Any:
            return (await self._store.abatch([op]))[0]

        return one()


def _kind(op: Any) -> str:
    return "memory_write" if isinstance(op, PutOp) else "memory_read"


def _arguments(op: Any) -> dict[str, Any]:
    """Return what rules see of an operation."""
    if isinstance(op, GetOp):
        return {"operation": "get", "query": op.key, "namespace": list(op.namespace)}
    if isinstance(op, PutOp):
        kind, text = ("delete", "") if op.value is None else ("put", _text(op.value))
        return {"operation": kind, "text": text, "namespace": list(op.namespace), "key": op.key}
    if isinstance(op, SearchOp):
        return {
            "operation": "search",
            "query": op.query or "",
            "namespace": list(op.namespace_prefix),
            "filter": op.filter or {},
            "limit": op.limit,
            "offset": op.offset,
        }
    if isinstance(op, ListNamespacesOp):
        return {"operation": "list_namespaces", "query": ""}
    raise ConfigurationError(f"{type(op).__name__} is no operation that can be judged")


def _with(op: Any, args: dict[str, Any]) -> Any:
    """Return the operation on the guard's copy of its arguments."""
    if isinstance(op, GetOp):
        return op._replace(namespace=tuple(args["namespace"]), key=args["query"])
    if isinstance(op, PutOp):
        value = None if op.value is None else _value(op.value, args["text"])
        return op._replace(namespace=tuple(args["namespace"]), key=args["key"], value=value)
    if isinstance(op, SearchOp):
        return op._replace(
            namespace_prefix=tuple(args["namespace"]),
            query=args["query"] or None,
            filter=args["filter"] or None,
            limit=args["limit"],
            offset=args["offset"],
        )
    return op


def _text(value: Mapping[str, Any]) -> str:
    """Return the text of an item: its only field if that is text, else all of it as JSON."""
    if len(value) == 1 and isinstance(only := next(iter(value.values())), str):
        return only
    return json.dumps(value, ensure_ascii=False, default=_unreadable)


def _unreadable(value: object) -> NoReturn:
    raise ConfigurationError(
        f"a memory item holds {type(value).__name__}, which no rule could read; store plain JSON"
    )


def _value(value: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return the item that `text` is the text of, where it was `value` before."""
    if text == _text(value):
        return dict(value)
    if len(value) == 1 and isinstance(next(iter(value.values())), str):
        return {next(iter(value)): text}
    try:
        made = json.loads(text)
    except ValueError:
        made = None
    if not isinstance(made, dict):
        raise ConfigurationError(
            "a rule made something else of a memory item than a JSON object; nothing is stored or "
            "released"
        )
    return made


class _Items:
    """One item, none, or several, of which rules read the texts."""

    failed = ""

    def __init__(self, raw: Item | list[SearchItem] | None) -> None:
        self._many = isinstance(raw, list)
        self._items: list[Any] = raw if isinstance(raw, list) else [raw] if raw else []
        self.content: Any = [_text(one.value) for one in self._items]

    def released(self, content: Any) -> Any:
        """Return the items with their released texts."""
        if not isinstance(content, list) or len(content) != len(self._items):
            raise ConfigurationError(
                "a rule made something else of a list of memory items; nothing is released"
            )
        items = [_changed(item, text) for item, text in zip(self._items, content, strict=True)]
        return items if self._many else next(iter(items), None)


def _changed(item: Item, text: str) -> Item:
    fields: dict[str, Any] = {
        "value": _value(item.value, text),
        "key": item.key,
        "namespace": item.namespace,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
    return (
        SearchItem(**fields, score=item.score) if isinstance(item, SearchItem) else Item(**fields)
    )


class _Namespaces:
    """A list of namespaces, each as its parts with slashes between."""

    failed = ""

    def __init__(self, raw: list[tuple[str, ...]]) -> None:
        self.content: Any = ["/".join(one) for one in raw]

    def released(self, _: Any) -> NoReturn:
        """Raise: a changed name would be that of no namespace."""
        raise ConfigurationError("a rule changed the names of namespaces; nothing is released")
