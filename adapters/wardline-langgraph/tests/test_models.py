"""Governed models: what is asked, what streams, what people said before, what LangChain does around it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from graphs import graph_of
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command
from scripted import Speaking

from wardline import ActionDenied, ConfigurationError
from wardline_langgraph import GovernedModel, GovernedToolNode

GO = {"messages": [HumanMessage("go")]}
MODES = ("invoke", "ainvoke")
NO_CODES = (
    "rules: [{name: no-codes, on: PLACE, condition: \"WHAT.contains('xyzzy')\", action: EFFECT}]"
)


def rule(place: str, effect: str = "deny") -> str:
    after = place.endswith(".after")
    what = "action.result" if after else "has(args.text) && args.text"
    text = NO_CODES.replace("PLACE", place).replace("WHAT", what).replace("EFFECT", effect)
    if effect == "transform":
        path = "result" if after else "args.text"
        text = text.replace("transform}", f"transform, set: {{{path}: \"'[gone]'\"}}}}")
    return text


def run(graph: Any, given: Any, mode: str = "invoke", config: Any = None) -> Any:
    if mode == "invoke":
        return graph.invoke(given, config)
    return asyncio.run(graph.ainvoke(given, config))


def talking(house: Any, guard: Any, *answers: Any, saver: Any = None, **options: Any) -> Any:
    model = GovernedModel(house.model(*answers), guard, **options)
    return graph_of(model, GovernedToolNode(house.tools, guard), saver)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", ["model_call.after", "output"])
@pytest.mark.parametrize("effect", ["deny", "transform"])
def test_an_answer_is_withheld_or_changed_and_no_stream_has_it(house, mode, place, effect):
    graph = talking(house, house.guard(rule(place, effect)), "the code is xyzzy")
    expected = "[gone]" if effect == "transform" else "no-codes"
    assert expected in run(graph, GO, mode)["messages"][-1].text
    modes = ["values", "updates", "messages", "debug"]
    if mode == "invoke":
        seen = list(graph.stream(GO, stream_mode=modes))
    else:

        async def collect() -> list[Any]:
            some = [one async for one in graph.astream(GO, stream_mode=modes)]
            return some + [one async for one in graph.astream_events(GO, version="v2")]

        seen = asyncio.run(collect())
    assert "xyzzy" not in repr(seen)
    assert expected in repr(seen)


@pytest.mark.parametrize("mode", MODES)
def test_words_stream_as_they_come_where_nothing_binds_on_them(house, mode):
    graph = talking(house, house.guard(), "one two three")
    if mode == "invoke":
        seen = [one.content for one, _ in graph.stream(GO, stream_mode="messages")]
    else:

        async def collect() -> list[Any]:
            return [one.content async for one, _ in graph.astream(GO, stream_mode="messages")]

        seen = asyncio.run(collect())
    assert seen[:3] == ["one ", "two ", "three"]
    assert house.records("outcome")[0]["status"] == "succeeded"


@pytest.mark.parametrize("mode", MODES)
def test_a_refused_call_streams_the_refusal_and_the_model_hears_nothing(house, mode):
    guard = house.guard("rules: [{name: silent, on: model_call, action: deny}]")
    model = GovernedModel(house.model("hello"), guard)
    if mode == "invoke":
        text = "".join(one.text for one in model.stream("hi"))
    else:

        async def collect() -> str:
            return "".join([one.text async for one in model.astream("hi")])

        text = asyncio.run(collect())
    assert "silent" in text
    assert house.heard == []
    with pytest.raises(ActionDenied):
        list(GovernedModel(house.model("hello"), guard, on_denied="raise").stream("hi"))


def test_what_was_refused_before_is_not_heard_later(house):
    guard = house.guard(rule("input"))
    graph = talking(house, guard, saver=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    out = graph.invoke({"messages": [HumanMessage("xyzzy, please")]}, config)
    assert "no-codes" in out["messages"][-1].text
    assert house.heard == []
    out = graph.invoke({"messages": [HumanMessage("then just hello")]}, config)
    assert out["messages"][-1].text == "done"
    assert "xyzzy" not in repr(house.heard)
    assert "then just hello" in repr(house.heard)
    assert "no-codes" in repr(house.heard)


@pytest.mark.parametrize("mode", MODES)
def test_a_question_before_a_model_call_suspends_and_goes_on(house, mode):
    policy = "rules: [{name: ask, on: model_call, action: require_approval}]"
    guard = house.guard(policy, approvers={"payers": ["os:alice"]})
    graph = talking(house, guard, "hello", saver=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    (asked,) = run(graph, GO, mode, config)["__interrupt__"]
    assert asked.value["kind"] == "model_call"
    assert house.heard == []
    out = run(graph, Command(resume={"approved": True, "by": "os:alice"}), mode, config)
    assert out["messages"][-1].text == "hello"


def test_the_system_prompt_is_no_input_and_only_text_is_replaced(house):
    guard = house.guard(rule("input", "transform"))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    said = HumanMessage([{"type": "text", "text": "xyzzy"}, image])
    GovernedModel(house.model(), guard).invoke([SystemMessage("keep xyzzy safe"), said])
    system, human = house.heard[0]
    assert system.text == "keep xyzzy safe"
    assert human.content == [{"type": "text", "text": "[gone]"}, image]


def test_the_cache_answers_nobody_before_the_guard_is_asked(house):
    set_llm_cache(InMemoryCache())
    try:
        GovernedModel(house.model("cached"), house.guard()).invoke("hi")
        strict = house.guard("rules: [{name: silent, on: model_call, action: deny}]")
        assert "silent" in GovernedModel(house.model("cached"), strict).invoke("hi").text
    finally:
        set_llm_cache(None)


@pytest.mark.parametrize(
    ("offered", "named"),
    [
        ({"type": "web_search_20250305", "name": "web_search"}, "web_search"),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, "code_interpreter"),
        ({"google_search": {}}, "google_search"),
    ],
)
def test_tools_of_the_provider_are_refused_by_name(house, offered, named):
    model = GovernedModel(house.model(), house.guard()).bind_tools([house.pay, offered])
    assert f"`{named}`" in model.invoke("hi").text
    assert house.heard == []


@pytest.mark.parametrize(
    "offered",
    [
        {"type": "function", "function": {"name": "pay", "parameters": {}}},
        {"type": "function", "name": "pay", "parameters": {}},
        {"name": "pay", "input_schema": {}},
        {"toolSpec": {"name": "pay"}},
        {"function_declarations": [{"name": "pay"}]},
    ],
)
def test_tools_of_ours_are_told_from_those_in_every_form(house, offered):
    policy = """
