"""Agents with a scripted model, tools that leave a mark, guards with their own state."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel
from pydantic_ai.usage import RequestUsage

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


def call(name: str, id: str = "call-1", /, **args: Any) -> ToolCallPart:
    return ToolCallPart(name, args, tool_call_id=id)


def say(text: str) -> TextPart:
    return TextPart(text)


def model_of(answer: Callable[[Any], tuple[list[Any], int]]) -> FunctionModel:
    """Return a model that says what `answer` returns for its messages, in one piece and as a stream."""

    def whole(messages: Any, info: Any) -> ModelResponse:
        parts, tokens = answer(messages)
        return ModelResponse(parts, usage=RequestUsage(input_tokens=tokens))

    async def stream(messages: Any, info: Any) -> Any:
        parts, model.took = answer(messages)
        for number, part in enumerate(parts):
            if isinstance(part, TextPart):
                words = part.content.split(" ")
                for place, word in enumerate(words):
                    yield word + " " * (place < len(words) - 1)
            elif isinstance(part, ToolCallPart):
                yield {
                    number: DeltaToolCall(
                        name=part.tool_name,
                        json_args=part.args_as_json_str(),
                        tool_call_id=part.tool_call_id,
                    )
                }
            else:
                yield {number: part}

    model = _Counting(whole, stream_function=stream, model_name="scripted-1")
    return model


class _Counting(FunctionModel):
    """Reports what an answer took when it is streamed, too."""

    took = 0

    @asynccontextmanager
    async def request_stream(self, *args: Any, **options: Any) -> Any:
        async with super().request_stream(*args, **options) as response:
            response._usage = RequestUsage(input_tokens=self.took)
            yield response


class Scripted:
    """Says one answer after the other, then "done"; remembers what it was asked."""

    def __init__(self, *answers: list[Any], tokens: int = 10) -> None:
        self.answers = list(answers)
        self.tokens = tokens
        self.asked: list[Any] = []
        self.model = model_of(self._next)

    def _next(self, messages: Any) -> tuple[list[Any], int]:
        self.asked.append(list(messages))
        return (self.answers.pop(0) if self.answers else [say("done")]), self.tokens

    def told(self) -> dict[str, tuple[str, str]]:
        """Return what the model was told about its calls, by their ids: the content, and the outcome."""
        return {
            part.tool_call_id: (str(part.content), getattr(part, "outcome", "retry"))
            for message in self.asked[-1]
            for part in message.parts
            if part.part_kind in ("tool-return", "retry-prompt")
        }


class World:
    """What a test needs, and what it looks at afterwards."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ran: list[Any] = []
        self.guards: list[Guard] = []

        def pay(to: str, amount: int = 1) -> str:
            """Pay somebody."""
            self.ran.append(("pay", to, amount))
            return f"paid {to}"

        async def read_file(path: str) -> str:
            """Read a file."""
            self.ran.append(("read_file", path))
            return f"SECRET of {path}"

        async def fails(x: str) -> str:
            """Fail."""
            self.ran.append(("fails", x))
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
    """Close the event loop that `run_sync` leaves open in this thread."""
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
