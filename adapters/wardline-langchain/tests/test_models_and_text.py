"""Model calls, their limits, what goes in and out, and that no stream runs ahead of the judge."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain.agents.middleware import AgentMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from wardline import ActionDenied, ActionRefused

SECRET = "the code is xyzzy indeed"


def final(out: Any) -> str:
    return out["messages"][-1].content


def run(agent: Any, given: Any, mode: str, config: Any = None) -> Any:
    if mode == "invoke":
        return agent.invoke(given, config)
    return asyncio.run(agent.ainvoke(given, config))


MODES = ("invoke", "ainvoke")

TEXT = """
default_action: allow
rules:
  - {name: no-codes, on: PLACE, condition: "WHAT.contains('xyzzy')", action: EFFECT}
"""


def text(place: str, effect: str) -> str:
    what = "action.result" if place.endswith(".after") else "has(args.text) && args.text"
    rule = TEXT.replace("PLACE", place).replace("WHAT", what).replace("EFFECT", effect)
    if effect == "transform":
        path = "result" if place.endswith(".after") else "args.text"
        rule = rule.replace(
            "action: transform", f"action: transform, set: {{{path}: \"'[gone]'\"}}"
        )
    return rule


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("place", "effect", "expected"),
    [
        ("model_call.after", "transform", "[gone]"),
        (
            "model_call.after",
            "deny",
            "`scripted-1` ran, but the rule `no-codes` withholds its result.",
        ),
        ("output", "transform", "[gone]"),
        ("output", "deny", "`output` was not run: refused by the rule `no-codes`."),
    ],
)
def test_text_is_changed_or_withheld(world, mode, place, effect, expected):
    agent = world.agent(text(place, effect), AIMessage(SECRET))
    assert final(run(agent, world.go, mode)) == expected


def texts(value: Any) -> str:
    """Return everything that a stream delivers, as text; callback events of the model included."""
    return repr(value)


STREAMS = ["values", "updates", "messages", "custom", "debug", "tasks", "checkpoints", "tools"]


@pytest.mark.parametrize("place", ["model_call.after", "output"])
@pytest.mark.parametrize("effect", ["transform", "deny"])
def test_no_stream_carries_what_was_not_released(world, place, effect):
    def agent() -> Any:
        return world.agent(text(place, effect), AIMessage(SECRET), checkpointer=InMemorySaver())

    config = {"configurable": {"thread_id": "t"}}
    seen = texts(list(agent().stream(world.go, config, stream_mode=STREAMS, subgraphs=True)))
    assert "xyzzy" not in seen
    assert "[gone]" in seen or "no-codes" in seen

    async def astream() -> list[Any]:
        return [one async for one in agent().astream(world.go, config, stream_mode=STREAMS)]

    async def events() -> list[Any]:
        return [one async for one in agent().astream_events(world.go, config, version="v2")]

    assert "xyzzy" not in texts(asyncio.run(astream()))
    assert "xyzzy" not in texts(asyncio.run(events()))


def test_words_stream_as_they_come_where_nothing_binds_on_them(world):
    agent = world.agent("default_action: allow", AIMessage("one two three"))
    pieces = [chunk.content for chunk, _ in agent.stream(world.go, stream_mode="messages")]
    assert pieces[:3] == ["one ", "two ", "three"]


@pytest.mark.parametrize("mode", ["stream", "astream"])
def test_a_changed_result_does_not_stream_either(world, mode):
    policy = """
default_action: allow
rules:
  - name: no-codes
    on: tool_call.after
    condition: "action.result.contains('xyzzy')"
    action: transform
    set: {result: "'[gone]'"}