rules:
  - {name: no-pay, on: model_call, condition: "has(args.tools) && 'pay' in args.tools", action: deny}
"""
    model = GovernedModel(house.model(), house.guard(policy))
    assert "no-pay" in model.bind(tools=[offered]).invoke("hi").text
    assert model.invoke("hi").text == "done"


def test_a_model_whose_tools_cannot_be_bound_from_outside_says_so(house):
    class Odd(Speaking):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return RunnableLambda(lambda _: AIMessage("x"))

    model = GovernedModel(Odd(says=None), house.guard())
    with pytest.raises(ConfigurationError, match="bind the tools to the model first"):
        model.bind_tools([house.pay])


def test_outside_any_graph_each_call_is_a_session(house):
    model = GovernedModel(house.model(), house.guard())
    model.invoke("hi")
    model.invoke("hi")
    assert len({one["session"] for one in house.records("intent")}) == 2


def test_one_run_is_one_session_and_the_next_another(house):
    guard = house.guard()
    model = GovernedModel(house.model(), guard)
    graph = StateGraph(MessagesState)
    for name in ("one", "two"):
        graph.add_node(name, lambda s: {"messages": [model.invoke(s["messages"])]})
    graph = graph.add_edge(START, "one").add_edge("one", "two").compile()
    graph.invoke(GO)
    graph.invoke(GO)
    found = [(one["session"], one["run"]) for one in house.records("intent")]
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert found[0][0] != found[2][0]
