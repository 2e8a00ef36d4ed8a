"""What of a Haystack application is governed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haystack.components.agents import Agent
from haystack.tools.tool import Tool
from haystack.tools.utils import flatten_tools_or_toolsets

from wardline.adapters import Covered
from wardline_haystack._components import governor_of, kind_of
from wardline_haystack._models import GovernedGenerator, name_of
from wardline_haystack._tools import agent_of
from wardline_haystack._walk import inside

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["coverage"]

_HOW = "govern it, or what it belongs to, with wardline_haystack.govern"


def coverage(root: object) -> Sequence[Covered]:
    """Return everything that can be reached from an agent, a pipeline, a component or a tool.

    Tools that a toolset loads when it is warmed up are not here before it is.
    """
    found: list[Covered] = []
    for name, one in inside(root):
        if isinstance(one, Agent):
            governed = isinstance(one.chat_generator, GovernedGenerator)
            found.append(_covered("model_call", name_of(one.chat_generator), name, governed))
            for tool in flatten_tools_or_toolsets(one.tools):
                found.append(_covered("tool_call", tool.name, name, governed))
                if agent_of(tool) is not None:
                    found.append(_covered("delegation", tool.name, name, governed))
        elif (kind := kind_of(one)) and not isinstance(one, GovernedGenerator):
            found.append(_covered(kind, name, "", governor_of(one) is not None))
    if isinstance(root, Tool) and not found:
        found.append(_covered("tool_call", root.name, "", False))
    return found


def _covered(kind: str, name: str, owner: str, governed: bool) -> Covered:
    return Covered(kind, name, owner, governed, "" if governed else _HOW)
