"""Crews, coworkers, texts, memories, models, flows: what is particular to CrewAI."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any, ClassVar

import pytest
from crewai import Agent, Crew, Process, Task
from crewai.flow import Flow, listen, start
from crewai.flow.async_feedback import HumanFeedbackPending
from crewai.flow.persistence import SQLiteFlowPersistence
from crewai.hooks import HookAborted
from crewai.memory.types import MemoryRecord
from crewai.memory.unified_memory import Memory

from wardline import ActionDenied, ActionRefused, ConfigurationError, Reply
from wardline_crewai import coverage, govern, governed

NO_DELETE = "rules: [{name: no-delete, tool: delete_file, action: deny}]"
DELEGATE = "delegate_work_to_coworker"


def delegating(world, *script):
    ask = world.call(DELEGATE, task="clean up", context="now", coworker="cleaner")
    boss = world.agent([ask], "all done", role="boss", tools=[], allow_delegation=True)
    return world.crew(boss, world.agent(*script, role="cleaner"))


def test_a_coworker_is_governed_and_acts_on_behalf(world):
    crew = delegating(world, [world.call("delete_file", path="/a")], "inner done")
    assert govern(crew, world.guard(NO_DELETE)).kickoff().raw == "all done"
    assert world.ran == []
    (refusal,) = world.records("refusal")
    assert refusal["principal"]["id"] == "agent/cleaner"
    assert world.decided("delegation") == [("cleaner", "succeeded")]
    assert world.decided() == [
        ("Delegate work to coworker", "succeeded"),
        ("delete_file", "refused"),
    ]


def test_delegation_has_rules_of_its_own(world):
    crew = delegating(world, [world.call("pay", to="bob")])
    rules = """
rules: [{name: nobody, on: delegation, condition: "action.name == 'cleaner' && has(args.text) && args.text == 'clean up'", action: deny}]
"""
    govern(crew, world.guard(rules)).kickoff()
    assert world.ran == []
    assert world.decided("delegation") == [("cleaner", "refused")]
    assert "refused by the rule `nobody`" in str(world.heard[-1])


def test_a_refusal_in_a_coworker_ends_the_run_where_it_should(world):
    """CrewAI swallows whatever is raised inside a coworker."""
    crew = delegating(world, [world.call("delete_file", path="/a")])
    with pytest.raises(HookAborted, match="no-delete"):
        govern(crew, world.guard(NO_DELETE), on_denied="raise").kickoff()
    assert world.ran == []
    assert len(world.heard) == 2  # the boss and the cleaner, once each


def test_a_manager_that_crewai_makes_is_governed(world):
    manager = world.model(
        [world.call(DELEGATE, task="t", context="c", coworker="cleaner")], "managed"
    )
    cleaner = world.agent([world.call("delete_file", path="/a")], "cleaned", role="cleaner")
    crew = Crew(
        agents=[cleaner],
        tasks=[Task(description="d", expected_output="x")],
        process=Process.hierarchical,
        manager_llm=manager,
    )
    assert govern(crew, world.guard(NO_DELETE)).kickoff().raw == "managed"
    assert world.ran == []
    assert world.decided("delegation") == [("cleaner", "succeeded")]
    assert ("delete_file", "refused") in world.decided()


def test_each_copy_of_a_crew_is_governed(world):
    crew = world.crew(world.agent([world.call("delete_file", path="/a")], "one", "two"))
    results = govern(crew, world.guard(NO_DELETE)).kickoff_for_each([{"n": "1"}, {"n": "2"}])
    assert len(results) == 2
    assert world.ran == []
    sessions = {one["session"] for one in world.records("intent")}
    assert len(sessions) == 2


def test_tasks_of_one_run_share_its_session_and_limits(world):
    one = world.agent([world.call("pay", to="a")], "first", role="one")
    two = world.agent([world.call("pay", to="b")], "second", role="two")
    tasks = [Task(description=a.role, expected_output="x", agent=a) for a in (one, two)]
    limits = (
        "limits: [{name: one-pay, count: calls, tool: pay, at_most: 1, per: session}]\nrules: []"
    )
    govern(world.crew(one, two, tasks=tasks), world.guard(limits)).kickoff()
    assert world.ran == [("pay", "a", 1)]


def test_a_task_that_an_error_starts_anew_does_not_run_a_call_twice(world):
    pay = [world.call("pay", to="bob")]
    crew = world.crew(world.agent(pay, ConnectionError("gone"), pay, "done"))
    guard = world.guard("rules: []", keep_results=True)
    assert govern(crew, guard).kickoff().raw == "done"
    assert world.ran == [("pay", "bob", 1)]
    assert world.tool_texts() == ["paid bob"]


def test_an_agent_that_joins_later_is_governed_at_the_next_start(world):
    crew = govern(world.crew(world.agent("x")), world.guard(NO_DELETE))
    late = world.agent([world.call("delete_file", path="/a")], "late", role="late")
    crew.agents.append(late)
    crew.tasks[0].agent = late
    assert crew.kickoff().raw == "late"
    assert world.ran == []


def test_two_guards_for_one_crew_refuse_to_start(world, tmp_path):
    crew = govern(world.crew(world.agent("x")), world.guard("rules: []"))
    world.home = tmp_path / "other"
    with pytest.raises(ConfigurationError, match="governed by another guard"):
        govern(crew, world.guard("rules: []"))


def test_a_model_may_be_shared_with_an_agent_that_is_not_governed(world):
    model = world.model("Thought: k\nFinal Answer: a", "Thought: k\nFinal Answer: b")
    mine, other = world.agent(llm=model, tools=[]), world.agent(llm=model, tools=[])
    rules = "rules: [{name: silent, on: model_call, action: deny}]"
    assert "silent" in govern(world.crew(mine), world.guard(rules)).kickoff().raw
    assert world.crew(other).kickoff().raw == "a"


# Texts


@pytest.mark.parametrize("way", ["crew", "agent"])
def test_input_and_output_are_judged(world, way):
    rules = """
