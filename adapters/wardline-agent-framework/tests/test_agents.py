"""What is particular to Agent Framework: order, seams, agents as tools, clients, memory, approvals."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agent_framework import (
    Agent,
    AgentSession,
    BaseChatClient,
    ChatResponse,
    Content,
    ContextProvider,
    FunctionMiddleware,
    FunctionTool,
    HistoryProvider,
    InMemoryHistoryProvider,
    Message,
    MiddlewareFailure,
    tool,
)

from wardline import ActionDenied, ConfigurationError
from wardline_agent_framework import coverage

NO_PAY = "rules: [{name: no-pay, tool: pay, action: deny, reason: WHY}]"
NO_MALLORY = """
rules: [{name: no-mallory, tool: pay, condition: "args.to == 'mallory'", action: deny, reason: WHY}]
"""
ASK = "rules: [{name: ask, tool: pay, action: require_approval}]"


# Where it stands


@pytest.mark.parametrize("first", [True, False])
def test_it_stands_last_wherever_it_is_in_the_list(world, first):
    class Rewriting(FunctionMiddleware):
        async def process(self, context: Any, call_next: Any) -> None:
            context.arguments = {"to": "mallory"}
            await call_next()

    mine = [world.middleware(NO_MALLORY), Rewriting()]
    agent = world.agent(
        None, world.called("pay", to="alice"), middleware=mine if first else mine[::-1]
    )
    response = world.play(agent)
    assert not world.ran
    assert "WHY" in world.results(response)[0]
    assert world.decided() == [("pay", "refused")]


def test_rules_nobody_could_ask_refuse_to_start(world):
    with pytest.raises(ConfigurationError, match="Agent Framework cannot see"):
        world.middleware("rules: [{name: r, on: message, action: deny}]")
    with pytest.raises(ConfigurationError, match="Agent Framework cannot wait"):
        world.middleware("rules: [{name: r, on: output, action: require_approval}]")
    with pytest.raises(ConfigurationError, match="'message' or 'raise', not 'both'"):
        world.middleware(on_denied="both")


def test_a_client_without_layers_is_refused(world):
    class Bare(BaseChatClient):
        def _inner_get_response(self, **more: Any) -> Any:
            pytest.fail("it was asked")

    agent = Agent(client=Bare(), middleware=[world.middleware()])
    assert "takes no middleware for chats and functions" in world.play(agent).text
    with pytest.raises(ConfigurationError, match="FunctionInvocationLayer"):
        world.middleware().client(Bare())


def test_a_refusal_can_leave_the_run(world):
    agent = world.agent(NO_PAY, world.called("pay", to="a"), on_denied="raise")
    with pytest.raises(MiddlewareFailure, match="WHY") as failure:
        world.play(agent)
    assert isinstance(failure.value.__cause__, ActionDenied)
    with pytest.raises(MiddlewareFailure, match="WHY"):
        world.stream(world.agent(NO_PAY, world.called("pay", to="a"), on_denied="raise"))
    assert not world.ran


def test_a_tool_that_was_governed_starts_nowhere_without_a_decision(world):
    pay = tool(world.pay)
    world.play(world.agent("", world.called("pay", to="a"), tools=[pay]))
    with pytest.raises(ActionDenied, match="no guard has decided about it"):
        asyncio.run(pay.invoke(arguments={"to": "b"}))
    assert world.ran == [("a", 1)]


def test_ADPT_1_a_model_that_reuses_its_ids_has_each_call_judged(world):
    calls = [world.called("pay", to=who) for who in ("a", "b")]
    world.play(world.agent("", *calls))
    assert world.ran == [("a", 1), ("b", 1)]
    assert len({one["call_id"] for one in world.records("tool_call")}) == 2


def test_ADPT_8_two_conversations_at_once_on_one_agent_do_not_mix(world):
    met = asyncio.Barrier(2)

    class Meeting(world.Scripted):
        def _inner_get_response(self, *, messages: Any, **more: Any) -> Any:
            contents = [one for message in messages for one in message.contents]
            spent = any(one.type == "function_result" for one in contents)

            async def response() -> Any:
                await met.wait()
                said = (
                    Content.from_text("done") if spent else world.called("pay", to=contents[0].text)
                )
                return ChatResponse(messages=[Message(role="assistant", contents=[said])])

            return response()

    limit = "limits: [{name: one, count: calls, tool: pay, at_most: 1, per: session}]"
    middleware = world.middleware(world.guard(limit, record_arguments=True))
    agent = Agent(client=Meeting(), tools=[world.pay], middleware=[middleware])

    async def both() -> None:
        runs = (agent.run(who, session=AgentSession(session_id=who)) for who in ("ada", "bob"))
        await asyncio.gather(*runs)

    asyncio.run(both())
    assert sorted(world.ran) == [("ada", 1), ("bob", 1)]
    for one in world.records("tool_call"):
        assert one["session"] in one["arguments"]


def test_arguments_come_as_the_body_gets_them(world):
    seen: list[Any] = []

    def book(day: dt.date, seats: int = 2, note: str | None = None) -> str:
        """Book seats."""
        seen.append((day, seats, note))
        return "booked"

    policy = """
