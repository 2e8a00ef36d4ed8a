"""What can be reached from an agent, a workflow of agents, an engine or a tool of LlamaIndex."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.agent.workflow import AgentWorkflow
from llama_index.core.agent.workflow.base_agent import BaseWorkflowAgent
from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.chat_engine.types import BaseChatEngine
from llama_index.core.memory import BaseMemory
from llama_index.core.tools import BaseTool, FunctionTool

from wardline.adapters import referred

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["inside"]

_PARTS = (
    BaseWorkflowAgent,
    AgentWorkflow,
    BaseRetriever,
    BaseMemory,
    BaseQueryEngine,
    BaseChatEngine,
    BaseTool,
)


def inside(root: object) -> Iterator[Any]:
    """Yield every agent, workflow, engine, retriever, memory and tool that can be reached, each once."""
    seen: set[int] = set()
    rest: list[object] = [root]
    while rest:
        one = rest.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, _PARTS):
            yield one
            rest += reversed(list(_next(one)))


def _next(one: object) -> Iterator[object]:
    if isinstance(one, AgentWorkflow):
        yield from one.agents.values()
    elif isinstance(one, BaseWorkflowAgent):
        yield from one.tools or ()
    elif isinstance(one, FunctionTool):
        # A function may ask an agent by itself.
        for body in (one.real_fn, one.async_fn):
            yield from (other for other in referred(body) if isinstance(other, _PARTS))
    elif isinstance(one, BaseMemory):
        return
    else:
        for value in vars(one).values():
            yield from value if isinstance(value, list | tuple) else [value]
