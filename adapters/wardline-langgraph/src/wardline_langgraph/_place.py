"""To which session and run something in a graph belongs, and who does it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import HumanMessage
from langgraph.config import get_config
from langgraph.runtime import get_runtime
from langgraph.types import interrupt

from wardline import AlreadyRan
from wardline.adapters import Adapter, Call, Ids, Memory, Place, Runs, Way
from wardline_langgraph._backstop import TICKETS
from wardline_langgraph._results import led_here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from langchain_core.runnables import RunnableConfig


__all__ = ["at_work", "current_run", "place_of", "suspending", "suspending_here", "task_id"]


def suspending(config: RunnableConfig) -> Callable[[Any], Any] | None:
    """Return what suspends this run, None where it could not be resumed."""
    return interrupt if _checkpointer(config) else None


def suspending_here() -> Callable[[Any], Any] | None:
    """Do the same for the run that the calling code belongs to, None outside any."""
    return None if current_run() is None else suspending(get_config())


def _checkpointer(config: RunnableConfig) -> bool:
    return bool(config.get("configurable", {}).get("__pregel_checkpointer"))


def task_id(config: RunnableConfig) -> str:
    """Return the id of the node's task, which a resumed run has again."""
    return str(config.get("configurable", {}).get("__pregel_task_id", ""))


async def place_of(adapter: Adapter, way: Way, messages: Iterable[Any] = ()) -> Place:
    """Return the place of the calling code; `messages` is the conversation, where that is known.

    The session is the thread, if there is one that is kept, else one for each run of the graph; who was
    handed the conversation acts under its own name. What a tool's code does belongs to its call. A graph
    that it runs is another agent: it has a session below, acts as the tool that it runs in, and is
    delegated to before it does anything. Outside any graph, each call is a session of its own.

    Raises an `ActionRefused` where that delegation is refused.
    """
    guard, memory = adapter.guard, current_run()
    if memory is None:
        return Place.here(guard, "langgraph") or Place.open(guard, "langgraph")
    config, conversation = get_config(), [*messages]
    found = config.get("configurable", {})
    thread = str(found["thread_id"]) if "thread_id" in found and _checkpointer(config) else ""
    graph = str(found.get("checkpoint_ns", "")).rpartition("|")[0]
    above, caller, delegate = guard.here(), Place.here(guard, "langgraph"), None
    said = [one for one in conversation if isinstance(one, HumanMessage)]
    if above is None or caller is None:
        session = thread or memory.known((guard, "session"), lambda: guard.session().id)
        agents = _agents(graph, conversation)
        ids = Ids(session=session, parent="", run="", agents=agents)
    elif task_id(config) == _TASK.get():
        return caller
    else:
        own = thread not in ("", above.root, above.id)
        session = thread if own else f"{above.id}/{graph}"
        ticket = TICKETS.current()
        name = ticket.name if ticket is not None else "graph"
        ids = Place.open(guard, "langgraph", session=session, agent=name).ids
        task = str(said[0].text) if said else ""
        delegate = Call(name, {"text": task}, f"delegation/{graph}")
    fresh = f"{session}/{said[-1].id}" if said and said[-1].id else guard.session(session).run().id
    place = Place(guard, "langgraph", {**ids, "run": memory.known((guard, session), lambda: fresh)})
    memory.known((guard, session, "place"), lambda: place)  # nobody else may hold the session yet
    if caller is not None and delegate is not None:
        done: list[bool] = memory.known((guard, session, "delegated"), list)
        if not done:
            with suppress(AlreadyRan):  # before the run was suspended
                await adapter.act(way, caller, delegate, lambda *_: None, kind="delegation")
            done.append(True)
    return place


@contextmanager
def at_work(config: RunnableConfig) -> Iterator[None]:
    """Say that the code inside is that of a tool which the task of `config` runs."""
    token = _TASK.set(task_id(config))
    try:
        yield
    finally:
        _TASK.reset(token)


def _agents(graph: str, messages: list[Any]) -> list[str]:
    """Return the agents by whose handoffs the conversation came to where it is.

    In a graph that stands in another, that is the node there. In a graph of many agents, it is the last
    handoff since somebody spoke.
    """
    node = graph.rpartition("|")[2].partition(":")[0]
    if led := led_here(messages, node):
        return led
    spoken = max((i for i, one in enumerate(messages) if isinstance(one, HumanMessage)), default=-1)
    return led_here(messages[spoken + 1 :], "") if not node else []


def current_run() -> Memory | None:
    """Return what is remembered of the run that the calling code belongs to, None outside any graph."""
    try:
        control = get_runtime().control
    except RuntimeError:  # LangGraph's word for: outside any graph
        return None
    return _RUNS.of(control)


_TASK: ContextVar[str] = ContextVar("wardline_langgraph_task", default="")

_RUNS: Final = Runs("langgraph")
"""By the control object, which all graphs of a run share and no other run has."""