rules: [{name: r, tool: book, condition: "has(args.seats) && int(args.seats) > 9", action: deny, reason: WHY}]
"""
    guard = world.guard(policy, record_arguments=True)
    many = world.called("book", day="2026-01-02", seats="12")
    few = world.called("book", day="2026-01-02", note=None)
    world.play(world.agent(guard, many, few, tools=[book]))
    assert seen == [(dt.date(2026, 1, 2), 2, None)]
    assert '"seats":2' in world.records("tool_call")[-1]["arguments"]


def test_arguments_that_a_body_would_not_get_are_refused(world):
    policy = "rules: [{name: r, tool: pay, action: transform, set: {args.extra: \"'x'\"}}]"
    response = world.play(world.agent(policy, world.called("pay", to="a")))
    assert not world.ran
    assert "would not receive as they were judged" in world.results(response)[0]


def test_what_this_process_does_not_execute_is_refused_by_name(world):
    frontend = FunctionTool(name="open_dialog", description="Open.", func=None)
    for offered in ({"type": "web_search"}, frontend):
        agent = world.agent("", tools=[offered])
        name = "web_search" if offered is not frontend else "open_dialog"
        assert f"does not execute `{name}`" in world.play(agent).text
        assert not agent.client.heard


# Agents


def test_an_agent_that_is_called_as_a_tool_is_governed_without_being_told(world):
    inner = world.agent(None, world.called("pay", to="a"), "refused", name="inner")
    outer = world.agent(NO_PAY, world.called("inner", task="pay"), tools=[inner.as_tool()])
    for play in (world.play, world.stream):
        outer.client.turns[:] = [world.called("inner", task="pay")]
        inner.client.turns[:] = [world.called("pay", to="a"), "refused"]
        play(outer)
    assert not world.ran
    refused = world.records("tool_call")[1]
    assert refused["principal"]["id"] == "agent/inner"
    assert refused["principal"]["chain"] == ["agent"]
    assert world.decided("delegation") == [("inner", "succeeded")] * 2


def test_an_agent_alone_is_not_governed_by_whoever_called_it_once(world):
    inner = world.agent(None, world.called("pay", to="a"), name="inner")
    world.play(world.agent(NO_PAY, world.called("inner", task="pay"), tools=[inner.as_tool()]))
    inner.client.turns[:] = ["hello"]
    assert world.play(inner).text == "hello"


def test_an_inner_agent_with_a_middleware_of_its_own_keeps_it(world):
    guard = world.guard("")
    inner = world.agent(guard, world.called("pay", to="a"), name="inner")
    world.play(world.agent(guard, world.called("inner", task="pay"), tools=[inner.as_tool()]))
    assert world.ran == [("a", 1)]
    assert world.decided() == [("inner", "succeeded"), ("pay", "succeeded")]


def test_a_client_asked_without_an_agent_is_governed(world):
    client = world.middleware(NO_PAY).client(world.Scripted(world.called("pay", to="a")))
    messages = [Message(role="user", contents=["go"])]
    asyncio.run(client.get_response(messages, options={"tools": [tool(world.pay)]}))
    assert not world.ran
    assert world.decided() == [("pay", "refused")]
    assert world.decided("model_call") == [("scripted", "succeeded")] * 2


def test_a_governed_client_in_a_governed_agent_is_judged_once(world):
    middleware = world.middleware()
    agent = world.agent(middleware, world.called("pay", to="a"))
    middleware.client(agent.client)
    world.play(agent)
    assert world.decided() == [("pay", "succeeded")]
    assert len(world.records("model_call")) == 2


# Text


PIECES = ("the SEC", "RET is 1")


@pytest.mark.parametrize("kind", ["model_call.after", "output"])
def test_ADPT_6_pieces_of_a_stream_wait_for_their_judgement(world, kind):
    read = "args.text" if kind == "output" else "action.result"
    policy = f"""
