"""Tool calls: what of Haystack's own ways with tools an adapter has to get right."""

from __future__ import annotations

import asyncio
import contextvars
import json
from typing import Any

import pytest
from haystack import Pipeline, component, tracing
from haystack.components.agents import Agent, State
from haystack.components.agents.state import replace_values
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage, ToolCall
from haystack.hooks import hook
from haystack.tools import ComponentTool, SearchableToolset, Tool, Toolset
from haystack.tools.errors import ToolInvocationError
from haystack.tracing.tracer import NullTracer

from wardline import ActionDenied, ConfigurationError
from wardline_haystack import coverage, govern

NO_ETC = """
default_action: allow
rules:
  - name: not-there
    tool: read_file
    condition: "args.path.startsWith('/etc')"
    action: deny
    reason: keep out of /etc
"""
REDACT = """
default_action: allow
rules:
  - {name: hide, on: tool_call.after, tool: read_file, action: transform, set: {action.result: "'***'"}}
"""


def run(agent: Any, how: str, **given: Any) -> Any:
    given = {"messages": [ChatMessage.from_user("go")], **given}
    return agent.run(**given) if how == "sync" else asyncio.run(agent.run_async(**given))


HOW = pytest.mark.parametrize("how", ["sync", "async"])


@HOW
def test_a_refused_call_is_answered_with_the_reason_and_nothing_else(world: Any, how: str) -> None:
    agent = world.agent(
        NO_ETC, world.turn(("read_file", {"path": "/etc/p"}), ("read_file", {"path": "/a"}))
    )
    out = run(agent, how)
    refused, went_on = world.results(out)
    assert refused[1] is True
    assert "keep out of /etc" in refused[0]
    assert "Failed to invoke" not in refused[0]
    assert went_on == ("contents of /a", False)
    assert world.ran == [("read_file", "/a")]
    assert sorted(world.decided()) == [("read_file", "refused"), ("read_file", "succeeded")]


@HOW
def test_arguments_that_haystack_injects_from_the_state_are_judged(world: Any, how: str) -> None:
    ran = []
    tool = Tool(
        name="read_file",
        description="d",
        parameters={"type": "object", "properties": {"mode": {"type": "string"}}},
        function=lambda mode, path: ran.append((mode, path)) or "ok",
        inputs_from_state={"place": "path"},
    )
    policy = NO_ETC
    schema = {"place": {"type": str}}
    agent = world.agent(
        policy, world.turn(("read_file", {"mode": "r"})), tools=[tool], state_schema=schema
    )
    assert "keep out" in world.results(run(agent, how, place="/etc/x"))[0][0]
    assert ran == []
    agent = world.agent(
        policy, world.turn(("read_file", {"mode": "r"})), tools=[tool], state_schema=schema
    )
    assert world.results(run(agent, how, place="/home"))[0] == ("ok", False)
    assert ran == [("r", "/home")]


@HOW
def test_the_state_itself_goes_through_unread(world: Any, how: str) -> None:
    seen = []

    def look(path: str, state: State) -> str:
        seen.append((path, state.data["step_count"]))
        return "ok"

    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    tool = Tool(name="read_file", description="d", parameters=schema, function=look)
    agent = world.agent(NO_ETC, world.turn(("read_file", {"path": "/a"})), tools=[tool])
    assert world.results(run(agent, how)) == [("ok", False)]
    assert seen == [("/a", 0)]
    (intent,) = [one for one in world.records("intent") if one["kind"] == "tool_call"]
    assert "state" in json.dumps(intent)


@HOW
def test_arguments_that_a_later_hook_rewrites_are_judged_as_they_run(world: Any, how: str) -> None:
    @hook
    def rewrite(state: State) -> None:
        *past, last = state.data["messages"]
        calls = [ToolCall(one.tool_name, {"path": "/etc/p"}, id=one.id) for one in last.tool_calls]
        state.set(
            "messages",
            [*past, ChatMessage.from_assistant(tool_calls=calls)],
            handler_override=replace_values,
        )

    agent = world.agent(NO_ETC, world.turn(("read_file", {"path": "/a"})))
    agent = agent.clone(
        hooks={**agent.hooks, "before_tool": [*agent.hooks["before_tool"], rewrite]}
    )
    assert "keep out of /etc" in world.results(run(agent, how))[0][0]
    assert world.ran == []


