"""The README's first lines, run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage, ToolCall
from haystack.tools import tool

from wardline.ledger import read

README = Path(__file__).parents[1] / "README.md"
POLICY = """
apiVersion: wardline/v1
name: shop
default_action: allow
rules: [{name: no-refunds, tool: refund, action: deny}]
"""


def script() -> MockChatGenerator:
    """Return a model that looks an order up, tries to refund it, and is done."""
    calls = [ToolCall(name, {"order": "4711"}, id=name) for name in ("find_order", "refund")]
    return MockChatGenerator([ChatMessage.from_assistant(tool_calls=calls), "done"])


def tools_that_mark(ran: list[tuple[str, str]]) -> list[Any]:
    @tool
    def find_order(order: str) -> str:
        """Look an order up."""
        ran.append(("find_order", order))
        return "on its way"

    @tool
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
    names: dict[str, Any] = {
        "model": script(),
        "tools": tools_that_mark(ran),
        "messages": [ChatMessage.from_user("Refund order 4711")],
    }
    exec(first_block(), names)
    results = [one.tool_call_result for one in names["out"]["messages"] if one.tool_call_result]
    told = {one.origin.tool_name: (str(one.result), one.error) for one in results}
    assert told["find_order"] == ("on its way", False)
    text, error = told["refund"]
    assert error
    assert "refused by the rule `no-refunds`" in text
    assert ran == [("find_order", "4711")]
    assert ended(home) == [("find_order", "succeeded"), ("refund", "refused")]
