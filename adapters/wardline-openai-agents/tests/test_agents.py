"""Agents in agents: handoffs, agents as tools, agents that nobody told us about."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Agent, Runner, RunState, function_tool, handoff
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner
from openai_world import Scripted, call, outputs, say

from wardline import ActionDenied, ConfigurationError
from wardline_openai_agents import coverage, govern

NO_PAY = "rules: [{name: no-pay, tool: pay, action: deny}]"
NO_B = """
rules: [{name: no-b, on: delegation, condition: "action.name == 'b'", action: deny}]
"""


def play(agent: Agent[Any], **options: Any) -> Any:
    return asyncio.run(Runner.run(agent, "go", **options))


def test_the_agent_that_is_handed_over_to_is_governed_and_acts_for_the_first(world):
    inner = Scripted([call("pay", "1", to="bob")])
    b = Agent("b", model=inner, tools=[world.pay])
    a = Agent("a", model=Scripted([call("transfer_to_b", "h")]), handoffs=[b])
    play(govern(a, world.guard(NO_PAY)))
    assert world.ran == []
    assert "no-pay" in outputs(inner)["1"]
    (handed,) = world.records("intent", kind="delegation")
    (refused,) = world.records("refusal", kind="tool_call")
    assert (handed["name"], handed["principal"]["id"]) == ("b", "agent")
    assert refused["principal"] == {"id": "agent/b", "name": "b", "chain": ["agent"]}
    assert handed["session"] == refused["session"]


def test_a_refused_handoff_leaves_the_agent_in_charge_and_says_so(world):
    inner, outer = Scripted([say("b speaks")]), Scripted([call("transfer_to_b", "h")])
    a = Agent("a", model=outer, handoffs=[handoff(Agent("b", model=inner))])
    done = play(govern(a, world.guard(NO_B)))
    assert (inner.asked, done.final_output, done.last_agent.name) == ([], "done", "a")
    assert "no-b" in outputs(outer)["h"]


def test_agents_may_hand_over_in_circles(world):
    a = Agent("a", model=Scripted([call("transfer_to_b", "1")], [say("a again")]))
    b = Agent("b", model=Scripted([call("transfer_to_a", "2")]), handoffs=[a])
    a.handoffs.append(b)
    assert play(govern(a, world.guard())).final_output == "a again"
    names = [one["name"] for one in world.records("intent", kind="delegation")]
    assert names == ["b", "a"]


def test_ADPT_5_an_agent_as_a_tool_is_governed_below_the_outer_one(world):
    inner = Scripted([call("pay", "1", to="bob")])
    helper = Agent("helper", model=inner, tools=[world.pay])
    outer = Scripted([call("ask", "1", input="pay bob")])
    play(
        govern(Agent("a", model=outer, tools=[helper.as_tool("ask", "Ask.")]), world.guard(NO_PAY))
    )
    assert world.ran == []
    assert "no-pay" in outputs(inner)["1"]
    (asked,) = world.records("intent", kind="delegation")
    (refused,) = world.records("refusal", kind="tool_call")
    assert asked["name"] == "helper"
    assert refused["principal"]["id"] == "agent/helper"
    assert refused["session"].startswith(asked["session"] + "/")


def test_a_delegation_to_an_agent_as_a_tool_can_be_refused(world):
    inner = Scripted()
    outer = Scripted([call("ask", "1", input="pay bob")])
    tool = Agent("b", model=inner).as_tool("ask", "Ask.")
    play(govern(Agent("a", model=outer, tools=[tool]), world.guard(NO_B)))
    assert inner.asked == []
    assert "no-b" in outputs(outer)["1"]


def test_an_agent_that_a_tool_starts_by_itself_is_governed_without_being_told(world):
    inner = Scripted([call("pay", "1", to="bob")])

    @function_tool
    async def research(topic: str) -> str:
        """Research."""
        return str(
            (await Runner.run(Agent("lone", model=inner, tools=[world.pay]), topic)).final_output
        )

    @function_tool
    def sync_research(topic: str) -> str:
        """Research in a thread."""
        agent = Agent("lone", model=inner, tools=[world.pay])
        return str(asyncio.run(Runner.run(agent, topic)).final_output)

    for name in ("research", "sync_research"):
        inner.answers = [[call("pay", "1", to="bob")]]
        outer = Scripted([call(name, "1", topic="x")])
        agent = Agent("a", model=outer, tools=[research, sync_research])
        play(govern(agent, world.guard(NO_PAY)))
        assert world.ran == []
        assert "no-pay" in outputs(inner)["1"]


def test_after_the_first_govern_an_agent_that_nobody_governs_does_not_run(world):
    govern(Agent("a", model=Scripted()), world.guard())
    model = Scripted([call("pay", "1", to="bob")])
    with pytest.raises(ActionDenied, match="no guard decides about it"):
        play(Agent("other", model=model, tools=world.tools))
    assert model.asked == []


def test_without_the_backstop_other_agents_are_left_alone(world):
    set_default_agent_runner(AgentRunner())
    govern(Agent("a", model=Scripted()), world.guard(), backstop=False)
    play(Agent("other", model=Scripted([call("pay", "1", to="bob")]), tools=world.tools))
    assert world.ran == [("pay", "bob", 1)]


def test_a_run_that_was_started_past_wardline_reaches_neither_model_nor_tool(world):
    model = Scripted([call("pay", "1", to="bob")])
    agent = govern(Agent("a", model="gpt", tools=world.tools), world.guard())
    agent.model = model
    set_default_agent_runner(AgentRunner())
    with pytest.raises(ConfigurationError, match="started past Wardline"):
        play(agent)
    assert (model.asked, world.ran) == ([], [])


def test_a_clone_of_a_governed_agent_does_not_run(world):
    agent = govern(Agent("a", model=Scripted(), tools=world.tools), world.guard())
    clone = agent.clone(name="clone")
    with pytest.raises(ConfigurationError, match="clone the agent first"):
        play(clone)


def test_a_state_that_was_loaded_with_the_ungoverned_agent_does_not_run(world):
    original = Agent("a", model=Scripted([call("pay", "1", to="bob")]), tools=world.tools)
    guard = world.guard("rules: [{name: ask, tool: pay, action: require_approval}]")
    agent = govern(original, guard)
    state = play(agent).to_state().to_string()
    loaded = asyncio.run(RunState.from_string(original, state))
    loaded.approve(loaded.get_interruptions()[0])
    for who in (agent, original):
        with pytest.raises(ActionDenied):
            asyncio.run(Runner.run(who, loaded))
    assert world.ran == []


def test_two_users_at_once_on_one_governed_agent_do_not_mix(world):
    class ByName(Scripted):
        async def get_response(self, instructions: Any, input: Any, *a: Any, **k: Any) -> Any:
            await asyncio.sleep(0.01)
            spoken = any(isinstance(one, dict) and "call_id" in one for one in input)
            self.answers = [[say("done")] if spoken else [call("pay", "1", to=input[0]["content"])]]
            return await super().get_response(instructions, input, *a, **k)

    guard = world.guard("limits: [{name: once, count: calls, tool: pay, at_most: 1, per: session}]")
    agent = govern(Agent("a", model=ByName(), tools=world.tools), guard)

    async def main() -> None:
        await asyncio.gather(*(Runner.run(agent, name) for name in ("ann", "bob", "carl")))

    asyncio.run(main())
    assert sorted(one[1] for one in world.ran) == ["ann", "bob", "carl"]
    assert len({one["session"] for one in world.records("intent", kind="tool_call")}) == 3


def test_two_runs_of_one_conversation_are_one_session(world):
    from agents import SQLiteSession

    guard = world.guard("limits: [{name: once, count: calls, tool: pay, at_most: 1, per: session}]")
    model = Scripted([call("pay", "1", to="ann")], [say("ok")], [call("pay", "2", to="bob")])
    agent = govern(Agent("a", model=model, tools=world.tools), guard)
    memory = SQLiteSession("thread-1")
    play(agent, session=memory)
    play(agent, session=memory)
    assert world.ran == [("pay", "ann", 1)]
    assert {one["session"] for one in world.records("intent")} == {"thread-1"}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda a, g: govern(a, g, on_denied="quietly"), "on_denied"),
        (lambda a, g: govern("agent", g), "agents.Agent"),
        (lambda a, g: govern(govern(a, g), g), "governed already"),
    ],
)
def test_a_mistake_in_govern_is_said(world, wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        wrong(Agent("a"), world.guard())


def test_a_rule_that_would_never_be_asked_refuses_to_start(world):
    rules = "rules: [{name: r, on: retrieval, action: deny}]"
    with pytest.raises(ConfigurationError, match="retrieval"):
        govern(Agent("a"), world.guard(rules))
    govern(Agent("a"), world.guard(rules), unused=("retrieval",))


def test_a_question_about_what_was_said_already_refuses_to_start(world):
    rules = "rules: [{name: r, on: output, action: require_approval}]"
    with pytest.raises(ConfigurationError, match="cannot wait"):
        govern(Agent("a"), world.guard(rules))


def test_what_is_no_agent_reaches_nothing(world):
    assert [list(coverage(one)) for one in (None, "agent", world.pay, coverage)] == [[]] * 4


def test_coverage_names_everything_that_can_be_reached(world):
    from agents import WebSearchTool

    b = Agent("b", model="gpt-b", tools=[world.pay])
    helper = Agent("helper", tools=[world.read_file])
    a = Agent("a", tools=[helper.as_tool("ask", ""), WebSearchTool()], handoffs=[b])
    found = coverage(govern(a, world.guard()))
    names = {(one.kind, one.name, one.owner, one.governed) for one in found}
    assert names == {
        ("model_call", "the SDK's default model", "a", True),
        ("tool_call", "ask", "a", True),
        ("tool_call", "web_search", "a", False),
        ("delegation", "helper", "a", True),
        ("delegation", "b", "a", True),
        ("model_call", "the SDK's default model", "helper", True),
        ("tool_call", "read_file", "helper", True),
        ("model_call", "gpt-b", "b", True),
        ("tool_call", "pay", "b", True),
    }
    assert not any(one.governed for one in coverage(a))
    assert all(one.why for one in coverage(a))


def test_the_runner_that_was_there_before_still_runs(world):
    class Counting(AgentRunner):
        runs = 0

        async def run(self, *a: Any, **k: Any) -> Any:
            self.runs += 1
            return await super().run(*a, **k)

    counting = Counting()
    set_default_agent_runner(counting)
    agent = govern(Agent("a", model=Scripted()), world.guard())
    assert play(agent).final_output == "done"
    assert counting.runs == 1
    assert get_default_agent_runner() is not counting