def test_a_hook_that_replaces_the_list_of_tools_stops_the_run(world: Any) -> None:
    @hook
    def replace(state: State) -> None:
        state.data["tools"][:] = world.tools

    agent = world.agent(NO_ETC, world.turn(("read_file", {"path": "/a"})))
    agent = agent.clone(hooks={**agent.hooks, "before_llm": [*agent.hooks["before_llm"], replace]})
    with pytest.raises(ActionDenied, match="no guard decides"):
        run(agent, "sync")
    assert world.ran == []


@HOW
def test_a_result_is_changed_before_it_is_streamed(world: Any, how: str) -> None:
    agent = world.agent(REDACT, world.turn(("read_file", {"path": "/secret"})))
    chunks: list[Any] = []

    async def show(chunk: Any) -> None:
        chunks.append(chunk)

    out = run(agent, how, streaming_callback=chunks.append if how == "sync" else show)
    assert world.results(out) == [("***", False)]
    assert [one.tool_call_result.result for one in chunks if one.tool_call_result] == ["***"]


@HOW
def test_tools_that_are_given_to_the_run_are_governed(world: Any, how: str) -> None:
    agent = world.agent(NO_ETC, world.turn(("read_file", {"path": "/etc/p"})), tools=[])
    out = run(agent, how, tools=Toolset(world.tools))
    assert "keep out" in world.results(out)[0][0]
    assert world.ran == []


def test_tools_that_are_searched_for_are_governed(world: Any) -> None:
    agent = world.agent(
        NO_ETC,
        world.turn(("search_tools", {"tool_keywords": "read file"})),
        world.turn(("read_file", {"path": "/etc/p"})),
        tools=SearchableToolset(catalog=world.tools, search_threshold=1),
    )
    results = world.results(run(agent, "sync"))
    assert "keep out of /etc" in results[1][0]
    assert world.ran == []


def test_equal_ids_in_one_answer_are_different_calls(world: Any) -> None:
    calls = [ToolCall("read_file", {"path": path}, id="1") for path in ("/a", "/etc", "/a")]
    agent = world.agent(NO_ETC, ChatMessage.from_assistant(tool_calls=calls))
    assert sorted(error for _, error in world.results(run(agent, "sync"))) == [False, False, True]
    assert world.ran == [("read_file", "/a")] * 2


@HOW
def test_a_tool_that_fails_is_recorded_as_failed(world: Any, how: str) -> None:
    def fail(path: str) -> str:
        raise ValueError("no such file")

    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    tool = Tool(name="read_file", description="d", parameters=schema, function=fail)
    agent = world.agent(NO_ETC, world.turn(("read_file", {"path": "/a"})), tools=[tool])
    assert "no such file" in world.results(run(agent, how))[0][0]
    assert world.decided() == [("read_file", "failed")]


@HOW
def test_a_refusal_leaves_the_run_on_request_and_nothing_has_run(world: Any, how: str) -> None:
    agent = world.agent(
        NO_ETC,
        world.turn(("read_file", {"path": "/a"}), ("read_file", {"path": "/etc/p"})),
        on_denied="raise",
    )
    with pytest.raises(ActionDenied, match="keep out of /etc"):
        run(agent, how)
    assert world.ran == []


@HOW
def test_a_refusal_at_the_start_of_a_tool_leaves_the_run_when_its_siblings_have_ended(
    world: Any, how: str
) -> None:
    # What it reads comes out of the state, where its sibling puts it first.
    policy = NO_ETC.replace("args.path.s", "has(args.path) && args.path.s")

    def slow(path: str) -> str:
        raise AssertionError("ran")

    def mark(path: str) -> str:
        world.ran.append(path)
        return path

    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    tools = [
        Tool(
            name="read_file",
            description="d",
            parameters={**schema, "required": ["path"]},
            function=slow,
            inputs_from_state={"receipt": "path"},
        ),
        Tool(
            name="pay",
            description="d",
            parameters=schema,
            function=lambda path: {"receipt": mark(path)},
            outputs_to_state={"receipt": {"source": "receipt"}},
        ),
    ]
    agent = world.agent(
        policy,
        world.turn(("read_file", {}), ("pay", {"path": "/etc/p"})),
        tools=tools,
        state_schema={"receipt": {"type": str}},
        on_denied="raise",
    )
    with pytest.raises(ActionDenied, match="keep out of /etc"):
        run(agent, how)
    assert world.ran == ["/etc/p"]


