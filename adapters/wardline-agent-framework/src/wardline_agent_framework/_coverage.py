"""What an agent can reach, and whether a guard decides about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_framework import Agent, BaseAgent, FunctionTool, InMemoryHistoryProvider
from agent_framework._mcp import MCPTool

from wardline.adapters import Covered
from wardline_agent_framework._functions import agent_of
from wardline_agent_framework._middleware import WardlineMiddleware

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["coverage"]

_NO_MIDDLEWARE = "the agent has no WardlineMiddleware, and is not called by one that has"
_HOSTED = "this process does not execute it; a request that offers it is refused"
_NO_AGENT = "it takes no middleware; its call is refused"


def coverage(root: object) -> Sequence[Covered]:
    """Return what an agent can reach; nothing for any other object.

    Tools of an MCP server are not listed one by one, because only a connection knows them.
    """
    if not isinstance(root, BaseAgent):
        return []
    return list(_agent(root, "", set()))


def _agent(agent: Any, why: str, seen: set[int]) -> Iterator[Covered]:
    if id(agent) in seen:
        return
    seen.add(id(agent))
    name = agent.name or type(agent).__name__
    if not why:
        own = getattr(agent, "middleware", None) or ()
        own = own if isinstance(own, list | tuple) else [own]
        if not any(isinstance(one, WardlineMiddleware) for one in own):
            why = _NO_MIDDLEWARE

    def found(kind: str, what: str, against: str = "") -> Covered:
        return Covered(kind, what, name, governed=not (why or against), why=why or against)

    client = getattr(agent, "client", None)
    yield found("model_call", str(getattr(client, "model", None) or type(client).__name__))
    options = getattr(agent, "default_options", None) or {}
    for tool in [*(options.get("tools") or ()), *(getattr(agent, "mcp_tools", None) or ())]:
        yield from _tool(tool, found, why, seen)
    for provider in getattr(agent, "context_providers", None) or ():
        if not isinstance(provider, InMemoryHistoryProvider):
            yield found("memory_read", provider.source_id)
            yield found("memory_write", provider.source_id)


def _tool(tool: Any, found: Any, why: str, seen: set[int]) -> Iterator[Covered]:
    if isinstance(tool, MCPTool):
        yield found("tool_call", f"* ({tool.name})")
        return
    if not isinstance(tool, FunctionTool) or tool.declaration_only:
        named = tool.get("name") or tool.get("type") if isinstance(tool, dict) else None
        yield found("tool_call", str(named or getattr(tool, "name", tool)), _HOSTED)
        return
    yield found("tool_call", tool.name)
    inner = agent_of(tool)
    if inner is not None:
        against = "" if isinstance(inner, Agent) else _NO_AGENT
        yield found("delegation", tool.name, against)
        # Whoever calls it takes its own middleware along.
        yield from _inner(inner, why or against, seen)


def _inner(agent: Any, why: str, seen: set[int]) -> Iterator[Covered]:
    for one in _agent(agent, why, seen):
        if not why and one.why == _NO_MIDDLEWARE:
            yield Covered(one.kind, one.name, one.owner, governed=True)
        else:
            yield one
