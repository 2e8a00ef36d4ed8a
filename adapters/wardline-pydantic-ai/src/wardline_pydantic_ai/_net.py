"""The net: no agent of this process runs past the guard, nor inside a governed tool without one.

Pydantic AI has no place where a process could add a capability to all its agents. Every way of running
one leads through `Agent.iter`, so that is where the net is.
"""

from __future__ import annotations

import functools
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic_ai import Agent, DeferredToolRequests

from wardline import ActionDenied
from wardline_pydantic_ai._flow import current

if TYPE_CHECKING:
    from pydantic_ai import RunContext

__all__ = ["governors", "install", "suspending"]

_output: ContextVar[Any] = ContextVar("wardline_pydantic_ai_output", default=None)
_backstop = False


def install(*, backstop: bool) -> None:
    """Stand in front of every run from now on; with `backstop`, refuse ungoverned agents."""
    global _backstop  # noqa: PLW0603 - there is one process
    _backstop = _backstop or backstop
    if getattr(Agent.iter, "wardline", False):
        return
    original = Agent.iter

    @functools.wraps(original)
    def iter(self: Agent[Any, Any], *args: Any, **kwargs: Any) -> Any:
        flow = current()
        if not governors(self, kwargs.get("capabilities")):
            if flow is not None:
                kwargs["capabilities"] = [*(kwargs.get("capabilities") or ()), flow.governor]
            elif _backstop:
                raise ActionDenied(
                    f"`{self.name or 'agent'}` was not run: no guard decides about it. Give it the "
                    "capability, Agent(..., capabilities=[Wardline('policy.yaml')])"
                )
        _output.set(kwargs.get("output_type"))
        return original(self, *args, **kwargs)

    iter.wardline = True  # type: ignore[attr-defined]
    Agent.iter = iter  # type: ignore[method-assign]


def governors(agent: Agent[Any, Any], more: Any = None) -> list[Any]:
    """Return the Wardline capabilities of an agent, with those that a run adds."""
    from wardline_pydantic_ai._capability import Wardline

    found: list[Any] = []

    def look(one: Any) -> None:
        if isinstance(one, Wardline):
            found.append(one)

    for capability in (agent._root_capability, *(more or ())):
        if hasattr(capability, "apply"):
            capability.apply(look)
    return found


def suspending(ctx: RunContext[Any]) -> bool:
    """Whether the run that starts may end with a question."""
    given = _output.get()
    if given is None and ctx.agent is not None:
        given = ctx.agent.output_type
    return _has_requests(given)


def _has_requests(kind: Any) -> bool:
    if isinstance(kind, list | tuple):
        return any(_has_requests(one) for one in kind)
    if get_origin(kind) is Union or str(type(kind)) == "<class 'types.UnionType'>":
        return any(_has_requests(one) for one in get_args(kind))
    return kind is DeferredToolRequests
