"""Two real LangChain agents under one policy: one looks for trains, the other, its tool, books them.

The models are scripted, so this needs no key and no network. The first agent tries to book by itself and
to cancel a whole trip, and is refused both. Its booker books a cheap train and tries a dear one: the run
is suspended, inside the inner agent, until the travel office has answered, and goes on from there.
`--model provider:name` puts a real model in the place of the scripts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# This file has the name of the framework, and would hide it.
sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != Path(__file__).parent]
os.environ.setdefault("LANGSMITH_TRACING", "false")

import argparse
import json
import tempfile
from typing import Any

from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from wardline import Guard
from wardline.ledger import read, verify
from wardline_langchain import WardlineMiddleware

POLICY = Path(__file__).with_name("langchain-policy.yaml")
TASK = "Find trains to Bern, have the ICE and the night train booked, and cancel Ada's old trips."
Step = tuple[str, dict[str, Any]]


class Scripted(FakeMessagesListChatModel):
    """A model that says what it was told to say, as often as it is asked."""

    def bind_tools(self, tools: Any, **options: Any) -> Scripted:
        """Accept any tools; the script knows their names."""
        return self

    def _generate(self, messages: Any, *args: Any, **options: Any) -> Any:
        self.i = sum(
            message.type == "ai" for message in messages
        )  # where it was, also when resumed
        return super()._generate(messages, *args, **options)


def script(*turns: list[Step], last: str) -> Scripted:
    """Return a model that makes these calls, one list an answer."""
    answers = [
        AIMessage(
            "",
            tool_calls=[
                {"name": name, "args": args, "id": f"{turn}-{number}"}
                for number, (name, args) in enumerate(steps)
            ],
        )
        for turn, steps in enumerate(turns)
    ]
    return Scripted(responses=[*answers, AIMessage(last)])


class Desk:
    """The bookings that the tools work on."""

    def __init__(self) -> None:
        self.booked: list[str] = []
        self.trips = {"Ada": 2}

    def tools(self) -> list[Any]:
        """Return the tools: they do what they are told."""

        @tool
        def find_trains(to: str) -> str:
            """Find trains."""
            return json.dumps({"to": to, "trains": {"ICE 5": 49, "night train": 180}})

        @tool
        def book(train: str, price: int) -> str:
            """Book a train."""
            self.booked.append(train)
            return f"booked {train} for {price}"

        @tool
        def cancel_all(traveller: str) -> str:
            """Cancel all trips of a traveller."""
            self.trips.pop(traveller)
            return f"nothing is left for {traveller}"

        return [find_trains, book, cancel_all]


def make_agent(desk: Desk, guard: Guard, model: str | None) -> Any:
    """Return the agents. The middleware is the one line that Wardline adds to each."""
    find_trains, book, cancel_all = desk.tools()
    books = script(
        [("book", {"train": "ICE 5", "price": 49})],
        [("book", {"train": "night train", "price": 180})],
        last="Both trains are booked.",
    )
    plans = script(
        [("find_trains", {"to": "Bern"})],
        [("book", {"train": "ICE 5", "price": 49}), ("cancel_all", {"traveller": "Ada"})],
        [("ask_booker", {"task": "Book ICE 5 and the night train."})],
        last="The trains are booked; the old trips are not mine to cancel.",
    )
    booker = create_agent(
        init_chat_model(model) if model else books,
        [book],
        middleware=[WardlineMiddleware(guard)],
        name="booker",
    )

    @tool
    def ask_booker(task: str) -> str:
        """Ask the agent that books."""
        return str(booker.invoke({"messages": [("user", task)]})["messages"][-1].text)

    return create_agent(
        init_chat_model(model) if model else plans,
        [find_trains, book, cancel_all, ask_booker],
        middleware=[WardlineMiddleware(guard)],
        checkpointer=InMemorySaver(),
    )


def print_table(ledger: Path) -> None:
    """Print who was to do what, the rule that decided, and what came of it."""
    records = list(read(ledger))
    outcomes = {
        one.fields["intent"]: one.fields["status"] for one in records if one.type == "outcome"
    }
    for one in records:
        fields = one.fields
        if one.type in {"intent", "refusal"} and fields["kind"] in {"tool_call", "delegation"}:
            arguments = ", ".join(str(value) for value in json.loads(fields["arguments"]).values())
            what = f"{fields['name']}({arguments[:34]})"
            who, outcome = fields["principal"]["id"], outcomes.get(str(one.ref), "did not run")
            print(f"  {who:<13} {what:<46} {fields['rule']:<24} {outcome}")


def main() -> int:
    """Run the agents; exit 0 if what must not happen did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a real model, as in openai:gpt-5 (needs package and key)")
    parser.add_argument("--home", type=Path, help="where state and ledger are kept")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="wardline-langchain-"))
    desk = Desk()
    guard = Guard(POLICY, home=home, approvers={"travel-office": ["os:you"]}, record_arguments=True)
    agent = make_agent(desk, guard, options.model)
    config = {"configurable": {"thread_id": "trip-1"}}

    out = agent.invoke({"messages": [("user", TASK)]}, config)
    while asked := out.get("__interrupt__"):
        print("The run is suspended:")
        answers = {}
        for one in asked:
            question = one.value
            print(f"  {question['tool']} {question['arguments']}: {question['reason']}")
            answers[one.id] = {
                "approved": True,
                "by": "os:you",
                "approval": question["approval"],
            }
        print("  approved by os:you\n")
        out = agent.invoke(Command(resume=answers), config)
    guard.close()

    print_table(home / "ledger")
    print(f"\nThe agent says: {out['messages'][-1].text}")
    print(f"Booked: {desk.booked}; trips of Ada: {desk.trips.get('Ada', 0)}.")
    report = verify(home / "ledger")
    print(f"The ledger is {'verified' if report.ok else 'BROKEN'}: {report}")
    print(f"\nLook around: wardline ledger tail --home {home}")
    kept = desk.trips == {"Ada": 2} and (options.model or desk.booked == ["ICE 5", "night train"])
    return 0 if report.ok and kept else 1


if __name__ == "__main__":
    sys.exit(main())
