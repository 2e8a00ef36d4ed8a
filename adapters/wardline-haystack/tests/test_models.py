"""Model calls, what goes in and out, and what is streamed of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from haystack import Pipeline
from haystack.components.generators.chat import MockChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret

from wardline import ActionDenied, ConfigurationError
from wardline_haystack import govern

HOW = pytest.mark.parametrize("how", ["sync", "async"])


def run(agent: Any, how: str, text: str = "go", **given: Any) -> Any:
    given = {"messages": [ChatMessage.from_user(text)], **given}
    return agent.run(**given) if how == "sync" else asyncio.run(agent.run_async(**given))


def streamed(agent: Any, how: str, **given: Any) -> tuple[Any, str]:
    """Run with a callback; return the output and all that the callback saw."""
    seen: list[str] = []

    async def show(chunk: Any) -> None:
        seen.append(chunk.content)

    def show_now(chunk: Any) -> None:
        seen.append(chunk.content)

    out = run(agent, how, streaming_callback=show_now if how == "sync" else show, **given)
    return out, "".join(seen)


@HOW
def test_a_refused_model_call_ends_the_run_with_the_refusal(world: Any, how: str) -> None:
    policy = """
default_action: allow
limits:
  - {name: twice, count: model_calls, at_most: 1, per: run}
"""
    agent = world.agent(policy, world.turn(("read_file", {"path": "/a"})))
    out = run(agent, how)
    assert out["exit_reason"] == "refused"
    assert "twice" in out["last_message"].text
    assert world.decided("model_call") == [("mock-model", "succeeded"), ("mock-model", "refused")]
    with pytest.raises(ActionDenied, match="twice"):
        run(world.agent(policy, world.turn(("read_file", {"path": "/a"})), on_denied="raise"), how)


@HOW
def test_tokens_that_the_model_reports_are_counted(world: Any, how: str) -> None:
    policy = """
default_action: allow
limits:
  - {name: budget, count: tokens, at_most: 99, per: run}
"""
    usage = {"usage": {"prompt_tokens": 60, "completion_tokens": 40}}
    answer = world.turn(("read_file", {"path": "/a"}))
    answer.meta.update(usage)
    out = run(world.agent(policy, answer), how)
    assert "budget" in out["last_message"].text


@HOW
def test_an_answer_is_judged_before_it_is_streamed(world: Any, how: str) -> None:
    policy = """
default_action: allow
rules:
  - name: hush
    on: model_call.after
    condition: "action.result.contains('secret')"
    action: deny
"""
    out, seen = streamed(world.agent(policy, "the secret is out"), how)
    assert "hush" in out["last_message"].text
    assert out["exit_reason"] == "refused"
    assert "secret" not in seen
    assert "hush" in seen
    out, seen = streamed(world.agent(policy, "nothing to see"), how)
    assert seen == out["last_message"].text == "nothing to see"


@HOW
def test_an_answer_is_streamed_as_it_comes_where_no_rule_is_on_it(world: Any, how: str) -> None:
    class Watched(MockChatGenerator):
        def run(self, *args: Any, tools: Any = None, **kwargs: Any) -> Any:
            out = super().run(*args, **kwargs)
            self.behind = len(seen)
            return out

        async def run_async(self, *args: Any, tools: Any = None, **kwargs: Any) -> Any:
            out = await super().run_async(*args, **kwargs)
            self.behind = len(seen)
            return out

    seen: list[str] = []

    async def show(chunk: Any) -> None:
        seen.append(chunk.content)

    model = Watched("one two three")
    agent = world.agent("default_action: allow", model=model)
    run(
        agent, how, streaming_callback=(lambda c: seen.append(c.content)) if how == "sync" else show
    )
    assert model.behind == 3


@HOW
def test_the_final_answer_is_changed_before_it_is_streamed(world: Any, how: str) -> None:
    policy = """
default_action: allow
rules:
  - {name: hide, on: output, tool: output, action: transform, set: {args.text: "has(args.text) ? '[' + args.text + ']' : ''"}}
