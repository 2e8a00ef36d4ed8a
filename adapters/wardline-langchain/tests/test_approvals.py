"""Approvals: suspended with a checkpointer, resumed in another process, answered by whoever may."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from wardline import ApprovalPending, CallbackApprover, Operator, Reply
from wardline.ledger import read

HERE = Path(__file__).parent
ASK = """
approvers: [payers]
default_action: allow
rules: [{name: ask, tool: pay, action: require_approval}]
"""
APPROVERS = {"payers": ["os:alice", "os:bob"]}
CONFIG = {"configurable": {"thread_id": "t"}}
YES = {"approved": True, "by": "os:alice"}
NO = {"approved": False, "by": "os:alice", "note": "not today"}
MODES = ("invoke", "ainvoke")


def run(agent: Any, given: Any, mode: str = "invoke", config: Any = CONFIG) -> Any:
    if mode == "invoke":
        return agent.invoke(given, config)
    return asyncio.run(agent.ainvoke(given, config))


def questions(out: Any) -> list[Any]:
    return [one.value for one in out.get("__interrupt__", ())]


def asking(world: Any, *answers: Any, policy: str = ASK, **options: Any) -> Any:
    guard = world.guard(policy, approvers=APPROVERS, **options)
    return guard, world.agent(guard, *answers, checkpointer=InMemorySaver())


def pays(world: Any, *names: str) -> AIMessage:
    return world.turn(*[world.call("pay", name, to=name, amount="2") for name in names])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("answer", [YES, NO])
def test_a_run_is_suspended_and_resumed_with_the_answer(world, mode, answer):
    _, agent = asking(world, pays(world, "x"))
    (question,) = questions(run(agent, world.go, mode))
    assert world.ran == []
    assert question["tool"] == "pay"
    assert question["arguments"] == {"to": "x", "amount": 2}
    assert question["rule"] == "ask"
    assert question["approvers"] == ["os:alice", "os:bob"]
    assert question["approval"]
    assert "T" in question["expires"]
    json.dumps(question)
    out = run(agent, Command(resume=answer), mode)
    assert questions(out) == []
    if answer is YES:
        assert world.ran == [("pay", "x", 2)]
        assert world.tool_texts(out) == ["paid x"]
        assert world.decided() == [("pay", "succeeded")]
    else:
        assert world.ran == []
        assert "os:alice said no: not today" in world.tool_texts(out)[0]
    assert out["messages"][-1].content == "done"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("yes please", "an answer is"),
        ({"approved": "yes", "by": "os:alice"}, "an answer is"),
        ({"approved": True}, "an answer is"),
        ({"approved": True, "by": "os:mallory"}, "os:mallory"),
        ({"approved": True, "by": "os:alice", "approval": "approval-0"}, "another approval"),
    ],
)
def test_what_is_no_answer_is_asked_again(world, mode, bad, why):
    _, agent = asking(world, pays(world, "x"))
    run(agent, world.go, mode)
    (question,) = questions(run(agent, Command(resume=bad), mode))
    assert why in question["why"]
    assert world.ran == []
    out = run(agent, Command(resume={**YES, "approval": question["approval"]}), mode)
    assert world.tool_texts(out) == ["paid x"]
    assert world.ran == [("pay", "x", 2)]


@pytest.mark.parametrize("approved", [True, False])
def test_the_answer_may_come_through_the_store(world, approved):
    guard, agent = asking(world, pays(world, "x"))
    (question,) = questions(run(agent, world.go))
    guard.answer(question["approval"], Reply("os:bob", approved=approved))
    out = run(agent, Command(resume="somebody has answered"))
    assert world.ran == ([("pay", "x", 2)] if approved else [])
    assert questions(out) == []


def test_an_unanswered_question_stays(world):
    _, agent = asking(world, pays(world, "x"))
    (first,) = questions(run(agent, world.go))
    (second,) = questions(run(agent, Command(resume="any news?")))
    assert first["approval"] == second["approval"]


def test_two_answers_for_a_quorum(world):
    policy = ASK.replace("require_approval}", "require_approval, quorum: 2}")
    _, agent = asking(world, pays(world, "x"), policy=policy)
    run(agent, world.go)
    (question,) = questions(run(agent, Command(resume=YES)))
    assert world.ran == []
    (question,) = questions(run(agent, Command(resume=YES)))
    assert "why" in question
    out = run(agent, Command(resume={"approved": True, "by": "os:bob"}))
    assert world.tool_texts(out) == ["paid x"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("mode", MODES)
def test_APPR_8_two_questions_of_one_answer_are_resolved_in_any_order(world, order, mode):
    """APPR-8"""
    _, agent = asking(world, pays(world, "x", "y"))
    out = run(agent, world.go, mode)
    asked = sorted(out["__interrupt__"], key=lambda one: one.value["arguments"]["to"])
    assert [one.value["arguments"]["to"] for one in asked] == ["x", "y"]
    first, second = (asked[number] for number in order)
    out = run(agent, Command(resume={first.id: YES}), mode)
    assert world.ran == [("pay", first.value["arguments"]["to"], 2)]
    (left,) = out["__interrupt__"]
    assert left.value["approval"] == second.value["approval"]
    out = run(agent, Command(resume={left.id: NO}), mode)
    assert len(world.ran) == 1
    assert sorted(world.tool_texts(out))[1] == f"paid {first.value['arguments']['to']}"


def test_an_answer_counts_for_one_question_only(world):
    """A tool that fails and is asked about again needs a new answer; the old one is only replayed."""
    attempts: list[int] = []

    @tool
    def pay(to: str) -> str:
        "Pay, the second time."
        attempts.append(1)
        if len(attempts) == 1:
            raise TimeoutError("try again")
        return "paid"

    guard = world.guard(ASK, approvers=APPROVERS)
    turn = world.turn(world.call("pay", to="x"))
    agent = world.agent(guard, turn, tools=[pay], checkpointer=InMemorySaver())
    (first,) = questions(run(agent, world.go))
    with pytest.raises(TimeoutError):
        run(agent, Command(resume=YES))
    (second,) = questions(run(agent, None))
    assert second["approval"] != first["approval"]
    assert len(attempts) == 1
    out = run(agent, Command(resume={**YES, "approval": second["approval"]}))
    assert world.tool_texts(out) == ["paid"]
    assert len(attempts) == 2


@pytest.mark.parametrize("mode", MODES)
def test_without_a_checkpointer_the_model_hears_what_is_pending(world, mode):
    guard = world.guard(ASK, approvers=APPROVERS)
    out = run(world.agent(guard, pays(world, "x")), world.go, mode)
    (approval,) = guard.store.approvals()
    assert approval.id in world.tool_texts(out)[0]
    assert world.ran == []
    with pytest.raises(ApprovalPending):
        run(world.agent(guard, pays(world, "x"), on_denied="raise"), world.go, mode)


@pytest.mark.parametrize("mode", MODES)
def test_an_approver_of_this_process_is_asked_while_the_call_waits(world, mode):
    approver = CallbackApprover(lambda request: Reply("os:alice", approved=True))
    guard = world.guard(ASK, approvers=APPROVERS, approver=approver)
    out = run(world.agent(guard, pays(world, "x")), world.go, mode)
    assert world.tool_texts(out) == ["paid x"]


@pytest.mark.parametrize("mode", MODES)
def test_APPR_9_a_question_inside_a_sub_agent_surfaces_at_the_root_and_resumes_there(world, mode):
    """APPR-9"""
    guard = world.guard(ASK, approvers=APPROVERS)
    inner = world.agent(
        guard,
        world.turn(world.call("read_file", "1", path="/a")),
        pays(world, "x"),
    )

    if mode == "invoke":

        @tool
        def helper(task: str) -> str:
            "Ask a helper."
            out = inner.invoke({"messages": [HumanMessage(task)]})
            return out["messages"][-1].content

    else:

        @tool
        async def helper(task: str) -> str:
            "Ask a helper."
            out = await inner.ainvoke({"messages": [HumanMessage(task)]})
            return out["messages"][-1].content

    agent = world.agent(
        guard,
        world.turn(world.call("helper", task="t")),
        tools=[helper],
        checkpointer=InMemorySaver(),
    )
    (question,) = questions(run(agent, world.go, mode))
    assert question["tool"] == "pay"
    assert world.ran == [("read_file", "/a")]
    out = run(agent, Command(resume=YES), mode)
    assert world.ran == [("read_file", "/a"), ("pay", "x", 2)]
    assert world.tool_texts(out) == ["done"]
    ((session, depth),) = {
        (one["session"], one["facts"]["session"]["depth"])
        for one in world.records("intent")
        if one["name"] in ("read_file", "pay")
    }
    assert session != "t"
    assert depth == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_question_inside_a_call_that_was_approved_is_refused(world, mode):
    """Resuming would start the outer call again, and its approval was for one start."""
    policy = ASK.replace("tool: pay", "tool: [pay, helper]")
    guard = world.guard(policy, approvers=APPROVERS)
    inner = world.agent(guard, pays(world, "x"))
    starts: list[int] = []

    @tool
    def helper(task: str) -> str:
        "Ask a helper."
        starts.append(1)
        return inner.invoke({"messages": [HumanMessage(task)]})["messages"][-1].content

    agent = world.agent(
        guard,
        world.turn(world.call("helper", task="t")),
        tools=[helper],
        checkpointer=InMemorySaver(),
    )
    (question,) = questions(run(agent, world.go, mode))
    assert question["tool"] == "helper"
    out = run(agent, Command(resume=YES), mode)
    assert questions(out) == []
    assert "asks again" in world.tool_texts(out)[0]
    assert world.ran == []
    assert len(starts) == 1


def test_a_tool_may_ask_its_own_questions(world):
    @tool
    def curious() -> str:
        "Ask."
        from langgraph.types import interrupt

        return f"heard {interrupt('what?')}"

    guard = world.guard("default_action: allow")
    turn = world.turn(world.call("curious"))
    agent = world.agent(guard, turn, tools=[curious], checkpointer=InMemorySaver())
    assert questions(run(agent, world.go)) == ["what?"]
    assert world.tool_texts(run(agent, Command(resume="this"))) == ["heard this"]
    assert world.decided() == [("curious", "failed"), ("curious", "succeeded")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["model_call", "input"])
def test_a_question_before_the_model_or_the_agent(world, mode, kind):
    policy = f"""
