"""How an application puts a crew, an agent or a task under a guard."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from crewai import Agent, Crew, Task

import wardline
from wardline import ConfigurationError
from wardline_crewai._agents import govern_agent, govern_crew
from wardline_crewai._governor import Governor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from wardline import Guard, PolicySet

__all__ = ["govern", "governed"]

T = TypeVar("T")
F = TypeVar("F")


def govern(
    one: T,
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    on_denied: Literal["message", "raise"] = "message",
    unused: Collection[str] = (),
    backstop: bool = True,
) -> T:
    """Govern a `Crew`, an `Agent` or a `Task` where it is, and return it.

    `guard` is a `Guard`, or what one is made from: a policy file, a directory, several of them or a
    `PolicySet`. A crew is governed with all its agents, a task with the agent that has it. `on_denied`
    says what becomes of a refusal: "message" tells the model, and the run goes on; "raise" ends the run
    by a `HookAborted` whose cause is the refusal. `unused` names kinds of action that never happen here
    although the policy has rules for them. `backstop` makes the tools of governed agents refuse to start
    without a decision, whoever calls their `run`.

    Raises `ConfigurationError` for what cannot be governed, for a rule that could never be asked, and
    what `Guard` raises.
    """
    return _govern(one, Governor(guard, on_denied=on_denied, unused=unused, backstop=backstop))


def _govern(one: T, governor: Governor) -> T:
    if isinstance(one, Crew):
        govern_crew(one, governor)
    elif isinstance(one, Agent):
        govern_agent(one, governor)
    elif isinstance(one, Task):
        if one.agent is None:
            raise ConfigurationError(
                "this task has no agent of its own, so whoever does it is governed elsewhere: govern "
                "the crew"
            )
        govern_agent(one.agent, governor)
    else:
        raise ConfigurationError(
            f"{type(one).__name__} cannot be governed; it takes a Crew, an Agent or a Task"
        )
    return one


def governed(
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    on_denied: Literal["message", "raise"] = "message",
    unused: Collection[str] = (),
    backstop: bool = True,
) -> Callable[[F], F]:
    """Return a decorator for functions that make or do the work of a crew.

    A function that is annotated to return a `Crew`, an `Agent` or a `Task` (a method below `@crew`,
    `@agent` or `@task`) returns it governed. Any other is work of its own: each call of it is judged as
    a `tool_call` under its name, as by `wardline.govern`.

    Parameters and errors are those of `govern`.
    """
    governor = Governor(guard, on_denied=on_denied, unused=unused, backstop=backstop)

    def decorate(fn: Any) -> Any:
        @functools.wraps(fn)
        def make(*args: Any, **kwargs: Any) -> Any:
            made = fn(*args, **kwargs)
            return _govern(made, governor) if isinstance(made, Crew | Agent | Task) else made

        if _makes(fn):
            return make
        # Whoever does not say what comes back may bring a crew all the same.
        return wardline.govern(make if _plain(fn) else fn, guard=governor.guard)

    return decorate


def _plain(fn: Any) -> bool:
    """Whether a function returns what it makes at once."""
    other = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return inspect.isfunction(fn) and not any(kind(fn) for kind in other)


def _makes(fn: Any) -> bool:
    """Whether a function says that it makes a crew, an agent or a task."""
    returns = inspect.get_annotations(fn).get("return") if inspect.isfunction(fn) else None
    if isinstance(returns, type):
        return issubclass(returns, Crew | Agent | Task)
    return isinstance(returns, str) and returns.strip("'\"").split(".")[-1] in (
        "Crew",
        "Agent",
        "Task",
    )
