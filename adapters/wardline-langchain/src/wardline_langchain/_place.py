"""To which session and run the actions of an agent belong, and what its state remembers of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from langchain.agents.middleware.types import AgentState, PrivateStateAttr
from langgraph.types import interrupt

from wardline import ConfigurationError, Guard
from wardline.adapters import Ids, Place
from wardline_langchain._backstop import TICKETS

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["IDS", "RELEASED", "GovernedState", "open_place", "place_of", "suspending"]

IDS = "wardline"
RELEASED = "wardline_released"


class GovernedState(AgentState[Any]):
    """The state of an agent, with private fields for its session and for what was let out last.

    `wardline_released` is the digest of that text.
    """

    wardline: NotRequired[Annotated[Ids, PrivateStateAttr]]
    wardline_released: NotRequired[Annotated[str, PrivateStateAttr]]


def suspending(config: RunnableConfig) -> Callable[[Any], Any] | None:
    """Return what suspends this run, None where it could not be resumed."""
    return interrupt if _checkpointer(config) else None


def _checkpointer(config: RunnableConfig) -> bool:
    return bool(config.get("configurable", {}).get("__pregel_checkpointer"))


def open_place(guard: Guard, config: RunnableConfig) -> Place:
    """Return the place of an agent that starts now.

    The session is the thread, if there is one that is kept, else a fresh one. An agent that is called
    inside a governed action or stands in a graph with others acts under its own name.
    """
    thread = config.get("configurable", {}).get("thread_id")
    kept = str(thread) if thread is not None and _checkpointer(config) else ""
    inside = guard.here() is not None
    place = Place.open(guard, "langchain", session=kept, agent=_name(config))
    nested = "|" in str(config.get("configurable", {}).get("checkpoint_ns", ""))
    if nested and not inside:
        return place.below(_name(config), session=place.ids["session"])
    return place


def _name(config: RunnableConfig) -> str:
    """Return the name of an agent that another one reached; without one, the tool's that called it."""
    name = config.get("metadata", {}).get("lc_agent_name")
    ticket = TICKETS.current()
    return str(name or (ticket.name if ticket is not None else "") or "agent")


def place_of(guard: Guard, state: Any) -> Place:
    """Return the place that the state of a running agent names."""
    ids = state.get(IDS) if isinstance(state, Mapping) else None
    if not ids:
        raise ConfigurationError(
            "the agent's state does not say which session this is: the middleware's "
            "`before_agent` has not run. Use it in `create_agent(..., middleware=[...])`"
        )
    return Place(guard, "langchain", ids)
