"""Tool calls: every way in which CrewAI starts a tool, and what it would do behind the guard's back."""

from __future__ import annotations

import asyncio

import pytest
from crewai.hooks import HookAborted, InterceptionPoint, clear_all_hooks, register_hook
from crewai.hooks.dispatch import scoped_hooks
from crewai.tools import BaseTool, tool
from pydantic import BaseModel, Field

from wardline import ActionDenied, ConfigurationError
from wardline_crewai import govern

NO_DELETE = "rules: [{name: no-delete, tool: delete_file, action: deny, reason: keep it}]"


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("way", ["crew", "agent", "async agent"])
def test_denied_in_every_way(world, native, way):
    first = (
        [world.call("delete_file", path="/a")] if native else world.react("delete_file", path="/a")
    )
    agent = world.agent(first, "Thought: k\nFinal Answer: done", native=native)
    guard = world.guard(NO_DELETE)
    if way == "crew":
        govern(world.crew(agent), guard).kickoff()
    elif way == "agent":
        govern(agent, guard).kickoff("go")
    else:
        asyncio.run(govern(agent, guard).akickoff("go"))
    assert world.ran == []
    assert world.decided() == [("delete_file", "refused")]
    assert "refused by the rule `no-delete`: keep it" in str(world.heard[-1])


def test_text_calls_run_once_and_are_recorded(world):
    agent = world.agent(
        world.react("pay", to="bob"), "Thought: k\nFinal Answer: done", native=False
    )
    result = govern(world.crew(agent), world.guard("rules: []")).kickoff()
    assert (result.raw, world.ran) == ("done", [("pay", "bob", 1)])
    assert world.decided() == [("pay", "succeeded")]
    assert "paid bob" in str(world.heard[-1])


def test_hooks_that_other_code_clears_change_nothing(world):
    """CrewAI's own registry can be emptied by anybody; the guard does not stand there."""

    def clearing(context):
        clear_all_hooks()

    with scoped_hooks({InterceptionPoint.PRE_MODEL_CALL: [clearing]}):
        crew = world.crew(world.agent([world.call("delete_file", path="/a")]))
        govern(crew, world.guard(NO_DELETE)).kickoff()
    assert world.ran == []


def test_a_hook_that_rewrites_a_refused_call_does_not_free_it(world):
    def hook(context):
        context.tool_input["path"] = "/allowed"

    rules = """
rules:
  - {name: not-there, tool: read_file, condition: "args.path.startsWith('/etc')", action: deny}
"""
    register_hook(InterceptionPoint.PRE_TOOL_CALL, hook)
    try:
        crew = world.crew(world.agent([world.call("read_file", path="/etc/passwd")]))
        govern(crew, world.guard(rules)).kickoff()
    finally:
        clear_all_hooks()
    assert world.ran == []
    assert world.decided() == [("read_file", "refused")]


def test_a_broken_policy_lets_nothing_run(world):
    """A hook that raises is swallowed by CrewAI, and the tool runs. An error while judging denies."""
    rules = """
rules:
  - {name: sums, tool: pay, condition: "args.amount / 0 > 1", action: deny}
"""
    crew = world.crew(world.agent([world.call("pay", to="bob", amount=3)]))
    govern(crew, world.guard(rules)).kickoff()
    assert world.ran == []
    assert world.decided() == [("pay", "refused")]


def test_transform_and_redaction_reach_tool_and_model(world):
    rules = """
rules:
  - {name: small, tool: pay, action: transform, set: {args.amount: "5"}}
  - {name: hush, on: tool_call.after, tool: pay, action: transform, set: {action.result: "'[gone]'"}}
"""
    crew = world.crew(world.agent([world.call("pay", to="bob", amount=500)]))
    govern(crew, world.guard(rules)).kickoff()
    assert world.ran == [("pay", "bob", 5)]
    assert world.tool_texts() == ["[gone]"]


def test_a_cached_result_is_not_handed_out_without_a_question(world):
    rules = "limits: [{name: once, count: calls, tool: pay, at_most: 1, per: session}]\nrules: []"
    again = [world.call("pay", to="bob")]
    crew = world.crew(world.agent(again, list(again), list(again)), cache=True)
    govern(crew, world.guard(rules)).kickoff()
    assert world.ran == [("pay", "bob", 1)]
    assert [outcome for _, outcome in world.decided()] == ["succeeded", "refused", "refused"]