"""
    out, seen = streamed(world.agent(policy, "so it is"), how)
    assert out["last_message"].text == seen == "[so it is]"
    # The callback that the model was made with is held back as well.
    seen_by_model: list[str] = []
    model = MockChatGenerator("so", streaming_callback=lambda c: seen_by_model.append(c.content))
    run(world.agent(policy, model=model), "sync")
    assert seen_by_model == ["[so]"]


def test_a_tool_that_ends_the_run_gives_the_final_answer(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - {name: hide, on: output, tool: output, action: transform, set: {args.text: "'***'"}}
"""
    agent = world.agent(
        policy, world.turn(("read_file", {"path": "/a"})), exit_conditions=["read_file"]
    )
    out = run(agent, "sync")
    assert world.results(out) == [("***", False)]
    policy = "default_action: allow\nrules:\n  - {name: no, on: output, action: deny}\n"
    agent = world.agent(
        policy, world.turn(("read_file", {"path": "/a"})), exit_conditions=["read_file"]
    )
    out = run(agent, "sync")
    assert out["exit_reason"] == "refused"
    assert "contents" not in str(out["last_message"])


@HOW
def test_what_the_user_says_is_judged_and_changed(world: Any, how: str) -> None:
    policy = """
default_action: allow
rules:
  - name: stop
    on: input
    condition: "has(args.text) && args.text.contains('rm -rf')"
    action: deny
  - name: polite
    on: input
    condition: "has(args.text) && args.text == 'please'"
    action: transform
    set: {args.text: "'thank you'"}
"""
    guard = world.guard(policy)
    out = run(world.agent(guard), how, "rm -rf /")
    assert out["exit_reason"] == "refused"
    assert "stop" in out["last_message"].text
    assert world.decided("model_call") == []
    out = run(world.agent(guard, model=MockChatGenerator()), how, "please")
    assert out["last_message"].text == "thank you"
    with pytest.raises(ActionDenied, match="stop"):
        run(world.agent(guard, on_denied="raise"), how, "rm -rf /")


def test_only_what_was_said_since_the_model_spoke_is_judged_again(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - {name: stop, on: input, condition: "has(args.text) && args.text.contains('old')", action: deny}
"""
    said = [ChatMessage.from_user("old"), ChatMessage.from_assistant("yes")]
    out = world.agent(policy).run(messages=[*said, ChatMessage.from_user("new")])
    assert out["exit_reason"] == "text"


def test_rules_read_the_conversation_where_they_ask_for_it(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - name: long
    on: model_call
    condition: "has(args.messages) && args.messages.exists(m, m.type == 'user' && m.text == 'bye')"
    action: deny
"""
    guard = world.guard(policy)
    assert run(world.agent(guard), "sync")["exit_reason"] == "text"
    assert run(world.agent(guard), "sync", "bye")["exit_reason"] == "refused"


@HOW
def test_tools_of_the_models_provider_are_refused_before_it_is_asked(world: Any, how: str) -> None:
    model = OpenAIResponsesChatGenerator(
        api_key=Secret.from_token("none"), tools=[{"type": "web_search"}]
    )
    out = run(world.agent("default_action: allow", model=model, tools=[]), how)
    assert out["exit_reason"] == "refused"
    assert "web_search" in out["last_message"].text
    assert "executes it by itself" in out["last_message"].text
    assert world.decided("model_call") == []
    assert world.decided() == [("web_search", "refused")]


def test_a_generator_in_a_pipeline_is_governed(world: Any) -> None:
    policy = "default_action: allow\nlimits:\n  - {name: none, count: model_calls, at_most: 0, per: run}\n"
    pipeline = Pipeline()
    pipeline.add_component("llm", MockChatGenerator("hello"))
    pipeline.run({"llm": {"messages": [ChatMessage.from_user("go")]}})
    govern(pipeline, world.guard(policy))
    with pytest.raises(Exception, match="none") as caught:
        pipeline.run({"llm": {"messages": [ChatMessage.from_user("go")]}})
    assert isinstance(caught.value.__cause__, ActionDenied)
    with pytest.raises(Exception, match="none"):
        asyncio.run(pipeline.run_async({"llm": {"messages": [ChatMessage.from_user("go")]}}))


def test_one_generator_may_serve_agents_under_two_guards(world: Any) -> None:
    model = MockChatGenerator("hello")
    refusing = "default_action: allow\nrules:\n  - {name: no, on: model_call, action: deny}\n"
    strict = world.agent(refusing, model=model)
    lenient = world.agent("default_action: allow", model=model)
    assert "no" in run(strict, "sync")["last_message"].text
    assert run(lenient, "sync")["last_message"].text == "hello"
    assert model.run([ChatMessage.from_user("go")])["replies"][0].text == "hello"


def test_a_rule_that_asks_about_the_final_answer_refuses_to_start(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - {name: ask, on: output, action: require_approval, approvers: [a]}
"""
    with pytest.raises(ConfigurationError, match="cannot wait"):
        world.agent(policy)