"""
    from langchain_core.tools import tool

    @tool
    def ask() -> str:
        "Ask."
        return SECRET

    def agent() -> Any:
        return world.agent(policy, world.turn(world.call("ask")), tools=[ask])

    if mode == "stream":
        seen = list(agent().stream(world.go, stream_mode=[*STREAMS[:-2], "tools"]))
    else:

        async def collect() -> list[Any]:
            some = [one async for one in agent().astream(world.go, stream_mode=STREAMS[:4])]
            return some + [one async for one in agent().astream_events(world.go, version="v2")]

        seen = asyncio.run(collect())
    assert "xyzzy" not in texts(seen)
    assert "[gone]" in texts(seen)


def test_callbacks_of_the_application_still_see_the_models_answer(world):
    """The README says so: they are code of this process, not a consumer's stream."""
    seen: list[str] = []

    class Spy(BaseCallbackHandler):
        def on_llm_end(self, response: Any, **kwargs: Any) -> None:
            seen.append(response.generations[0][0].text)

    agent = world.agent(text("output", "deny"), AIMessage(SECRET))
    agent.invoke(world.go, {"callbacks": [Spy()]})
    assert seen == [SECRET]


def test_what_an_outer_middleware_makes_of_the_answer_is_judged_at_the_end(world):
    class Outer(AgentMiddleware):
        def wrap_model_call(self, request: Any, handler: Any) -> Any:
            handler(request)
            return AIMessage(SECRET)

    agent = world.agent(text("output", "transform"), AIMessage("harmless"), before=[Outer()])
    assert final(agent.invoke(world.go)) == "[gone]"


def test_blocks_that_are_not_text_are_not_released_unjudged(world):
    blocks = [{"type": "thinking", "thinking": "xyzzy"}, {"type": "text", "text": "fine"}]
    answer = AIMessage(blocks, additional_kwargs={"reasoning_content": "xyzzy"})
    out = world.agent(text("model_call.after", "deny"), answer).invoke(world.go)
    assert final(out) == "fine"
    assert "xyzzy" not in repr(out)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("effect", "expected"), [("transform", "[gone]"), ("deny", "no-codes")])
def test_a_result_that_is_the_final_answer_is_output_too(world, mode, effect, expected):
    from langchain_core.tools import tool

    @tool(return_direct=True)
    def ask() -> str:
        "Ask."
        return SECRET

    agent = world.agent(text("output", effect), world.turn(world.call("ask")), tools=[ask])
    out = run(agent, world.go, mode)
    assert expected in final(out)
    assert "xyzzy" not in repr(out)


def test_tokens_are_approximated_where_they_count_and_the_model_says_nothing(world):
    class Silent(world.scripted):
        def _answer(self, messages: Any) -> Any:
            return super()._answer(messages).model_copy(update={"usage_metadata": None})

    turns = [world.turn(world.call("read_file", str(n), path=f"/{n}")) for n in range(9)]
    policy = "default_action: allow\nlimits: [{name: few, count: tokens, at_most: 40, per: run}]"
    out = world.agent(policy, model=Silent(answers=turns)).invoke(world.go)
    assert "builtin:limits" in final(out)
    assert 0 < len(world.ran) < 9
    world.agent("default_action: allow", model=Silent(answers=[])).invoke(world.go)
    assert "usage" not in world.records("outcome")[-1]


@pytest.mark.parametrize("mode", MODES)
def test_input_is_refused_before_any_model_call(world, mode):
    agent = world.agent(text("input", "deny"))
    given = {"messages": [HumanMessage(SECRET), HumanMessage("and be quick")]}
    out = run(agent, given, mode)
    assert "no-codes" in final(out)
    assert world.decided("model_call") == []
    raising = world.agent(text("input", "deny"), on_denied="raise")
    with pytest.raises(ActionDenied):
        run(raising, given, mode)


@pytest.mark.parametrize("mode", MODES)
def test_input_is_changed_before_the_model_sees_it(world, mode):
    given = {"messages": [HumanMessage([{"type": "text", "text": SECRET}])]}
    out = run(world.agent(text("input", "transform")), given, mode)
    assert "xyzzy" not in repr(out)
    assert out["messages"][0].text == "[gone]"
    assert len(out["messages"]) == 2


