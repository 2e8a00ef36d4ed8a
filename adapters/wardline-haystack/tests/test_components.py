"""Agents in agents, retrievers and writers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from haystack import Document, Pipeline
from haystack.components.agents import Agent
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.components.writers import DocumentWriter
from haystack.core.errors import PipelineRuntimeError
from haystack.dataclasses import ChatMessage
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import AgentTool, ComponentTool, PipelineTool

from wardline import ActionDenied, ConfigurationError
from wardline_haystack import coverage, govern

GO = [ChatMessage.from_user("go")]
TASK = {"messages": [{"role": "user", "content": "read it"}]}
HOW = pytest.mark.parametrize("how", ["sync", "async"])
INTERN = """
default_action: allow
rules:
  - {name: not-the-helper, tool: read_file, agent: "helper", action: deny}
"""


def run(agent: Any, how: str, **given: Any) -> Any:
    given = {"messages": GO, **given}
    return agent.run(**given) if how == "sync" else asyncio.run(agent.run_async(**given))


@HOW
def test_an_agent_that_is_a_tool_is_governed_and_acts_for_its_caller(world: Any, how: str) -> None:
    inner = world.plain(world.turn(("read_file", {"path": "/a"}), ("pay", {"to": "b"})))
    tool = AgentTool(agent=inner, name="helper", description="d")
    run(world.agent(INTERN, world.turn(("helper", TASK)), tools=[tool]), how)
    assert world.ran == [("pay", "b", 1)]
    actions = {
        (one["kind"], one["name"]): one
        for one in world.records("intent", "refusal")
        if one["kind"] != "model_call"
    }
    assert set(actions) == {
        ("tool_call", "helper"),
        ("delegation", "helper"),
        ("tool_call", "read_file"),
        ("tool_call", "pay"),
    }
    assert actions["tool_call", "pay"]["principal"]["id"] == "agent/helper"
    assert actions["tool_call", "pay"]["principal"]["chain"] == ["agent"]
    assert actions["tool_call", "helper"]["principal"]["id"] == "agent"
    assert actions["tool_call", "pay"]["session"] != actions["tool_call", "helper"]["session"]


@HOW
def test_a_refused_delegation_starts_nothing(world: Any, how: str) -> None:
    policy = """
default_action: allow
rules:
  - {name: no, on: delegation, condition: "has(args.text) && args.text.contains('read')", action: deny}
"""
    inner = world.plain(world.turn(("read_file", {"path": "/a"})))
    tool = AgentTool(agent=inner, name="helper", description="d")
    out = run(world.agent(policy, world.turn(("helper", TASK)), tools=[tool]), how)
    assert "`helper` was not run: refused by the rule `no`" in world.results(out)[0][0]
    assert world.ran == []
    assert world.decided("model_call") == [("mock-model", "succeeded")] * 2


@HOW
def test_what_an_agent_answers_is_judged_as_the_result_of_the_tool(world: Any, how: str) -> None:
    policy = """
default_action: allow
rules:
  - name: hide
    on: tool_call.after
    tool: helper
    condition: "action.result == 'the secret'"
    action: transform
    set: {action.result: "'***'"}
"""
    tool = AgentTool(
        agent=Agent(chat_generator=_says("the secret")), name="helper", description="d"
    )
    out = run(world.agent(policy, world.turn(("helper", TASK)), tools=[tool]), how)
    assert world.results(out) == [("***", False)]


@HOW
def test_a_refusal_in_an_agent_in_an_agent_leaves_the_whole_run(world: Any, how: str) -> None:
    inner = world.plain(world.turn(("read_file", {"path": "/a"})))
    tool = AgentTool(agent=inner, name="helper", description="d")
    agent = world.agent(INTERN, world.turn(("helper", TASK)), tools=[tool], on_denied="raise")
    with pytest.raises(ActionDenied, match="not-the-helper"):
        run(agent, how)


def test_an_agent_in_a_pipeline_that_is_a_tool_is_governed(world: Any) -> None:
    pipeline = Pipeline()
    pipeline.add_component("agent", world.plain(world.turn(("read_file", {"path": "/a"}))))
    tool = PipelineTool(
        pipeline=pipeline,
        input_mapping={"messages": ["agent.messages"]},
        output_mapping={"agent.last_message": "last"},
        name="helper",
        description="d",
    )
    run(world.agent(INTERN, world.turn(("helper", TASK)), tools=[tool]), "sync")
    assert world.ran == []


def test_an_agent_belongs_to_one_guard(world: Any) -> None:
    inner = world.plain()
    govern(inner, world.guard(INTERN))
    tool = AgentTool(agent=inner, name="helper", description="d")
    with pytest.raises(ConfigurationError, match="under another guard already"):
        world.agent(INTERN, tools=[tool])


# Retrieval and memory


def _says(text: str) -> Any:
    from haystack.components.generators.chat import MockChatGenerator

    return MockChatGenerator(text)


def _filled() -> InMemoryDocumentStore:
    store = InMemoryDocumentStore()
    store.write_documents([Document(content="the red key"), Document(content="the blue door")])
    return store


def _pipeline(**components: Any) -> Pipeline:
    pipeline = Pipeline()
    for name, one in components.items():
        pipeline.add_component(name, one)
    return pipeline


@HOW
def test_a_retrieval_is_judged_by_its_query_and_by_what_it_finds(world: Any, how: str) -> None:
    policy = """
