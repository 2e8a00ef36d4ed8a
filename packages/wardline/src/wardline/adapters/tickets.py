"""What a backstop looks for: the proof that a guard has let this very start through.

A backstop is the place where a framework, or a wrapped tool, says that something starts. It finds the
ticket of the permit there, or refuses.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any

from wardline.errors import ActionDenied, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from wardline.guard.guard import Guard

__all__ = ["Ticket", "Tickets", "same"]


class Ticket:
    """What may start now: one tool, once, for one call, with these arguments.

    `injected` names the parameters that the framework fills in, which are not compared. A start whose
    `call` is None is of a framework that does not say there for which call it is.
    """

    __slots__ = ("_lock", "_used", "args", "call", "guard", "injected", "name")

    def __init__(
        self,
        guard: Guard,
        name: str,
        call: str,
        args: Mapping[str, Any],
        injected: Collection[str] = (),
    ) -> None:
        self.guard = guard
        self.name = name
        self.call = call
        self.args = args
        self.injected = injected
        self._lock = Lock()
        self._used = False

    def use(self, name: str, call: str | None, inputs: Mapping[str, Any] | None) -> str:
        """Use it up; return why this start is not the one that was let through, or ""."""
        with self._lock:
            used, self._used = self._used, True
        if name != self.name or (used and call is not None and call != self.call):
            return (
                f"it was started inside `{self.name}`, whose permit is for one start of that tool "
                "alone. Let a governed agent call it"
            )
        if used:
            return "it was started twice on one permit"
        if call is not None and call != self.call:
            return "it was started for another call than the one that was judged"
        given = {key: value for key, value in (inputs or {}).items() if key not in self.injected}
        if not same(given, dict(self.args)):
            return (
                "its arguments changed after they were judged. Let nothing that rewrites calls stand "
                "behind the governor"
            )
        return ""


class _Net:
    """The tickets of all adapters that share one backstop."""

    __slots__ = ("claimed", "here")

    def __init__(self, name: str) -> None:
        # The default of a context variable reaches threads that inherit no context.
        self.here: ContextVar[Ticket | None] = ContextVar(name, default=None)
        self.claimed = Lock()


_NETS: dict[str, _Net] = {}


class Tickets:
    """The tickets of one framework in this process; `advice` ends the refusal of a start without one.

    `name` is that of the library whose tool starts the backstop sees: adapters with one name have
    their tickets in common, and one backstop between them.
    """

    __slots__ = ("_advice", "_net")

    def __init__(self, name: str, advice: str) -> None:
        self._advice = advice
        self._net = _NETS.setdefault(name, _Net(name))

    def claim(self) -> bool:
        """Whether the caller is the first who asks, and so has to install the backstop."""
        return self._net.claimed.acquire(blocking=False)

    @contextmanager
    def running(self, ticket: Ticket) -> Iterator[None]:
        """Let the backstop pass what `ticket` is for."""
        token = self._net.here.set(ticket)
        try:
            yield
        finally:
            self._net.here.reset(token)

    def current(self) -> Ticket | None:
        """Return the ticket of the calling code, None where nothing was let through."""
        return self._net.here.get()

    def check(self, name: str, call: str | None, inputs: Mapping[str, Any] | None) -> None:
        """Use the ticket for the start of the tool `name`; raise `ActionDenied` unless it is for it."""
        ticket = self._net.here.get()
        if ticket is None:
            raise ActionDenied(
                f"`{name}` was not run: no guard has decided about it. {self._advice}; in a thread of "
                "your own, wrap the function in wardline.carry"
            )
        if why := ticket.use(name, call, inputs):
            with ticket.guard.refusing("tool_call", name):
                raise ConfigurationError(why)


def same(one: Any, other: Any) -> bool:
    """Whether two arguments are the same in type and value, all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return (
        one is other or repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
    )
