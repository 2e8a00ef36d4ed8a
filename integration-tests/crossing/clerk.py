"""The second process: an MCP server whose one tool is an agent of the OpenAI Agents SDK.

    python clerk.py HOME

Its guard keeps its state where the first process keeps its own, and writes a ledger of its own.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"

from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool
from mcp.server.mcpserver import MCPServer
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from wardline import Guard
from wardline.ledger import Ledger
from wardline_mcp import govern_server
from wardline_openai_agents import govern

HOME = Path(sys.argv[1])
POLICY = Path(__file__).with_name("policy.yaml")

guard = Guard(POLICY, home=HOME, ledger=Ledger(HOME / "clerk"), principal="clerk-service")
server = MCPServer("office")


class Scripted(Model):
    """Pays whatever amounts the task names, one answer each."""

    def __init__(self, amounts: list[int]) -> None:
        self.amounts = amounts
        self.told: list[str] = []

    async def get_response(self, instructions: Any, input: Any, *rest: Any, **more: Any) -> Any:
        if not isinstance(input, str):
            self.told = [str(one["output"]) for one in input if "output" in one]
        if self.amounts:
            amount = self.amounts.pop(0)
            item: Any = ResponseFunctionToolCall(
                type="function_call",
                name="pay",
                call_id=f"call-{amount}",
                arguments=json.dumps({"amount": amount}),
            )
        else:
            text = ResponseOutputText(type="output_text", text="; ".join(self.told), annotations=[])
            item = ResponseOutputMessage(
                id="m", type="message", role="assistant", status="completed", content=[text]
            )
        return ModelResponse(output=[item], usage=Usage(), response_id=None)

    async def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError
        yield


@function_tool
def pay(amount: int) -> str:
    "Pay an amount."
    with (HOME / "paid").open("a") as file:
        file.write(f"{amount}\n")
    return f"paid {amount}"


@server.tool()
async def ask_clerk(amounts: list[int]) -> str:
    "Let the clerk pay."
    agent = Agent(name="clerk", model=Scripted(list(amounts)), tools=[pay])
    result = await Runner.run(govern(agent, guard), "pay")
    return str(result.final_output)


govern_server(server, guard, trust_context=True)
server.run("stdio")
