"""Memory, artifacts, and questions that suspend a run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.adk.artifacts import InMemoryArtifactService
from google.adk.memory import InMemoryMemoryService
from google.adk.sessions import InMemorySessionService
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.adk.tools import AgentTool, FunctionTool, load_memory, preload_memory
from google.genai import types

from wardline import ActionDenied
from wardline_google_adk import WardlinePlugin, coverage

NO_WRITE = "rules: [{name: no-write, on: memory_write, action: deny, reason: WHY}]"
NO_READ = "rules: [{name: no-read, on: memory_read, action: deny, reason: WHY}]"
ASK = "rules: [{name: ask, tool: pay, action: require_approval}]"
CONFIRM = "adk_request_confirmation"


def remembering(world: Any, runner: Any) -> InMemoryMemoryService:
    """Play a conversation and put it into the runner's memory."""
    world.play(runner, "my cat is called Ada", session="first")
    memory = runner.memory_service

    async def remember() -> None:
        sessions = runner.session_service
        session = await sessions.get_session(app_name="shop", user_id="u", session_id="first")
        await memory.add_session_to_memory(session)

    asyncio.run(remember())
    return memory


# Memory


@pytest.mark.parametrize("tool", [load_memory, preload_memory], ids=["load", "preload"])
@pytest.mark.parametrize("policy", ["", NO_READ], ids=["allowed", "denied"])
def test_ENG_14_a_memory_is_read_as_far_as_it_may_be(world, tool, policy):
    first = world.runner("", world.agent("nice"), memory_service=InMemoryMemoryService())
    memory = remembering(world, first)
    turn = world.called("load_memory", query="cat") if tool is load_memory else "done"
    agent = world.agent(turn, tools=[tool])
    runner = world.runner(policy, agent, memory_service=memory)
    world.play(runner, "what is my cat called", session="second")
    known = any("Ada" in text for text in agent.model.heard)
    assert known is (policy == "")
    (read,) = world.records("memory_read")
    assert read["name"] == "InMemoryMemoryService"
    assert read["session"] == "shop/u/second"
    assert read["status"] == ("refused" if policy else "succeeded")


def test_what_a_memory_gives_is_redacted(world):
    first = world.runner("", world.agent("nice"), memory_service=InMemoryMemoryService())
    memory = remembering(world, first)
    policy = """
rules: [{name: hide, on: memory_read.after, action: deny, reason: WHY}]
"""
    agent = world.agent(world.called("load_memory", query="cat"), tools=[load_memory])
    world.play(world.runner(policy, agent, memory_service=memory), "x", session="second")
    assert "Ada" not in agent.model.heard[-1]
    assert world.decided("memory_read") == [("InMemoryMemoryService", "withheld")]


def test_a_memory_outside_any_run_is_governed_by_hand(world):
    runner = world.runner("", world.agent("nice"), memory_service=InMemoryMemoryService())
    world.play(runner, "my cat is called Ada", session="first")
    plugin = WardlinePlugin(world.guard(NO_WRITE))
    memory = plugin.memory(runner.memory_service)

    async def remember() -> Any:
        sessions = runner.session_service
        session = await sessions.get_session(app_name="shop", user_id="u", session_id="first")
        with pytest.raises(ActionDenied, match="WHY"):
            await memory.add_session_to_memory(session)
        return await memory.search_memory(app_name="shop", user_id="u", query="cat")

    assert asyncio.run(remember()).memories == []
    (written,) = world.records("memory_write")
    assert (written["session"], written["status"]) == ("shop/u/first", "refused")


def test_an_artifact_is_written_as_far_as_it_may_be(world):
    async def save(tool_context: Any) -> str:
        """Save something."""
        try:
            await tool_context.save_artifact("plan.txt", types.Part(text="the plan"))
        except ActionDenied as refused:
            return str(refused)
        return "saved"

    found = []
    for policy in ("", NO_WRITE):
        artifacts = InMemoryArtifactService()
        agent = world.agent(world.called("save"), tools=[save])
        events = world.play(world.runner(policy, agent, artifact_service=artifacts))
        keys = artifacts.list_artifact_keys(app_name="shop", user_id="u", session_id="s")
        found.append((world.responses(events)[0]["result"], asyncio.run(keys)))
    assert found[0] == ("saved", ["plan.txt"])
    assert "WHY" in found[1][0]
    assert found[1][1] == []
    outer, written = world.records("tool_call", "memory_write")[:2]
    assert written["session"] == outer["session"]


# Approvals


def asked(events: Any) -> list[Any]:
    return [one for event in events for one in event.get_function_calls() if one.name == CONFIRM]


