"""Retrievers, document writers and chat generators of a pipeline: governed in their own `run`."""

from __future__ import annotations

import functools
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from haystack.dataclasses import Document

from wardline import ConfigurationError
from wardline.adapters import Call, Place, Way, now
from wardline_haystack._models import GovernedGenerator
from wardline_haystack._values import Found, Result, is_plain, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wardline_haystack._governor import Governor

__all__ = ["govern_component", "governor_of", "kind_of"]

_MARK = "_wardline"
# Numbers, which no rule could say anything about.
_NUMBERS = ("query_embedding", "query_sparse_embedding")

# A component whose `run_async` goes by its `run` is judged once.
_inside: ContextVar[object] = ContextVar("wardline_haystack_inside", default=None)


def kind_of(component: object) -> str:
    """Return the kind of action that running this component is, "" for none."""
    name = type(component).__name__
    if isinstance(component, GovernedGenerator) or name.endswith("ChatGenerator"):
        return "model_call"
    if name.endswith("Retriever") and hasattr(component, "document_store"):
        return "retrieval"
    return "memory_write" if name.endswith("Writer") else ""


def governor_of(component: object) -> Governor | None:
    """Return what governs a component by itself."""
    found: Governor | None = getattr(component, _MARK, None)
    return found


def govern_component(governor: Governor, component: Any, name: str) -> None:
    """Put `component` under the guard.

    Raises `ConfigurationError` where it is under another one already, or cannot be.
    """
    if isinstance(component, GovernedGenerator):
        return
    there = governor_of(component)
    if there is not None:
        if there.adapter.guard is not governor.adapter.guard:
            raise ConfigurationError(
                f"the component `{name}` is under another guard already. Use one Guard for both, or "
                "make a component for each"
            )
        return
    kind = kind_of(component)
    if kind == "model_call":
        generator = GovernedGenerator(governor, component)
        methods = {"run": generator.run, "run_async": generator.run_async}
    else:
        methods = {
            one: _method(governor, component, kind, name, getattr(component, one))
            for one in ("run", "run_async")
            if hasattr(component, one)
        }
    try:
        for one, method in methods.items():
            if hasattr(component, one):
                setattr(component, one, method)
        setattr(component, _MARK, governor)
    except AttributeError as error:
        raise ConfigurationError(
            f"the component `{name}` cannot be governed: {type(component).__name__} has __slots__"
        ) from error


def _method(
    governor: Governor, component: object, kind: str, name: str, run: Callable[..., Any]
) -> Callable[..., Any]:
    if run.__name__ == "run_async":

        @functools.wraps(run)
        async def run_async(**kwargs: Any) -> Any:
            if _inside.get() is component:
                return await run(**kwargs)
            return await _act(governor, component, kind, name, run, kwargs, Way(loop=True))

        return run_async

    @functools.wraps(run)
    def run_sync(**kwargs: Any) -> Any:
        if _inside.get() is component:
            return run(**kwargs)
        return now(_act(governor, component, kind, name, run, kwargs, Way(loop=False)))

    return run_sync


async def _act(
    governor: Governor,
    component: object,
    kind: str,
    name: str,
    run: Callable[..., Any],
    kwargs: dict[str, Any],
    way: Way,
) -> Any:
    adapter = governor.adapter
    with adapter.guard.refusing(kind, name):
        place = Place.open(adapter.guard, "haystack")
        args = _written(kwargs) if kind == "memory_write" else _asked(kwargs)

    def body(judged: Mapping[str, Any], _permit: object) -> Any:
        again = _documents(kwargs, args, judged) if kind == "memory_write" else _query(args, judged)
        return _started(component, way, run, {**kwargs, **again})

    result = Found if kind == "retrieval" else Result
    return await adapter.act(way, place, Call(name, args), body, kind=kind, result=result)


def _started(component: object, way: Way, run: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    async def start() -> Any:
        token = _inside.set(component)
        try:
            return await way.run(functools.partial(run, **kwargs))
        finally:
            _inside.reset(token)

    return start() if way.loop else now(start())


def _asked(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what rules read of a retrieval; "" for a query of which there are only numbers."""
    given = {name: value for name, value in kwargs.items() if value is not None}
    hidden = {name for name in given if name in _NUMBERS or not is_plain(given[name])}
    return {"query": "", **{name: value for name, value in given.items() if name not in hidden}}


def _query(args: Mapping[str, Any], judged: Mapping[str, Any]) -> dict[str, Any]:
    """Return the judged arguments of a retrieval as the retriever takes them."""
    absent = {"query"} if not args["query"] and not judged["query"] else set()
    return {name: value for name, value in judged.items() if name not in absent}


def _written(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what rules read of a write: the texts of all documents, and what else is said of each."""
    documents = _listed(kwargs)
    return {
        "text": "\n\n".join(one.content or "" for one in documents),
        "count": len(documents),
        "meta": [plain(one.meta) for one in documents],
    }


def _documents(
    kwargs: Mapping[str, Any], args: Mapping[str, Any], judged: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the documents of a write with what was judged in them."""
    documents = _listed(kwargs)
    if judged["text"] != args["text"]:
        if len(documents) != 1:
            raise ConfigurationError(
                "a rule changed the text of several documents at once, and nobody knows of which. "
                "Write them one by one"
            )
        documents = [replace(documents[0], content=judged["text"])]
    if len(judged["meta"]) != len(documents):
        raise ConfigurationError("a rule changed how many documents there are; none is written")
    made = [
        one if meta == args["meta"][number] else replace(one, meta=dict(meta))
        for number, (one, meta) in enumerate(zip(documents, judged["meta"], strict=True))
    ]
    return {"documents": made}


def _listed(kwargs: Mapping[str, Any]) -> list[Document]:
    documents = kwargs.get("documents")
    if not isinstance(documents, list) or not all(isinstance(one, Document) for one in documents):
        raise ConfigurationError("what is to be written is not a list of documents")
    return documents