approvers: [payers]
default_action: allow
rules: [{{name: ask, on: {kind}, action: require_approval}}]
"""
    _, agent = asking(world, policy=policy)
    (question,) = questions(run(agent, world.go, mode))
    assert question["kind"] == kind
    out = run(agent, Command(resume=YES), mode)
    assert questions(out) == []
    assert out["messages"][-1].content == "done"


def test_APPR_7_a_changed_policy_judges_anew_on_resume(world):
    """APPR-7"""
    saver = InMemorySaver()
    guard, _ = asking(world)
    agent = world.agent(guard, pays(world, "x"), checkpointer=saver)
    (question,) = questions(run(agent, world.go))
    guard.answer(question["approval"], Reply("os:alice", approved=True))
    stricter = world.guard(ASK.replace("require_approval", "deny"), store=guard.store)
    agent = world.agent(stricter, pays(world, "x"), checkpointer=saver)
    out = run(agent, Command(resume=YES))
    assert world.ran == []
    assert "not run" in world.tool_texts(out)[0]


# Other processes


def process(home: Path, what: str, value: Any = "") -> dict[str, Any]:
    text = json.dumps(value) if value else ""
    command = [sys.executable, str(HERE / "payer.py"), str(home), what, text]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == (-9 if what == "die" else 0), done.stderr
    return json.loads(done.stdout)


ANSWER = """
import sys
from wardline import Operator
with Operator(sys.argv[1]) as operator:
    print(operator.answer(sys.argv[2], approved=sys.argv[3] == "yes").status)