def reply(question: Any, **response: Any) -> types.Content:
    answer = types.FunctionResponse(id=question.id, name=CONFIRM, response=response)
    return types.Content(role="user", parts=[types.Part(function_response=answer)])


def test_APPR_6_a_question_outlives_its_runner(world, tmp_path):
    path = str(tmp_path / "sessions.db")
    guard = world.guard(ASK)
    first = world.agent([world.called("pay", to="a"), world.called("pay", to="b")])
    events = world.play(world.runner(guard, first, sessions=SqliteSessionService(path)))
    questions = asked(events)
    assert not world.ran
    assert [one.args["toolConfirmation"]["payload"]["arguments"]["to"] for one in questions] == [
        "a",
        "b",
    ]
    again = world.runner(guard, world.agent(), sessions=SqliteSessionService(path))
    payload = questions[0].args["toolConfirmation"]["payload"]
    answer = {"by": "os:alice", "approval": payload["approval"]}
    world.play(again, reply(questions[0], confirmed=True, payload=answer))
    assert world.ran == [("a", 1)]
    again = world.runner(guard, world.agent(), sessions=SqliteSessionService(path))
    world.play(again, reply(questions[1], confirmed=False, payload={"by": "os:alice"}))
    assert world.ran == [("a", 1)]
    assert world.decided() == [("pay", "succeeded"), ("pay", "refused")]


def test_an_answer_that_does_not_count_asks_again_and_says_why(world):
    sessions = InMemorySessionService()
    guard = world.guard(ASK)
    runner = world.runner(guard, world.agent(world.called("pay", to="a")), sessions=sessions)
    (question,) = asked(world.play(runner))
    events = world.play(runner, reply(question, confirmed=True))
    (question,) = asked(events)
    assert "by" in question.args["toolConfirmation"]["payload"]["why"]
    world.play(runner, reply(question, confirmed=True, payload={"by": "os:alice"}))
    assert world.ran == [("a", 1)]


def test_APPR_1_a_denied_call_never_reaches_the_human(world):
    policy = "rules: [{name: no-pay, tool: pay, action: deny, reason: WHY}]"
    tool = FunctionTool(world.pay, require_confirmation=True)
    agent = world.agent(world.called("pay", to="a"), tools=[tool])
    events = world.play(world.runner(policy, agent))
    assert not asked(events)
    assert "WHY" in world.responses(events)[0]["error"]


def test_a_tools_own_confirmation_goes_before_ours(world):
    tool = FunctionTool(world.pay, require_confirmation=True)
    runner = world.runner("", world.agent(world.called("pay", to="a"), tools=[tool]))
    (question,) = asked(world.play(runner))
    assert world.decided() == []
    world.play(runner, reply(question, confirmed=True))
    assert world.ran == [("a", 1)]
    assert world.decided() == [("pay", "succeeded")]


def test_inside_an_agent_tool_the_model_hears_what_is_pending(world):
    inner = world.agent(world.called("pay", to="a"), "waiting", name="inner")
    root = world.agent(world.called("inner", request="pay"), tools=[AgentTool(inner)])
    events = world.play(world.runner(ASK, root))
    assert not asked(events)
    assert not world.ran
    assert "asks for the approval of team" in inner.model.heard[-1]


def test_a_transfer_can_be_asked_about(world):
    policy = "rules: [{name: ask, on: delegation, action: require_approval}]"
    sub = world.agent("sub here", name="sub")
    root = world.agent(world.called("transfer_to_agent", agent_name="sub"), sub_agents=[sub])
    runner = world.runner(policy, root)
    (question,) = asked(world.play(runner))
    assert not sub.model.heard
    events = world.play(runner, reply(question, confirmed=True, payload={"by": "os:alice"}))
    assert world.texts(events)[-1] == "sub here"
    assert world.decided("delegation") == [("sub", "succeeded")]


# What can be reached


def test_coverage_says_what_is_governed_and_what_stands_against_it(world):
    from google.adk.tools import google_search

    aside = world.agent(name="aside")
    sub = world.agent(name="sub", tools=[AgentTool(aside, include_plugins=False)])
    root = world.agent(tools=[world.pay, google_search], sub_agents=[sub])
    found = {(one.owner, one.kind, one.name): one for one in coverage(world.runner("", root))}
    assert found["root", "tool_call", "pay"].governed
    assert found["root", "model_call", "scripted"].governed
    assert found["root", "delegation", "sub"].governed
    assert "provider" in found["root", "tool_call", "google_search"].why
    assert "include_plugins=False" in found["aside", "tool_call", "pay"].why
    assert not any(one.governed for one in coverage(root))
    assert coverage("something else") == []
