"""One run of an agent, and what its hooks tell one another."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart

from wardline import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_ai.toolsets.abstract import ToolsetTool

    from wardline import ActionRefused
    from wardline.adapters import Adapter, Place
    from wardline_pydantic_ai._capability import Wardline

__all__ = ["Flow", "call_name", "current", "flowing", "required"]


@dataclass(slots=True)
class Flow:
    """One run.

    `tools` are those of the current step, by name. `refused` holds what is refused already, by the
    model's id of the call. `suspends` says whether the run can end with a question.
    """

    governor: Wardline
    place: Place
    suspends: bool
    tools: Mapping[str, ToolsetTool[Any]] = field(default_factory=dict)
    refused: dict[str, ActionRefused] = field(default_factory=dict)

    @property
    def adapter(self) -> Adapter:
        """What takes the run's actions to its guard."""
        return self.governor.adapter


flowing: ContextVar[Flow | None] = ContextVar("wardline_pydantic_ai", default=None)
"""The run that the calling code belongs to."""


def current() -> Flow | None:
    """Return the run that the calling code belongs to, None outside any."""
    return flowing.get()


def required() -> Flow:
    """Return the run that the calling code belongs to.

    Raises `ConfigurationError` outside any.
    """
    flow = flowing.get()
    if flow is None:
        raise ConfigurationError(
            "nobody knows to which run of an agent this belongs, so nobody can decide about it. In a "
            "thread of your own, wrap the function in wardline.carry"
        )
    return flow


def call_name(messages: Sequence[ModelMessage], id: str, *, run: str = "") -> str:
    """Return a name for the model's call `id` that no other call of the conversation has.

    `messages` is the history with the answer that made the call, or with `run` that of before, when
    the next answer of `run` makes it. Models reuse their ids; together with the run and the place of
    the answer in it they name a call once and for all, in the process that resumes it, too.
    """
    answers = [one for one in messages if isinstance(one, ModelResponse)]
    number = 1
    if not run:
        while answers and not any(
            isinstance(part, ToolCallPart) and part.tool_call_id == id for part in answers[-1].parts
        ):
            answers.pop()
        if not answers:
            raise ConfigurationError(f"no answer of the model has the call {id!r} in it")
        run, number = answers[-1].run_id or "", 0
    return f"{run}/{number + sum(one.run_id == run for one in answers)}/{id}"
