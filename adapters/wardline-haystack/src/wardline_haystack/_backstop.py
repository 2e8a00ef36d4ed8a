"""The last net: no agent of this process starts a tool unless the tool is under a guard.

Haystack tells its tracer when an agent runs and when it starts a tool. This tracer stands before the
application's own, and refuses what it knows of no guard for.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from haystack.tracing.tracer import Span, Tracer, enable_tracing, tracer

from wardline import ActionDenied
from wardline_haystack._runs import current

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Backstop", "install"]

_lock = Lock()


class Backstop(Tracer):
    """Refuses tools that are under no guard; everything else is what the tracer behind it does."""

    def __init__(self, behind: Tracer) -> None:
        self.behind = behind

    @contextmanager
    def trace(
        self,
        operation_name: str,
        tags: dict[str, Any] | None = None,
        parent_span: Span | None = None,
    ) -> Iterator[Span]:
        """Trace a block of code by the tracer behind, if it may run."""
        if operation_name == "haystack.agent.step.tool":
            _check(str((tags or {}).get("haystack.tool.name")))
        # What starts here is a run of its own, until a hook of its own says that it is governed.
        token = current.set(None) if operation_name == "haystack.agent.run" else None
        try:
            with self.behind.trace(operation_name, tags, parent_span) as span:
                yield span
        finally:
            if token is not None:
                current.reset(token)

    def current_span(self) -> Span | None:
        """Return what the tracer behind says."""
        return self.behind.current_span()


def _check(name: str) -> None:
    run = current.get()
    if run is None or not run.has(name):
        raise ActionDenied(
            f"`{name}` was not run: no guard decides about this agent's tools. Put the agent under one "
            'with wardline_haystack.govern(agent, "policy.yaml")'
        )


def install() -> None:
    """Put the net under this process, in front of the tracer that is there, unless it is there."""
    with _lock:
        if not isinstance(tracer.actual_tracer, Backstop):
            enable_tracing(Backstop(tracer.actual_tracer))