rules:
  - {name: quiet, on: input, condition: "has(args.text) && args.text.contains('secret')", action: deny}
  - {name: proper, on: output, condition: "has(args.text) && args.text.contains('damn')", action: transform, set: {args.text: "'[bleep]'"}}
"""
    agent = world.agent("Thought: k\nFinal Answer: damn it", tools=[])
    guard = world.guard(rules)
    if way == "crew":
        crew = govern(world.crew(agent, description="{ask}"), guard)
        assert "quiet" in crew.kickoff({"ask": "a secret"}).raw
        assert world.heard == []
        assert crew.kickoff({"ask": "hello"}).raw == "[bleep]"
    else:
        agent = govern(agent, guard)
        assert "quiet" in agent.kickoff("a secret").raw
        assert world.heard == []
        answer = agent.kickoff([{"role": "user", "content": "hello"}])
        assert answer.raw == "[bleep]"
        assert "damn" not in str(answer.messages)
        said = [{"type": "text", "text": "a secret"}]
        assert "quiet" in agent.kickoff([{"role": "user", "content": said}]).raw


def test_a_task_is_an_action_where_the_policy_speaks_of_it(world):
    rules = "rules: [{name: not-today, on: run, condition: \"has(args.agent) && args.agent == 'worker'\", action: deny}]"
    result = govern(world.crew(world.agent("x")), world.guard(rules)).kickoff()
    assert "not-today" in result.raw
    assert world.heard == []


def test_provider_tools_are_refused_before_the_request(world):
    agent = world.agent(llm=world.model("x", additional_params={"tools": [{"type": "web_search"}]}))
    result = govern(world.crew(agent), world.guard("rules: []")).kickoff()
    assert "web_search" in result.raw
    assert world.heard == []


def test_a_tool_that_nobody_gave_the_agent_is_not_offered(world):
    model = govern(world.agent("x"), world.guard("rules: []")).llm
    strange = {"type": "function", "function": {"name": "rm", "parameters": {}}}
    with pytest.raises(ActionDenied, match="no tool of this agent"):
        model.call("go", tools=[strange])
    assert world.heard == []


def test_a_large_result_is_not_put_aside_for_a_tool_that_nobody_judges(world):
    from crewai.tools import tool

    @tool("dump")
    def dump(path: str) -> str:
        "Dump a file."
        return f"{path} " * 5000

    crew = world.crew(world.agent([world.call("dump", path="a")], "done", tools=[dump]))
    assert govern(crew, world.guard("rules: []")).kickoff().raw == "done"
    assert world.tool_texts() == ["a " * 5000]


def test_tokens_count_where_a_model_says_nothing(world):
    limits = "limits: [{name: short, count: tokens, at_most: 5, per: run}]\nrules: []"
    crew = world.crew(world.agent([world.call("read_file", path="/a")], "never said"))
    assert "short" in govern(crew, world.guard(limits)).kickoff().raw
    assert len(world.heard) == 1


def test_the_steps_of_a_plan_are_governed(world):
    steps = [{"step_number": 1, "description": "clean", "tool_to_use": "delete_file"}]
    plan = json.dumps({"plan": "p", "steps": steps, "ready": True})
    script = [plan, [world.call("delete_file", path="/a")], "could not", "all in all: no"]
    agent = world.agent(*script, planning=True)
    govern(world.crew(agent), world.guard(NO_DELETE)).kickoff()
    assert world.ran == []
    assert world.decided() == [("delete_file", "refused")]
    assert len(world.decided("model_call")) == len(world.heard) >= 3


# Memory


class Shelf:
    """A storage that keeps what it gets."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def save(self, records: Any) -> None:
        self.kept += [one.content for one in records]

    def search(self, embedding: Any, **options: Any) -> Any:
        return [(MemoryRecord(content=one, metadata={"of": "bob"}), 0.9) for one in self.kept]


