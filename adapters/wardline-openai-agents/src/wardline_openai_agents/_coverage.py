"""What of an agent is governed, for `wardline doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents import Agent, FunctionTool, Handoff, Model

from wardline.adapters import Covered
from wardline_openai_agents._agents import GovernedAgent

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["coverage"]

_ALONE = "the agent is not wrapped in govern()"
_FOREIGN = "it runs where no guard can decide before it does, so every model call that offers it is refused"


def coverage(root: object) -> Sequence[Covered]:
    """Return every tool, model, agent and MCP server that can be reached from `root`.

    What is no agent reaches nothing.
    """
    found: list[Covered] = []
    seen: set[int] = set()
    waiting: list[Agent[Any]] = [root] if isinstance(root, Agent) else []
    while waiting:
        agent = waiting.pop(0)
        if id(agent) in seen:
            continue
        seen.add(id(agent))
        found += _own(agent)
        waiting += _others(agent)
    return found


def _own(agent: Agent[Any]) -> list[Covered]:
    governed = isinstance(agent, GovernedAgent)
    why = "" if governed else _ALONE
    name = agent.name
    found = [Covered("model_call", _model(agent), name, governed, why)]
    for tool in agent.tools:
        if isinstance(tool, FunctionTool):
            found.append(Covered("tool_call", tool.qualified_name, name, governed, why))
        else:
            found.append(Covered("tool_call", tool.name, name, False, _FOREIGN))
    found += [
        Covered("tool_call", f"{server.name} (MCP server)", name, governed, why)
        for server in agent.mcp_servers
    ]
    found += [Covered("delegation", one.name, name, governed, why) for one in _others(agent)]
    return found


def _others(agent: Agent[Any]) -> list[Agent[Any]]:
    """Return the agents that one calls as tools or hands over to."""
    found = [
        tool._agent_instance
        for tool in agent.tools
        if isinstance(tool, FunctionTool) and isinstance(tool._agent_instance, Agent)
    ]
    for one in agent.handoffs:
        target: Any = one
        if isinstance(one, Handoff):
            target = one._agent_ref() if one._agent_ref is not None else None
        if isinstance(target, Agent):
            found.append(target)
    return found


def _model(agent: Agent[Any]) -> str:
    model = agent.model
    if isinstance(model, Model):
        name = getattr(model, "model", None)
        return name if isinstance(name, str) else type(getattr(model, "inner", model)).__name__
    return model or "the SDK's default model"
