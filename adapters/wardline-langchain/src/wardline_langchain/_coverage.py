"""What the agents of an application can reach, and whether a guard decides about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool
from langgraph.pregel import Pregel

from wardline import Guard
from wardline.adapters import Covered, referred
from wardline_langchain._middleware import WardlineMiddleware
from wardline_langchain._models import model_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["coverage"]

_FACTORY = create_agent.__module__
_NO_MIDDLEWARE = "its agent has no WardlineMiddleware"
_STORE = "the store asks nobody; put the GovernedMemory of wardline-langgraph in front of it"


def coverage(root: object) -> list[Covered]:
    """Return what `root`, an agent of `create_agent` or a graph with such agents, can reach.

    That is each model, tool, sub-agent and store; a sub-agent is found as a node or in what a tool's
    code refers to. Anything else reaches nothing that this adapter knows.
    """
    return list(_reached(root, set())) if isinstance(root, Pregel) else []


def _reached(graph: Pregel[Any, Any, Any, Any], seen: set[int]) -> Iterator[Covered]:
    if id(graph) in seen:
        return
    seen.add(id(graph))
    owner, inner = graph.name or "agent", []
    functions = [getattr(node.bound, "func", None) for node in graph.nodes.values()]
    governed = any(isinstance(getattr(f, "__self__", None), WardlineMiddleware) for f in functions)
    why = "" if governed else _NO_MIDDLEWARE
    asks = next((f for f in functions if getattr(f, "__module__", "") == _FACTORY), None)
    if asks is not None:
        held = referred(asks)
        for model in held:
            if isinstance(model, BaseChatModel):
                yield Covered("model_call", model_name(model), owner, governed, why)
        for tool in _tools(held):
            yield Covered("tool_call", _name(tool), owner, governed, why)
            for body in (getattr(tool, "func", None), getattr(tool, "coroutine", None)):
                inner += [one for one in referred(body) if isinstance(one, Pregel)]
        for agent in {id(one): one for one in inner}.values():
            yield Covered("delegation", agent.name or "agent", owner, governed, why)
    if graph.store is not None:
        judged = isinstance(getattr(graph.store, "guard", None), Guard)
        name = type(graph.store).__name__
        yield Covered("memory_write", name, owner, judged, "" if judged else _STORE)
    nodes = [node.bound for node in graph.nodes.values()]
    for other in (*inner, *(node for node in nodes if isinstance(node, Pregel))):
        yield from _reached(other, seen)


def _tools(held: list[Any]) -> list[Any]:
    """Return the tools that a model is offered; those of the provider are dictionaries."""
    lists = [one for one in held if isinstance(one, list)]
    return [tool for one in lists for tool in one if isinstance(tool, BaseTool | dict)]


def _name(tool: Any) -> str:
    if isinstance(tool, dict):
        return str(tool.get("name") or tool.get("type") or tool)
    return str(tool.name)
