"""An agent of Pydantic AI under a policy: it reads the stock, asks another agent, and orders parts.

The models are scripted, so this needs no key and no network. The agent asks a second one, which tries
to archive a part although nobody gave it a guard of its own; then it orders more than it may without
asking. The run ends with that question, its messages are kept as JSON, and a second run goes on from
them. `--model openai:gpt-…` puts a real model in the place of both scripts, and `--ask` asks you
instead of approving for you.
"""

from __future__ import annotations

import sys
from pathlib import Path

# This file has the name of the framework, and would hide it.
sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != Path(__file__).parent]

import argparse
import asyncio
import tempfile
from typing import Any

from pydantic_ai import Agent, DeferredToolRequests, DeferredToolResults
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

from wardline import Guard, Operator
from wardline.ledger import read, verify
from wardline_pydantic_ai import Wardline, questions

POLICY = Path(__file__).with_name("pydantic-ai-policy.yaml")
TASK = "Are there door hinges left? If not, order 40, once the lawyer has said that we may."


class Warehouse:
    """What the tools work on."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, int]] = []
        self.archived: list[str] = []

    def stock(self, part: str) -> str:
        """Say how many pieces of a part there are."""
        return f"{part}: 0 pieces"

    def order(self, part: str, pieces: int) -> str:
        """Order pieces of a part."""
        self.orders.append((part, pieces))
        return f"{pieces} {part} are on their way"

    def archive(self, part: str) -> str:
        """Take a part out of the catalogue."""
        self.archived.append(part)
        return f"{part} is archived"


def script(*steps: tuple[str, dict[str, Any]] | str) -> FunctionModel:
    """Return a model that says what it was told to say."""
    waiting = list(enumerate(steps, start=1))

    def answer(*_: Any) -> ModelResponse:
        number, step = waiting.pop(0)
        if isinstance(step, str):
            return ModelResponse([TextPart(step)])
        name, args = step
        return ModelResponse([ToolCallPart(name, args, tool_call_id=f"{name}-{number}")])

    return FunctionModel(answer, model_name="script")


def build(warehouse: Warehouse, guard: Guard, model: str | None) -> Agent[None, Any]:
    """Return the agent, as anybody would write it, with one capability more."""
    lawyer = Agent(
        model or script(("archive", {"part": "hinge"}), "You may order them."),
        name="lawyer",
        tools=[warehouse.archive],
    )

    async def ask_law(question: str) -> str:
        """Ask the lawyer."""
        return str((await lawyer.run(question)).output)

    steps = (
        ("stock", {"part": "hinge"}),
        ("ask_law", {"question": "May we order 40 hinges?"}),
        ("order", {"part": "hinge", "pieces": 40}),
        "40 hinges are on their way.",
    )
    return Agent(
        model or script(*steps),
        name="warehouse",
        tools=[warehouse.stock, warehouse.order, ask_law],
        output_type=[str, DeferredToolRequests],
        capabilities=[Wardline(guard)],
    )


def decide(question: dict[str, Any], me: str, ask: bool) -> dict[str, Any]:
    """Return the answer to a question: yours, or a yes in the place of the person who would say it."""
    print(f"\n{question['tool']} {question['arguments']} asks ({question['rule']})")
    approved = not ask or input("  May it? [y/N] ").strip().lower() == "y"
    print(f"  {'approved' if approved else 'denied'} by {me}\n")
    return {"approved": approved, "by": me, "approval": question["approval"]}


def show(ledger: Path) -> None:
    """Print what was decided, and by which rule."""
    records = list(read(ledger))
    outcomes = {r.fields["intent"]: r.fields["status"] for r in records if r.type == "outcome"}
    for record in records:
        fields = record.fields
        if record.type in {"intent", "refusal"} and fields["kind"] in {"tool_call", "delegation"}:
            outcome = outcomes.get(str(record.ref), "did not run")
            who, what = fields["principal"]["id"], fields["arguments"]
            print(f"{who:13} {fields['name']:8} {what:40.40} {fields['rule']:24} {outcome}")


async def main() -> int:
    """Run the agent; exit 0 if what must not happen did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a real model, as in openai:gpt-5 (needs its key)")
    parser.add_argument("--ask", action="store_true", help="ask at this terminal")
    parser.add_argument("--home", type=Path, help="where state and ledger are kept")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="wardline-pydantic-ai-"))
    me = Operator(home).by
    warehouse = Warehouse()
    guard = Guard(POLICY, home=home, approvers={"owner": [me]}, record_arguments=True)
    agent = build(warehouse, guard, options.model)

    result = await agent.run(TASK)
    while isinstance(result.output, DeferredToolRequests):
        stored = result.all_messages_json()  # to be kept anywhere, for as long as it takes
        asked = zip(result.output.approvals, questions(result.output), strict=True)
        answers = {one.tool_call_id: decide(question, me, options.ask) for one, question in asked}
        result = await agent.run(
            message_history=ModelMessagesTypeAdapter.validate_json(stored),
            deferred_tool_results=DeferredToolResults(
                approvals=dict.fromkeys(answers, True), metadata=answers
            ),
        )
    guard.close()

    show(home / "ledger")
    print(f"\nThe agent says: {result.output}")
    print(f"Orders: {warehouse.orders}; archived: {warehouse.archived}")
    report = verify(home / "ledger")
    print(f"The ledger is {'verified' if report.ok else 'BROKEN'}: {report}")
    kept = not warehouse.archived and len(warehouse.orders) <= 1
    return 0 if report.ok and kept else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
