"""Graphs for tests: a model, its tools, and what stands in front of the kit's shelves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.store.base import BaseStore, PutOp, SearchItem, SearchOp

__all__ = ["Documents", "Shelved", "graph_of"]


def graph_of(
    model: Any,
    node: ToolNode,
    saver: Any = None,
    name: str = "graph",
    raw: Any = (),
    **options: Any,
) -> Any:
    """Return the usual graph of a model and its tools; `raw` are tools in a plain node beside them."""

    def speak(state: MessagesState) -> dict[str, Any]:
        return {"messages": [model.invoke(state["messages"])]}

    async def aspeak(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", RunnableLambda(speak, afunc=aspeak))
    graph.add_node("tools", node)
    if raw:
        graph.add_node("raw", ToolNode(raw))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=saver, name=name, **options)


class Shelved(BaseStore):
    """A store that keeps its texts on a shelf of the kit."""

    def __init__(self, shelf: Any) -> None:
        self.shelf = shelf

    def batch(self, ops: Any) -> list[Any]:
        return [self._one(op) for op in ops]

    async def abatch(self, ops: Any) -> list[Any]:
        return self.batch(ops)

    def _one(self, op: Any) -> Any:
        if isinstance(op, PutOp):
            return self.shelf.write(op.value["text"])
        assert isinstance(op, SearchOp)
        now = datetime.now(UTC)
        return [
            SearchItem(op.namespace_prefix, str(number), {"text": text}, now, now)
            for number, text in enumerate(self.shelf.read(op.query))
        ]


class Documents(BaseRetriever):
    """A retriever that finds all texts on a shelf of the kit."""

    shelf: Any

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        return [Document(text) for text in self.shelf.read(query)]