def test_a_component_is_judged_on_what_it_will_receive(world: Any) -> None:
    got = []

    @component
    class Payer:
        @component.output_types(text=str)
        def run(self, to: str, amount: int = 5) -> dict[str, Any]:
            got.append((to, amount))
            return {"text": "paid"}

    policy = """
default_action: allow
rules:
  - {name: much, tool: payer, condition: "has(args.amount) && args.amount > 10", action: deny}
"""
    tool = ComponentTool(component=Payer(), name="payer", description="d")
    agent = world.agent(policy, world.turn(("payer", {"to": "bob", "amount": "50"})), tools=[tool])
    assert "much" in world.results(run(agent, "sync"))[0][0]
    agent = world.agent(policy, world.turn(("payer", {"to": "bob", "amount": "7"})), tools=[tool])
    assert json.loads(world.results(run(agent, "sync"))[0][0]) == {"text": "paid"}
    assert got == [("bob", 7)]


def test_defaults_of_a_function_are_judged(world: Any) -> None:
    policy = """
default_action: allow
rules:
  - {name: one, tool: pay, condition: "args.amount == 1", action: deny}
"""
    agent = world.agent(policy, world.turn(("pay", {"to": "bob"})))
    assert "one" in world.results(run(agent, "sync"))[0][0]


@HOW
def test_what_the_guard_changed_is_what_runs(world: Any, how: str) -> None:
    policy = """
default_action: allow
rules:
  - {name: home, tool: read_file, action: transform, set: {args.path: "'/home/' + args.path"}}
"""
    agent = world.agent(policy, world.turn(("read_file", {"path": "notes"})))
    run(agent, how)
    assert world.ran == [("read_file", "/home/notes")]


# Sessions, and whose they are


def test_each_run_is_a_session_of_its_own_unless_it_is_named(world: Any) -> None:
    policy = """
default_action: allow
limits:
  - {name: once, count: calls, tool: pay, at_most: 1, per: session}
"""
    guard = world.guard(policy)
    for context, allowed in (({}, True), ({}, True), ("a", True), ("b", True), ("a", False)):
        agent = world.agent(guard, world.turn(("pay", {"to": "bob"})))
        given = {"hook_context": {"wardline": {"session": context}}} if context else {}
        assert world.results(run(agent, "sync", **given))[0][1] is not allowed, context


def test_what_is_said_about_a_run_is_checked(world: Any) -> None:
    agent = world.agent(NO_ETC)
    with pytest.raises(ActionDenied, match=r"hook_context\['wardline'\] is"):
        run(agent, "sync", hook_context={"wardline": {"sesion": "a"}})


@HOW
def test_a_context_variable_of_the_application_reaches_its_tools(world: Any, how: str) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")

    def who() -> str:
        return user.get()

    tool = Tool(name="who", description="d", parameters={"type": "object"}, function=who)
    agent = world.agent("default_action: allow", world.turn(("who", {})), tools=[tool])
    user.set("ada")
    assert world.results(run(agent, how)) == [("ada", False)]


def test_two_runs_at_once_on_one_agent_do_not_mix(world: Any) -> None:
    guard = world.guard("default_action: allow")

    def answer(messages: list[ChatMessage]) -> Any:
        if messages[-1].tool_call_result:
            return "done"
        return ChatMessage.from_assistant(
            tool_calls=[ToolCall("read_file", {"path": messages[-1].text}, id="1")]
        )

    agent = world.agent(guard, model=MockChatGenerator(response_fn=answer))

    async def both() -> None:
        await asyncio.gather(
            *[
                agent.run_async(
                    messages=[ChatMessage.from_user(f"/{n}")],
                    hook_context={"wardline": {"session": f"s{n}"}},
                )
                for n in range(8)
            ]
        )

    asyncio.run(both())
    calls = [one for one in world.records("intent") if one["kind"] == "tool_call"]
    assert sorted(one["session"] for one in calls) == [f"s{n}" for n in range(8)]


# The backstop


