"""A real Haystack agent under a policy: refunds, a search in a document store, an account to delete.

The model is scripted, so this needs no key and no network. It looks an order up, gives a small refund,
tries a large one together with the deletion of the account, and waits: the large refund needs somebody's
word. The run ends there, its messages are written to a file, and a second agent goes on with them, as
another process would. `--model NAME` puts a model of OpenAI in the place of the script.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# This file has the name of the framework, and would hide it.
sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != Path(__file__).parent]
os.environ.setdefault("HAYSTACK_TELEMETRY_ENABLED", "False")

import argparse
import json
import logging
import tempfile
from collections.abc import Callable
from typing import Any

from haystack import Document
from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator, OpenAIChatGenerator
from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
from haystack.dataclasses import ChatMessage, ToolCall
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.tools import ComponentTool, Tool, tool

from wardline import Guard
from wardline.ledger import read, verify
from wardline_haystack import govern, questions

POLICY = Path(__file__).with_name("haystack-policy.yaml")
TASK = "Look up Ada's orders. Refund 20 for order A1 and 500 for order A2, and delete the account of Ada."


class Desk:
    """The orders, the till and the accounts that the tools work on."""

    def __init__(self) -> None:
        self.refunds: list[tuple[str, float]] = []
        self.accounts = {"Ada"}
        self.orders = InMemoryDocumentStore()
        self.orders.write_documents(
            [
                Document(content="order A1 of Ada: a key"),
                Document(content="order A2 of Ada: a door"),
            ]
        )

    def tools(self) -> list[Tool]:
        """Return the tools of the agent."""
        search = ComponentTool(
            component=InMemoryBM25Retriever(self.orders),
            name="search_orders",
            description="Search the orders.",
        )

        @tool
        def refund(order: str, amount: float) -> str:
            """Give money back for an order."""
            self.refunds.append((order, amount))
            return f"refunded {amount} for {order}"

        @tool
        def delete_account(customer: str) -> str:
            """Delete a customer's account."""
            self.accounts.discard(customer)
            return f"{customer} is gone"

        return [search, refund, delete_account]


def script() -> Callable[[list[ChatMessage]], ChatMessage]:
    """Return the model that does every step of the task, allowed or not."""
    turns: list[list[tuple[str, dict[str, Any]]]] = [
        [("search_orders", {"query": "Ada"})],
        [("refund", {"order": "A1", "amount": 20.0})],
        [("refund", {"order": "A2", "amount": 500.0}), ("delete_account", {"customer": "Ada"})],
    ]

    def answer(messages: list[ChatMessage]) -> ChatMessage:
        done = sum(len(one.tool_call_results) for one in messages)
        step = {0: 0, 1: 1, 2: 2}.get(done)
        if step is None:
            return ChatMessage.from_assistant("I did what I was allowed to do.")
        calls = [
            ToolCall(name, args, id=f"{step}-{n}") for n, (name, args) in enumerate(turns[step])
        ]
        return ChatMessage.from_assistant(tool_calls=calls)

    return answer


def make_agent(desk: Desk, guard: Guard, model: str | None) -> Agent:
    """Return the governed agent. This is the one line that Wardline adds."""
    generator: Any = (
        OpenAIChatGenerator(model=model) if model else MockChatGenerator(response_fn=script())
    )
    agent = Agent(chat_generator=generator, tools=desk.tools())
    return govern(agent, guard, suspend=True)


def print_table(ledger: Path) -> None:
    """Print what was to run, the decision, the rule, and what came of it."""
    records = list(read(ledger))
    outcomes = {
        one.fields["intent"]: one.fields["status"] for one in records if one.type == "outcome"
    }
    for one in records:
        fields = one.fields
        if one.type in {"intent", "refusal"} and fields["kind"] in {"tool_call", "retrieval"}:
            arguments = ", ".join(str(value) for value in json.loads(fields["arguments"]).values())
            outcome = outcomes.get(str(one.ref), "did not run")
            what = f"{fields['name']}({arguments[:40]})"
            print(f"  {fields['kind']:<10} {what:<44} {fields['rule']:<24} {outcome}")


def main() -> int:
    """Run the agent; exit 0 if what must not happen did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model of OpenAI, as in gpt-5 (needs OPENAI_API_KEY)")
    parser.add_argument("--home", type=Path, help="where state and ledger go")
    options = parser.parse_args()
    logging.getLogger("haystack").setLevel(logging.CRITICAL)  # it logs every refusal as an error
    home: Path = options.home or Path(tempfile.mkdtemp(prefix="wardline-haystack-"))
    desk = Desk()
    guard = Guard(POLICY, home=home, approvers={"lead": ["os:you"]}, record_arguments=True)

    out = make_agent(desk, guard, options.model).run(messages=[ChatMessage.from_user(TASK)])
    saved = home / "messages.json"
    while waiting := questions(out):
        saved.write_text(json.dumps([one.to_dict() for one in out["messages"]]))
        print(f"The run ended with {out['exit_reason']!r}; its messages are in {saved}.")
        answers = []
        for asked in waiting:
            print(f"  {asked['tool']} {asked['arguments']}: {asked['reason']}")
            answers.append({"approval": asked["approval"], "approved": True, "by": "os:you"})
        print("  approved by os:you\n")
        messages = [ChatMessage.from_dict(one) for one in json.loads(saved.read_text())]
        agent = make_agent(desk, guard, options.model)
        out = agent.run(messages=messages, hook_context={"wardline": {"answers": answers}})
    guard.close()

    print_table(home / "ledger")
    print(f"\nThe agent says: {out['last_message'].text}")
    print(f"Refunds: {desk.refunds}; accounts: {sorted(desk.accounts)}.")
    report = verify(home / "ledger")
    print(f"The ledger is {'verified' if report.ok else 'BROKEN'}: {report}")
    print(f"\nLook around: wardline ledger tail --home {home}")
    return 0 if report.ok and desk.accounts == {"Ada"} else 1


if __name__ == "__main__":
    sys.exit(main())
