"""The README's first lines, run as they stand."""

from __future__ import annotations

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM

from wardline.ledger import read

README = Path(__file__).parents[1] / "README.md"
POLICY = """
apiVersion: wardline/v1
name: shop
default_action: allow
rules: [{name: no-refunds, tool: refund, action: deny}]
"""


def script(told: dict[str, str]) -> MockFunctionCallingLLM:
    """Return a model that looks an order up, tries to refund it, and is done.

    What it is told of its calls goes to `told`, by their ids.
    """
    calls = [
        ToolCallBlock(tool_call_id=name, tool_name=name, tool_kwargs={"order": "4711"})
        for name in ("find_order", "refund")
    ]

    def answer(messages: Any, **_: Any) -> ChatMessage:
        results = [one for one in messages if one.role == "tool"]
        told.update({one.additional_kwargs["tool_call_id"]: one.content for one in results})
        return ChatMessage(role="assistant", **({"content": "done"} if told else {"blocks": calls}))

    return MockFunctionCallingLLM(response_generator=answer)


def tools_that_mark(ran: list[tuple[str, str]]) -> list[Any]:
    def find_order(order: str) -> str:
        """Look an order up."""
        ran.append(("find_order", order))
        return "on its way"

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


def test_the_first_lines_govern_an_agent(tmp_path, monkeypatch):
    home = tmp_path / ".wardline"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WARDLINE_HOME", str(home))
    Path("policy.yaml").write_text(POLICY)
    ran: list[tuple[str, str]] = []
    told: dict[str, str] = {}
    names: dict[str, Any] = {"llm": script(told), "tools": tools_that_mark(ran)}
    lines = textwrap.indent(first_block() + "return answer\n", "    ")
    exec("async def main():\n" + lines, names)
    assert str(asyncio.run(names["main"]())) == "done"
    assert told["find_order"] == "on its way"
    assert "refused by the rule `no-refunds`" in told["refund"]
    assert ran == [("find_order", "4711")]
    assert ended(home) == [("find_order", "succeeded"), ("refund", "refused")]
