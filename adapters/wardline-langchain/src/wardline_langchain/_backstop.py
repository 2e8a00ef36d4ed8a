"""The last net: no tool of this process starts without a recorded decision.

A callback handler that LangChain installs into every run of the process. It sees the start of each
tool with its final arguments, and refuses what the guard has not let through: a tool called from
inside another one, by an agent without the middleware or directly, a second start on one permit, and
arguments that changed after they were judged.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from wardline import ActionDenied, ConfigurationError, Guard

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["Backstop", "Ticket", "install", "running", "same"]


class Ticket:
    """What may start now: one tool, once, for one call, with these arguments."""

    __slots__ = ("_lock", "_used", "args", "call", "guard", "injected", "name")

    def __init__(
        self, guard: Guard, name: str, call: str, args: Mapping[str, Any], injected: Collection[str]
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
        if name != self.name or (used and call != self.call):
            return (
                f"it was started inside `{self.name}`, whose permit is for one start of that tool "
                "alone. Let the agent call it, or put it into an agent with WardlineMiddleware"
            )
        if used:
            return "it was started twice on one permit"
        if call != self.call:
            return "it was started for another call than the one that was judged"
        inputs = inputs or {}
        given = {key: value for key, value in inputs.items() if key not in self.injected}
        if not same(given, dict(self.args)):
            return (
                "its arguments changed after they were judged. Put WardlineMiddleware last in the "
                "list, behind everything that rewrites calls"
            )
        return ""


_ticket: ContextVar[Ticket | None] = ContextVar("wardline_langchain_ticket", default=None)


@contextmanager
def running(ticket: Ticket) -> Iterator[None]:
    """Let the backstop pass what `ticket` is for."""
    token = _ticket.set(ticket)
    try:
        yield
    finally:
        _ticket.reset(token)


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


class Backstop(BaseCallbackHandler):
    """Refuses every tool start that has no ticket."""

    raise_error = True
    run_inline = True

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,  # noqa: ARG002 - the signature is LangChain's
        *,
        inputs: dict[str, Any] | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Raise `ActionDenied` unless this very start was let through."""
        name = str(serialized.get("name", ""))
        ticket = _ticket.get()
        if ticket is None:
            raise ActionDenied(
                f"`{name}` was not run: no guard has decided about it. Call it from an agent with "
                "WardlineMiddleware; in a thread of your own, wrap the function in wardline.carry"
            )
        if why := ticket.use(name, tool_call_id, inputs):
            with ticket.guard.refusing("tool_call", name):
                raise ConfigurationError(why)


_installed = Lock()


def install() -> None:
    """Install the backstop into this process, once."""
    if _installed.acquire(blocking=False):
        # The default of a context variable reaches threads that inherit no context.
        handler: Any = Backstop()
        hook: ContextVar[Any] = ContextVar("wardline_langchain_backstop", default=handler)
        register_configure_hook(hook, inheritable=True)