def remembering(world, shelf, *script):
    memory = Memory(llm=world.model(), storage=shelf, embedder=lambda texts: [[1.0]] * len(texts))
    return world.agent(*script, memory=memory)


ALL = {"scope": "/", "categories": ["c"], "metadata": {}, "importance": 0.5}


def test_memory_writes_are_judged_one_by_one(world):
    shelf = Shelf()
    rules = "rules: [{name: no-poison, on: memory_write, condition: \"has(args.text) && args.text.contains('poison')\", action: deny}]"
    memory = govern(remembering(world, shelf), world.guard(rules)).memory
    with pytest.raises(ActionDenied, match="no-poison"):
        memory.remember("poison", **ALL)
    with pytest.raises(ActionDenied, match="no-poison"):
        memory.remember_many(["tea", "poison", "milk"], **ALL)
    asyncio.run(memory.aremember("sugar", **ALL))
    assert shelf.kept == ["tea", "milk", "sugar"]
    assert [what for _, what in world.decided("memory_write")].count("succeeded") == 3


def test_recall_is_judged_and_redacted_also_through_the_tool_and_a_scope(world):
    shelf = Shelf()
    shelf.kept = ["the pin is 1234"]
    rules = """
rules:
  - {name: hush, on: memory_read.after, action: transform, set: {action.result: "['[pin]']"}}
  - {name: dark, on: memory_read, condition: "has(args.query) && args.query.contains('dark')", action: deny}
"""
    memory = govern(remembering(world, shelf), world.guard(rules)).memory
    (match,) = memory.recall("pin", depth="shallow")
    assert match.record.content == "[pin]"
    assert "bob" not in match.format()
    with pytest.raises(ActionDenied, match="dark"):
        memory.scope("/a").recall("dark", depth="shallow")


def test_a_refused_recall_ends_the_run_where_it_should(world):
    """CrewAI goes on without a memory that it did not get."""
    shelf = Shelf()
    rules = "rules: [{name: no-past, on: memory_read, action: deny}]"
    crew = govern(
        world.crew(remembering(world, shelf, "done")), world.guard(rules), on_denied="raise"
    )
    with pytest.raises(HookAborted, match="no-past"):
        crew.kickoff()


def test_a_refused_memory_tool_tells_the_model(world):
    shelf = Shelf()
    rules = "rules: [{name: no-notes, on: memory_write, action: deny}]"
    agent = remembering(world, shelf, [world.call("save_to_memory", contents=["x"])], "done")
    govern(world.crew(agent), world.guard(rules)).kickoff()
    assert shelf.kept == []
    assert any("no-notes" in str(one) for one in world.heard)


# Approvals


ASK = """
approvers: [boss]
rules: [{name: ask-pay, tool: pay, action: require_approval}]
"""


class Work(Flow[dict[str, Any]]):
    crew: ClassVar[Any] = None

    @start()
    def work(self) -> str:
        return str(self.crew.kickoff().raw)

    @listen("answered")
    def go_on(self) -> str:
        return str(self.work())


def test_outside_a_flow_the_model_hears_what_is_pending(world):
    crew = world.crew(world.agent([world.call("pay", to="bob")], "later"))
    result = govern(crew, world.guard(ASK, approvers={"boss": ["os:ann"]})).kickoff()
    assert (result.raw, world.ran) == ("later", [])
    assert "approval" in world.tool_texts()[0]


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("approved", [True, False])
def test_a_flow_is_suspended_and_goes_on_with_the_answer(world, tmp_path, approved, fresh):
    guard = world.guard(ASK, approvers={"boss": ["os:ann"]}, keep_results=True)
    calls = [world.call("pay", "x1", to="bob"), world.call("read_file", "x2", path="/a")]
    again = [world.call("pay", "y1", to="bob"), world.call("read_file", "y2", path="/a")]
    kept = SQLiteFlowPersistence(str(tmp_path / "flows.db"))
    Work.crew = govern(world.crew(world.agent(calls, again, "paid")), guard)
    memory = Memory(storage=Shelf())  # or CrewAI loads one that takes long
    pending = Work(persistence=kept, memory=memory).kickoff()
    assert isinstance(pending, HumanFeedbackPending)
    assert world.ran == [("read_file", "/a")]
    question = pending.callback_info["wardline"]
    assert question["arguments"] == {"to": "bob", "amount": 1}
    guard.answer(question["approval"], Reply("os:ann", approved=approved))
    if fresh:  # as another process would have it
        Work.crew = govern(world.crew(world.agent(again, "paid")), guard)
    result = Work.from_pending(pending.context.flow_id, kept, memory=memory).resume()
    assert result == "paid"
    assert world.ran == [("read_file", "/a"), *([("pay", "bob", 1)] if approved else [])]


