"""Agents that reach one another: who acts, in which session, and what may be delegated."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

from wardline import ActionDenied
from wardline_langchain import coverage

MODES = ("invoke", "ainvoke")
ALLOW = "default_action: allow"
NO_HELPER = ALLOW + "\nrules: [{name: alone, on: delegation, action: deny}]"


def run(agent: Any, given: Any, mode: str, config: Any = None) -> Any:
    if mode == "invoke":
        return agent.invoke(given, config)
    return asyncio.run(agent.ainvoke(given, config))


def asking(agent: Any, name: str = "ask") -> Any:
    @tool(name)
    def ask(task: str) -> str:
        "Ask an agent."
        return agent.invoke({"messages": [HumanMessage(task)]})["messages"][-1].text

    return ask


def acting(world: Any, name: str, kind: str = "tool_call") -> dict[str, Any]:
    return next(
        one for one in world.records("intent") if (one["kind"], one["name"]) == (kind, name)
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("own", "expected"), [("helper", "helper"), (None, "ask")])
def test_an_agent_in_a_tool_acts_under_its_name_or_that_of_the_tool(world, mode, own, expected):
    guard = world.guard(ALLOW)
    inner = world.agent(guard, world.turn(world.call("pay", to="x")), name=own)
    turn = world.turn(world.call("ask", task="pay x"))
    run(world.agent(guard, turn, tools=[asking(inner)], name="boss"), world.go, mode)
    paid = acting(world, "pay")
    assert paid["principal"]["id"] == f"agent/{expected}"
    assert paid["principal"]["chain"] == ["agent"]
    delegated = acting(world, expected, "delegation")
    assert delegated["principal"]["id"] == "agent"
    assert delegated["session"] == acting(world, "ask")["session"] != paid["session"]


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_that_may_not_be_asked_does_nothing(world, mode):
    guard = world.guard(NO_HELPER)
    inner = world.agent(guard, world.turn(world.call("pay", to="x")), name="helper")
    turn = world.turn(world.call("ask", task="pay x"))
    out = run(world.agent(guard, turn, tools=[asking(inner)]), world.go, mode)
    assert "`helper` was not run" in world.tool_texts(out)[0]
    assert world.ran == []
    assert len(world.decided("model_call")) == 2  # both of the outer agent's


@pytest.mark.parametrize("mode", MODES)
def test_raising_raises_for_an_agent_that_may_not_be_asked(world, mode):
    guard = world.guard(NO_HELPER)
    inner = world.agent(guard, name="helper", on_denied="raise")
    turn = world.turn(world.call("ask", task="pay x"))
    agent = world.agent(guard, turn, tools=[asking(inner)], on_denied="raise")
    with pytest.raises(ActionDenied, match="alone"):
        run(agent, world.go, mode)


def test_three_levels_make_a_chain_of_three(world):
    guard = world.guard(ALLOW)
    third = world.agent(guard, world.turn(world.call("pay", to="x")), name="third")
    turn = world.turn(world.call("ask", task="t"))
    second = world.agent(guard, turn, tools=[asking(third)], name="second")
    world.agent(guard, turn, tools=[asking(second)]).invoke(world.go)
    paid = acting(world, "pay")
    assert paid["principal"]["id"] == "agent/second/third"
    assert paid["principal"]["chain"] == ["agent", "agent/second"]
    assert paid["facts"]["session"]["depth"] == 2


def team(world: Any, guard: Any, saver: Any = None) -> Any:
    @tool
    def to_bob(task: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command:
        "Hand over to bob."
        told = ToolMessage("over", tool_call_id=tool_call_id)
        return Command(goto="bob", graph=Command.PARENT, update={"messages": [told]})

    first = world.turn(world.call("read_file", path="/a"))
    alice = world.agent(
        guard,
        first,
        world.turn(world.call("to_bob", "2", task="t")),
        tools=[world.read_file, to_bob],
    )
    pays = world.turn(world.call("pay", "3", to="x"))
    graph = StateGraph(MessagesState)
    graph.add_node("alice", alice)
    graph.add_node("bob", world.agent(guard, pays, pays))
    return graph.add_edge(START, "alice").compile(checkpointer=saver)


@pytest.mark.parametrize("mode", MODES)
def test_who_was_handed_the_conversation_acts_on_behalf_of_who_had_it(world, mode):
    guard = world.guard(ALLOW)
    run(team(world, guard), world.go, mode)
    read, paid = acting(world, "read_file"), acting(world, "pay")
    assert "chain" not in read["principal"]
    assert paid["principal"]["id"] == "agent/bob"
    assert paid["principal"]["chain"] == ["agent"]
    assert (paid["session"], paid["run"]) == (read["session"], read["run"])
    assert acting(world, "bob", "delegation")["principal"]["id"] == "agent"


def test_a_suspended_run_goes_on_as_the_agent_that_it_was_handed_to(world):
    policy = """
approvers: [payers]
default_action: allow
rules: [{name: ask, tool: pay, agent: bob, action: require_approval}]
"""
    guard = world.guard(policy, approvers={"payers": ["os:alice"]})
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "t"}}
    (asked,) = team(world, guard, saver).invoke(world.go, config)["__interrupt__"]
    assert world.ran == [("read_file", "/a")]
    answer = {"approved": True, "by": "os:alice"}
    team(world, guard, saver).invoke(Command(resume={asked.id: answer}), config)
    assert world.ran[1:] == [("pay", "x", 1)]
    assert acting(world, "pay")["principal"]["id"] == "agent/bob"


def test_coverage_finds_agents_in_tools_and_in_graphs(world):
    guard = world.guard(ALLOW)
    raw = create_agent(world.scripted(answers=[]), [world.pay], name="raw")
    agent = world.agent(
        guard, tools=[world.read_file, asking(raw)], name="boss", store=InMemoryStore()
    )
    graph = StateGraph(MessagesState).add_node("boss", agent).add_edge(START, "boss").compile()
    found = {(one.owner, one.kind, one.name): one for one in coverage(graph)}
    assert {key for key, one in found.items() if one.governed} == {
        ("boss", "model_call", "scripted-1"),
        ("boss", "tool_call", "read_file"),
        ("boss", "tool_call", "ask"),
        ("boss", "delegation", "raw"),
    }
    assert {key: one.why for key, one in found.items() if not one.governed} == {
        (
            "boss",
            "memory_write",
            "InMemoryStore",
        ): "the store asks nobody; put the GovernedMemory of wardline-langgraph in front of it",
        ("raw", "model_call", "scripted-1"): "its agent has no WardlineMiddleware",
        ("raw", "tool_call", "pay"): "its agent has no WardlineMiddleware",
    }
    assert coverage("no agent") == []
