"""Memories and retrievers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import RetrieverTool

from wardline import ActionDenied, ConfigurationError
from wardline_llama_index import coverage, govern

POISON = """
default_action: allow
rules:
  - name: no-poison
    on: memory_write
    condition: "has(args.text) && args.text.contains('poison')"
    action: deny
"""


def said(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


class Notes(BaseRetriever):
    def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
        return [NodeWithScore(node=TextNode(text="the blue door"), score=1.0)]


def test_all_six_ways_to_write_are_judged(world: Any) -> None:
    guard = world.guard(POISON)

    def memory() -> Any:
        return govern(ChatMemoryBuffer.from_defaults(token_limit=1000), guard)

    for name, what in (
        ("put", said("poison")),
        ("put_messages", [said("fine"), said("poison")]),
        ("set", [said("poison")]),
    ):
        one = memory()
        with pytest.raises(ActionDenied, match="no-poison"):
            getattr(one, name)(what)
        with pytest.raises(ActionDenied, match="no-poison"):
            asyncio.run(getattr(one, f"a{name}")(what))
        assert one.get_all() == []
    one = memory()
    one.put(said("fine"))
    asyncio.run(one.aput_messages([said("good"), said("better")]))
    assert [each.content for each in one.get()] == ["fine", "good", "better"]
    writes = [what for _, what in world.decided("memory_write")]
    assert writes == ["refused"] * 6 + ["succeeded"] * 2


def test_what_a_rule_changes_is_what_is_written_and_read(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - name: mask
    on: memory_write
    condition: "has(args.text) && args.text.contains('Ada')"
    action: transform
    set: {args.text: "has(args.text) ? args.text.replace('Ada', 'A.') : ''"}
  - name: shout
    on: memory_read.after
    action: transform
    set: {action.result: "action.result.map(text, text + '!')"}
"""
    memory = govern(ChatMemoryBuffer.from_defaults(token_limit=1000), world.guard(policy))
    memory.put(said("by Ada"))
    assert [one.content for one in memory.get()] == ["by A.!"]
    with pytest.raises(ActionDenied, match=r"by A\.|Write them one by one") as caught:
        try:
            memory.put_messages([said("Ada"), said("other")])
        except ConfigurationError as error:
            raise ActionDenied(str(error)) from error
    assert "Write them one by one" in str(caught.value)


def test_a_governed_memory_serves_an_agent(world: Any) -> None:
    guard = world.guard(POISON)
    memory = govern(ChatMemoryBuffer.from_defaults(token_limit=1000), guard)
    agent = world.agent(guard, "poison")
    with pytest.raises(ActionDenied, match="no-poison"):
        world.run(agent, memory=memory)
    assert [one.content for one in memory.get_all()] == ["go"]


@pytest.mark.parametrize("how", ["sync", "async"])
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
    retriever = govern(Notes(), world.guard(policy))

    def find(query: str) -> list[str]:
        found = (
            retriever.retrieve(query) if how == "sync" else asyncio.run(retriever.aretrieve(query))
        )
        return [one.text for one in found]

    assert find("door") == ["the *** door"]
    with pytest.raises(ActionDenied, match="no-red"):
        find("red")
    assert world.decided("retrieval") == [("Notes", "succeeded"), ("Notes", "refused")]
    assert isinstance(retriever, Notes)


def test_a_retriever_that_is_a_tool_belongs_to_the_call(world: Any) -> None:
    tool = RetrieverTool.from_defaults(Notes(), name="find", description="Find.")
    agent = world.agent(
        "default_action: allow", world.turn(("find", {"input": "door"})), tools=[tool]
    )
    world.run(agent)
    assert "the blue door" in world.told(agent.llm)[0]
    assert world.decided("retrieval") == [("Notes", "succeeded")]
    assert world.decided() == [("find", "succeeded")]
    assert all(one.governed for one in coverage(agent))
