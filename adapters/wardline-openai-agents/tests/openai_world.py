"""Agents with a scripted model, tools that leave a mark, a guard with its own state."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agents import Model, ModelResponse, Usage, function_tool
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read

HEAD = """
apiVersion: wardline/v1
name: test
default_action: allow
approvers: [os:alice]
tools:
  pay: {effects: [write], args: {to: string, amount: number}}
  read_file: {effects: [read], args: {path: string}}
"""


def call(name: str, id: str = "call-1", /, **args: Any) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call", name=name, call_id=id, arguments=json.dumps(args)
    )


def say(text: str) -> ResponseOutputMessage:
    part = ResponseOutputText(type="output_text", text=text, annotations=[])
    return ResponseOutputMessage(
        id="m", type="message", role="assistant", status="completed", content=[part]
    )


class Scripted(Model):
    """Says one answer after the other, then "done"; remembers what it was asked."""

    def __init__(self, *answers: list[Any], tokens: int = 10) -> None:
        self.answers = list(answers)
        self.tokens = tokens
        self.asked: list[Any] = []
        self.offered: list[list[str]] = []

    def _next(self, input: Any, tools: Any) -> list[Any]:
        self.asked.append(input)
        self.offered.append([tool.name for tool in tools])
        return self.answers.pop(0) if self.answers else [say("done")]

    async def get_response(
        self,
        system_instructions: Any,
        input: Any,
        model_settings: Any,
        tools: Any,
        *a: Any,
        **k: Any,
    ) -> ModelResponse:
        usage = Usage(1, self.tokens - 3, output_tokens=3, total_tokens=self.tokens)
        return ModelResponse(self._next(input, tools), usage, None)

    async def stream_response(
        self,
        system_instructions: Any,
        input: Any,
        model_settings: Any,
        tools: Any,
        *a: Any,
        **k: Any,
    ) -> Any:
        for event in streamed(self._next(input, tools), self.tokens):
            yield event


def streamed(output: list[Any], tokens: int) -> Iterator[Any]:
    """Yield an answer as a server does: word by word, then as a whole."""
    for item in output:
        if isinstance(item, ResponseOutputMessage):
            for word in item.content[0].text.split(" "):
                yield ResponseTextDeltaEvent(
                    type="response.output_text.delta",
                    content_index=0,
                    delta=word + " ",
                    item_id="m",
                    logprobs=[],
                    output_index=0,
                    sequence_number=0,
                )
    usage = ResponseUsage(
        input_tokens=tokens - 3,
        output_tokens=3,
        total_tokens=tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
    )
    yield ResponseCompletedEvent(
        type="response.completed",
        sequence_number=0,
        response=Response(
            id="r",
            created_at=0,
            model="fake",
            object="response",
            output=output,
            parallel_tool_calls=True,
            tool_choice="auto",
            tools=[],
            usage=usage,
        ),
    )


def outputs(model: Scripted) -> dict[str, Any]:
    """Return what the model was told about its calls, by their ids."""
    return {
        item["call_id"]: item["output"]
        for item in model.asked[-1]
        if isinstance(item, dict) and item.get("type") == "function_call_output"
    }


class World:
    """What a test needs, and what it looks at afterwards."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ran: list[Any] = []
        self.guards: list[Guard] = []
        world = self

        @function_tool
        def pay(to: str, amount: int = 1) -> str:
            """Pay somebody."""
            world.ran.append(("pay", to, amount))
            return f"paid {to}"

        @function_tool
        async def read_file(path: str) -> str:
            """Read a file."""
            world.ran.append(("read_file", path))
            return f"SECRET of {path}"

        @function_tool
        async def fails(x: str) -> str:
            """Fail."""
            world.ran.append(("fails", x))
            raise LookupError(x)

        self.pay, self.read_file, self.fails = pay, read_file, fails
        self.tools: list[Any] = [pay, read_file, fails]

    def guard(self, rules: str = "", **options: Any) -> Guard:
        options.setdefault("store", MemoryStore())
        options.setdefault("ledger", Ledger(self.home / "ledger"))
        guard = Guard(parse_policies(HEAD + rules), **options)
        self.guards.append(guard)
        return guard

    def records(self, *types: str, **fields: Any) -> list[dict[str, Any]]:
        found = [dict(record.fields) for record in read(self.home / "ledger")]
        return [
            one
            for one in found
            if (not types or one["type"] in types)
            and all(one.get(key) == value for key, value in fields.items())
        ]


def close_default_loop() -> None:
    """Close the event loop that `Runner.run_sync` leaves open in this thread."""
    policy = asyncio.get_event_loop_policy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            loop = policy.get_event_loop()
        except RuntimeError:
            return
    if not loop.is_closed():
        loop.close()
    policy.set_event_loop(None)
