"""Tools: what is judged is what runs, and what came of it is what is recorded."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from agents import (
    Agent,
    FunctionTool,
    ModelBehaviorError,
    RunHooks,
    Runner,
    function_tool,
    tool_input_guardrail,
)
from agents import ToolGuardrailFunctionOutput as Verdict
from openai_world import Scripted, call, outputs
from pydantic import BaseModel, field_validator

from wardline import ActionDenied
from wardline_openai_agents import govern

NO_EVE = """
rules: [{name: no-eve, tool: pay, condition: "args.to == 'eve'", action: deny}]
"""


def play(agent: Agent[Any], **options: Any) -> Any:
    return asyncio.run(Runner.run(agent, "go", **options))


def test_a_refused_call_is_answered_and_its_siblings_go_on(world):
    model = Scripted([call("pay", "1", to="eve"), call("pay", "2", to="bob")])
    done = play(govern(Agent("a", model=model, tools=world.tools), world.guard(NO_EVE)))
    assert world.ran == [("pay", "bob", 1)]
    assert "no-eve" in outputs(model)["1"]
    assert outputs(model)["2"] == "paid bob"
    assert done.final_output == "done"
    assert len(world.records("refusal", name="pay")) == 1


@pytest.mark.parametrize("path", ["async", "sync", "stream"])
def test_raised_refusals_leave_the_run_before_a_sibling_starts(world, path):
    model = Scripted([call("pay", "1", to="bob"), call("pay", "2", to="eve")])
    agent = govern(
        Agent("a", model=model, tools=world.tools), world.guard(NO_EVE), on_denied="raise"
    )

    async def streamed() -> None:
        async for _ in Runner.run_streamed(agent, "go").stream_events():
            pass

    with pytest.raises(ActionDenied, match="no-eve"):
        if path == "sync":
            Runner.run_sync(agent, "go")
        else:
            asyncio.run(streamed() if path == "stream" else Runner.run(agent, "go"))
    assert world.ran == []


def test_rules_see_defaults_and_coerced_arguments(world):
    guard = world.guard("""
rules: [{name: small, tool: pay, condition: "args.amount == 1.0", action: deny}]
""")
    model = Scripted([call("pay", "1", to="bob"), call("pay", "2", to="eve", amount="2")])
    play(govern(Agent("a", model=model, tools=world.tools), guard))
    assert world.ran == [("pay", "eve", 2)]


def test_the_body_runs_on_transformed_arguments_wherever_it_reads_them(world):
    seen: list[Any] = []

    @function_tool
    def send(ctx: Any, to: str) -> str:
        """Send."""
        return ""

    async def invoke(context: Any, raw: str) -> str:
        seen.append((raw, context.tool_arguments))
        return "sent"

    tool = FunctionTool("send", "Send.", send.params_json_schema, invoke)
    guard = world.guard("""
rules: [{name: to-us, tool: send, action: transform, set: {args.to: "'us'"}}]
""")
    play(govern(Agent("a", model=Scripted([call("send", to="them")]), tools=[tool]), guard))
    assert [json.loads(part) for part in seen[0]] == [{"to": "us"}, {"to": "us"}]


def test_an_argument_that_a_rule_adds_and_the_body_would_not_get_is_refused(world):
    guard = world.guard("""
rules: [{name: more, tool: pay, action: transform, set: {args.limit: "5"}}]
""")
    model = Scripted([call("pay", "1", to="bob")])
    play(govern(Agent("a", model=model, tools=world.tools), guard))
    assert world.ran == []
    assert "declare them in the tool" in outputs(model)["1"]


def test_ADPT_4_a_hook_that_rewrites_the_call_is_judged_by_what_it_wrote(world):
    class Rewriter(RunHooks[Any]):
        async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
            context.tool_call.arguments = json.dumps({"to": "eve"})

    model = Scripted([call("pay", "1", to="bob")])
    play(govern(Agent("a", model=model, tools=world.tools), world.guard(NO_EVE)), hooks=Rewriter())
    assert world.ran == []
    assert "no-eve" in outputs(model)["1"]


def test_ADPT_4_a_guardrail_cannot_change_what_was_let_through_beforehand(world):
    @tool_input_guardrail
    def rewrite(data: Any) -> Verdict:
        data.context.tool_call.arguments = json.dumps({"to": "carol"})
        return Verdict.allow()

    tool = copy.copy(world.pay)
    tool.tool_input_guardrails = [rewrite]
    guard = world.guard("""
rules: [{name: ask-eve, tool: pay, condition: "args.to == 'eve'", action: require_approval}]
""")
    model = Scripted([call("pay", "1", to="bob")])
    play(govern(Agent("a", model=model, tools=[tool]), guard))
    assert world.ran == []
    assert "changed after they were judged" in outputs(model)["1"]


def test_a_call_that_a_guardrail_stops_leaves_no_permit_open(world):
    @tool_input_guardrail
    def stop(data: Any) -> Verdict:
        return Verdict.reject_content("stopped")

    tool = copy.copy(world.pay)
    tool.tool_input_guardrails = [stop]
    guard = world.guard("""
