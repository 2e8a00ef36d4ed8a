"""What the README shows is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

from crewai import Agent, Crew, Task
from crewai.flow import Flow, listen, start
from crewai.flow.persistence import SQLiteFlowPersistence
from crewai.project import CrewBase, agent, crew, task

from wardline import Reply
from wardline_crewai import govern, governed

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

ALLOW = """
apiVersion: wardline/v1
name: all
default_action: allow
"""


class Quick(Flow):
    """A flow that does not load a memory of its own."""

    _skip_auto_memory = True


def test_start(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path / "home"))
    Path("policy.yaml").write_text(ALLOW)
    agent = world.agent([world.call("pay", to="bob")], "done")
    tasks = [Task(description="about {topic}", expected_output="x", agent=agent)]
    names = {"__name__": __name__, "agents": [agent], "tasks": tasks}
    exec(BLOCKS[0], names)
    assert names["result"].raw == "done"
    assert world.ran == [("pay", "bob", 1)]
    names["crew"]._governor.guard.close()


def test_decorator(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path / "home"))
    Path("policy.yaml").write_text(
        ALLOW + "rules: [{name: no-pay, tool: pay, action: deny}]\ntools: {pay: {}}"
    )
    model = world.model([world.call("pay", to="bob")], "done")

    class Project:
        @agent
        def worker(self) -> Agent:
            return world.agent(llm=model)

        @task
        def work(self) -> Task:
            return Task(description="d", expected_output="x", agent=self.worker())

        @crew
        @governed("policy.yaml")
        def crew(self) -> Crew:
            return Crew(agents=self.agents, tasks=self.tasks)

    assert BLOCKS[1].startswith('@crew\n@governed("policy.yaml")\ndef crew(self) -> Crew')
    made = CrewBase(Project)().crew()
    assert made.kickoff().raw == "done"
    assert world.ran == []
    made._governor.guard.close()


def test_approvals(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asks = "approvers: [boss]\nrules: [{name: ask, tool: pay, action: require_approval}]"
    guard = world.guard(asks, approvers={"boss": ["os:alice"]})
    calls = [world.call("pay", to="bob")]
    names = {
        "__name__": __name__,
        "Flow": Quick,
        "start": start,
        "listen": listen,
        "govern": govern,
        "guard": guard,
        "make_crew": lambda: world.crew(world.agent(calls, "done")),
        "SQLiteFlowPersistence": SQLiteFlowPersistence,
        "Reply": Reply,
    }
    exec(BLOCKS[2], names)
    assert world.ran == [("pay", "bob", 1)]
