"""What of an agent is governed, for `wardline doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_ai import Agent
from pydantic_ai.models import Model
from pydantic_ai.toolsets import ExternalToolset, FunctionToolset

from wardline.adapters import Covered, referred
from wardline_pydantic_ai._models import SEARCH
from wardline_pydantic_ai._net import governors

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["coverage"]

_ALONE = "the agent has no Wardline capability"
_FOREIGN = "it runs at the model's provider, so every model call that offers it is refused"
_OUTSIDE = "it runs in your own code after the run, so every model call that offers it is refused"


def coverage(root: object) -> Sequence[Covered]:
    """Return every tool, model and agent that can be reached from `root`.

    Agents are found where the code of a tool refers to them. What stands inside a governed agent is
    governed with it. What is no agent reaches nothing.
    """
    return _of(root, bool(governors(root)), set()) if isinstance(root, Agent) else []


def _of(agent: Agent[Any, Any], governed: bool, seen: set[int]) -> list[Covered]:
    seen.add(id(agent))
    governed = governed or bool(governors(agent))
    why = "" if governed else _ALONE
    owner = agent.name or "agent"
    found = [Covered("model_call", _model(agent), owner, governed, why)]
    for toolset in agent.toolsets:
        parts: list[Any] = []
        toolset.apply(parts.append)
        for part in parts:
            if isinstance(part, FunctionToolset):
                found += _tools(part, owner, governed, why, seen)
            elif isinstance(part, ExternalToolset):
                names = [one.name for one in part.tool_defs]
                found += [Covered("tool_call", name, owner, False, _OUTSIDE) for name in names]
            elif not hasattr(part, "toolsets") and not hasattr(part, "wrapped"):
                found.append(Covered("tool_call", part.label, owner, governed, why))
    native = [getattr(one, "kind", str(one)) for one in agent._root_capability.get_native_tools()]
    return found + [
        Covered("tool_call", name, owner, False, _FOREIGN) for name in native if name != SEARCH
    ]


def _tools(
    toolset: FunctionToolset[Any], owner: str, governed: bool, why: str, seen: set[int]
) -> list[Covered]:
    found = []
    for tool in toolset.tools.values():
        if tool.tool_def.kind == "external":
            found.append(Covered("tool_call", tool.name, owner, False, _OUTSIDE))
            continue
        found.append(Covered("tool_call", tool.name, owner, governed, why))
        for one in referred(tool.function):
            if isinstance(one, Agent) and id(one) not in seen:
                name = one.name or "agent"
                found.append(Covered("delegation", name, owner, governed, why))
                found += _of(one, governed, seen)
    return found


def _model(agent: Agent[Any, Any]) -> str:
    model = agent.model
    return model.model_name if isinstance(model, Model) else str(model or "the model of the run")