def test_raise_ends_the_run_with_the_refusal_as_its_cause(world):
    calls = [world.call("pay", "1", to="bob"), world.call("delete_file", "2", path="/a")]
    crew = govern(world.crew(world.agent(calls)), world.guard(NO_DELETE), on_denied="raise")
    with pytest.raises(HookAborted, match="no-delete") as raised:
        crew.kickoff()
    assert isinstance(raised.value.__cause__, ActionDenied)
    assert world.ran == []  # nothing of the answer, and the model was not asked again
    assert len(world.heard) == 1


def test_a_usage_limit_of_the_tool_still_counts(world):
    @tool("once", max_usage_count=1)
    def once(path: str) -> str:
        "Do it once."
        world.ran.append(path)
        return "did it"

    script = [[world.call("once", path=p)] for p in "ab"]
    govern(world.crew(world.agent(*script, tools=[once])), world.guard("rules: []")).kickoff()
    assert world.ran == ["a"]
    assert "usage limit" in world.tool_texts()[-1]


def test_defaults_and_coercions_are_judged(world):
    class Sum(BaseModel):
        to: str
        amount: int = Field(default=7)

    class Payment(BaseTool):
        name: str = "pay"
        description: str = "Pay."
        args_schema: type[BaseModel] = Sum

        def _run(self, to: str, amount: int) -> str:
            world.ran.append((to, amount))
            return "paid"

    rules = "rules: [{name: seven, tool: pay, condition: 'args.amount == 7', action: deny}]"
    script = [[world.call("pay", "1", to="a"), world.call("pay", "2", to="b", amount="8")]]
    govern(world.crew(world.agent(*script, tools=[Payment()])), world.guard(rules)).kickoff()
    assert world.ran == [("b", 8)]


def test_arguments_that_a_rule_adds_and_the_tool_does_not_take_run_nothing(world):
    """CrewAI drops them without a word, and what was judged would not be what runs."""
    rules = "rules: [{name: cap, tool: read_file, action: transform, set: {args.lines: '10'}}]"
    crew = world.crew(world.agent([world.call("read_file", path="/a")]))
    govern(crew, world.guard(rules)).kickoff()
    assert world.ran == []
    assert world.decided() == [("read_file", "failed")]
    assert "does not take as they are" in world.tool_texts()[0]


def test_two_tools_of_one_name_refuse_to_start(world):
    @tool("Read File")
    def other(path: str) -> str:
        "Read another."
        return ""

    crew = govern(
        world.crew(world.agent("x", tools=[world.read_file, other])), world.guard("rules: []")
    )
    with pytest.raises(ActionDenied, match="two tools that models know as `read_file`"):
        crew.kickoff()


def test_an_argument_that_is_no_object_runs_nothing(world):
    broken = world.call("pay")
    broken["function"]["arguments"] = "{not json"
    govern(world.crew(world.agent([broken])), world.guard("rules: []")).kickoff()
    assert world.ran == []
    assert "Failed to parse" in world.tool_texts()[-1]


def test_a_model_that_would_start_functions_itself_is_refused(world):
    model = govern(world.agent("x"), world.guard("rules: []")).llm
    with pytest.raises(ActionDenied, match="available_functions"):
        model.call("go", available_functions={"pay": world.pay.run})
    assert world.heard == []


def test_a_tool_of_another_make_is_named(world):
    from wardline_crewai._governor import Governor
    from wardline_crewai._tools import governed_tools

    governor = Governor(world.guard("rules: []"))
    turn = governor.here()
    turn.agent = world.agent("x")
    with pytest.raises(ConfigurationError, match="is a dict, which cannot be governed"):
        governed_tools(governor, turn, [{"type": "web_search"}], lambda one: one)


def test_a_tool_inside_a_tool_and_a_direct_start_are_refused(world):
    @tool("outer")
    def outer(path: str) -> str:
        "Call another tool."
        return world.delete_file.run(path=path)

    script = [world.call("outer", path="/a")]
    agent = world.agent(script, tools=[outer, world.delete_file])
    govern(world.crew(agent), world.guard("rules: []")).kickoff()
    assert world.ran == []
    assert "started inside `outer`" in world.tool_texts()[0]
    with pytest.raises(ActionDenied, match="no guard has decided about it"):
        world.delete_file.run(path="/b")
    assert world.ran == []


def test_without_the_backstop_other_code_may_start_the_tools(world):
    agent = world.agent([world.call("pay", to="bob")])
    govern(world.crew(agent), world.guard("rules: []"), backstop=False).kickoff()
    assert world.pay.run(to="ann") == "paid ann"
    assert [who for _, who, _ in world.ran] == ["bob", "ann"]