rules: [{name: ask-eve, tool: pay, condition: "args.to == 'eve'", action: require_approval}]
""")
    model = Scripted([call("pay", "1", to="bob")])
    play(govern(Agent("a", model=model, tools=[tool]), guard))
    assert (world.ran, outputs(model)) == ([], {"1": "stopped"})
    (intent,) = world.records("intent", name="pay")
    assert len(world.records("outcome")) == len(world.records("intent"))
    assert intent["call_id"].endswith("/1")


def test_what_a_body_raises_is_recorded_and_told_as_the_tool_would(world):
    def excuse(context: Any, error: Exception) -> str:
        return f"sorry: {error}"

    @function_tool(failure_error_function=excuse)
    def polite(x: str) -> str:
        """Fail politely."""
        raise LookupError(x)

    model = Scripted([call("fails", "1", x="a"), call("polite", "2", x="b")])
    play(govern(Agent("a", model=model, tools=[world.fails, polite]), world.guard()))
    assert outputs(model)["1"].startswith("An error occurred")
    assert outputs(model)["2"] == "sorry: b"
    failed = world.records("outcome", status="failed")
    assert len(failed) == 2


def test_an_error_that_a_tool_lets_out_leaves_the_run_and_is_recorded(world):
    @function_tool(failure_error_function=None)
    def rude(x: str) -> str:
        """Fail."""
        raise LookupError(x)

    agent = govern(Agent("a", model=Scripted([call("rude", x="b")]), tools=[rude]), world.guard())
    with pytest.raises(Exception, match="Error running tool rude"):
        play(agent)
    assert len(world.records("outcome", status="failed")) == 1


def test_results_are_redacted_before_anybody_sees_them(world):
    guard = world.guard("""
rules:
  - {name: hide, on: tool_call.after, tool: read_file, action: transform,
     set: {result: "action.result.replace('SECRET', '[gone]')"}}
""")
    model = Scripted([call("read_file", "1", path="p")])
    seen: list[str] = []

    async def main() -> None:
        agent = govern(Agent("a", model=model, tools=world.tools), guard)
        async for event in Runner.run_streamed(agent, "go").stream_events():
            seen.append(str(event))

    asyncio.run(main())
    assert outputs(model) == {"1": "[gone] of p"}
    assert not any("SECRET" in one for one in seen)


def test_a_withheld_result_is_told_and_not_shown(world):
    guard = world.guard("""
rules: [{name: keep, on: tool_call.after, tool: read_file, action: deny}]
""")
    model = Scripted([call("read_file", "1", path="p")])
    play(govern(Agent("a", model=model, tools=world.tools), guard))
    assert "keep" in outputs(model)["1"]
    assert "SECRET" not in str(model.asked)


def test_arguments_that_are_no_object_are_refused(world):
    bad = call("pay", "1")
    bad.arguments = "[1]"
    worse = call("pay", "2")
    worse.arguments = "{"
    model = Scripted([bad, worse])
    play(govern(Agent("a", model=model, tools=world.tools), world.guard()))
    assert world.ran == []
    assert "not a JSON object" in outputs(model)["1"]
    assert "not JSON" in outputs(model)["2"]


class Booking(BaseModel):
    at: datetime
    local: datetime
    price: Decimal
    raw: bytes


def test_typed_arguments_arrive_typed(world):
    @function_tool(strict_mode=False)
    def book(booking: Booking, weight: float = 1.5) -> str:
        """Book."""
        world.ran.append((booking, weight))
        return "booked"

    given = {
        "at": "2026-01-02T03:04:05Z",
        "local": "2026-01-02T03:04:05",
        "price": "1.50",
        "raw": "x",
    }
    model = Scripted([call("book", "1", booking=given)])
    play(govern(Agent("a", model=model, tools=[book]), world.guard()))
    assert world.ran == [(Booking.model_validate(given), 1.5)]


class Money(BaseModel):
    cents: int

    @field_validator("cents")
    @classmethod
    def double(cls, value: int) -> int:
        return value * 2


def test_a_schema_that_does_not_leave_its_own_results_alone_is_refused(world):
    @function_tool
    def spend(money: Money) -> str:
        """Spend."""
        world.ran.append(money)
        return "spent"

    model = Scripted([call("spend", "1", money={"cents": 1})])
    play(govern(Agent("a", model=model, tools=[spend]), world.guard()))
    assert world.ran == []
    assert "does not leave arguments alone" in outputs(model)["1"]


def test_a_name_that_is_no_tool_is_refused_and_recorded(world):
    model = Scripted([call("ghost", "1"), call("pay", "2", to="bob")])
    with pytest.raises(ModelBehaviorError, match="ghost"):
        play(govern(Agent("a", model=model, tools=world.tools), world.guard()))
    assert world.ran == []
    assert [one["name"] for one in world.records("refusal")] == ["ghost"]


def test_a_tool_that_is_added_later_is_governed_too(world):
    model = Scripted([call("pay", "1", to="eve")])
    agent = govern(Agent("a", model=model), world.guard(NO_EVE))
    agent.tools.append(world.pay)
    play(agent)
    assert world.ran == []
    assert "no-eve" in outputs(model)["1"]


def test_a_wrapper_of_ones_own_around_a_governed_tool_is_behind_nothing(world):
    agent = govern(Agent("a", model=Scripted([call("pay", "1", to="bob")])), world.guard(NO_EVE))
    governed = govern(Agent("b", tools=[world.pay]), world.guards[0]).tools[0]

    async def rewrite(context: Any, raw: str) -> Any:
        return await governed.on_invoke_tool(context, json.dumps({"to": "eve"}))

    agent.tools.append(dataclasses.replace(governed, on_invoke_tool=rewrite))
    play(agent)
    assert world.ran == []
