"""What can be reached from an agent, a pipeline, a component or a tool of Haystack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from haystack.components.agents import Agent
from haystack.core.component import Component
from haystack.core.pipeline.base import PipelineBase
from haystack.tools import Toolset
from haystack.tools.tool import Tool

from wardline.adapters import referred

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inside"]


def inside(root: object) -> Iterator[tuple[str, Any]]:
    """Yield every component that can be reached from `root`, each once, with its name.

    The name is that in its pipeline, or of the tool that it is, else that of its class. Tools that a toolset loads
    later are not here yet; they are looked into when an agent gets them.
    """
    seen: set[int] = set()
    rest: list[tuple[str, object]] = [("", root)]
    while rest:
        name, one = rest.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Component):
            yield name or type(one).__name__, one
        rest += reversed(list(_next(one)))


def _next(one: object) -> Iterator[tuple[str, object]]:
    if isinstance(one, PipelineBase):
        yield from one.walk()
    elif isinstance(one, Toolset):
        yield from (("", tool) for tool in one.tools)
    elif isinstance(one, Tool):
        yield one.name, getattr(one, "_component", None)
        # A function may call an agent by itself.
        for body in (one.function, one.async_function):
            yield from ((one.name, other) for other in referred(body) if _is_part(other))
    elif isinstance(one, Mapping):
        yield from (("", value) for value in one.values())
    elif isinstance(one, list | tuple):
        yield from (("", value) for value in one)
    elif isinstance(one, Agent):
        yield "", one.tools  # its chat generator is governed as a part of it
    elif isinstance(one, Component):
        yield from (("", value) for value in vars(one).values() if _may_hold(value))


def _may_hold(value: object) -> bool:
    return _is_part(value) or isinstance(value, list | tuple | Mapping)


def _is_part(value: object) -> bool:
    return isinstance(value, Component | PipelineBase | Tool | Toolset)
