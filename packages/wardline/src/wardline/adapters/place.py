"""To which session and run the actions of an agent belong, and who takes them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from wardline.action import Action, Principal
from wardline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from wardline.guard.guard import Guard
    from wardline.guard.session import Session
    from wardline.store.approvals import Approval

__all__ = ["Caller", "Ids", "Place"]


class Caller(TypedDict):
    """Somebody else than the guard's own principal, for whom agents act here."""

    id: str
    name: str
    assurance: str
    chain: list[str]
    roles: list[str]


class Ids(TypedDict):
    """What a framework's state has to remember, so that a resumed run stays where it was.

    `agents` were called one by the other, the first by `caller`, or by the guard's own principal.
    """

    session: str
    parent: str
    run: str
    agents: list[str]
    caller: NotRequired[Caller]


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
        self.ids: Ids = ids if principal is None else _led_by(guard, ids, principal)
        self.principal = _acting(guard, self.ids)
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
        ids = Ids(session=opened.id, parent=above.id, run=run or opened.run().id, agents=[])
        ids = _led_by(guard, ids, guard.acting())
        if agent:
            ids["agents"].append(agent)
        return cls(guard, framework, ids)

    @classmethod
    def restored(cls, guard: Guard, framework: str, kept: object) -> Place:
        """Return the place whose ids a framework's state has kept.

        Raises `ConfigurationError` for what are no ids.
        """
        try:
            return cls(guard, framework, _ids(kept))
        except (KeyError, TypeError) as error:
            raise ConfigurationError(
                f"the state of this run does not say where it was ({type(error).__name__}: {error}); "
                "start a new one"
            ) from error

    @classmethod
    def again(cls, guard: Guard, framework: str, approval: Approval) -> Place:
        """Return the place in which an action was taken that waits for `approval`.

        For frameworks whose suspended runs remember nothing of ours.
        """
        above = guard.here()
        parent = above.id if above is not None else ""
        ids = Ids(session=approval.session, parent=parent, run=approval.run, agents=[])
        return cls(guard, framework, ids, Principal(approval.principal, chain=approval.chain))

    @classmethod
    def here(cls, guard: Guard, framework: str) -> Place | None:
        """Return the place of the calling code where it is inside a governed action, else None.

        For what a tool does by the framework beneath it, such as reading a memory.
        """
        above = guard.here()
        if above is None:
            return None
        ids = Ids(session=above.id, parent="", run="", agents=[])
        return cls(guard, framework, ids, guard.acting())

    def below(self, agent: str, *, session: str = "") -> Place:
        """Return the place of an agent that this one hands over to or calls.

        `session` is "" where it gets a conversation of its own; pass `self.ids["session"]` where it
        goes on with this one.
        """
        agents = [*self.ids["agents"], agent]
        if session == self.ids["session"]:
            return Place(self.guard, self.framework, {**self.ids, "agents": agents})
        parent = self.ids["session"]
        opened = self.guard.session(session, parent=parent)
        new = {"session": opened.id, "parent": parent, "run": opened.run().id, "agents": agents}
        return Place(self.guard, self.framework, {**self.ids, **new})  # type: ignore[typeddict-item]

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


def _acting(guard: Guard, ids: Ids) -> Principal | None:
    """Return who acts where `agents` were called one by the other; None for the guard's own."""
    caller = ids.get("caller")
    if not ids["agents"] and caller is None:
        return None
    acting = guard.principal
    if caller is not None:
        acting = replace(
            acting,
            id=caller["id"],
            name=caller["name"],
            assurance=caller["assurance"],
            chain=tuple(caller["chain"]),
            roles=tuple(caller["roles"]),
        )
    for agent in ids["agents"]:
        acting = replace(
            acting, id=f"{acting.id}/{agent}", name=agent, chain=(*acting.chain, acting.id)
        )
    return acting


def _led_by(guard: Guard, ids: Ids, acting: Principal) -> Ids:
    """Return the ids with `acting` as who acts."""
    own = guard.principal
    made = Ids(session=ids["session"], parent=ids["parent"], run=ids["run"], agents=[])
    below = [*acting.chain[len(own.chain) :], acting.id]
    if acting.id == own.id and acting.chain == own.chain:
        return made
    if below[0] == own.id and all(two.startswith(f"{one}/") for one, two in pairwise(below)):
        made["agents"] = [two.removeprefix(f"{one}/") for one, two in pairwise(below)]
        return made
    made["caller"] = Caller(
        id=acting.id,
        name=acting.name,
        assurance=acting.assurance,
        chain=list(acting.chain),
        roles=list(acting.roles),
    )
    return made


def _ids(kept: Any) -> Ids:
    """Return ids that went through somebody's JSON; raises `KeyError` or `TypeError`."""
    made = Ids(session="", parent="", run="", agents=_texts(kept["agents"]))
    made["session"], made["parent"], made["run"] = _texts(
        [kept["session"], kept["parent"], kept["run"]]
    )
    if "caller" in kept:
        caller = kept["caller"]
        id, name, assurance = _texts([caller["id"], caller["name"], caller["assurance"]])
        chain, roles = _texts(caller["chain"]), _texts(caller["roles"])
        made["caller"] = Caller(id=id, name=name, assurance=assurance, chain=chain, roles=roles)
    return made


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise TypeError(f"{values!r} are no ids")
    return list(values)
