"""The README's first lines, run as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import FunctionModel

from wardline.ledger import read

README = Path(__file__).parents[1] / "README.md"
POLICY = """
apiVersion: wardline/v1
name: shop
default_action: allow
tools: {find_order: {args: {order: string}}}
rules: [{name: not-yours, tool: find_order, condition: "args.order == '13'", action: deny}]
"""


def script(told: dict[str, str]) -> FunctionModel:
    """Return a model that looks up an order, then another one that the policy refuses, and is done.

    What it is told of its calls goes to `told`, by their ids.
    """
    calls = [ToolCallPart("find_order", {"order": one}, tool_call_id=one) for one in ("4711", "13")]

    def answer(messages: Any, info: Any) -> ModelResponse:
        for part in messages[-1].parts:
            if part.part_kind == "tool-return":
                told[part.tool_call_id] = str(part.content)
        return ModelResponse([TextPart("done")] if told else calls)

    return FunctionModel(answer)


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
    ran: list[str] = []
    told: dict[str, str] = {}

    def find_order(order: str) -> str:
        """Look an order up."""
        ran.append(order)
        return "on its way"

    names: dict[str, Any] = {"model": script(told), "find_order": find_order}
    exec(first_block(), names)
    assert names["result"].output == "done"
    assert told["4711"] == "on its way"
    assert "refused by the rule `not-yours`" in told["13"]
    assert ran == ["4711"]
    assert ended(home) == [("find_order", "refused"), ("find_order", "succeeded")]
