"""Agents of the OpenAI Agents SDK under a policy: one answers, and hands refunds over to another.

The models are scripted, so this needs no key and no network. The first agent looks an order up and
hands over; the second tries a refund that nobody allows, then one that somebody has to approve. The
run is suspended for that, stored as JSON, and goes on from there. `--model gpt-…` puts a real model in
the place of both scripts, and `--ask` asks you instead of approving for you.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENAI_AGENTS_DISABLE_TRACING", "1")

# Other files here have the names of frameworks, and would hide them.
sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != Path(__file__).parent]

from agents import Agent, Model, ModelResponse, Runner, RunState, Usage, function_tool
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from wardline import Guard, Operator
from wardline.ledger import read, verify
from wardline_openai_agents import answer, govern, questions

POLICY = Path(__file__).with_name("openai-agents-policy.yaml")
TASK = "Order 4711 never came. Give me 500 euros back, or at least the 45 that I paid."

REFUNDS: list[tuple[str, float]] = []


@function_tool
def find_order(order: str) -> str:
    """Look an order up."""
    return f"order {order}: 45 euros, paid, not delivered"


@function_tool
def refund(order: str, euros: float) -> str:
    """Give money back for an order."""
    REFUNDS.append((order, euros))
    return f"{euros} euros were refunded for order {order}"


class Script(Model):
    """A model that says what it was told to say."""

    def __init__(self, *steps: tuple[str, dict[str, Any]] | str) -> None:
        self.steps = list(enumerate(steps, start=1))

    async def get_response(self, *args: Any, **options: Any) -> ModelResponse:
        """Return the next step."""
        number, step = self.steps.pop(0)
        if isinstance(step, str):
            text = ResponseOutputText(type="output_text", text=step, annotations=[])
            said: Any = ResponseOutputMessage(
                id="m", type="message", role="assistant", status="completed", content=[text]
            )
        else:
            name, arguments = step
            said = ResponseFunctionToolCall(
                type="function_call",
                call_id=f"{name}-{number}",
                name=name,
                arguments=json.dumps(arguments),
            )
        return ModelResponse([said], Usage(), None)

    def stream_response(self, *args: Any, **options: Any) -> Any:
        """Raise: this example does not stream."""
        raise NotImplementedError


def build(model: str | None) -> Agent[Any]:
    """Return the two agents, as anybody would write them."""
    refunds = Script(
        ("refund", {"order": "4711", "euros": 500}),
        ("refund", {"order": "4711", "euros": 45}),
        "You get your 45 euros back; more than that I may not give.",
    )
    desk = Script(("find_order", {"order": "4711"}), ("transfer_to_billing", {}))
    billing = Agent(
        "billing",
        instructions="You refund orders. What you may not do, you explain.",
        model=model or refunds,
        tools=[refund],
    )
    return Agent(
        "desk",
        instructions="You look orders up, and hand over to billing for refunds.",
        model=model or desk,
        tools=[find_order],
        handoffs=[billing],
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
            print(f"{who:14} {fields['name']:11} {what:44.44} {fields['rule']:22} {outcome}")


async def main() -> int:
    """Run the agents; exit 0 if what must not happen did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a real model, as in gpt-5 (needs OPENAI_API_KEY)")
    parser.add_argument("--ask", action="store_true", help="ask at this terminal")
    parser.add_argument("--home", type=Path, help="where state and ledger are kept")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="wardline-openai-agents-"))
    me = Operator(home).by
    guard = Guard(POLICY, home=home, approvers={"owner": [me]}, record_arguments=True)
    agent = govern(build(options.model), guard)

    result = await Runner.run(agent, TASK)
    while result.interruptions:
        stored = result.to_state().to_string()  # to be kept anywhere, for as long as it takes
        state = await RunState.from_string(agent, stored)
        for question in questions(result):
            await answer(state, decide(question, me, options.ask))
        result = await Runner.run(agent, state)
    guard.close()

    show(home / "ledger")
    print(f"\n{result.last_agent.name} says: {result.final_output}")
    print(f"Refunds: {REFUNDS}")
    report = verify(home / "ledger")
    print(f"The ledger is {'verified' if report.ok else 'BROKEN'}: {report}")
    kept = all(euros <= 200 for _, euros in REFUNDS) and len(REFUNDS) <= 1
    return 0 if report.ok and kept else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