rules: [{{name: hide, on: {kind}, condition: "has({read}) && {read}.contains('SECRET')", action: deny, reason: WHY}}]
"""
    text = "".join(update.text for update in world.stream(world.agent(policy, PIECES)))
    assert "SEC" not in text
    assert "WHY" in text


def test_a_stream_that_no_rule_can_bind_on_passes_as_it_comes(world):
    updates = world.stream(world.agent("", PIECES))
    assert [update.text for update in updates if update.text] == list(PIECES)


def test_a_denied_message_reaches_no_model(world):
    policy = """
rules: [{name: no-plan, on: input, condition: "has(args.text) && args.text.contains('PLAN')", action: deny, reason: WHY}]
"""
    agent = world.agent(policy, "hello")
    assert "WHY" in world.play(agent, "the PLAN").text
    assert "WHY" in "".join(update.text for update in world.stream(agent, "the PLAN"))
    assert not agent.client.heard


# Memory


class Notes(ContextProvider):
    """Remembers what was said, in a list."""

    def __init__(self, *texts: str) -> None:
        super().__init__("notes")
        self.texts = list(texts)

    async def before_run(self, *, context: Any, **more: Any) -> None:
        messages = [Message(role="user", contents=[text]) for text in self.texts]
        context.extend_messages(self.source_id, messages)

    async def after_run(self, *, context: Any, **more: Any) -> None:
        self.texts.append(context.input_messages[0].text)


class Archive(HistoryProvider):
    """Keeps a history outside the session."""

    def __init__(self) -> None:
        super().__init__("archive")
        self.messages: list[Message] = []

    async def get_messages(self, session_id: str | None, **more: Any) -> list[Message]:
        return list(self.messages)

    async def save_messages(self, session_id: str | None, messages: Any, **more: Any) -> None:
        self.messages += messages


def test_ENG_14_a_provider_reads_and_writes_as_far_as_it_may(world):
    notes = Notes("the door code")
    agent = world.agent("", "hello", context_providers=[notes])
    world.play(agent, "my cat is Ada")
    assert "the door code" in agent.client.heard[0]
    assert notes.texts == ["the door code", "my cat is Ada"]
    assert world.decided("memory_read") == [("notes", "succeeded")]
    assert world.records("memory_write")[0]["status"] == "succeeded"


def test_a_denied_read_stops_the_run_and_a_denied_write_happens_not(world):
    notes = Notes("the door code")
    policy = "rules: [{name: no-read, on: memory_read, action: deny, reason: WHY}]"
    agent = world.agent(policy, "hello", context_providers=[notes])
    assert "WHY" in world.play(agent, "hello").text
    assert not agent.client.heard
    archive = Archive()
    policy = "rules: [{name: no-write, on: memory_write, action: deny, reason: WHY}]"
    agent = world.agent(policy, "hello", context_providers=[archive])
    assert "WHY" in world.play(agent, "my cat is Ada").text
    assert archive.messages == []


def test_a_provider_has_one_guard(world):
    notes = Notes()
    world.middleware().memory(notes)
    with pytest.raises(ConfigurationError, match="governed by another guard already"):
        world.middleware().memory(notes)
    in_session = InMemoryHistoryProvider()
    assert type(world.middleware().memory(in_session)) is InMemoryHistoryProvider


# Approvals


def answered(request: Content, approved: bool, **given: Any) -> Message:
    response = request.to_function_approval_response(approved=approved)
    response.additional_properties["wardline"] = given
    return Message(role="user", contents=[response])


def test_APPR_6_a_question_outlives_its_process(world):
    guard = world.guard(ASK)
    agent = world.agent(guard, world.called("pay", to="a"))
    session = agent.create_session()
    response = world.play(agent, session=session)
    (request,) = response.user_input_requests
    asked = request.additional_properties["wardline"]
    assert asked["arguments"] == {"to": "a", "amount": 1}
    assert not world.ran
    kept = json.loads(json.dumps({"s": session.to_dict(), "r": request.to_dict()}))
    again = world.agent(guard)
    answer = answered(
        Content.from_dict(kept["r"]), approved=True, by="os:alice", approval=asked["approval"]
    )
    world.play(again, answer, session=AgentSession.from_dict(kept["s"]))
    assert world.ran == [("a", 1)]
    assert world.decided() == [("pay", "succeeded")]


def test_an_answer_that_does_not_count_asks_again_and_says_why(world):
    agent = world.agent(ASK, world.called("pay", to="a"))
    session = agent.create_session()
    (request,) = world.play(agent, session=session).user_input_requests
    (request,) = world.play(
        agent, answered(request, approved=True, by="os:bob"), session=session
    ).user_input_requests
    assert "os:bob" in request.additional_properties["wardline"]["why"]
    world.play(agent, answered(request, approved=True, by="os:alice"), session=session)
    assert world.ran == [("a", 1)]


def test_a_no_is_on_record(world):
    guard = world.guard(ASK)
    agent = world.agent(guard, world.called("pay", to="a"))
    session = agent.create_session()
    (request,) = world.play(agent, session=session).user_input_requests
    asked = request.additional_properties["wardline"]
    answer = answered(request, approved=False, by="os:alice", approval=asked["approval"])
    assert world.play(agent, answer, session=session).text == "done"
    assert not world.ran
    (approval,) = guard.store.approvals()
    assert approval.status == "denied"


def test_a_tools_own_approval_goes_before_ours(world):
    pay = tool(world.pay, approval_mode="always_require")
    agent = world.agent(ASK, world.called("pay", to="a"), tools=[pay])
    session = agent.create_session()
    (request,) = world.play(agent, session=session).user_input_requests
    assert "wardline" not in request.additional_properties
    assert world.decided() == []
    answer = Message(role="user", contents=[request.to_function_approval_response(approved=True)])
    (request,) = world.play(agent, answer, session=session).user_input_requests
    assert not world.ran
    world.play(agent, answered(request, approved=True, by="os:alice"), session=session)
    assert world.ran == [("a", 1)]


def test_inside_another_agent_the_model_hears_what_is_pending(world):
    inner = world.agent(None, world.called("pay", to="a"), "waiting", name="inner")
    outer = world.agent(ASK, world.called("inner", task="pay"), tools=[inner.as_tool()])
    assert not world.play(outer).user_input_requests
    assert not world.ran
    assert "asks for the approval of team" in inner.client.heard[-1]


# What can be reached


def test_coverage_says_what_is_governed_and_what_stands_against_it(world):
    inner = world.agent(None, name="inner")
    tools = [world.pay, inner.as_tool(), {"type": "web_search"}]
    outer = world.agent("", tools=tools, context_providers=[Notes()])
    found = {(one.owner, one.kind, one.name): one for one in coverage(outer)}
    assert found["root", "tool_call", "pay"].governed
    assert found["root", "model_call", "scripted"].governed
    assert found["root", "delegation", "inner"].governed
    assert found["inner", "tool_call", "pay"].governed
    assert found["root", "memory_write", "notes"].governed
    assert "does not execute" in found["root", "tool_call", "web_search"].why
    assert not any(one.governed for one in coverage(inner))
    assert coverage("something else") == []


def test_the_example_blocks_and_leaves_a_verified_ledger():
    example = Path(__file__).parents[3] / "examples" / "agent_framework.py"
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What ran: find_order(17), refund(17, 40)" in done.stdout
    assert "The ledger is verified" in done.stdout
