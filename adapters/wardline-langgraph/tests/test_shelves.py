"""Stores and retrievers, and what `coverage` finds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from graphs import graph_of
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.store.base import GetOp, PutOp
from langgraph.store.memory import InMemoryStore

from wardline import ActionDenied, ConfigurationError, ContentWithheld
from wardline_langgraph import (
    GovernedMemory,
    GovernedModel,
    GovernedRetriever,
    GovernedToolNode,
    coverage,
)

NO_CODES = """
rules:
  - {name: no-codes, on: memory_write, condition: "has(args.text) && args.text.contains('xyzzy')", action: deny}
"""


def test_everything_that_a_store_can_do_is_judged(house):
    inner = InMemoryStore()
    store = GovernedMemory(inner, house.guard(NO_CODES), name="notes")
    store.put(("u",), "a", {"text": "tea"})
    asyncio.run(store.aput(("u",), "b", {"n": 1, "deep": {"x": [1, 2]}}))
    assert store.get(("u",), "a").value == {"text": "tea"}
    assert store.get(("u",), "none") is None
    assert {one.key for one in store.search(("u",), query="tea")} == {"a", "b"}
    assert store.list_namespaces() == [("u",)]
    store.delete(("u",), "a")
    assert inner.get(("u",), "a") is None
    kinds = [(one["kind"], one["name"]) for one in house.records("intent")]
    assert kinds == [
        ("memory_write", "notes"),
        ("memory_write", "notes"),
        ("memory_read", "notes"),
        ("memory_read", "notes"),
        ("memory_read", "notes"),
        ("memory_read", "notes"),
        ("memory_write", "notes"),
    ]


def test_of_several_operations_none_runs_where_one_is_refused(house):
    inner = InMemoryStore()
    store = GovernedMemory(inner, house.guard(NO_CODES))
    ops = [
        PutOp(("u",), "a", {"text": "tea"}),
        GetOp(("u",), "a"),
        PutOp(("u",), "b", {"text": "xyzzy"}),
    ]
    with pytest.raises(ActionDenied, match="no-codes"):
        store.batch(ops)
    with pytest.raises(ActionDenied, match="no-codes"):
        asyncio.run(store.abatch(ops))
    assert inner.search(("u",)) == []


TRANSFORM = """
rules:
  - {name: tidy, on: memory_write, condition: "has(args.text)", action: transform, set: {args.text: TO}}
"""


@pytest.mark.parametrize(
    ("given", "to", "stored"),
    [
        ({"text": "tea"}, "'[gone]'", {"text": "[gone]"}),
        ({"n": 1, "m": "x"}, "'{\"n\": 2}'", {"n": 2}),
    ],
)
def test_what_a_rule_makes_of_an_item_is_stored(house, given, to, stored):
    inner = InMemoryStore()
    policy = TRANSFORM.replace(
        "TO", f'"{to}"' if "{" not in to else '"' + to.replace('"', '\\"') + '"'
    )
    GovernedMemory(inner, house.guard(policy)).put(("u",), "a", given)
    assert inner.get(("u",), "a").value == stored


def test_an_item_that_a_rule_makes_unreadable_is_not_stored(house):
    inner = InMemoryStore()
    store = GovernedMemory(inner, house.guard(TRANSFORM.replace("TO", "\"'no JSON'\"")))
    with pytest.raises(ConfigurationError, match="JSON object"):
        store.put(("u",), "a", {"n": 1, "m": 2})
    assert inner.search(("u",)) == []
    with pytest.raises(ActionDenied, match="plain JSON"):
        store.put(("u",), "b", {"n": object(), "m": 2})
    assert inner.search(("u",)) == []


class Docs(BaseRetriever):
    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        source = {"source": "the vault"}
        return [Document("plain", metadata=source), Document("the code is xyzzy", metadata=source)]


CHANGED = """
rules:
  - name: gone
    on: retrieval.after
    condition: "action.result.exists(t, t.contains('xyzzy'))"
    action: transform
    set: {result: "TO"}
"""


def test_a_changed_document_loses_its_metadata_and_others_keep_it(house):
    guard = house.guard(CHANGED.replace("TO", "['plain', '[gone]']"))
    first, second = GovernedRetriever(Docs(), guard).invoke("q")
    assert (first.page_content, first.metadata) == ("plain", {"source": "the vault"})
    assert (second.page_content, second.metadata) == ("[gone]", {})


def test_what_is_no_list_of_documents_any_more_is_withheld(house):
    retriever = GovernedRetriever(Docs(), house.guard(CHANGED.replace("TO", "'[gone]'")))
    with pytest.raises(ContentWithheld, match="list of documents"):
        retriever.invoke("q")
    with pytest.raises(ContentWithheld):
        asyncio.run(retriever.ainvoke("q"))


def test_nobody_listens_to_documents_that_are_not_judged_yet(house):
    guard = house.guard(CHANGED.replace("TO", "['plain', '[gone]']"))
    retriever = GovernedRetriever(Docs(), guard, name="vault")

    async def events() -> list[Any]:
        return [one async for one in retriever.astream_events("q", version="v2")]

    seen = repr(asyncio.run(events()))
    assert "[gone]" in seen
    assert "xyzzy" not in seen
    assert house.records("intent")[0]["name"] == "vault"


# What a graph can reach


def test_coverage_finds_what_nodes_and_tools_refer_to(house):
    guard = house.guard()
    docs = Docs()

    @tool
    def look(query: str) -> str:
        "Look something up."
        return str(docs.invoke(query))

    inner = graph_of(house.model(), ToolNode(house.tools), name="inner")

    @tool
    def ask(task: str) -> str:
        "Ask."
        return str(inner.invoke({"messages": [task]}))

    model = GovernedModel(house.model(), guard).bind_tools([look])
    node = GovernedToolNode([look, ask], guard)
    found = {
        (one.owner, one.kind, one.name): one
        for one in coverage(graph_of(model, node, name="outer", store=InMemoryStore()))
    }
    governed = {key for key, one in found.items() if one.governed}
    assert governed == {
        ("outer", "tool_call", "look"),
        ("outer", "tool_call", "ask"),
        ("outer", "model_call", "scripted"),
    }
    open_ = {key: one.why for key, one in found.items() if not one.governed}
    assert set(open_) == {
        ("outer", "retrieval", "Docs"),
        ("outer", "memory_write", "InMemoryStore"),
        ("inner", "tool_call", "pay"),
        ("inner", "tool_call", "wipe"),
        ("inner", "model_call", "scripted"),
    }
    assert all("Governed" in why for why in open_.values())


def test_coverage_of_a_graph_that_reaches_itself_ends_and_other_things_reach_nothing(house):
    made: list[Any] = []

    def again(state: MessagesState) -> Any:
        return made[0].invoke(state)

    graph = StateGraph(MessagesState).add_node("again", again).add_edge(START, "again").compile()
    made.append(graph)
    assert coverage(graph) == []
    assert coverage("no graph") == []


def test_a_store_with_a_guard_is_governed(house):
    store = GovernedMemory(InMemoryStore(), house.guard())
    graph = StateGraph(MessagesState).add_node("n", lambda _: {}).add_edge(START, "n")
    (found,) = coverage(graph.compile(store=store))
    assert (found.kind, found.governed) == ("memory_write", True)
