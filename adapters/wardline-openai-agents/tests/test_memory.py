"""The SDK's sessions, where a policy speaks of memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, Runner, SQLiteSession
from openai_world import Scripted, call, say

from wardline import ActionDenied, ContentWithheld
from wardline_openai_agents import GovernedMemory, govern

NO_SECRET = """
rules:
  - {name: no-secret, on: memory_write, condition: "has(args.text) && args.text.contains('SECRET')", action: deny}
"""


def play(agent: Agent[Any], input: Any = "go", **options: Any) -> Any:
    return asyncio.run(Runner.run(agent, input, **options))


def test_a_session_is_governed_without_being_told_where_a_rule_is_on_memory(world):
    memory = SQLiteSession("s")
    agent = govern(Agent("a", model=Scripted([say("the SECRET")])), world.guard(NO_SECRET))
    with pytest.raises(ActionDenied, match="no-secret"):
        play(agent, session=memory)
    assert "SECRET" not in str(asyncio.run(memory.get_items()))
    kinds = {one["kind"] for one in world.records("intent")}
    assert {"memory_read", "memory_write"} <= kinds


def test_a_conversation_is_remembered_and_belongs_to_one_session(world):
    memory = SQLiteSession("s")
    model = Scripted([call("pay", "1", to="bob")], [say("paid")], [say("hello again")])
    agent = govern(Agent("a", model=model, tools=world.tools), world.guard(NO_SECRET))
    assert play(agent, session=memory).final_output == "paid"
    assert play(agent, "and?", session=memory).final_output == "hello again"
    assert "paid bob" in str(model.asked[-1])
    assert {one["session"] for one in world.records("intent")} == {"s"}


def test_nothing_is_written_of_items_of_which_one_is_refused(world):
    memory = SQLiteSession("s")
    governed = GovernedMemory(memory, world.guard(NO_SECRET))
    items = [{"role": "user", "content": "fine"}, {"role": "user", "content": "SECRET"}]
    with pytest.raises(ActionDenied):
        asyncio.run(governed.add_items(items))
    assert asyncio.run(memory.get_items()) == []


def test_what_is_written_and_read_can_be_changed(world):
    guard = world.guard("""
rules:
  - {name: in, on: memory_write, action: transform,
     set: {args.text: "has(args.text) ? args.text.replace('SECRET', '[in]') : ''"}}
  - {name: out, on: memory_read.after, action: transform,
     set: {result: "action.result.map(t, t.replace('NAME', '[out]'))"}}
""")
    memory = SQLiteSession("s")
    governed = GovernedMemory(memory, guard)
    parts = [{"type": "input_text", "text": "SECRET"}, {"type": "input_text", "text": "and"}]
    items = [{"role": "user", "content": parts}, {"role": "user", "content": "NAME"}]
    asyncio.run(governed.add_items(items))
    assert "SECRET" not in str(asyncio.run(memory.get_items()))
    read = asyncio.run(governed.get_items())
    assert read[0]["content"][0]["text"] == "[in]\nand"
    assert read[1]["content"] == "[out]"
    assert asyncio.run(governed.pop_item())["content"] == "NAME"
    asyncio.run(governed.clear_session())
    assert asyncio.run(governed.get_items()) == []


def test_a_withheld_memory_is_not_read(world):
    guard = world.guard("rules: [{name: keep, on: memory_read.after, action: deny}]")
    memory = SQLiteSession("s")
    asyncio.run(memory.add_items([{"role": "user", "content": "old"}]))
    model = Scripted()
    with pytest.raises(ContentWithheld, match="keep"):
        play(govern(Agent("a", model=model), guard), session=memory)
    assert model.asked == []
