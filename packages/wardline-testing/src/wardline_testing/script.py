"""What an agent is made of and what its model will say. Data only; a harness builds the real thing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline_testing.tools import Tool

__all__ = ["AgentSpec", "Say", "ToolCall"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call in an answer of the model."""

    tool: str
    args: Mapping[str, Any] = field(default_factory=dict)
    id: str = "call-1"


@dataclass(frozen=True, slots=True)
class Say:
    """One answer of the model.

    `calls` are the tool calls in it, all of one batch. `asks` and `hands_to` name another agent: one
    that is called like a tool, with `text` as its task, or one that takes the conversation over.
    `hosted` says that the provider has run a tool of that name itself. An answer without any of these
    is final. `tokens` is what the model reports that it took.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    asks: str = ""
    hands_to: str = ""
    tokens: int = 100

    @property
    def final(self) -> bool:
        """Whether the agent is done after this answer."""
        return not (self.calls or self.asks or self.hands_to)


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent: its tools, the agents that it can call or hand over to, and the model's answers.

    The model of a spent script goes on saying "done".
    """

    name: str = "root"
    tools: tuple[Tool, ...] = ()
    says: tuple[Say, ...] = ()
    calls: tuple[AgentSpec, ...] = ()
    hands_to: tuple[AgentSpec, ...] = ()

    def everyone(self) -> tuple[AgentSpec, ...]:
        """Return this agent and all that can be reached from it."""
        found = [self]
        for other in (*self.calls, *self.hands_to):
            found += [one for one in other.everyone() if one.name not in {f.name for f in found}]
        return tuple(found)
