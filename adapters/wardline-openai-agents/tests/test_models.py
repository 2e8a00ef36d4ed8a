"""Models, and what goes in and out: judged before it is used, whoever made the model."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import (
    Agent,
    CodeInterpreterTool,
    HostedMCPTool,
    LocalShellTool,
    ModelProvider,
    ModelSettings,
    RunConfig,
    Runner,
    WebSearchTool,
)
from openai.types.responses import ResponseFunctionWebSearch, ResponseReasoningItem
from openai_world import Scripted, call, outputs, say
from pydantic import BaseModel

from wardline import ActionDenied
from wardline_openai_agents import govern

NO_PAY = "rules: [{name: no-pay, tool: pay, action: deny}]"


class Provider(ModelProvider):
    def __init__(self, **models: Any) -> None:
        self.models = models
        self.closed = 0

    def get_model(self, model_name: str | None) -> Any:
        return self.models[model_name or "default"]

    async def aclose(self) -> None:
        self.closed += 1


def play(agent: Agent[Any], input: Any = "go", **options: Any) -> Any:
    return asyncio.run(Runner.run(agent, input, **options))


def stream(agent: Agent[Any], input: Any = "go", **options: Any) -> tuple[str, Any]:
    async def main() -> tuple[str, Any]:
        seen: list[str] = []
        result = Runner.run_streamed(agent, input, **options)
        async for event in result.stream_events():
            data = getattr(event, "data", None)
            seen.append(str(data if data is not None else getattr(event, "item", "")))
        return "\n".join(seen), result

    return asyncio.run(main())


@pytest.mark.parametrize("where", ["agent", "run", "run model", "default"])
def test_a_model_that_is_named_is_governed_wherever_it_is_named(world, where):
    model = Scripted([call("pay", "1", to="bob")])
    agent = Agent("a", model="m" if where == "agent" else None, tools=world.tools)
    config = RunConfig(model_provider=Provider(m=model, default=model))
    if where == "run":
        config.model = "m"
    if where == "run model":
        config.model = model
    play(govern(agent, world.guard(NO_PAY)), run_config=config)
    assert world.ran == []
    assert "no-pay" in outputs(model)["1"]
    assert len(world.records("intent", kind="model_call")) == 2
    (refused,) = world.records("refusal")
    assert refused["by"] == "screening"


def test_an_agent_as_a_tool_asks_its_named_model_under_the_guard_once(world):
    inner = Scripted([call("pay", "1", to="bob")])
    provider = Provider(m=inner, o=Scripted([call("ask", "1", input="x")]))
    tool = Agent("b", model="m", tools=world.tools).as_tool("ask", "")
    agent = Agent("a", model="o", tools=[tool])
    play(govern(agent, world.guard(NO_PAY)), run_config={"model_provider": provider})
    assert "no-pay" in outputs(inner)["1"]
    assert len(world.records("intent", kind="model_call")) == 4


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refused_model_call_is_told_and_asks_nobody(world, streamed):
    guard = world.guard("""
