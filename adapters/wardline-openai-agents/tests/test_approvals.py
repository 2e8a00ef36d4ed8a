"""Approvals: the SDK suspends, somebody answers, another process goes on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Runner, RunState, SQLiteSession, function_tool
from openai_world import Scripted, call, outputs, say

from wardline import AnswerRefused, ConfigurationError, Reply
from wardline_openai_agents import answer, govern, questions

ASK = "rules: [{name: ask, tool: pay, action: require_approval}]"
YES = {"approved": True, "by": "os:alice"}
NO = {"approved": False, "by": "os:alice"}


def play(agent: Agent[Any], input: Any = "go", **options: Any) -> Any:
    return asyncio.run(Runner.run(agent, input, **options))


def loaded(agent: Agent[Any], result: Any) -> Any:
    return asyncio.run(RunState.from_string(agent, result.to_state().to_string()))


def test_a_question_suspends_and_shows_what_would_run(world):
    model = Scripted([call("pay", "1", to="bob"), call("read_file", "2", path="p")])
    result = play(govern(Agent("a", model=model, tools=world.tools), world.guard(ASK)))
    assert world.ran == [("read_file", "p")]
    (asked,) = questions(result)
    assert asked["tool"] == "pay"
    assert asked["arguments"] == {"to": "bob", "amount": 1}
    assert (asked["rule"], asked["approvers"]) == ("ask", ["os:alice"])


@pytest.mark.parametrize("how", ["answer", "elsewhere"])
@pytest.mark.parametrize("path", ["async", "sync", "stream"])
def test_APPR_6_an_approved_call_runs_once_from_the_stored_state(world, how, path):
    guard = world.guard(ASK)
    model = Scripted([call("pay", "1", to="bob")])
    agent = govern(Agent("a", model=model, tools=world.tools), guard)
    result = play(agent)
    state = loaded(agent, result)
    if how == "answer":
        asyncio.run(answer(state, YES))
    else:
        guard.answer(questions(result)[0]["approval"], Reply("os:alice", approved=True, how="x"))

    async def streamed() -> Any:
        running = Runner.run_streamed(agent, state)
        async for _ in running.stream_events():
            pass
        return running

    if path == "sync":
        done = Runner.run_sync(agent, state)
    else:
        done = asyncio.run(streamed()) if path == "stream" else play(agent, state)
    assert done.final_output == "done"
    assert world.ran == [("pay", "bob", 1)]
    assert outputs(model) == {"1": "paid bob"}
    assert len(world.records("intent", name="pay")) == 1


def test_a_denied_question_is_told_to_the_model(world):
    model = Scripted([call("pay", "1", to="bob")])
    agent = govern(Agent("a", model=model, tools=world.tools), world.guard(ASK))
    state = loaded(agent, play(agent))
    asyncio.run(answer(state, NO))
    assert play(agent, state).final_output == "done"
    assert world.ran == []
    assert "os:alice said no" in outputs(model)["1"]


def test_without_an_answer_the_run_is_suspended_again(world):
    agent = govern(
        Agent("a", model=Scripted([call("pay", "1", to="bob")]), tools=world.tools),
        world.guard(ASK),
    )
    first = play(agent)
    second = play(agent, loaded(agent, first))
    assert questions(second) == questions(first)
    assert world.ran == []


def test_approving_past_the_guard_runs_nothing(world):
    model = Scripted([call("pay", "1", to="bob")])
    agent = govern(Agent("a", model=model, tools=world.tools), world.guard(ASK))
    state = loaded(agent, play(agent))
    state.approve(state.get_interruptions()[0])
    play(agent, state)
    assert world.ran == []
    assert "approval" in outputs(model)["1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"approved": True, "by": "os:mallory"}, "os:mallory"),
        ({"approved": "yes", "by": "os:alice"}, "an answer is"),
        ({**YES, "approval": "other"}, "0 questions"),
    ],
)
def test_an_answer_that_does_not_count_is_refused(world, given, message):
    agent = govern(
        Agent("a", model=Scripted([call("pay", "1", to="bob")]), tools=world.tools),
        world.guard(ASK),
    )
    state = loaded(agent, play(agent))
    with pytest.raises(AnswerRefused, match=message):
        asyncio.run(answer(state, given))
    assert play(agent, state).interruptions
    assert world.ran == []


def test_of_two_questions_an_answer_names_one(world):
    model = Scripted([call("pay", "1", to="ann"), call("pay", "2", to="bob")])
    agent = govern(Agent("a", model=model, tools=world.tools), world.guard(ASK))
    result = play(agent)
    state = loaded(agent, result)
    with pytest.raises(AnswerRefused, match="2 questions"):
        asyncio.run(answer(state, YES))
    second = next(one for one in questions(result) if one["arguments"]["to"] == "bob")
    asyncio.run(answer(state, {**YES, "approval": second["approval"]}))
    again = play(agent, state)
    assert world.ran == [("pay", "bob", 1)]
    state = loaded(agent, again)
    asyncio.run(answer(state, YES))
    assert play(agent, state).final_output == "done"
    assert world.ran == [("pay", "bob", 1), ("pay", "ann", 1)]


def test_APPR_9_a_question_inside_an_agent_as_a_tool_surfaces_and_goes_on(world):
    inner = Scripted([call("pay", "1", to="bob")], [say("helped")])
    outer = Scripted([call("ask", "1", input="pay bob")])
    helper = Agent("helper", model=inner, tools=world.tools)
    guard = world.guard(ASK)
    agent = govern(Agent("a", model=outer, tools=[helper.as_tool("ask", "")]), guard)
    result = play(agent)
    assert [one["tool"] for one in questions(result)] == ["pay"]
    state = loaded(agent, result)
    asyncio.run(answer(state, YES))
    assert play(agent, state).final_output == "done"
    assert world.ran == [("pay", "bob", 1)]
    assert outputs(outer) == {"1": "helped"}
    (paid,) = world.records("intent", name="pay")
    assert paid["principal"]["id"] == "agent/helper"
    statuses = [one["status"] for one in world.records("outcome")]
    assert statuses.count("failed") == 2  # the start that was suspended, and its delegation
    assert len({one["run"].split("/")[0] for one in world.records("intent")}) == 1


def test_a_question_after_a_handoff_is_asked_for_the_one_who_acts(world):
    b = Agent("b", model=Scripted([call("pay", "1", to="bob")]), tools=world.tools)
    a = Agent("a", model=Scripted([call("transfer_to_b", "h")]), handoffs=[b])
    agent = govern(a, world.guard(ASK))
    state = loaded(agent, play(agent))
    asyncio.run(answer(state, YES))
    assert play(agent, state).final_output == "done"
    assert world.ran == [("pay", "bob", 1)]
    (paid,) = world.records("intent", name="pay")
    assert paid["principal"]["id"] == "agent/b"


def test_a_tools_own_question_is_asked_beside_the_guards(world):
    @function_tool(needs_approval=True)
    def send(to: str) -> str:
        """Send."""
        world.ran.append(to)
        return "sent"

    model = Scripted([call("send", "1", to="bob")])
    agent = govern(Agent("a", model=model, tools=[send]), world.guard(ASK))
    result = play(agent)
    assert questions(result) == []
    state = loaded(agent, result)
    state.approve(state.get_interruptions()[0])
    assert play(agent, state).final_output == "done"
    assert world.ran == ["bob"]
    assert len(world.records("outcome", status="succeeded")) == 3


def test_ids_that_two_runs_share_are_told_apart_by_the_conversation(world):
    guard = world.guard(ASK)
    model = Scripted([call("pay", "1", to="ann")], [call("pay", "1", to="bob")])
    agent = govern(Agent("a", model=model, tools=world.tools), guard)
    ann, bob = SQLiteSession("ann"), SQLiteSession("bob")
    first = loaded(agent, play(agent, session=ann))
    play(agent, session=bob)
    with pytest.raises(PermissionError, match="several runs"):
        play(agent, first)
    (approval,) = (one for one in guard.store.approvals() if one.session == "ann")
    guard.answer(approval.id, Reply("os:alice", approved=True, how="x"))
    assert play(agent, first, session=ann).final_output == "done"
    assert world.ran == [("pay", "ann", 1)]


def test_questions_of_an_agent_that_nobody_governs_are_nobodys(world):
    agent = Agent("a", model=Scripted([call("pay", "1", to="bob")]), tools=world.tools)
    result = play(govern(agent, world.guard(ASK)))
    state = asyncio.run(RunState.from_string(agent, result.to_state().to_string()))
    with pytest.raises(ConfigurationError, match="nobody governs"):
        questions(state)


PAYER = Path(__file__).with_name("openai_payer.py")


def run_payer(home: Path, *args: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(PAYER), str(home), *args], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_APPR_6_a_suspended_run_goes_on_in_another_process(tmp_path):
    started = run_payer(tmp_path, "start")
    assert (started["paid"], len(started["questions"])) == ([], 1)
    (tmp_path / "state.json").write_text(started["state"])
    again = run_payer(tmp_path, "resume")
    assert (again["paid"], len(again["questions"])) == ([], 1)
    done = run_payer(tmp_path, "approve")
    assert (done["paid"], done["final"]) == (["bob"], "done")
    # The same state once more: what ran does not run again.
    once_more = run_payer(tmp_path, "resume")
    assert once_more["paid"] == []
