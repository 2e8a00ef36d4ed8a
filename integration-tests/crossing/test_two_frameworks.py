"""Two frameworks, two processes, two guards on one store: an agent delegates to another over MCP.

A LangChain agent asks an agent of the OpenAI Agents SDK, which an MCP server in another process runs.
Limits count together, and whoever acts there acts on behalf of whoever asked here.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wardline_langchain", reason="this needs the adapters of two frameworks")
pytest.importorskip("wardline_openai_agents", reason="this needs the adapters of two frameworks")
pytest.importorskip("wardline_mcp", reason="this needs the adapter of MCP")

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

from wardline import Guard
from wardline.ledger import Ledger, read, verify
from wardline_langchain import WardlineMiddleware
from wardline_mcp import govern_client

HERE = Path(__file__).parent


class Scripted(GenericFakeChatModel):
    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self


def call(name: str, id: str, **args: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": id}])


async def planned(home: Path, answers: list[AIMessage]) -> list[str]:
    """Run the planner; return what its tools told it."""
    server = StdioServerParameters(command=sys.executable, args=[str(HERE / "clerk.py"), str(home)])
    guard = Guard(
        HERE / "policy.yaml", home=home, ledger=Ledger(home / "planner"), principal="planner"
    )
    with guard:
        async with govern_client(
            Client(server), guard, server="office", prefix="office.", share_context=True
        ) as client:

            @tool
            async def clerk(amounts: list[int]) -> str:
                "Let the clerk pay."
                done = await client.call_tool("ask_clerk", {"amounts": amounts})
                return str(done.content[0].text)

            @tool
            def pay(amount: int) -> str:
                "Pay an amount."
                with (home / "paid").open("a") as file:
                    file.write(f"{amount}\n")
                return f"paid {amount}"

            model = Scripted(messages=iter([*answers, AIMessage("done")]))
            agent = create_agent(model, [clerk, pay], middleware=[WardlineMiddleware(guard)])
            out = await agent.ainvoke({"messages": [("user", "pay the bills")]})
    return [str(one.content) for one in out["messages"] if one.type == "tool"]


def records(ledger: Path) -> list[dict[str, Any]]:
    return [dict(one.fields) for one in read(ledger)]


def decided(ledger: Path, name: str) -> list[dict[str, Any]]:
    return [
        one
        for one in records(ledger)
        if one["type"] in ("intent", "refusal") and one["name"] == name
    ]


def test_limits_and_the_chain_of_principals_cross_frameworks_and_processes(tmp_path: Path) -> None:
    told = asyncio.run(
        planned(
            tmp_path,
            [
                call("pay", "1", amount=1),
                call("clerk", "2", amounts=[2, 500, 3]),
                call("clerk", "3", amounts=[4]),
                call("pay", "4", amount=5),
            ],
        )
    )
    # One payment here and two there make three; the next is refused there, and the next one here.
    assert (tmp_path / "paid").read_text().split() == ["1", "2", "3"]
    assert told[0] == "paid 1"
    assert "paid 2" in told[1]
    assert "the-planner-spends-little" in told[1]
    assert "three-payments" in told[2]
    assert "three-payments" in told[3]

    here, there = tmp_path / "planner", tmp_path / "clerk"
    mine, theirs = decided(here, "pay"), decided(there, "pay")
    assert [one["principal"]["id"] for one in mine] == ["planner", "planner"]
    assert {one["principal"]["id"] for one in theirs} == {"planner/clerk"}
    assert all(one["principal"]["chain"] == ["planner"] for one in theirs)
    assert {one["rule"] for one in theirs if one["effect"] == "deny"} == {
        "the-planner-spends-little",
        "builtin:limits",
    }
    assert {one["framework"] for one in mine} == {"langchain"}
    assert {one["framework"] for one in theirs} == {"openai-agents"}
    for ledger in (here, there):
        assert verify(ledger).ok
    statuses = [one["status"] for one in records(there) if one["type"] == "outcome"]
    assert "failed" not in statuses