rules: [{name: not-now, on: model_call, action: deny}]
""")
    model = Scripted([say("hello")])
    agent = govern(Agent("a", model=model), guard)
    done = stream(agent)[1] if streamed else play(agent)
    assert "not-now" in done.final_output
    assert model.asked == []
    raising = govern(Agent("a", model=model), guard, on_denied="raise")
    with pytest.raises(ActionDenied, match="not-now"):
        stream(raising) if streamed else play(raising)


@pytest.mark.parametrize("streamed", [False, True])
def test_tokens_count_as_the_model_reports_them(world, streamed):
    guard = world.guard("limits: [{name: few, count: tokens, at_most: 25, per: run}]")
    model = Scripted(*([call("pay", str(n), to="bob", amount=n)] for n in range(9)), tokens=10)
    agent = govern(Agent("a", model=model, tools=world.tools), guard)
    done = stream(agent)[1] if streamed else play(agent)
    assert "few" in done.final_output
    assert len(model.asked) == 3


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        (WebSearchTool(), "web_search"),
        (
            CodeInterpreterTool(tool_config={"type": "code_interpreter", "container": "c"}),
            "code_interpreter",
        ),
        (HostedMCPTool(tool_config={"type": "mcp", "server_label": "books"}), "books"),
        (LocalShellTool(executor=lambda request: "ran"), "local_shell"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_runs_past_function_tools_is_refused_before_the_model_hears_of_it(
    world, tool, name, streamed
):
    model = Scripted([say("hello")])
    agent = govern(Agent("a", model=model, tools=[tool, world.pay]), world.guard())
    done = stream(agent)[1] if streamed else play(agent)
    assert model.asked == []
    assert name in done.final_output
    assert "Take it off the agent" in done.final_output
    assert len(world.records("refusal", kind="model_call")) == 1


def test_tools_in_the_settings_and_stored_prompts_are_refused(world):
    model = Scripted()
    settings = ModelSettings(extra_body={"tools": [{"type": "web_search"}]})
    guard = world.guard()
    assert (
        "ModelSettings"
        in play(govern(Agent("a", model=model, model_settings=settings), guard)).final_output
    )
    stored = Agent("a", model=model, prompt={"id": "pmpt_1"})
    assert "stored `prompt`" in play(govern(stored, guard)).final_output
    assert model.asked == []


@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_in_which_the_provider_has_run_something_is_not_used(world, streamed):
    search = ResponseFunctionWebSearch(
        id="w", type="web_search_call", status="completed", action={"type": "search", "query": "x"}
    )
    model = Scripted([search, call("pay", "1", to="bob"), say("found it")])
    agent = govern(Agent("a", model=model, tools=world.tools), world.guard())
    done = stream(agent)[1] if streamed else play(agent)
    assert world.ran == []
    assert "web_search_call" in done.final_output


@pytest.mark.parametrize("streamed", [False, True])
def test_what_a_model_says_is_redacted_in_every_form(world, streamed):
    guard = world.guard("""
rules:
  - {name: hide, on: model_call.after, action: transform,
     set: {result: "action.result.replace('SECRET', '[gone]')"}}
""")
    model = Scripted(
        [say("think SECRET first"), call("pay", "1", to="bob")], [say("the SECRET word")]
    )
    agent = govern(Agent("a", model=model, tools=world.tools), guard)
    if streamed:
        seen, done = stream(agent)
        assert "SECRET" not in seen
    else:
        done = play(agent)
    assert done.final_output == "the [gone] word"
    assert "SECRET" not in str(model.asked[-1])
    assert world.ran == [("pay", "bob", 1)]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_output_is_judged_before_anybody_hears_it(world, streamed):
    guard = world.guard("""
rules:
  - {name: no-secret, on: output, condition: "has(args.text) && args.text.contains('SECRET')", action: deny}
""")
    agent = govern(Agent("a", model=Scripted([say("the SECRET word")])), guard)
    if streamed:
        seen, done = stream(agent)
        assert "SECRET" not in seen
    else:
        done = play(agent)
    assert "no-secret" in done.final_output
    allowed = govern(Agent("a", model=Scripted([say("the open word")])), guard)
    assert (stream(allowed)[1] if streamed else play(allowed)).final_output == "the open word"


def test_a_tool_whose_result_ends_the_run_is_judged_as_output(world):
    guard = world.guard("""
rules: [{name: no-secret, on: output, condition: "has(args.text) && args.text.contains('SECRET')", action: deny}]
""")
    for behaviour in ("stop_on_first_tool", {"stop_at_tool_names": ["read_file"]}):
        model = Scripted([call("read_file", "1", path="p")])
        agent = Agent("a", model=model, tools=world.tools, tool_use_behavior=behaviour)
        assert "no-secret" in play(govern(agent, guard)).final_output
    model = Scripted([call("pay", "1", to="bob")])
    agent = Agent("a", model=model, tools=world.tools, tool_use_behavior="stop_on_first_tool")
    assert play(govern(agent, guard)).final_output == "paid bob"
    model = Scripted([call("pay", "1", to="bob")])
    agent = Agent(
        "a", model=model, tools=world.tools, tool_use_behavior={"stop_at_tool_names": ["other"]}
    )
    assert play(govern(agent, guard)).final_output == "done"


class Report(BaseModel):
    text: str


def test_a_structured_answer_is_judged_and_never_bent(world):
    guard = world.guard("""
