"""A real crew under a policy: an editor asks a researcher, who reads notes and tries more than he may.

The models are scripted, so this needs no key and no network. The researcher reads a note, tries to read
outside of his folder and to delete a note; the editor publishes, which needs somebody's word. The crew runs
inside a flow: that is suspended, and a second one goes on with it, as another process would. `--model NAME`
puts a real model in the place of the scripts, as in openai/gpt-5.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# This file has the name of the framework, and would hide it.
sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != Path(__file__).parent]
os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false")
os.environ.setdefault("CREWAI_TESTING", "true")  # no question about traces at the end

import argparse
import json
import logging
import tempfile
from typing import Any, ClassVar

from crewai import LLM, Agent, BaseLLM, Crew, Task
from crewai.flow import Flow, listen, start
from crewai.flow.async_feedback import HumanFeedbackPending
from crewai.flow.persistence import SQLiteFlowPersistence
from crewai.tools import tool

from wardline import Guard, Reply
from wardline.ledger import read, verify
from wardline_crewai import govern

POLICY = Path(__file__).with_name("crewai-policy.yaml")


class Desk:
    """The notes and the wall that the tools work on."""

    def __init__(self, place: Path) -> None:
        self.notes = place / "notes"
        self.notes.mkdir()
        (self.notes / "otters.txt").write_text("Otters hold hands while they sleep.\n")
        (place / "secret.txt").write_text("not yours\n")
        self.wall: list[str] = []

    def reading(self) -> list[Any]:
        """Return the tools of the researcher."""

        @tool("read_note")
        def read_note(path: str) -> str:
            """Read a note."""
            return (self.notes / path).read_text()

        @tool("delete_note")
        def delete_note(path: str) -> str:
            """Delete a note."""
            (self.notes / path).unlink()
            return f"{path} is gone"

        return [read_note, delete_note]

    def publishing(self) -> list[Any]:
        """Return the tools of the editor."""

        @tool("publish")
        def publish(text: str) -> str:
            """Publish a text."""
            self.wall.append(text)
            return "published"

        return [publish]


class Scripted(BaseLLM):
    """A model that says one thing after the other, by how much it has heard."""

    script: list[Any]

    def call(self, messages: Any, tools: Any = None, **options: Any) -> Any:
        """Return the next answer."""
        spoken = sum(one["role"] == "assistant" for one in messages)
        answer = self.script[min(spoken, len(self.script) - 1)]
        if isinstance(answer, str):
            return answer
        return [
            {
                "id": f"call-{spoken}-{number}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(args)},
            }
            for number, (name, args) in enumerate(answer)
        ]

    def supports_function_calling(self) -> bool:
        """Say that calls come as calls, and not as text."""
        return True


ASK = {"task": "What do we know about otters?", "context": "a post", "coworker": "researcher"}
EDITOR = [
    [("delegate_work_to_coworker", ASK)],
    [("publish", {"text": "Otters hold hands while they sleep."})],
    "The post is out.",
]
RESEARCHER = [
    [
        ("read_note", {"path": "otters.txt"}),
        ("read_note", {"path": "../secret.txt"}),
        ("delete_note", {"path": "otters.txt"}),
    ],
    "Otters hold hands while they sleep.",
]


def make_crew(desk: Desk, guard: Guard, model: str | None) -> Crew:
    """Return the governed crew. `govern` is the one line that Wardline adds."""
    agents = [
        Agent(
            role=role,
            goal="a good post",
            backstory=f"You are the {role}.",
            llm=LLM(model=model) if model else Scripted(model="scripted", script=script),
            tools=tools,
            allow_delegation=role == "editor",
        )
        for role, script, tools in (
            ("editor", EDITOR, desk.publishing()),
            ("researcher", RESEARCHER, desk.reading()),
        )
    ]
    task = Task(
        description="Publish a post about {topic}.", expected_output="a word", agent=agents[0]
    )
    return govern(Crew(agents=agents, tasks=[task]), guard)


class Posts(Flow[dict[str, Any]]):
    """The flow around the crew: what is suspended while somebody is asked."""

    crew: ClassVar[Any] = None
    _skip_auto_memory = True  # it would load a database for a memory that nobody needs

    @start()
    def post(self) -> str:
        """Let the crew work."""
        return str(self.crew.kickoff(inputs={"topic": "otters"}).raw)

    @listen("answered")
    def go_on(self) -> str:
        """Let it work again, now that there is an answer."""
        return str(self.post())


def print_table(ledger: Path) -> None:
    """Print who was to do what, the rule, and what came of it."""
    records = list(read(ledger))
    outcomes = {one.fields["intent"]: one.fields for one in records if one.type == "outcome"}
    for one in records:
        fields = one.fields
        if one.type in {"intent", "refusal"} and fields["kind"] in {"tool_call", "delegation"}:
            arguments = ", ".join(str(value) for value in json.loads(fields["arguments"]).values())
            outcome = outcomes.get(str(one.ref), {}).get("status", "did not run")
            what = f"{fields['name']}({arguments[:30]})"
            who = fields["principal"]["id"]
            print(f"  {who:<17} {fields['kind']:<10} {what:<58} {fields['rule']:<18} {outcome}")


def main() -> int:
    """Run the crew; exit 0 if what must not happen did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a real model, as in openai/gpt-5 (needs its key)")
    parser.add_argument("--home", type=Path, help="where state and ledger are kept")
    options = parser.parse_args()
    logging.disable(logging.ERROR)  # CrewAI logs a suspended run as an error
    place = Path(tempfile.mkdtemp(prefix="wardline-crewai-"))
    home = options.home or place / "wardline"
    desk = Desk(place)
    guard = Guard(
        POLICY,
        home=home,
        approvers={"chief": ["os:you"]},
        record_arguments=True,
        keep_results=True,
    )
    kept = SQLiteFlowPersistence(str(place / "flows.db"))

    Posts.crew = make_crew(desk, guard, options.model)
    result = Posts(persistence=kept, suppress_flow_events=True).kickoff()
    while isinstance(result, HumanFeedbackPending):
        asked = result.callback_info["wardline"]
        print(f"The flow waits: {asked['tool']} {asked['arguments']}: {asked['reason']}")
        guard.answer(asked["approval"], Reply("os:you", approved=True))
        print("  approved by os:you\n")
        Posts.crew = make_crew(desk, guard, options.model)
        flow = Posts.from_pending(result.context.flow_id, kept, suppress_flow_events=True)
        result = flow.resume()
    guard.close()

    print_table(home / "ledger")
    print(f"\nThe editor says: {result}")
    print(f"On the wall: {desk.wall}")
    report = verify(home / "ledger")
    print(f"The ledger is {'verified' if report.ok else 'BROKEN'}: {report}")
    print(f"\nLook around: wardline ledger tail --home {home}")
    kept_safe = (desk.notes / "otters.txt").exists() and len(desk.wall) <= 1
    return 0 if report.ok and kept_safe else 1


if __name__ == "__main__":
    sys.exit(main())
