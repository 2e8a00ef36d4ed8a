"""To which session and run the actions of an agent belong, and what its state remembers of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, NotRequired

from langchain.agents.middleware.types import AgentState, PrivateStateAttr
from langgraph.runtime import get_runtime
from langgraph.types import interrupt

from wardline import ConfigurationError, Guard
from wardline.adapters import Ids, Place, Runs
from wardline_langchain._backstop import TICKETS
from wardline_langchain._results import led_here

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = [
    "IDS",
    "RELEASED",
    "GovernedState",
    "calling",
    "name_of",
    "open_place",
    "place_of",
    "suspending",
]

IDS = "wardline"
RELEASED = "wardline_released"

_CALLER: ContextVar[str] = ContextVar("wardline_langchain_caller", default="")

_RUNS = Runs(
    "langgraph"
)  # the control object is what all graphs of a run share and no other run has


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


def open_place(guard: Guard, config: RunnableConfig, messages: Iterable[Any]) -> Place:
    """Return the place of an agent that starts now, to which `messages` have come.

    The session is the thread, if there is one that is kept, else one for each run; agents in one graph
    share it. An agent that is called inside a governed action has one below that action's. It acts under
    its own name there, and where the conversation was handed over to it.
    """
    found = config.get("configurable", {})
    kept = str(found["thread_id"]) if "thread_id" in found and _checkpointer(config) else ""
    if guard.here() is not None:
        return Place.open(guard, "langchain", session=kept, agent=name_of(config))
    memory = _RUNS.of(get_runtime().control)
    session = kept or memory.known((guard, "session"), lambda: guard.session().id)
    ids = Ids(session=session, parent="", run="", agents=led_here(messages, _node(config)))
    run = memory.known((guard, session), lambda: guard.session(session).run().id)
    place = Place(guard, "langchain", {**ids, "run": run})
    memory.known((guard, session, "place"), lambda: place)  # nobody else may hold the session yet
    return place


def _node(config: RunnableConfig) -> str:
    """Return the node of another graph as which the agent stands there, "" where it does not."""
    graph = str(config.get("configurable", {}).get("checkpoint_ns", "")).rpartition("|")[0]
    return graph.rpartition("|")[2].partition(":")[0]


def name_of(config: RunnableConfig) -> str:
    """Return the name of an agent that a tool calls; without one of its own, that of the tool."""
    name = _given(config)
    if name in ("", _CALLER.get()):  # LangChain hands the outer agent's name down
        ticket = TICKETS.current()
        name = ticket.name if ticket is not None else name or "agent"
    return name


def _given(config: RunnableConfig) -> str:
    return str(config.get("metadata", {}).get("lc_agent_name") or "")


@contextmanager
def calling(config: RunnableConfig) -> Iterator[None]:
    """Say that the code inside is that of a tool which the agent of `config` calls."""
    token = _CALLER.set(_given(config))
    try:
        yield
    finally:
        _CALLER.reset(token)


def place_of(guard: Guard, state: Any) -> Place:
    """Return the place that the state of a running agent names."""
    ids = state.get(IDS) if isinstance(state, Mapping) else None
    if not ids:
        raise ConfigurationError(
            "the agent's state does not say which session this is: the middleware's "
            "`before_agent` has not run. Use it in `create_agent(..., middleware=[...])`"
        )
    return Place(guard, "langchain", ids)