rules:
  - {name: hide, on: output, condition: "has(args.text) && args.text.contains('SECRET')", action: transform,
     set: {args.text: "'gone'"}}
""")
    fine = Agent("a", model=Scripted([say('{"text": "fine"}')]), output_type=Report)
    assert play(govern(fine, guard)).final_output == Report(text="fine")
    bad = Agent("a", model=Scripted([say('{"text": "SECRET"}')]), output_type=Report)
    with pytest.raises(ActionDenied, match="structured"):
        play(govern(bad, guard))


def test_what_is_said_beside_a_call_stays_when_reasoning_must(world):
    guard = world.guard("""
rules:
  - {name: hide, on: model_call.after, condition: "action.result.contains('SECRET')",
     action: transform, set: {result: "'[gone]'"}}
""")
    reasoning = ResponseReasoningItem(
        id="rs", type="reasoning", summary=[{"type": "summary_text", "text": "SECRET plan"}]
    )
    model = Scripted([reasoning, say("SECRET"), call("pay", "1", to="bob")])
    play(govern(Agent("a", model=model, tools=world.tools), guard))
    assert world.ran == [("pay", "bob", 1)]
    heard = str(model.asked[-1])
    assert "SECRET" not in heard
    assert "'rs'" in heard


@pytest.mark.parametrize("streamed", [False, True])
def test_refused_input_reaches_neither_model_nor_memory(world, streamed):
    from agents import SQLiteSession

    guard = world.guard("""
rules: [{name: no-secret, on: input, condition: "has(args.text) && args.text.contains('SECRET')", action: deny}]
""")
    model = Scripted()
    agent = govern(Agent("a", model=model), guard)
    memory = SQLiteSession("s")
    options: dict[str, Any] = {"session": memory}
    done = stream(agent, "SECRET", **options)[1] if streamed else play(agent, "SECRET", **options)
    assert "no-secret" in done.final_output
    assert model.asked == []
    assert "SECRET" not in str(asyncio.run(memory.get_items()))
    raising = govern(Agent("a", model=model), guard, on_denied="raise")
    with pytest.raises(ActionDenied):
        stream(raising, "SECRET") if streamed else play(raising, "SECRET")


def test_input_is_changed_before_the_model_hears_it(world):
    guard = world.guard("""
rules:
  - {name: hide, on: input, action: transform,
     set: {args.text: "has(args.text) ? args.text.replace('SECRET', '[gone]') : ''"}}
""")
    model = Scripted()
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "a SECRET"}]},
        {"role": "assistant", "content": "hm"},
        {"role": "user", "content": "my SECRET"},
    ]
    play(govern(Agent("a", model=model), guard), items)
    assert Runner.run_sync(govern(Agent("a", model=model), guard), "SECRET").final_output == "done"
    assert "SECRET" not in str(model.asked)
    assert "a [gone]" in str(model.asked[0])


def test_a_rule_reads_what_the_model_is_sent(world):
    guard = world.guard("""
rules:
  - name: no-word
    on: model_call
    condition: "has(args.messages) && args.messages.exists(m, m.type == 'user' && m.text.contains('word'))
      && has(args.tools) && 'pay' in args.tools"
    action: deny
""")
    agent = govern(Agent("a", model=Scripted(), tools=world.tools, instructions="Be kind."), guard)
    assert "no-word" in play(agent, "the word").final_output
    assert play(agent, "a text").final_output == "done"


def test_a_provider_that_the_run_made_is_closed_with_it(world, monkeypatch):
    provider = Provider(default=Scripted())
    monkeypatch.setattr(
        "wardline_openai_agents._runner.RunConfig", lambda: RunConfig(model_provider=provider)
    )
    play(govern(Agent("a"), world.guard()))
    assert provider.closed == 1
