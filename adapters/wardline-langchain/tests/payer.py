"""One process of an agent that pays: `payer.py HOME start|resume|die JSON`; prints what came out.

It pays alice, bob and carol in one answer; the policy allows alice and asks about the others.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

os.environ.update(LANGSMITH_TRACING="false", LANGCHAIN_TRACING_V2="false")

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from wardline import Guard, Operator, parse_policies
from wardline_langchain import WardlineMiddleware

POLICY = """
apiVersion: wardline/v1
name: payments
default_action: deny
approvers: [payers]
tools: {pay: {effects: [write], args: {to: string}}}
rules:
  - {name: alice-is-fine, tool: pay, condition: "args.to == 'alice'", action: allow}
  - {name: ask-for-others, tool: pay, condition: "args.to != 'alice'", action: require_approval}
"""
CONFIG = {"configurable": {"thread_id": "t-1"}}


class Payer(BaseChatModel):
    """Pays three people, then is done."""

    model_name: str = "payer-1"

    @property
    def _llm_type(self) -> str:
        return "payer"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kw: Any) -> Any:
        if any(message.type == "ai" for message in messages):
            answer = AIMessage("done")
        else:
            people = ("alice", "bob", "carol")
            answer = AIMessage(
                "", tool_calls=[{"name": "pay", "args": {"to": who}, "id": who} for who in people]
            )
        return ChatResult(generations=[ChatGeneration(message=answer)])


def main(home: Path, what: str, value: str) -> None:
    @tool
    def pay(to: str) -> str:
        "Pay somebody."
        with (home / "paid.txt").open("a") as paid:
            paid.write(f"{to}\n")
        return f"paid {to}"

    with Operator(home) as operator:
        me = operator.by
    guard = Guard(parse_policies(POLICY), home=home, approvers={"payers": [me]}, durability="sync")
    with SqliteSaver.from_conn_string(str(home / "checkpoints.db")) as saver:
        agent = create_agent(
            Payer(), [pay], middleware=[WardlineMiddleware(guard)], checkpointer=saver
        )
        given: Any = {"messages": [("user", "go")]}
        if what == "resume":
            given = Command(resume=json.loads(value)) if value else None
        out = agent.invoke(given, CONFIG)
        shown = {
            "interrupts": [{"id": one.id, **one.value} for one in out.get("__interrupt__", ())],
            "texts": {m.tool_call_id: m.content for m in out["messages"] if m.type == "tool"},
            "last": out["messages"][-1].content,
        }
        sys.stdout.write(json.dumps(shown))
        sys.stdout.flush()
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
    guard.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
