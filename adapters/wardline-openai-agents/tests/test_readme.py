"""The README's first lines, run as they stand."""

from __future__ import annotations

import asyncio
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Model, ModelResponse, Usage, function_tool
from agents.models.multi_provider import MultiProvider
from agents.run import get_default_agent_runner, set_default_agent_runner
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from wardline.ledger import read

README = Path(__file__).parents[1] / "README.md"
POLICY = """
apiVersion: wardline/v1
name: shop
default_action: allow
rules: [{name: no-refunds, tool: refund, action: deny}]
"""


class Scripted(Model):
    """Looks an order up, hands over to billing, tries to refund it there, and is done.

    What it is told of its calls goes to `told`, by their ids, which are the names of the tools.
    """

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.calls = [
            ("find_order", {"order": "4711"}),
            ("transfer_to_billing", {}),
            ("refund", {"order": "4711"}),
        ]

    async def get_response(
        self, system_instructions: Any, input: Any, *more: Any, **options: Any
    ) -> ModelResponse:
        for item in input:
            if isinstance(item, dict) and item.get("type") == "function_call_output":
                self.told[item["call_id"]] = item["output"]
        return ModelResponse([self._next()], Usage(), None)

    def _next(self) -> ResponseFunctionToolCall | ResponseOutputMessage:
        if self.calls:
            name, args = self.calls.pop(0)
            return ResponseFunctionToolCall(
                type="function_call", name=name, call_id=name, arguments=json.dumps(args)
            )
        part = ResponseOutputText(type="output_text", text="done", annotations=[])
        return ResponseOutputMessage(
            id="m", type="message", role="assistant", status="completed", content=[part]
        )

    def stream_response(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError("nothing here streams")


def tools_that_mark(ran: list[tuple[str, str]]) -> list[Any]:
    @function_tool
    def find_order(order: str) -> str:
        """Look an order up."""
        ran.append(("find_order", order))
        return "on its way"

    @function_tool
    def refund(order: str) -> str:
        """Pay an order back."""
        ran.append(("refund", order))
        return "paid back"

    return [find_order, refund]


def first_block() -> str:
    """Return the first Python block of the README."""
    found = re.search(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def ended(home: Path) -> list[tuple[str, str]]:
    """Return the name of each tool call in the ledger, and what became of it, in order of names."""
    records = list(read(home / "ledger"))
    ends = {
        one.fields["intent"]: one.fields["status"]
        for one in records
        if one.fields["type"] == "outcome"
    }
    return sorted(
        (
            one.fields["name"],
            "refused" if one.fields["type"] == "refusal" else ends.get(str(one.ref), "open"),
        )
        for one in records
        if one.fields["type"] in ("intent", "refusal") and one.fields["kind"] == "tool_call"
    )


@pytest.fixture
def own_runner() -> Iterator[None]:
    """Put back the runner that the first `govern` of a process takes the place of."""
    runner = get_default_agent_runner()
    yield
    set_default_agent_runner(runner)


@pytest.mark.usefixtures("own_runner")
def test_the_first_lines_govern_an_agent_and_whom_it_hands_over_to(tmp_path, monkeypatch):
    home = tmp_path / ".wardline"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WARDLINE_HOME", str(home))
    Path("policy.yaml").write_text(POLICY)
    ran: list[tuple[str, str]] = []
    told: dict[str, Any] = {}
    model = Scripted(told)
    # What the SDK asks for the model of an agent that names none, in the place of a server.
    monkeypatch.setattr(MultiProvider, "get_model", lambda self, name: model)
    find_order, refund = tools_that_mark(ran)
    names: dict[str, Any] = {"find_order": find_order, "billing": Agent("billing", tools=[refund])}
    lines = textwrap.indent(first_block() + "return result\n", "    ")
    exec("async def main():\n" + lines, names)
    assert asyncio.run(names["main"]()).final_output == "done"
    assert told["find_order"] == "on its way"
    assert "refused by the rule `no-refunds`" in told["refund"]
    assert ran == [("find_order", "4711")]
    assert ended(home) == [("find_order", "succeeded"), ("refund", "refused")]
