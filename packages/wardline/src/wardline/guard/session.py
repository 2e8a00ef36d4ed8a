"""Sessions, runs, and how the code that calls a tool finds its own.

A session is one conversation, everything that can share a model's context; a run is one task inside
it. Adapters take both from their framework and put the ids into the action. The context variable here
is only the default for `govern()` and for nested calls: tasks and `asyncio.to_thread` inherit it,
threads, executors and processes do not. `carry(fn)` takes it along.
"""

from __future__ import annotations

import contextvars
import functools
import os
import threading
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from wardline.errors import StoreError, WardlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from wardline.action import Principal

__all__ = ["Place", "Run", "Session", "SessionLostError", "Sessions", "carry", "new_id"]

P = ParamSpec("P")
R = TypeVar("R")


def new_id(prefix: str) -> str:
    """Return an id that nobody else has: `prefix` and 96 random bits."""
    return f"{prefix}-{os.urandom(12).hex()}"


class SessionLostError(WardlineError):
    """A call of which nobody can say to which session it belongs."""


class Session:
    """One conversation. Use it as a context manager to make it the one that calls belong to.

    `root` is the id of the outermost session and `depth` how far below it this one is; limits that
    count `per: session` count in the root.
    """

    __slots__ = (
        "__weakref__",
        "depth",
        "id",
        "implicit",
        "lock",
        "owner",
        "root",
        "view",
    )

    def __init__(
        self, owner: Sessions, id: str, *, parent: Session | None = None, implicit: bool = False
    ) -> None:
        self.owner = owner
        self.id = id
        self.root: str = parent.root if parent else id
        self.depth: int = parent.depth + 1 if parent else 0
        self.view: Mapping[str, Any] = {"id": id, "depth": self.depth}
        self.implicit = implicit
        self.lock = threading.Lock()

    def run(self, id: str = "") -> Run:
        """Return a run inside this session; enter it to make calls belong to it."""
        return Run(self, id or new_id("run"))

    def acquire(self, deadline: float) -> None:
        """Take the session's lock; the caller releases it.

        Raises `StoreError` when it is not free within `deadline` seconds.
        """
        if not self.lock.acquire(blocking=False) and not self.lock.acquire(timeout=deadline):
            raise StoreError(
                f"the session `{self.id}` was locked by another call for over {deadline:g} s"
            )

    def __enter__(self) -> Session:
        self.owner.opened = True
        _here.set(Place(self.owner, self, self.id, "", _here.get(), self.owner.acting()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _leave(lambda place: place.session is self and not place.call)


class Run:
    """One task inside a session."""

    __slots__ = ("id", "session")

    def __init__(self, session: Session, id: str) -> None:
        self.session = session
        self.id = id

    def __enter__(self) -> Run:
        owner = self.session.owner
        owner.opened = True
        _here.set(Place(owner, self.session, self.id, "", _here.get(), owner.acting()))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _leave(lambda place: place.session is self.session and place.run == self.id)


class Place:
    """Where in a session a piece of code runs, and the place outside it.

    `call` names the intent of the action that the code runs inside, "" outside any, and `principal`
    who does that, None for the guard's own.
    """

    __slots__ = ("call", "outer", "owner", "principal", "run", "session")

    def __init__(
        self,
        owner: Sessions,
        session: Session,
        run: str,
        call: object,
        outer: Place | None,
        principal: Principal | None,
    ) -> None:
        self.owner = owner
        self.session = session
        self.run = run
        self.call = call
        self.outer = outer
        self.principal = principal


_here: contextvars.ContextVar[Place | None] = contextvars.ContextVar("wardline", default=None)


def _leave(found: Callable[[Place], bool]) -> None:
    """Go back to what is outside of the innermost place that fits, if there is one."""
    place = _here.get()
    while place is not None and not found(place):
        place = place.outer
    if place is not None:
        _here.set(place.outer)


class Sessions:
    """The sessions of one guard. Two guards never see each other's."""

    __slots__ = ("_implicit", "_known", "_lock", "opened")

    def __init__(self) -> None:
        self.opened = False
        self._lock = threading.Lock()
        self._known: WeakValueDictionary[str, Session] = WeakValueDictionary()
        self._implicit = Session(self, _process_session(), implicit=True)

    def open(self, id: str = "", *, parent: str = "") -> Session:
        """Return the session `id`, made if it is not known; below the session `parent` if given."""
        id = id or new_id("session")
        session = self._known.get(id)
        if session is None:
            above = self.open(parent) if parent else None
            with self._lock:
                session = self._known.get(id)
                if session is None:
                    session = Session(self, id, parent=above)
                    self._known[id] = session
        return session

    def find(self, name: str, session: str, run: str, parent: str) -> tuple[Session, str, str]:
        """Return the session, the run id and the enclosing call of an action `name`.

        What the action itself says wins over the context. Raises `SessionLostError` where the guard
        has opened sessions, and neither the action nor the context says which one this is.
        """
        place = _here.get()
        if place is not None and place.owner is not self:
            place = self._place()
        if session:
            found = self.open(session)
            if place is None or place.session is not found:
                return found, run or found.id, parent
            return found, run or place.run, parent or str(place.call)
        if place is not None:
            return place.session, run or place.run, parent or str(place.call)
        if not self.opened:
            return self._implicit, run or self._implicit.id, parent
        raise SessionLostError(
            f"`{name}` was called outside any session, so nothing is known about what came "
            "before it. Call it inside `with guard.session(...)`; to take a session into a thread or "
            "an executor, pass `wardline.carry(fn)` instead of `fn`"
        )

    def enter(self, session: Session, run: str, call: object, principal: Principal | None) -> Place:
        """Make nested calls know the call `call` they happen inside; undo with `leave`."""
        place = Place(self, session, run, call, _here.get(), principal)
        _here.set(place)
        return place

    @staticmethod
    def leave(place: Place) -> None:
        """Undo `enter`; in another context there is nothing to undo."""
        if _here.get() is place:
            _here.set(place.outer)
        else:
            _leave(lambda other: other is place)

    def after_fork(self) -> None:
        """In a child: another implicit session, and locks that nobody holds."""
        self._lock = threading.Lock()
        self._implicit = Session(self, _process_session(), implicit=True)
        for session in list(self._known.values()):
            session.lock = threading.Lock()

    def here(self) -> Session | None:
        """Return the session of the calling code, None outside any."""
        place = self._place()
        return place.session if place is not None else None

    def acting(self) -> Principal | None:
        """Return who acts in the calling code, None for the guard's own principal."""
        place = self._place()
        return place.principal if place is not None else None

    def _place(self) -> Place | None:
        place = _here.get()
        while place is not None and place.owner is not self:
            place = place.outer
        return place


def _process_session() -> str:
    return f"process-{os.getpid()}-{_PROCESS}"


_PROCESS = os.urandom(6).hex()


def carry(fn: Callable[P, R]) -> Callable[P, R]:
    """Return `fn` bound to the session it is in now, for a thread or an executor.

    >>> import threading
    >>> threading.Thread(target=carry(print), args=("governed",)).start()
    governed
    """
    context = contextvars.copy_context()

    @functools.wraps(fn)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered once at a time; a copy lets many threads run the same function.
        return context.copy().run(fn, *args, **kwargs)

    return carried
