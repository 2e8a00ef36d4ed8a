"""The last net: no tool of this process starts without a recorded decision.

A callback handler that LangChain installs into every run of the process. It sees the start of each
tool with its final arguments, and refuses what the guard has not let through: a tool called from
inside another one, by an agent without the middleware or directly, a second start on one permit, and
arguments that changed after they were judged.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from wardline.adapters import Tickets

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TICKETS", "Backstop", "install"]

TICKETS: Final = Tickets("langchain-core", "Call it from an agent with a GovernedToolNode")


class Backstop(BaseCallbackHandler):
    """Refuses every tool start that has no ticket."""

    raise_error = True
    run_inline = True

    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,  # noqa: ARG002 - the signature is LangChain's
        *,
        inputs: Mapping[str, Any] | None = None,
        tool_call_id: str | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Raise `ActionDenied` unless this very start was let through."""
        ticket, call = TICKETS.current(), tool_call_id or ""
        if ticket is not None and ticket.call.endswith(f"/{call}"):
            call = ticket.call  # which names the model's answer too
        TICKETS.check(str(serialized.get("name", "")), call, inputs)


def install() -> None:
    """Install the backstop into this process, once, whichever adapter comes first."""
    if TICKETS.claim():
        # The default of a context variable reaches threads that inherit no context.
        handler: Any = Backstop()
        hook: ContextVar[Any] = ContextVar("wardline_langgraph_backstop", default=handler)
        register_configure_hook(hook, inheritable=True)
