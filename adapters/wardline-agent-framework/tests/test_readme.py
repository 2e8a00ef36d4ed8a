"""The README's first lines, run as they stand."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from agent_framework import (
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    Content,
    FunctionInvocationLayer,
    Message,
)

from wardline.ledger import read

README = Path(__file__).parents[1] / "README.md"
POLICY = """
apiVersion: wardline/v1
name: shop
default_action: allow
rules: [{name: no-refunds, tool: refund, action: deny}]
"""


class Scripted(FunctionInvocationLayer, ChatMiddlewareLayer, BaseChatClient):
    """A client whose model looks an order up, tries to refund it, and is done."""

    async def _inner_get_response(self, *, messages: Any, **options: Any) -> ChatResponse:
        if any(one.type == "function_result" for message in messages for one in message.contents):
            said = [Content.from_text("done")]
        else:
            said = [
                Content.from_function_call(call_id=name, name=name, arguments={"order": "4711"})
                for name in ("find_order", "refund")
            ]
        return ChatResponse(messages=[Message(role="assistant", contents=said)])


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
    names: dict[str, Any] = {"client": Scripted(), "tools": tools_that_mark(ran)}
    exec(first_block(), names)
    response = asyncio.run(names["agent"].run("Refund order 4711"))
    names["agent"].middleware[0].guard.close()
    contents = [one for message in response.messages for one in message.contents]
    told = {one.call_id: str(one.result) for one in contents if one.type == "function_result"}
    assert told["find_order"] == "on its way"
    assert "refused by the rule `no-refunds`" in told["refund"]
    assert ran == [("find_order", "4711")]
    assert ended(home) == [("find_order", "succeeded"), ("refund", "refused")]
