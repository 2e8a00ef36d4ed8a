"""What a graph can reach, and whether a guard decides about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableBinding, RunnableSequence
from langchain_core.tools import BaseTool
from langgraph.prebuilt import ToolNode
from langgraph.pregel import Pregel

from wardline import Guard
from wardline.adapters import Covered, referred
from wardline_langgraph._answers import model_name
from wardline_langgraph._model import GovernedModel
from wardline_langgraph._node import GovernedToolNode
from wardline_langgraph._retriever import GovernedRetriever

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["coverage"]

_NODE = "its node is a plain ToolNode; make it a GovernedToolNode"
_CODE = "a node's code has it and may call it; put it into a GovernedToolNode"
_MODEL = "nothing asks before it is called; put a GovernedModel in front of it"
_STORE = "nothing asks before it is read or written; put a GovernedMemory in front of it"
_RETRIEVER = "nothing asks before it is queried; put a GovernedRetriever in front of it"


def coverage(root: object) -> list[Covered]:
    """Return what `root`, a compiled graph, can reach: models, tools, subgraphs, stores, retrievers.

    They are looked for in its nodes, and in what the code of nodes and tools refers to by closures,
    globals and defaults. What code makes while it runs is not found. Anything but a graph reaches
    nothing that this adapter knows.
    """
    if not isinstance(root, Pregel):
        return []
    found = {(one.owner, one.kind, one.name): one for one in _graph(root, set())}
    return list(found.values())


def _graph(graph: Pregel[Any, Any, Any, Any], seen: set[int]) -> Iterator[Covered]:
    if id(graph) in seen:
        return
    seen.add(id(graph))
    owner = graph.name or "graph"
    bodies = [node.bound for node in graph.nodes.values()]
    elsewhere = any(map(_governs, bodies))  # a middleware of another adapter does
    for body in bodies:
        if isinstance(body, ToolNode):
            asks = elsewhere or isinstance(body, GovernedToolNode)
            for tool in body.tools_by_name.values():
                yield Covered("tool_call", tool.name, owner, asks, "" if asks else _NODE)
                yield from _things(_code(tool), owner, elsewhere, seen)
        else:
            yield from _things([body], owner, elsewhere, seen)
    if graph.store is not None:
        name, asks = (
            type(graph.store).__name__,
            isinstance(getattr(graph.store, "guard", None), Guard),
        )
        yield Covered("memory_write", name, owner, asks, "" if asks else _STORE)


def _governs(body: Any) -> bool:
    if isinstance(body, ToolNode):
        return False
    holder = getattr(getattr(body, "func", None), "__self__", None)
    return isinstance(getattr(holder, "guard", None), Guard)


def _code(tool: BaseTool) -> list[Any]:
    bodies = (getattr(tool, "func", None), getattr(tool, "coroutine", None), tool._run)
    return [one for body in bodies for one in referred(body) if one is not tool]


def _things(
    things: Iterable[Any], owner: str, elsewhere: bool, seen: set[int]
) -> Iterator[Covered]:
    """Yield what can be reached through `things` that the code of a node or a tool refers to."""
    for thing in things:
        if isinstance(thing, Pregel):
            yield from _graph(thing, seen)
            continue
        if id(thing) in seen:
            continue
        if isinstance(thing, BaseChatModel):
            asks = elsewhere or isinstance(thing, GovernedModel)
            name = model_name(thing.inner if isinstance(thing, GovernedModel) else thing)
            yield Covered("model_call", name, owner, asks, "" if asks else _MODEL)
        elif isinstance(thing, BaseRetriever):
            asks = isinstance(thing, GovernedRetriever)
            name = str(thing.name or type(thing).__name__)
            yield Covered("retrieval", name, owner, asks, "" if asks else _RETRIEVER)
        elif isinstance(thing, BaseTool):
            yield Covered("tool_call", thing.name, owner, False, _CODE)
        elif isinstance(thing, RunnableBinding):
            yield from _things([thing.bound], owner, elsewhere, seen)
        elif isinstance(thing, RunnableSequence):
            yield from _things(thing.steps, owner, elsewhere, seen)
        else:
            for function in (getattr(thing, "func", None), getattr(thing, "afunc", None)):
                seen.add(id(thing))
                yield from _things(referred(function), owner, elsewhere, seen)
