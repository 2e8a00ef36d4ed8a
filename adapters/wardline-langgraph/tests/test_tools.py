"""Tool nodes: the traps of LangGraph's own, batches, resumed nodes, handoffs, the backstop."""

from __future__ import annotations

import asyncio
import operator
import warnings
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import pytest
from graphs import graph_of
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph, add_messages
from langgraph.prebuilt import InjectedStore, ToolNode
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command, RetryPolicy

from wardline import ActionDenied, ConfigurationError, Reply
from wardline_langgraph import GovernedMemory, GovernedModel, GovernedToolNode

NO_WIPE = "rules: [{name: no-wipe, tool: wipe, action: deny}]"
ASK = """
tools: {pay: {args: {to: string, amount: number}}, wipe: {args: {disk: string}}}
rules: [{name: ask, tool: pay, condition: "args.to == 'bob'", action: require_approval}]
"""
GO = {"messages": [HumanMessage("go")]}
MODES = ("invoke", "ainvoke")
YES = {"approved": True, "by": "os:alice"}


def run(graph: Any, given: Any, mode: str = "invoke", config: Any = None) -> Any:
    if mode == "invoke":
        return graph.invoke(given, config)
    return asyncio.run(graph.ainvoke(given, config))


def texts(out: Any) -> list[str]:
    return [one.text for one in out["messages"] if isinstance(one, ToolMessage)]


def governed(house: Any, guard: Any, *answers: Any, saver: Any = None, **options: Any) -> Any:
    node = GovernedToolNode(options.pop("tools", house.tools), guard, **options)
    return graph_of(house.model(*answers), node, saver)


def test_one_wrapper_alone_is_refused(house):
    """ToolNode leaves a wrapper out that is missing, and the tool runs."""
    with pytest.raises(ConfigurationError, match="both"):
        GovernedToolNode(house.tools, house.guard(), awrap_tool_call=lambda *_: None)
    with pytest.raises(ConfigurationError, match="on_denied"):
        GovernedToolNode(house.tools, house.guard(), on_denied="ignore")


