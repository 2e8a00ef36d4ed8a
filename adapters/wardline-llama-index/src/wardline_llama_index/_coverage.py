"""What of a LlamaIndex application is governed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.memory import BaseMemory
from llama_index.core.tools import BaseTool

from wardline.adapters import Covered
from wardline_llama_index._models import name_of
from wardline_llama_index._walk import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["coverage"]

_HOW = "govern it, or what it belongs to, with wardline_llama_index.govern"
_CODE = "it runs code that its model writes, in which no call can be judged"
_OUTSIDE = "it is run outside of an agent"


def coverage(root: object) -> Sequence[Covered]:
    """Return everything that can be reached from an agent, a workflow of agents, an engine or a tool.

    Tools that an agent looks up when it runs are governed with it, and not here.
    """
    found: list[Covered] = []
    tools: set[int] = set()
    for one in inside(root):
        found += _of(one, tools)
    found += [
        Covered("tool_call", str(one.metadata.name), "", governed=False, why=_OUTSIDE)
        for one in inside(root)
        if isinstance(one, BaseTool) and id(one) not in tools
    ]
    return found


def _of(one: Any, tools: set[int]) -> Iterator[Covered]:
    governed = getattr(type(one), "wardline", None) is not None
    why = "" if governed else _HOW
    if isinstance(one, BaseWorkflowAgent):
        if isinstance(one, CodeActAgent):
            why = _CODE
        yield Covered("model_call", name_of(one.llm), one.name, governed, why)
        for tool in one.tools or ():
            tools.add(id(tool))
            yield Covered("tool_call", str(tool.metadata.name), one.name, governed, why)  # type: ignore[union-attr]
    elif isinstance(one, AgentWorkflow) and len(one.agents) > 1:
        for name in one.agents:
            yield Covered("delegation", name, one.root_agent, governed, why)
    elif isinstance(one, BaseRetriever):
        yield Covered("retrieval", type(one).__name__, "", governed, why)
    elif isinstance(one, BaseMemory):
        yield Covered("memory_write", type(one).__name__, "", governed, why)
