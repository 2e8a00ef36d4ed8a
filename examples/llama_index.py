"""A real LlamaIndex workflow under a policy: a clerk looks a book up and hands over to a buyer.

The models are scripted, so this needs no key and no network. The buyer orders two copies, tries to cancel
another order, and orders fifty, about which somebody has to be asked: the run waits by LlamaIndex's own
events and goes on with the answer. `--model NAME` puts a model of OpenAI in the place of the scripts (it
needs the package `llama-index-llms-openai` and a key).
"""

from __future__ import annotations

import sys
from pathlib import Path

# This file has the name of the framework, and would hide it.
sys.path[:] = [one for one in sys.path if Path(one or ".").resolve() != Path(__file__).parent]

import argparse
import asyncio
import json
import tempfile
from typing import Any

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.workflow import HumanResponseEvent, InputRequiredEvent

from wardline import Guard
from wardline.ledger import read, verify
from wardline_llama_index import govern

POLICY = Path(__file__).with_name("llama-index-policy.yaml")
TASK = (
    "Find the book Emma and hand over to the buyer, who orders 2 copies, cancels the order of Lolita "
    "and orders 50 copies of Ulysses."
)


class Shop:
    """The orders that the tools work on."""

    def __init__(self) -> None:
        self.orders = {"Lolita": 1}

    def find_book(self, title: str) -> str:
        """Find a book."""
        return f"{title} is on shelf 3"

    def order_book(self, title: str, copies: int) -> str:
        """Order copies of a book."""
        self.orders[title] = self.orders.get(title, 0) + copies
        return f"ordered {copies} of {title}"

    def cancel_order(self, title: str) -> str:
        """Cancel an order."""
        self.orders.pop(title, None)
        return f"cancelled {title}"


def script(*turns: list[tuple[str, dict[str, Any]]]) -> MockFunctionCallingLLM:
    """Return a model that makes these calls, turn by turn, whatever comes of them."""
    waiting = iter(turns)

    def answer(messages: Any, **_: Any) -> ChatMessage:  # noqa: ARG001 - a script listens to nobody
        calls = next(waiting, None)
        if calls is None:
            return ChatMessage(role="assistant", content="I did what I was allowed to do.")
        blocks = [
            ToolCallBlock(tool_call_id=f"call-{number}", tool_name=name, tool_kwargs=args)
            for number, (name, args) in enumerate(calls)
        ]
        return ChatMessage(role="assistant", blocks=blocks)

    return MockFunctionCallingLLM(response_generator=answer)


def models(name: str | None) -> tuple[Any, Any]:
    """Return the models of the clerk and of the buyer."""
    if name:
        from llama_index.llms.openai import OpenAI

        return OpenAI(model=name), OpenAI(model=name)
    clerk = script(
        [("find_book", {"title": "Emma"})],
        [("handoff", {"to_agent": "buyer", "reason": "buy books"})],
    )
    buyer = script(
        [("order_book", {"title": "Emma", "copies": 2}), ("cancel_order", {"title": "Lolita"})],
        [("order_book", {"title": "Ulysses", "copies": 50})],
    )
    return clerk, buyer


async def work(shop: Shop, guard: Guard, model: str | None) -> str:
    """Run the workflow, answer what it asks, and return what it says."""
    clerk_model, buyer_model = models(model)
    clerk = FunctionAgent(
        name="clerk",
        description="Finds books and hands over to the buyer.",
        tools=[shop.find_book],
        llm=clerk_model,
        can_handoff_to=["buyer"],
    )
    buyer = FunctionAgent(
        name="buyer",
        description="Orders books.",
        tools=[shop.order_book, shop.cancel_order],
        llm=buyer_model,
        can_handoff_to=[],
    )
    shop_workflow = AgentWorkflow(agents=[clerk, buyer], root_agent="clerk")
    workflow = govern(shop_workflow, guard, suspend=True)  # the one line that Wardline adds
    handler = workflow.run(user_msg=TASK)
    async for event in handler.stream_events():
        if isinstance(event, InputRequiredEvent):
            print(f"{event.tool} {event.arguments}: {event.reason}\n  approved by os:you\n")
            answer = {"approval": event.approval, "approved": True, "by": "os:you"}
            handler.ctx.send_event(HumanResponseEvent(**answer))
    return str(await handler)


def print_table(ledger: Path) -> None:
    """Print who wanted what, the rule, and what came of it."""
    records = list(read(ledger))
    outcomes = {
        one.fields["intent"]: one.fields["status"] for one in records if one.type == "outcome"
    }
    for one in records:
        fields = one.fields
        if one.type in {"intent", "refusal"} and fields["kind"] in {"tool_call", "delegation"}:
            arguments = ", ".join(str(value) for value in json.loads(fields["arguments"]).values())
            outcome = outcomes.get(str(one.ref), "did not run")
            what = f"{fields['name']}({arguments[:30]})"
            print(f"  {fields['principal']['id']:<12} {what:<34} {fields['rule']:<24} {outcome}")


def main() -> int:
    """Run the agents; exit 0 if what must not happen did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model of OpenAI, as in gpt-5 (needs OPENAI_API_KEY)")
    parser.add_argument("--home", type=Path, help="where state and ledger go")
    options = parser.parse_args()
    home: Path = options.home or Path(tempfile.mkdtemp(prefix="wardline-llama-index-"))
    shop = Shop()
    with Guard(POLICY, home=home, approvers={"owner": ["os:you"]}, record_arguments=True) as guard:
        answer = asyncio.run(work(shop, guard, options.model))
    print_table(home / "ledger")
    print(f"\nThe agents say: {answer}")
    print(f"Orders: {shop.orders}")
    report = verify(home / "ledger")
    print(f"The ledger is {'verified' if report.ok else 'BROKEN'}: {report}")
    print(f"\nLook around: wardline ledger tail --home {home}")
    return 0 if report.ok and "Lolita" in shop.orders else 1


if __name__ == "__main__":
    sys.exit(main())