# The door


def test_a_decorated_function_is_judged_and_a_decorated_crew_is_governed(world):
    guard = world.guard("rules: [{name: no-launch, tool: launch, action: deny}]", default="allow")

    @governed(guard)
    def launch(where: str) -> str:
        world.ran.append(where)
        return "up"

    @governed(guard)
    def make() -> Crew:
        return world.crew(world.agent("x", tools=[]))

    with pytest.raises(ActionRefused, match="no-launch"):
        launch("moon")
    assert world.ran == []
    assert all(one.governed for one in coverage(make()))


def test_a_decorated_task_is_judged_as_it_runs(world):
    @governed(world.guard("rules: [{name: idle, on: run, action: deny}]"))
    def work() -> "Task":  # noqa: UP037 - as under `from __future__ import annotations`
        return Task(
            name="tidy", description="d", expected_output="x", agent=world.agent("x", tools=[])
        )

    assert "idle" in work().execute_sync().raw
    assert world.decided("run") == [("tidy", "refused")]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda world: Task(description="d", expected_output="x"), "no agent of its own"),
        (lambda world: "crew", "str cannot be governed"),
        (lambda world: world.crew(world.agent("x"), planning=True), "planning_llm"),
    ],
)
def test_what_cannot_be_governed_says_so(world, make, why):
    with pytest.raises(ConfigurationError, match=why):
        govern(make(world), world.guard("rules: []"))


def test_checkpoints_restore_another_crew(world):
    from crewai.state.checkpoint_config import CheckpointConfig

    crew = govern(world.crew(world.agent("x")), world.guard("rules: []"))
    with pytest.raises(ConfigurationError, match="govern what it returns"):
        crew.kickoff(from_checkpoint=CheckpointConfig(restore_from="somewhere"))


def test_rules_that_could_never_be_asked_refuse_to_start(world):
    with pytest.raises(ConfigurationError, match="on `message`, which CrewAI cannot see"):
        govern(world.agent("x"), world.guard("rules: [{name: m, on: message, action: deny}]"))
    asks = "approvers: [boss]\nrules: [{name: o, on: output, action: require_approval}]"
    with pytest.raises(ConfigurationError, match="cannot wait"):
        govern(world.agent("x"), world.guard(asks))
    with pytest.raises(ConfigurationError, match="on_denied is"):
        govern(world.agent("x"), world.guard("rules: []"), on_denied="ignore")


def test_coverage_lists_what_an_agent_reaches(world):
    agent = remembering(world, Shelf())
    crew = world.crew(agent)
    assert {(one.kind, one.name) for one in coverage(crew)} == {
        ("delegation", "worker"),
        ("tool_call", "read_file"),
        ("tool_call", "delete_file"),
        ("tool_call", "pay"),
        ("model_call", "scripted-1"),
        ("memory_read", "memory"),
        ("memory_write", "memory"),
    }
    assert not any(one.governed for one in coverage(crew))
    assert all(one.governed for one in coverage(govern(crew, world.guard("rules: []"))))


def test_other_threads_keep_to_their_runs(world):
    guard = world.guard("rules: []")
    crews = [
        govern(world.crew(world.agent([world.call("pay", to=str(n))], "k")), guard)
        for n in range(4)
    ]
    threads = [threading.Thread(target=crew.kickoff) for crew in crews]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    paid = [one for one in world.records("intent") if one["kind"] == "tool_call"]
    assert len({one["session"] for one in paid}) == len(world.ran) == 4


def test_an_unproved_version_is_refused(monkeypatch):
    import importlib.metadata

    from wardline.adapters import require_proved

    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.203.2")
    monkeypatch.setattr("wardline.adapters.versions.version", lambda name: "0.203.2")
    with pytest.raises(ConfigurationError, match=r"proved with crewai 1\.15"):
        require_proved("wardline-crewai", {"crewai": ((1, 15), (1, 15))})


def test_agents_are_still_what_they_were(world):
    agent = world.agent("x")
    assert govern(agent, world.guard("rules: []")) is agent
    assert type(agent).__name__ == "Agent"
    assert isinstance(agent, Agent)
