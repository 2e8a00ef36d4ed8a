"""To which session and run the actions of an agent belong, and who takes them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypedDict

from wardline.action import Action, Principal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from wardline.guard.guard import Guard
    from wardline.guard.session import Session
    from wardline.store.approvals import Approval

__all__ = ["Ids", "Place"]


class Ids(TypedDict):
    """What a framework's state has to remember, so that a resumed run stays where it was."""

    session: str
    parent: str
    run: str
    agents: list[str]


class Place:
    """One agent's invocation: its session, its run and who acts in it.

    As a context manager it makes the code inside belong to it, so that an agent or a governed
    function that starts there finds its way. `principal` None is the guard's own.
    """

    __slots__ = ("_run", "framework", "guard", "ids", "principal", "session")

    def __init__(
        self, guard: Guard, framework: str, ids: Ids, principal: Principal | None = None
    ) -> None:
        self.guard = guard
        self.framework = framework
        self.ids = ids
        self.principal = principal or _descended(guard, ids["agents"])
        # The guard knows a session only as long as somebody holds it.
        self.session: Session = guard.session(ids["session"], parent=ids["parent"])
        self._run = self.session.run(ids["run"])

    @classmethod
    def open(
        cls, guard: Guard, framework: str, *, session: str = "", run: str = "", agent: str = ""
    ) -> Place:
        """Return the place of an agent that starts now.

        `session` is the framework's id of the conversation where it keeps one, "" for a fresh session.
        Inside another governed action the session lies below that action's, and `agent`, the name of
        the one that starts, acts on behalf of whoever took that action.
        """
        above = guard.here()
        if above is None:
            opened = guard.session(session)
            ids = Ids(session=opened.id, parent="", run=run or opened.run().id, agents=[])
            return cls(guard, framework, ids)
        if session == above.root or session == above.id:
            session = ""  # the agent outside passed its own conversation on
        opened = guard.session(session, parent=above.id)
        acting = guard.acting()
        agents = [*_path(guard, acting.id, acting.chain), *([agent] if agent else [])]
        ids = Ids(session=opened.id, parent=above.id, run=run or opened.run().id, agents=agents)
        return cls(guard, framework, ids)

    @classmethod
    def again(cls, guard: Guard, framework: str, approval: Approval) -> Place:
        """Return the place in which an action was taken that waits for `approval`.

        For frameworks whose suspended runs remember nothing of ours.
        """
        above = guard.here()
        ids = Ids(
            session=approval.session,
            parent=above.id if above is not None else "",
            run=approval.run,
            agents=_path(guard, approval.principal, approval.chain),
        )
        return cls(guard, framework, ids)

    @classmethod
    def here(cls, guard: Guard, framework: str) -> Place | None:
        """Return the place of the calling code where it is inside a governed action, else None.

        For what a tool does by the framework beneath it, such as reading a memory.
        """
        above, acting = guard.here(), guard.acting()
        if above is None:
            return None
        ids = Ids(session=above.id, parent="", run="", agents=_path(guard, acting.id, acting.chain))
        return cls(guard, framework, ids, acting)

    def below(self, agent: str, *, session: str = "") -> Place:
        """Return the place of an agent that this one hands over to or calls.

        `session` is "" where it gets a conversation of its own; pass `self.ids["session"]` where it
        goes on with this one.
        """
        agents = [*self.ids["agents"], agent]
        if session == self.ids["session"]:
            return Place(self.guard, self.framework, {**self.ids, "agents": agents})
        opened = self.guard.session(session, parent=self.ids["session"])
        ids = Ids(session=opened.id, parent=self.ids["session"], run=opened.run().id, agents=agents)
        return Place(self.guard, self.framework, ids)

    def action(
        self, kind: str, name: str, args: Mapping[str, Any], *, call_id: str = "", parent: str = ""
    ) -> Action:
        """Return an action that happens here."""
        return Action(
            kind,
            name,
            args,
            principal=self.principal,
            session=self.ids["session"],
            run=self.ids["run"],
            call_id=call_id,
            framework=self.framework,
            parent=parent,
        )

    def __enter__(self) -> Place:
        self._run.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run.__exit__(kind, error, trace)


def _descended(guard: Guard, agents: list[str]) -> Principal | None:
    """Return who acts where `agents` were called one by the other, below the guard's principal."""
    if not agents:
        return None
    acting = guard.principal
    for agent in agents:
        acting = replace(
            acting, id=f"{acting.id}/{agent}", name=agent, chain=(*acting.chain, acting.id)
        )
    return acting


def _path(guard: Guard, acting: str, chain: tuple[str, ...]) -> list[str]:
    """Return the agents between the guard's principal and `acting`, which acts on behalf of `chain`."""
    own = guard.principal
    if acting == own.id or not acting.startswith(f"{own.id}/"):
        return []
    ids = [*chain[len(own.chain) :], acting]
    return [later.removeprefix(f"{earlier}/") for earlier, later in pairwise(ids)]
