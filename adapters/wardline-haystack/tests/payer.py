"""One process of a payment that somebody has to approve: `python payer.py HOME [answer]`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage, ToolCall
from haystack.tools import tool

from wardline import Guard, parse_policies
from wardline_haystack import govern, questions

POLICY = """
apiVersion: wardline/v1
name: payments
default_action: allow
rules:
  - {name: ask, tool: pay, action: require_approval, approvers: ["os:alice"]}
"""


def main(home: Path, answer: str) -> None:
    @tool
    def pay(to: str) -> str:
        "Pay somebody."
        with (home / "paid").open("a") as paid:
            paid.write(f"{to}\n")
        return f"paid {to}"

    @tool
    def look(at: str) -> str:
        "Look."
        with (home / "looked").open("a") as looked:
            looked.write(f"{at}\n")
        return "seen"

    calls = [ToolCall("look", {"at": "it"}, id="1"), ToolCall("pay", {"to": "bob"}, id="1")]
    model = MockChatGenerator(
        response_fn=lambda messages: (
            "done"
            if messages[-1].tool_call_result
            else ChatMessage.from_assistant(tool_calls=calls)
        )
    )
    with Guard(parse_policies(POLICY), home=home) as guard:
        agent = Agent(chat_generator=model, tools=[pay, look], system_prompt="Be careful.")
        agent = govern(agent, guard, suspend=True)
        saved = home / "messages.json"
        context: dict[str, object] = {}
        if saved.exists():
            messages = [ChatMessage.from_dict(one) for one in json.loads(saved.read_text())]
            if answer:
                (asked,) = questions({"messages": messages})
                given = {
                    "approval": asked["approval"],
                    "approved": answer == "yes",
                    "by": "os:alice",
                }
                context = {"answers": [given]}
        else:
            messages = [ChatMessage.from_user("pay bob")]
        out = agent.run(messages=messages, hook_context={"wardline": context})
        saved.write_text(json.dumps([one.to_dict() for one in out["messages"]]))
        shown = {
            "exit": out["exit_reason"],
            "questions": questions(out),
            "messages": [
                [one.role.value, one.text, [str(r.result) for r in one.tool_call_results]]
                for one in out["messages"]
            ],
        }
        print(json.dumps(shown))


main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
