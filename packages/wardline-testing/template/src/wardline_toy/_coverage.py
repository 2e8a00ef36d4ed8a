"""What of an agent is governed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.adapters import Covered
from wardline_toy._governor import Governor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toyagents import Agent, Hook

__all__ = ["coverage"]


def coverage(root: Agent) -> Sequence[Covered]:
    """Return every tool, model and agent that can be reached from `root`, governed or not."""
    found: list[Covered] = []
    seen: set[int] = set()

    def look(agent: Agent, outer: Sequence[Hook]) -> None:
        if id(agent) in seen:
            return
        seen.add(id(agent))
        hooks = [*outer, *agent.hooks]
        governed = any(isinstance(one, Governor) for one in hooks)
        why = "" if governed else f"the agent `{agent.name}` has no Governor"
        found.append(Covered("model_call", agent.name, agent.name, governed, why))
        for tool in agent.tools:
            reason = why or ("a raw tool: no hook hears of it" if tool.raw else "")
            found.append(Covered("tool_call", tool.name, agent.name, not reason, reason))
        inherited = [one for one in hooks if one.inherits]
        for other in (*agent.agents, *agent.hand_overs.values()):
            found.append(Covered("delegation", other.name, agent.name, governed, why))
            look(other, inherited)

    look(root, ())
    return found