@pytest.mark.parametrize("mode", MODES)
def test_what_a_wrapper_of_the_user_rewrites_is_judged(house, mode):
    def other(request: Any) -> Any:
        return request.override(tool_call={**request.tool_call, "name": "wipe"})

    async def awrap(request: Any, execute: Any) -> Any:
        return await execute(rewritten(request))

    def rewritten(request: Any) -> Any:
        return request.override(tool_call={**request.tool_call, "args": {"to": "mallory"}})

    policy = """
tools: {pay: {args: {to: string, amount: number}}}
rules: [{name: not-her, tool: pay, condition: "args.to == 'mallory'", action: deny}]
"""
    answer = house.calls(("pay", {"to": "bob"}))
    graph = governed(
        house,
        house.guard(policy),
        answer,
        wrap_tool_call=lambda request, execute: execute(rewritten(request)),
        awrap_tool_call=awrap,
    )
    assert "not-her" in texts(run(graph, GO, mode))[0]
    assert house.ran == []


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("mode", MODES)
def test_prebuilt_agents_are_governed_and_their_batches_screened(house, version, mode):
    from langgraph.prebuilt import create_react_agent

    guard = house.guard(NO_WIPE)
    answer = house.calls(("pay", {"to": "bob"}), ("wipe", {"disk": "c"}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and used
        agent = create_react_agent(
            GovernedModel(house.model(answer), guard),
            GovernedToolNode(house.tools, guard),
            version=version,
        )
    out = run(agent, GO, mode)
    assert house.ran == [("bob", 1)]
    assert "no-wipe" in texts(out)[1]
    first, *_ = house.records("intent", "refusal", kind="tool_call")
    assert (first["type"], first["name"], first["by"]) == ("refusal", "wipe", "screening")


@dataclass
class Talk:
    said: Annotated[list[Any], add_messages] = field(default_factory=list)


class Bare(TypedDict):
    messages: Annotated[list[Any], operator.add]


@pytest.mark.parametrize("mode", MODES)
def test_any_form_of_state_will_do(house, mode):
    answer = house.calls(("pay", {"to": "bob"}), ("wipe", {"disk": "c"}))
    guard = house.guard(NO_WIPE)
    graph = StateGraph(Talk)
    graph.add_node("tools", GovernedToolNode(house.tools, guard, messages_key="said"))
    out = run(graph.add_edge(START, "tools").compile(), Talk([answer]), mode)
    assert [one.status for one in out["said"][1:]] == ["success", "error"]
    graph = StateGraph(Bare)  # its messages have no ids
    graph.add_node("tools", GovernedToolNode(house.tools, guard))
    out = run(graph.add_edge(START, "tools").compile(), {"messages": [answer]}, mode)
    assert [one.status for one in out["messages"][1:]] == ["success", "error"]
    assert house.ran == [("bob", 1), ("bob", 1)]


def test_raising_leaves_the_run_before_anything_of_the_answer_has_run(house):
    answer = house.calls(("pay", {"to": "bob"}), ("wipe", {"disk": "c"}))
    graph = governed(house, house.guard(NO_WIPE), answer, on_denied="raise")
    with pytest.raises(ActionDenied, match="no-wipe"):
        graph.invoke(GO)
    assert house.ran == []


def test_a_refusal_is_not_retried(house):
    graph = StateGraph(MessagesState)
    node = GovernedToolNode(house.tools, house.guard(NO_WIPE), on_denied="raise")
    policy = RetryPolicy(max_attempts=3, initial_interval=0.01)
    graph.add_node("tools", node, retry_policy=policy)
    answer = house.calls(("wipe", {"disk": "c"}))
    with pytest.raises(ActionDenied):
        graph.add_edge(START, "tools").compile().invoke({"messages": [answer]})
    assert len(house.records("refusal")) == 1


# Resumed nodes


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_the_siblings_of_a_suspended_call_run_once(house, keep, mode):
    guard = house.guard(ASK, keep_results=keep, approvers={"payers": ["os:alice"]})
    answer = house.calls(("pay", {"to": "ann"}), ("pay", {"to": "bob"}))
    config = {"configurable": {"thread_id": "t"}}
    saver = InMemorySaver()
    out = run(governed(house, guard, answer, saver=saver), GO, mode, config)
    assert house.ran == [("ann", 1)]
    (asked,) = out["__interrupt__"]
    assert asked.value["arguments"] == {"to": "bob", "amount": 1}
    graph = governed(house, guard, answer, saver=saver)
    out = run(graph, Command(resume={asked.id: YES}), mode, config)
    assert house.ran == [("ann", 1), ("bob", 1)]
    told = texts(out)
    assert told[1] == "paid bob"
    assert told[0] == "paid ann" if keep else "already run" in told[0]


def test_a_question_waits_for_the_calls_that_run_beside_it(house):
    """ToolNode would end with the first interrupt, and leave the others to themselves."""

    @tool
    async def slow(text: str) -> str:
        "Take a while."
        await asyncio.sleep(0.2)
        house.ran.append(text)
        return "slept"

    guard = house.guard(ASK, keep_results=True, approvers={"payers": ["os:alice"]})
    answer = house.calls(("pay", {"to": "bob"}), ("slow", {"text": "a"}), ("slow", {"text": "b"}))
    tools = [house.pay, slow]
    graph = governed(house, guard, answer, saver=InMemorySaver(), tools=tools)
    config = {"configurable": {"thread_id": "t"}}

    async def both() -> Any:
        await graph.ainvoke(GO, config)
        assert sorted(house.ran) == ["a", "b"]
        return await graph.ainvoke(Command(resume=YES), config)

    out = asyncio.run(both())
    assert texts(out) == ["paid bob", "slept", "slept"]
    assert sorted(map(str, house.ran)) == ["('bob', 1)", "a", "b"]
    assert {one["status"] for one in house.records("outcome")} == {"succeeded"}


@pytest.mark.parametrize("mode", MODES)
def test_an_answer_without_a_name_counts_for_none_of_several_questions(house, mode):
    guard = house.guard(ASK.replace("'bob'", "'bob' || true"), approvers={"payers": ["os:alice"]})
    answer = house.calls(("pay", {"to": "bob"}), ("pay", {"to": "ann"}))
    graph = governed(house, guard, answer, saver=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    run(graph, GO, mode, config)
    (asked,) = run(graph, Command(resume=YES), mode, config)["__interrupt__"]
    assert "several wait" in asked.value["why"]
    assert house.ran == []
    for one in guard.store.approvals("pending"):
        guard.answer(one.id, Reply("os:alice", approved=b"bob" in one.arguments))
    out = run(graph, Command(resume="answered"), mode, config)
    assert house.ran == [("bob", 1)]
    assert [text.startswith("paid") for text in texts(out)] == [True, False]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("change", ["args.limit: '10'", "args.amount: '\"5\"'"])
def test_arguments_of_a_rule_that_the_tool_would_drop_or_change_do_not_start(house, mode, change):
    rule = f"rules: [{{name: bound, tool: pay, action: transform, set: {{{change}}}}}]"
    graph = governed(house, house.guard(rule), house.calls(("pay", {"to": "bob"})))
    assert "does not take as they are" in texts(run(graph, GO, mode))[0]
    assert house.ran == []


def test_a_guard_made_from_a_policy_file_keeps_results(house, tmp_path, monkeypatch):
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path / "home"))
    (tmp_path / "p.yaml").write_text(
        f"apiVersion: wardline/v1\nname: p\ndefault_action: allow\napprovers: [payers]\n{ASK}"
    )
    node = GovernedToolNode(house.tools, tmp_path / "p.yaml")
    answer = house.calls(("pay", {"to": "ann"}), ("pay", {"to": "bob"}))
    config = {"configurable": {"thread_id": "t"}}
    graph = graph_of(house.model(answer), node, InMemorySaver())
    (asked,) = graph.invoke(GO, config)["__interrupt__"]
    with pytest.raises(PermissionError):  # nobody is mapped to `payers`
        node.guard.answer(asked.value["approval"], Reply("os:alice", approved=True))
    out = graph.invoke(Command(resume="any news?"), config)
    assert house.ran == [("ann", 1)]
    assert out["__interrupt__"]
    node.guard.close()


# Agents


def handing(name: str, **options: Any) -> Any:
    @tool(f"to_{name}")
    def to(task: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command:
        "Hand over."
        told = ToolMessage("over", tool_call_id=tool_call_id)
        return Command(goto=name, update={"messages": [told]}, **options)

    return to


def test_a_handoff_inside_one_graph_moves_the_principal_too(house):
    guard = house.guard()
    first = house.model(house.calls(("to_helper", {"task": "t"})))
    second = house.model("", house.calls(("pay", {"to": "bob"})))
    graph = StateGraph(MessagesState)
    graph.add_node("first", lambda s: {"messages": [first.invoke(s["messages"])]})
    graph.add_node("helper", lambda s: {"messages": [second.invoke(s["messages"])]})
    graph.add_node("hand", GovernedToolNode([handing("helper")], guard))
    graph.add_node("tools", GovernedToolNode(house.tools, guard))
    graph.add_edge(START, "first").add_edge("first", "hand").add_edge("helper", "tools")
    graph.compile().invoke(GO)
    assert house.ran == [("bob", 1)]
    moved = house.records("intent", kind="delegation")[0]
    assert (moved["name"], moved["principal"]["id"]) == ("helper", "agent")
    done = {one["name"]: one for one in house.records("intent", kind="tool_call")}
    assert done["pay"]["principal"]["id"] == "agent/helper"
    assert done["pay"]["principal"]["chain"] == ["agent"]
    assert done["pay"]["session"] == done["to_helper"]["session"]


def test_a_handoff_back_does_not_make_the_chain_longer(house):
    guard = house.guard()
    graph = StateGraph(MessagesState)
    turns = {
        "ann": [house.calls(("to_bob", {"task": "t"}))] * 9,
        "bob": [house.calls(("to_ann", {"task": "t"}))] * 9,
    }
    for name, other in (("ann", "bob"), ("bob", "ann")):
        model = house.model(*turns[name])
        tools = [handing(other, graph=Command.PARENT)]
        graph.add_node(name, graph_of(model, GovernedToolNode(tools, guard), name=name))
    graph.add_edge(START, "ann")
    with pytest.raises(RecursionError):
        graph.compile().invoke(GO, {"recursion_limit": 12})
    acting = {one["principal"]["id"] for one in house.records("intent", kind="delegation")}
    assert acting == {"agent", "agent/bob", "agent/bob/ann"}


@pytest.mark.parametrize("mode", MODES)
def test_what_a_tool_does_with_the_store_belongs_to_its_call(house, mode):
    policy = """
rules: [{name: no-codes, on: memory_write, condition: "has(args.text) && args.text.contains('xyzzy')", action: deny}]
"""
    guard = house.guard(policy)

    @tool
    def remember(text: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
        "Remember."
        store.put(("notes",), text[:3], {"text": text})
        return "remembered"

    inner = InMemoryStore()
    answers = [house.calls(("remember", {"text": text})) for text in ("tea", "xyzzy")]
    node = GovernedToolNode([remember], guard)
    graph = graph_of(house.model(*answers), node, store=GovernedMemory(inner, guard))
    out = run(graph, GO, mode)
    assert texts(out)[0] == "remembered"
    assert "no-codes" in texts(out)[1]
    assert [one.value for one in inner.search(("notes",))] == [{"text": "tea"}]
    written = house.records("intent", kind="memory_write")[0]
    called = house.records("intent", kind="tool_call")[0]
    assert written["session"] == called["session"]
    assert written["principal"] == called["principal"]
    assert written["parent"]


# The backstop


@pytest.mark.parametrize("mode", MODES)
def test_a_plain_tool_node_is_stopped(house, mode):
    GovernedToolNode(house.tools, house.guard())
    graph = graph_of(house.model(house.calls(("pay", {"to": "bob"}))), ToolNode(house.tools))
    with pytest.raises(ActionDenied, match="GovernedToolNode"):
        run(graph, GO, mode)
    assert house.ran == []


def test_a_tool_that_a_nodes_code_starts_is_stopped(house):
    GovernedToolNode(house.tools, house.guard())
    graph = StateGraph(MessagesState)
    graph.add_node("code", lambda _: {"messages": [AIMessage(house.pay.invoke({"to": "bob"}))]})
    with pytest.raises(ActionDenied):
        graph.add_edge(START, "code").compile().invoke(GO)
    assert house.ran == []


def test_other_versions_refuse_to_start(monkeypatch):
    import importlib

    import wardline_langgraph
    from wardline.adapters import versions

    for found in ("1.1.9", "2.0.0", "1.3.0"):
        monkeypatch.setattr(versions, "version", lambda name, found=found: found)
        with pytest.raises(ConfigurationError, match=r"proved with langgraph 1\.2"):
            importlib.reload(wardline_langgraph)
