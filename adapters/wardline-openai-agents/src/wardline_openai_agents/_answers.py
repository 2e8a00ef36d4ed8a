"""Answers of models: their text, their calls, and the same answer with other text in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agents import ModelResponse, Usage
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
)

from wardline import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Answer",
    "Streamed",
    "calls",
    "completed",
    "message",
    "refuse_foreign",
    "said_instead",
    "text",
    "whole",
]


def text(output: Sequence[Any]) -> str:
    """Return all that a model says to people, refusals included."""
    messages = [item for item in output if isinstance(item, ResponseOutputMessage)]
    parts = [
        getattr(part, "text", "") or getattr(part, "refusal", "")
        for m in messages
        for part in m.content
    ]
    return "\n".join(part for part in parts if part)


def calls(output: Sequence[Any]) -> list[ResponseFunctionToolCall]:
    """Return the calls in an answer."""
    return [item for item in output if isinstance(item, ResponseFunctionToolCall)]


def message(said: str) -> ResponseOutputMessage:
    """Return what an agent says."""
    part = ResponseOutputText(type="output_text", text=said, annotations=[])
    id = f"msg_{uuid4().hex}"
    return ResponseOutputMessage(
        id=id, type="message", role="assistant", status="completed", content=[part]
    )


def refuse_foreign(output: Sequence[Any]) -> None:
    """Raise `ConfigurationError` for an answer with calls that nobody could judge.

    They are the provider's own, which have run by now, and those of tools that are no function tools.
    """
    known = ResponseOutputMessage | ResponseFunctionToolCall | ResponseReasoningItem
    foreign = sorted({_kind(item) for item in output if not isinstance(item, known)})
    if foreign:
        raise ConfigurationError(
            f"the answer has {', '.join(foreign)} in it, which no guard could judge before it ran; "
            "nothing of the answer is used. Take that tool off the model"
        )


def _kind(item: Any) -> str:
    kind = item.get("type") if isinstance(item, dict) else getattr(item, "type", None)
    return str(kind or type(item).__name__)


def _reworded(output: Sequence[Any], said: str) -> list[Any]:
    """Return an answer that says `said` and nothing else; its calls stay.

    Reasoning stays where calls need it, without its words.
    """
    kept: list[Any] = list(calls(output))
    if kept:
        reasoning = [item for item in output if isinstance(item, ResponseReasoningItem)]
        kept = [
            item.model_copy(update={"summary": [], "content": None}) for item in reasoning
        ] + kept
    return [message(said), *kept] if said else kept or [message("")]


class Answer:
    """An answer in one piece."""

    failed = ""

    def __init__(self, response: ModelResponse, structured: bool) -> None:
        self.response = response
        self.structured = structured
        self.content = text(response.output)

    def released(self, content: Any) -> ModelResponse:
        """Return the answer with what may be released of it."""
        output = _changed(self.response.output, content, self.structured)
        return ModelResponse(output, self.response.usage, self.response.response_id)


class Streamed:
    """An answer as a stream of events, of which the last that counts carries it all."""

    failed = ""

    def __init__(self, events: Sequence[Any], structured: bool) -> None:
        self.events = list(events)
        self.structured = structured
        self.response = whole(self.events)
        self.content = text(self.response.output) if self.response is not None else ""

    def released(self, content: Any) -> list[Any]:
        """Return the one event that says what may be released."""
        if self.response is None:
            return []
        output = _changed(self.response.output, content, self.structured)
        return [completed(self.response.model_copy(update={"output": output}))]


def _changed(output: Sequence[Any], content: Any, structured: bool) -> list[Any]:
    if structured and not calls(output):
        raise ConfigurationError(
            "a rule changed a structured answer, which would not be one any more; nothing is released"
        )
    return _reworded(output, content if isinstance(content, str) else str(content))


def whole(events: Sequence[Any]) -> Response | None:
    """Return the response that a stream came to, None where it did not.

    Some servers leave it empty and send its items alone.
    """
    done = next((one for one in reversed(events) if isinstance(one, ResponseCompletedEvent)), None)
    if done is None:
        return None
    if done.response.output:
        return done.response
    items = [one.item for one in events if isinstance(one, ResponseOutputItemDoneEvent)]
    return done.response.model_copy(update={"output": items})


def completed(response: Response | Sequence[Any]) -> ResponseCompletedEvent:
    """Return the event that ends a stream, with a response or with items of our own."""
    if not isinstance(response, Response):
        response = Response(
            id=f"resp_{uuid4().hex}",
            created_at=0,
            model="wardline",
            object="response",
            output=list(response),
            parallel_tool_calls=True,
            tool_choice="auto",
            tools=[],
        )
    return ResponseCompletedEvent(type="response.completed", sequence_number=0, response=response)


def said_instead(words: str) -> ModelResponse:
    """Return the answer of an agent whose model may not give one."""
    return ModelResponse([message(words)], Usage(), None)
