"""What the governed parts of one graph have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from langgraph.errors import GraphBubbleUp

from wardline import Guard
from wardline.adapters import Adapter, Way
from wardline_langgraph._backstop import TICKETS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wardline import PolicySet

__all__ = ["ASYNC", "KINDS", "SYNC", "Policy", "governor"]

KINDS: Final = (
    "input",
    "model_call",
    "tool_call",
    "delegation",
    "memory_read",
    "memory_write",
    "retrieval",
    "output",
)
"""The kinds of action that this adapter sees."""

SYNC: Final = Way(loop=False)
ASYNC: Final = Way(loop=True)

Policy: TypeAlias = "Guard | str | Path | PolicySet | Sequence[str | Path]"
"""A guard, or what one is made from."""


def governor(guard: Policy) -> Adapter:
    """Return what a governed part asks.

    A guard that is made here keeps results: a tool node that is resumed runs all its calls again, and
    those that have run get back what they returned.
    """
    if not isinstance(guard, Guard):
        guard = Guard(guard, keep_results=True)
    return Adapter(
        "LangGraph",
        guard,
        KINDS,
        cannot_wait=("delegation", "output"),
        passing=(GraphBubbleUp,),
        tickets=TICKETS,
    )
