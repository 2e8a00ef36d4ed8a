"""Tools, and how their bodies are called."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from toyagents.agents import Agent

__all__ = ["Tool", "UnknownToolError"]


class UnknownToolError(LookupError):
    """A model asked for a tool that its agent does not have."""


@dataclass
class Tool:
    """A tool; one of its two bodies is enough. `agent` is set on an agent that is called like a tool.

    A failed tool is tried again `retries` times. No hook hears of a `raw` tool.
    """

    name: str
    description: str = ""
    function: Callable[..., Any] | None = None
    coroutine: Callable[..., Any] | None = None
    schema: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    raw: bool = False
    agent: Agent | None = None

    def call(self, args: dict[str, Any]) -> Any:
        """Call the body without an event loop."""
        if self.function is None:
            raise TypeError(f"{self.name} can only be awaited")
        return self.function(**args)

    async def acall(self, args: dict[str, Any]) -> Any:
        """Call the body inside an event loop."""
        found = self.coroutine(**args) if self.coroutine is not None else self.call(args)
        return await found if inspect.isawaitable(found) else found
