"""One process of an agent that pays: `openai_payer.py HOME start|resume|approve`; prints what came."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(OPENAI_AGENTS_DISABLE_TRACING="1")

from agents import Agent, Runner, RunState, function_tool
from openai_world import Scripted, call

from wardline import Guard, parse_policies
from wardline_openai_agents import answer, govern, questions

POLICY = """
apiVersion: wardline/v1
name: payer
default_action: allow
approvers: [os:alice]
rules: [{name: ask, tool: pay, action: require_approval}]
"""


async def main(home: Path, what: str) -> None:
    paid: list[str] = []

    @function_tool
    def pay(to: str) -> str:
        """Pay somebody."""
        paid.append(to)
        return f"paid {to}"

    model = Scripted([call("pay", "1", to="bob")]) if what == "start" else Scripted()
    guard = Guard(parse_policies(POLICY), home=home, durability="sync")
    agent = govern(Agent("payer", model=model, tools=[pay]), guard)
    start: Any = "pay bob"
    if what != "start":
        start = await RunState.from_string(agent, (home / "state.json").read_text())
    if what == "approve":
        await answer(start, {"approved": True, "by": "os:alice"})
    result = await Runner.run(agent, start)
    print(
        json.dumps(
            {
                "paid": paid,
                "final": result.final_output,
                "questions": questions(result),
                "state": result.to_state().to_string() if result.interruptions else "",
            }
        )
    )
    guard.close()


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