def test_an_agent_without_a_guard_starts_no_tool(world: Any) -> None:
    run(world.agent(NO_ETC), "sync")
    for how in ("sync", "async"):
        agent = world.plain(world.turn(("read_file", {"path": "/a"})))
        with pytest.raises(ActionDenied, match=r"wardline_haystack.govern\(agent"):
            run(agent, how)
    assert world.ran == []


def test_an_agent_that_a_tool_calls_by_itself_is_governed(world: Any) -> None:
    inner = world.plain(world.turn(("read_file", {"path": "/etc/p"})))

    def ask() -> str:
        return str(inner.run([ChatMessage.from_user("go")])["exit_reason"])

    tool = Tool(name="ask", description="d", parameters={"type": "object"}, function=ask)
    out = run(world.agent(NO_ETC, world.turn(("ask", {})), tools=[tool]), "sync")
    assert world.results(out) == [("text", False)]
    assert world.ran == []
    (refused,) = world.records("refusal")
    assert refused["principal"]["id"] == "agent/ask"


def test_the_net_is_under_an_agent_that_nobody_could_find(world: Any) -> None:
    hidden = {"agent": world.plain(world.turn(("read_file", {"path": "/a"})))}

    def ask() -> str:
        return str(hidden["agent"].run([ChatMessage.from_user("go")]))

    tool = Tool(name="ask", description="d", parameters={"type": "object"}, function=ask)
    agent = world.agent("default_action: allow", world.turn(("ask", {})), tools=[tool])
    with pytest.raises(ToolInvocationError, match="no guard decides"):
        run(agent.clone(raise_on_tool_invocation_failure=True), "sync")
    assert world.ran == []


def test_the_net_is_put_back_in_front_of_a_tracer_that_came_later(world: Any) -> None:
    agent = world.agent(NO_ETC)
    traced: list[str] = []

    class Mine(NullTracer):
        def trace(self, operation_name: str, tags: Any = None, parent_span: Any = None) -> Any:
            traced.append(operation_name)
            return super().trace(operation_name, tags, parent_span)

    tracing.enable_tracing(Mine())
    run(agent, "sync")
    with pytest.raises(ActionDenied, match="no guard decides"):
        run(world.plain(world.turn(("read_file", {"path": "/a"}))), "sync")
    assert "haystack.agent.step.llm" in traced


def test_it_can_be_left_out(world: Any) -> None:
    govern(world.plain(), world.guard(NO_ETC), backstop=False)
    run(world.plain(world.turn(("read_file", {"path": "/a"}))), "sync")
    assert world.ran == [("read_file", "/a")]


# What refuses to start


def test_tools_alone_and_empty_things_are_not_governed(world: Any) -> None:
    guard = world.guard(NO_ETC)
    with pytest.raises(ConfigurationError, match="give them to it, and govern that"):
        govern(world.tools, guard)
    with pytest.raises(ConfigurationError, match="nothing to govern in this pipeline"):
        govern(Pipeline(), guard)
    with pytest.raises(ConfigurationError, match="on_denied is 'message' or 'raise'"):
        govern(world.plain(), guard, on_denied="shrug")  # type: ignore[arg-type]


def test_a_governed_agent_is_not_written_down_without_its_guard(world: Any) -> None:
    agent = world.agent(NO_ETC, tools=[])
    with pytest.raises(ConfigurationError, match="Serialise it before it is governed"):
        agent.to_dict()


def test_a_rule_that_nothing_would_ask_refuses_to_start(world: Any) -> None:
    guard = world.guard("default_action: allow\nrules:\n  - {name: m, on: message, action: deny}\n")
    with pytest.raises(ConfigurationError, match="which Haystack cannot see"):
        govern(world.plain(), guard)
    govern(world.plain(), guard, unused=("message",))


def test_everything_is_listed(world: Any) -> None:
    plain: Agent = world.plain()
    pipeline = Pipeline()
    pipeline.add_component("one", world.agent(NO_ETC))
    pipeline.add_component("other", plain)
    found = {(one.kind, one.name, one.owner): one.governed for one in coverage(pipeline)}
    assert found["tool_call", "pay", "one"] is True
    assert found["tool_call", "pay", "other"] is False
    assert found["model_call", "mock-model", "one"] is True
    assert found["model_call", "mock-model", "other"] is False