"""


def answer(home: Path, approval: str, what: str) -> str:
    command = [sys.executable, "-c", ANSWER, str(home), approval, what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("first", ["start", "die"])
def test_APPR_6_answers_of_another_process_resume_in_a_third(tmp_path, first):
    """APPR-6: what was approved happens once, what was denied never, whatever process dies."""
    out = process(tmp_path, first)
    paid = tmp_path / "paid.txt"
    assert paid.read_text().split() == ["alice"]
    asked = {one["arguments"]["to"]: one for one in out["interrupts"]}
    assert set(asked) == {"bob", "carol"}
    with Operator(tmp_path) as operator:
        pending = {one.id for one in operator.approvals("pending")}
    assert pending == {one["approval"] for one in asked.values()}
    assert answer(tmp_path, asked["bob"]["approval"], "yes") == "approved"
    assert answer(tmp_path, asked["carol"]["approval"], "no") == "denied"
    resume = {one["id"]: "answered" for one in asked.values()}
    out = process(tmp_path, "resume", resume)
    assert out["interrupts"] == []
    assert paid.read_text().split() == ["alice", "bob"]
    assert out["texts"]["bob"] == "paid bob"
    assert "said no" in out["texts"]["carol"]
    assert out["last"] == "done"
    process(tmp_path, "resume")
    assert paid.read_text().split() == ["alice", "bob"]
    records = [one.fields for one in read(tmp_path / "ledger")]
    intents = [one for one in records if one["type"] == "intent" and one["kind"] == "tool_call"]
    assert len(intents) == 2
    assert {one["session"] for one in intents} == {"t-1"}


def test_one_of_two_may_stay_open_over_processes(tmp_path):
    """APPR-8 over processes"""
    out = process(tmp_path, "start")
    asked = {one["arguments"]["to"]: one for one in out["interrupts"]}
    answer(tmp_path, asked["carol"]["approval"], "yes")
    out = process(tmp_path, "resume", {asked["carol"]["id"]: "answered"})
    assert [one["arguments"]["to"] for one in out["interrupts"]] == ["bob"]
    answer(tmp_path, asked["bob"]["approval"], "yes")
    out = process(tmp_path, "resume", {asked["bob"]["id"]: "answered"})
    assert (tmp_path / "paid.txt").read_text().split() == ["alice", "carol", "bob"]
    assert out["last"] == "done"