default_action: allow
rules:
  - {name: no-red, on: retrieval, condition: "has(args.query) && args.query.contains('red')", action: deny}
  - name: hide
    on: retrieval.after
    action: transform
    set: {action.result: "action.result.map(text, text.replace('blue', '***'))"}
"""
    pipeline = govern(
        _pipeline(retriever=InMemoryBM25Retriever(_filled(), top_k=1)), world.guard(policy)
    )

    def retrieve(query: str) -> Any:
        data = {"retriever": {"query": query}}
        out = pipeline.run(data) if how == "sync" else asyncio.run(pipeline.run_async(data))
        return [one.content for one in out["retriever"]["documents"]]

    assert retrieve("door") == ["the *** door"]
    with pytest.raises(PipelineRuntimeError, match="no-red") as caught:
        retrieve("red")
    assert isinstance(caught.value.__cause__, ActionDenied)
    assert world.decided("retrieval") == [("retriever", "succeeded"), ("retriever", "refused")]


@HOW
def test_what_is_written_is_what_was_judged(world: Any, how: str) -> None:
    policy = """
default_action: allow
rules:
  - {name: no, on: memory_write, condition: "has(args.text) && args.text.contains('key')", action: deny}
  - name: mask
    on: memory_write
    condition: "has(args.text) && args.text.contains('Ada')"
    action: transform
    set: {args.text: "has(args.text) ? args.text.replace('Ada', 'A.') : ''"}
"""
    store = InMemoryDocumentStore()
    pipeline = govern(_pipeline(writer=DocumentWriter(store)), world.guard(policy))

    def write(*texts: str) -> Any:
        data = {"writer": {"documents": [Document(content=text, meta={"n": 1}) for text in texts]}}
        return pipeline.run(data) if how == "sync" else asyncio.run(pipeline.run_async(data))

    write("plain", "other")
    write("by Ada")
    with pytest.raises(PipelineRuntimeError, match="`no`"):
        write("fine", "a key")
    with pytest.raises(PipelineRuntimeError, match="Write them one by one"):
        write("fine", "by Ada")
    found = sorted((one.content, one.meta["n"]) for one in store.filter_documents())
    assert found == [("by A.", 1), ("other", 1), ("plain", 1)]


def test_a_retriever_that_is_a_tool_belongs_to_the_call(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - {name: no-red, on: retrieval, condition: "has(args.query) && args.query.contains('red')", action: deny}
"""
    tool = ComponentTool(component=InMemoryBM25Retriever(_filled(), top_k=1), name="find")
    agent = world.agent(
        policy, world.turn(("find", {"query": "door"}), ("find", {"query": "red"})), tools=[tool]
    )
    found, refused = world.results(run(agent, "sync"))
    assert json.loads(found[0])["documents"][0]["content"] == "the blue door"
    assert "no-red" in refused[0]
    assert refused[1] is True
    assert sorted(world.decided("retrieval")) == [("find", "refused"), ("find", "succeeded")]


def test_a_component_belongs_to_one_guard(world: Any) -> None:
    writer = DocumentWriter(InMemoryDocumentStore())
    guard = world.guard("default_action: allow")
    govern(writer, guard)
    govern(writer, guard)
    with pytest.raises(ConfigurationError, match="under another guard already"):
        govern(writer, world.guard("default_action: allow"))
    writer.run(documents=[Document(content="a")])
    assert world.decided("memory_write") == [("DocumentWriter", "succeeded")]
    assert [one.governed for one in coverage(writer)] == [True]
    assert [
        one.governed for one in coverage(_pipeline(retriever=InMemoryBM25Retriever(_filled())))
    ] == [False]
