"""The README's first lines, run as they stand."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types

from wardline.ledger import read

README = Path(__file__).parents[1] / "README.md"
POLICY = """
apiVersion: wardline/v1
name: shop
default_action: allow
rules: [{name: no-refunds, tool: refund, action: deny}]
"""


class Scripted(BaseLlm):
    """Looks an order up, tries to refund it, and is done."""

    model: str = "scripted"

    async def generate_content_async(self, llm_request: LlmRequest, stream: bool = False) -> Any:
        parts = [part for content in llm_request.contents for part in content.parts or ()]
        if any(part.function_response for part in parts):
            said = [types.Part(text="done")]
        else:
            said = [
                types.Part(function_call=types.FunctionCall(name=name, args={"order": "4711"}))
                for name in ("find_order", "refund")
            ]
        yield LlmResponse(content=types.Content(role="model", parts=said))


async def play(app: Any, text: str) -> list[Any]:
    """Run an app on what a user says, and return its events."""
    message = types.Content(role="user", parts=[types.Part(text=text)])
    async with InMemoryRunner(app=app) as runner:
        session = await runner.session_service.create_session(app_name=app.name, user_id="u")
        events = runner.run_async(user_id="u", session_id=session.id, new_message=message)
        return [event async for event in events]


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


def test_the_first_lines_govern_an_app(tmp_path, monkeypatch):
    home = tmp_path / ".wardline"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WARDLINE_HOME", str(home))
    Path("policy.yaml").write_text(POLICY)
    ran: list[tuple[str, str]] = []
    root = LlmAgent(name="desk", model=Scripted(), tools=tools_that_mark(ran))
    names: dict[str, Any] = {"root_agent": root}
    exec(first_block(), names)
    events = asyncio.run(play(names["app"], "Refund order 4711"))
    names["app"].plugins[0].guard.close()
    responses = [one for event in events for one in event.get_function_responses()]
    told = {one.name: one.response for one in responses}
    assert told["find_order"] == {"result": "on its way"}
    assert "refused by the rule `no-refunds`" in told["refund"]["error"]
    assert ran == [("find_order", "4711")]
    assert ended(home) == [("find_order", "succeeded"), ("refund", "refused")]