def test_old_input_is_not_judged_again(world):
    agent = world.agent(text("input", "deny"), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    agent.invoke({"messages": [HumanMessage(SECRET)]}, config)
    out = agent.invoke({"messages": [HumanMessage("hello")]}, config)
    assert final(out) == "done"


@pytest.mark.parametrize("mode", MODES)
def test_a_model_call_can_be_refused(world, mode):
    policy = """
default_action: allow
rules:
  - name: not-twice
    on: model_call
    condition: "has(args.message_count) && args.message_count > 2"
    action: deny
"""
    turn = world.turn(world.call("read_file", path="/a"))
    out = run(world.agent(policy, turn), world.go, mode)
    assert "`scripted-1` was not run" in final(out)
    assert world.decided("model_call") == [("scripted-1", "succeeded"), ("scripted-1", "refused")]
    with pytest.raises(ActionDenied):
        run(world.agent(policy, turn, on_denied="raise"), world.go, mode)


def test_messages_are_arguments_only_where_a_rule_reads_them(world):
    policy = """
default_action: allow
rules:
  - name: polite
    on: model_call
    condition: "has(args.messages) && args.messages.exists(m, m.text.contains('xyzzy'))"
    action: deny
"""
    agent = world.agent(policy)
    assert "polite" in final(agent.invoke({"messages": [HumanMessage(SECRET)]}))
    assert final(agent.invoke(world.go)) == "done"


@pytest.mark.parametrize("mode", MODES)
def test_a_token_limit_stops_the_run(world, mode):
    policy = """
default_action: allow
limits: [{name: words, count: tokens, at_most: 150, per: run}]
"""
    turns = [world.turn(world.call("read_file", str(n), path=f"/{n}")) for n in range(5)]
    out = run(world.agent(policy, *turns), world.go, mode)
    assert len(world.ran) == 1  # the second answer reaches the bound, and its call goes unrun
    assert "builtin:limits" in final(out)
    usage = [one["usage"] for one in world.records("outcome") if "usage" in one]
    assert usage == [{"tokens": 100}, {"tokens": 100}]


def test_a_limit_on_model_calls_per_session_spans_turns_of_a_thread(world):
    policy = """
default_action: allow
limits: [{name: talk, count: model_calls, at_most: 3, per: session}]
"""
    agent = world.agent(policy, checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    ends = [final(agent.invoke(world.go, config)) for _ in range(4)]
    assert ends[:3] == ["done"] * 3
    assert "builtin:limits" in ends[3]
    assert final(agent.invoke(world.go, {"configurable": {"thread_id": "other"}})) == "done"


@pytest.mark.parametrize("mode", MODES)
def test_a_limit_on_tool_calls_holds_over_a_parallel_answer(world, mode):
    policy = """
default_action: allow
limits: [{name: few, count: tool_calls, at_most: 2, per: run}]
"""
    calls = [world.call("read_file", str(n), path=f"/{n}") for n in range(4)]
    out = run(world.agent(policy, world.turn(*calls)), world.go, mode)
    assert sorted(world.ran) == [("read_file", "/0"), ("read_file", "/1")]
    told = {m.tool_call_id: m.status for m in out["messages"] if m.type == "tool"}
    assert told == {"0": "success", "1": "success", "2": "error", "3": "error"}


class Answer(BaseModel):
    """The answer."""

    value: str


@pytest.mark.parametrize("mode", MODES)
def test_structured_answers_pass_and_are_judged(world, mode):
    answer = world.turn(world.call("Answer", value="xyzzy"))
    out = run(
        world.agent("default_action: allow", answer, response_format=ToolStrategy(Answer)),
        world.go,
        mode,
    )
    assert out["structured_response"] == Answer(value="xyzzy")
    for place in ("model_call.after", "output"):
        agent = world.agent(text(place, "deny"), answer, response_format=ToolStrategy(Answer))
        out = run(agent, world.go, mode)
        assert "no-codes" in final(out)
        assert out.get("structured_response") is None


def test_a_refused_model_call_ends_an_agent_with_a_structured_answer(world):
    policy = "rules: [{name: silent, on: model_call, action: deny}]"
    agent = world.agent(policy, tools=[], response_format=ToolStrategy(Answer))
    out = agent.invoke(world.go)
    assert "silent" in final(out)
    assert len(world.decided("model_call")) == 1


def test_a_model_that_raises_is_a_failure(world):
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel

    agent = world.agent(
        "default_action: allow", tools=[], model=GenericFakeChatModel(messages=iter([]))
    )
    with pytest.raises((ActionRefused, RuntimeError, StopIteration)):
        agent.invoke(world.go)
    assert world.decided("model_call") == [("GenericFakeChatModel", "failed")]
