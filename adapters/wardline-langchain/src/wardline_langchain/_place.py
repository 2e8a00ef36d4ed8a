"""To which session and run the actions of an agent belong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from langchain.agents.middleware.types import AgentState, PrivateStateAttr

from wardline import Action, ConfigurationError, Guard, Session

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

__all__ = ["KEY", "GovernedState", "Ids", "Place", "has_checkpointer"]

KEY = "wardline"


class Ids(TypedDict):
    """What an agent's state remembers, so that a resumed run stays where it was.

    `released` is the digest of the last text that was let out, and "" for none.
    """

    session: str
    parent: str
    run: str
    released: str


class GovernedState(AgentState[Any]):
    """The state of an agent, with a private field for its session and run."""

    wardline: NotRequired[Annotated[Ids, PrivateStateAttr]]


def has_checkpointer(config: RunnableConfig) -> bool:
    """Whether this run can be suspended and resumed."""
    return bool(config.get("configurable", {}).get("__pregel_checkpointer"))


class Place:
    """The session and the run of one agent invocation, and the actions that happen in it."""

    __slots__ = ("_session", "ids")

    def __init__(self, guard: Guard, ids: Ids) -> None:
        self.ids = ids
        # The guard knows a session only as long as somebody holds it.
        self._session: Session = guard.session(ids["session"], parent=ids["parent"])

    @classmethod
    def new(cls, guard: Guard, config: RunnableConfig) -> Place:
        """Return the place of an agent that starts now.

        The session is the thread, if there is one of its own that is kept, else a fresh one. Inside
        another governed action it lies below that action's.
        """
        above = guard.here()
        thread = config.get("configurable", {}).get("thread_id")
        kept = str(thread) if thread is not None and has_checkpointer(config) else ""
        if above is not None and kept == above.root:
            kept = ""  # the agent outside passed its own thread on
        parent = above.id if above is not None else ""
        session = guard.session(kept, parent=parent)
        ids = Ids(session=session.id, parent=parent, run=session.run().id, released="")
        return cls(guard, ids)

    @classmethod
    def of(cls, guard: Guard, state: Any) -> Place:
        """Return the place that the state of a running agent names."""
        ids = state.get(KEY) if isinstance(state, Mapping) else None
        if not ids:
            raise ConfigurationError(
                "the agent's state does not say which session this is: the middleware's "
                "`before_agent` has not run. Use it in `create_agent(..., middleware=[...])`"
            )
        return cls(guard, ids)

    def action(
        self,
        kind: str,
        name: str,
        args: Mapping[str, Any],
        *,
        call_id: str = "",
        parent: str = "",
    ) -> Action:
        """Return an action that happens here."""
        return Action(
            kind,
            name,
            args,
            session=self.ids["session"],
            run=self.ids["run"],
            call_id=call_id,
            framework="langchain",
            parent=parent,
        )
