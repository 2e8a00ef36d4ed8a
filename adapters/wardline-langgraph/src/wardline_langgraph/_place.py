"""To which session and run something in a graph belongs, and who does it."""

from __future__ import annotations

import sys
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.messages import HumanMessage
from langgraph.config import get_config
from langgraph.runtime import get_runtime
from langgraph.types import interrupt

from wardline import ConfigurationError, Guard
from wardline.adapters import Ids, Place
from wardline_langgraph._backstop import TICKETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_core.runnables import RunnableConfig

__all__ = ["Run", "current_run", "place_of", "suspending", "suspending_here", "task_id"]

R = TypeVar("R")


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


def place_of(guard: Guard, messages: Iterable[Any] = ()) -> Place:
    """Return the place of the calling code; `messages` is the conversation, where that is known.

    The session is the thread, if there is one that is kept, else one for each run of the graph. A graph
    that runs inside a governed action has a session below that action's and acts as the tool that it
    runs in. Outside any graph, each call is a session of its own.
    """
    run = current_run()
    if run is None:
        return Place.open(guard, "langgraph")
    config = get_config()
    found = config.get("configurable", {})
    thread = str(found["thread_id"]) if "thread_id" in found and _checkpointer(config) else ""
    graph = str(found.get("checkpoint_ns", "")).rpartition("|")[0]
    above = guard.here()
    if above is None:
        session = thread or run.known((guard,), lambda: guard.session().id)
        ids = Ids(session=session, parent="", run="", agents=_nodes(graph))
    else:
        own = thread not in ("", above.root, above.id)
        session = thread if own else f"{above.id}/{graph}"
        ticket = TICKETS.current()
        name = ticket.name if ticket is not None else "graph"
        ids = Place.open(guard, "langgraph", session=session, agent=name).ids
    said = next((one.id for one in reversed([*messages]) if isinstance(one, HumanMessage)), None)
    fresh = f"{session}/{said}" if said else guard.session(session).run().id
    place = Place(guard, "langgraph", {**ids, "run": run.known((guard, session), lambda: fresh)})
    run.held[guard, session] = place  # the guard knows a session only as long as somebody holds it
    return place


def _nodes(graph: str) -> list[str]:
    """Return the nodes in which a graph stands, from the namespace of its checkpoints."""
    names = (part.partition(":")[0] for part in graph.split("|"))
    return [name for name in names if name and not name.isdigit()]


class Run:
    """What is remembered of one run of a graph, with all graphs inside it."""

    __slots__ = ("_known", "_lock", "held")

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Any] = {}
        self._lock = Lock()
        self.held: dict[tuple[Guard, str], Place] = {}

    def known(self, key: tuple[Any, ...], make: Callable[[], R]) -> R:
        """Return what stands under `key`, made by whoever asks first."""
        with self._lock:
            if key not in self._known:
                self._known[key] = make()
            found: R = self._known[key]
            return found


def current_run() -> Run | None:
    """Return the run that the calling code belongs to, None outside any graph."""
    try:
        control = get_runtime().control
    except RuntimeError:  # LangGraph's word for: outside any graph
        return None
    if control is None:
        raise ConfigurationError(
            "this run of the graph has no control object, so nothing says what belongs to it"
        )
    return _RUNS.of(control)


class _Runs:
    """The runs of this process, each by the control object that LangGraph makes for it.

    That is the one thing which all nodes of a run share and no other run has. It takes no weak
    references, so it is held until nobody else holds it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._runs: dict[int, tuple[object, Run]] = {}
        self._full = 64

    def of(self, control: object) -> Run:
        """Return what is remembered of the run that `control` belongs to."""
        with self._lock:
            found = self._runs.get(id(control))
            if found is None:
                if len(self._runs) >= self._full:
                    self._forget()
                found = self._runs[id(control)] = (control, Run())
            return found[1]

    def _forget(self) -> None:
        """Let go of the runs that have ended: those whose control object nobody else holds."""
        only_ours = 3  # the tuple, the loop's variable, and the argument of `getrefcount`
        for key, (control, _) in list(self._runs.items()):
            if sys.getrefcount(control) <= only_ours:
                del self._runs[key]
        self._full = max(64, 2 * len(self._runs))


_RUNS = _Runs()
