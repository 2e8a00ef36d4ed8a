"""One run of the SDK's `Runner`, and what its hooks tell one another.

The SDK hands none of its hooks all that they need: a tool does not see the session, a model sees
neither the run nor the agent. A context variable does, from the start of the run on, in every task
and thread that the SDK opens for it.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wardline import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline import ActionRefused, Permit
    from wardline.adapters import Adapter, Place
    from wardline_openai_agents._agents import Governor

__all__ = ["Flow", "current", "entered", "inside", "required", "starts_below"]


@dataclass(slots=True)
class Flow:
    """One run.

    `refused` holds what is refused already and `permits` what was let through already, by the model's
    id of the call, with the arguments that were judged. `answers` is what the agent says in the place
    of its model, because its input was refused. `handoff` is the id of the call by which the model
    asked for a handoff last, `handoff_refusal` what it is answered if refused. `task` is what the
    user said last.
    `waiting` are the calls inside which a run below was suspended.
    """

    governor: Governor
    place: Place
    answers: str = ""
    task: str = ""
    handoff: str = ""
    handoff_refusal: str = ""
    refused: dict[str, ActionRefused] = field(default_factory=dict)
    permits: dict[str, tuple[dict[str, Any], Permit]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)

    @property
    def adapter(self) -> Adapter:
        """What takes the run's actions to its guard."""
        return self.governor.adapter

    def call_id(self, id: str) -> str:
        """Return a name for the model's call `id`, which the SDK keeps unique in a run alone."""
        return f"{self.place.ids['run']}/{id}"

    def close(self) -> None:
        """Let go of what was let through and did not start."""
        for _, permit in self.permits.values():
            if not permit.closed:
                permit.withdraw()
        self.permits.clear()


_flow: ContextVar[Flow | None] = ContextVar("wardline_openai_agents", default=None)
_below: ContextVar[list[tuple[Flow, str]]] = ContextVar("wardline_openai_agents_below")


def current() -> Flow | None:
    """Return the run that the calling code belongs to, None outside any."""
    return _flow.get()


def required() -> Flow:
    """Return the run that the calling code belongs to.

    Raises `ConfigurationError` outside any: some other runner has taken the place of Wardline's.
    """
    flow = _flow.get()
    if flow is None:
        raise ConfigurationError(
            "this agent is governed, and its run was started past Wardline, so nobody knows to which "
            "session it belongs. Start it with agents.Runner, and install other runners "
            "(set_default_agent_runner) before the first govern()"
        )
    return flow


@contextmanager
def entered(flow: Flow) -> Iterator[None]:
    """Make the code inside belong to `flow`."""
    token = _flow.set(flow)
    try:
        with flow.place:
            yield
    finally:
        _flow.reset(token)


@contextmanager
def inside(flow: Flow, id: str) -> Iterator[None]:
    """Let the one run that an agent starts as a tool, for the call `id`, know that it is this one."""
    token = _below.set([(flow, id)])
    try:
        yield
    finally:
        _below.reset(token)


def starts_below() -> tuple[Flow, str] | None:
    """Return the run and the call inside which an agent starts as a tool; the answer is used up."""
    waiting = _below.get(None)
    return waiting.pop() if waiting else None
