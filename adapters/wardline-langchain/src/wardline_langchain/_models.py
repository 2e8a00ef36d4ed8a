"""Model calls, and the text that goes in and out of an agent."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import ExtendedModelResponse, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from wardline import AlreadyRan, ConfigurationError, Permit
from wardline.adapters import Adapter, Call, Place, Way, now
from wardline_langchain._place import RELEASED, place_of, suspending
from wardline_langchain._results import as_content
from wardline_langchain._streams import quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "call_model",
    "digest",
    "is_refusal",
    "judge_input",
    "judge_output",
    "model_name",
    "refusal",
]

_SENTENCE = "wardline_refusal"


def refusal(error: Exception) -> AIMessage:
    """Return the agent's answer where the model may not give one."""
    return AIMessage(str(error), response_metadata={_SENTENCE: True})


def is_refusal(message: BaseMessage) -> bool:
    """Whether `refusal` made this message."""
    return bool(message.response_metadata.get(_SENTENCE))


def model_name(model: Any) -> str:
    """Return the name that a model is registered under."""
    for attribute in ("model_name", "model"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__


def digest(text: str) -> str:
    """Return what the state keeps of a text that was released."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Answer:
    """An answer of the model, of which rules read the text; a structured one counts as its JSON."""

    failed = ""

    def __init__(self, response: ModelResponse[Any]) -> None:
        self._response = response
        parts = [str(one.text) for one in response.result if isinstance(one, AIMessage)]
        if response.structured_response is not None:
            made = response.structured_response
            dump = getattr(made, "model_dump_json", None)
            parts.append(dump() if dump else json.dumps(made, default=repr, ensure_ascii=False))
        self.content: Any = "\n".join(part for part in parts if part)

    def released(self, content: Any) -> ModelResponse[Any]:
        """Return the answer with nothing in it but what was released and its tool calls."""
        response, changed = self._response, content != self.content
        if changed and response.structured_response is not None:
            raise ConfigurationError(
                "a rule changed a structured answer, which would not be one any more; nothing is "
                "released"
            )
        result: list[Any] = []
        for one in response.result:
            if isinstance(one, AIMessage):
                text = as_content(content) if changed else str(one.text)
                result.append(one.model_copy(update={"content": text, "additional_kwargs": {}}))
            elif isinstance(one, ToolMessage) or not changed:
                result.append(one)
        return replace(response, result=result)


async def call_model(
    adapter: Adapter, way: Way, request: ModelRequest[Any], handler: Callable[[Any], Any]
) -> Any:
    """Authorise one model call, count what it took, and judge its text before anybody sees it."""
    policies = adapter.guard.policies
    name = model_name(request.model)
    with adapter.guard.refusing("model_call", name, passing=(GraphBubbleUp,)):
        place = place_of(adapter.guard, request.state)
        args = _arguments(adapter, request)
        suspend = suspending(get_config())
        last = request.messages[-1].id if request.messages else ""

    async def start(args: dict[str, Any], permit: Permit) -> ModelResponse[Any]:  # noqa: ARG001
        listening = not (permit.buffers or policies.speaks_of("output"))
        response = await (
            way.run(handler, request) if listening else quietly(way, handler, request)
        )
        if permit.buffers:
            answer = _Answer(response)
            return answer.released(answer.content)
        return response  # type: ignore[no-any-return]

    async def ask(call_id: str) -> ModelResponse[Any]:
        response: ModelResponse[Any] = await adapter.act(
            way,
            place,
            Call(name, args, call_id),
            start if way.loop else lambda args, permit: now(start(args, permit)),
            kind="model_call",
            result=_Answer,
            usage=lambda response: _usage(adapter, request, response),
            suspend=suspend if call_id else None,
        )
        return response

    # Only where something can ask does it need a name of its own, to be found again by a resumed run;
    # asking a model twice is no harm.
    try:
        response = await ask(f"model/{last}" if policies.can_ask and last else "")
    except AlreadyRan:
        response = await ask("")
    return await _judged(adapter, way, place, response)


def _arguments(adapter: Adapter, request: ModelRequest[Any]) -> dict[str, Any]:
    args: dict[str, Any] = {
        "message_count": len(request.messages),
        "tools": [tool.name for tool in request.tools if not isinstance(tool, dict)],
    }
    if adapter.reads("messages"):
        args["messages"] = [{"type": one.type, "text": str(one.text)} for one in request.messages]
    return args


def _usage(
    adapter: Adapter, request: ModelRequest[Any], response: ModelResponse[Any]
) -> Mapping[str, int]:
    """Return what the model says it took; where it says nothing and it counts, an approximation."""
    used = [one.usage_metadata for one in response.result if isinstance(one, AIMessage)]
    if any(used) or not adapter.counts_tokens:
        tokens = sum(one["total_tokens"] for one in used if one is not None)
    else:
        tokens = count_tokens_approximately([*request.messages, *response.result])
    return {"tokens": tokens} if tokens else {}


async def _judged(
    adapter: Adapter, way: Way, place: Place, response: ModelResponse[Any]
) -> ModelResponse[Any] | ExtendedModelResponse[Any]:
    """Judge an answer as the agent's own where it is the last one, and let the state remember it."""
    if not adapter.guard.policies.speaks_of("output"):
        return response
    answer = next(one for one in response.result if isinstance(one, AIMessage))
    if answer.tool_calls and response.structured_response is None:
        return response
    shaped = _Answer(response)
    response = shaped.released(await adapter.text(way, place, "output", shaped.content))
    final = next(one for one in response.result if isinstance(one, AIMessage))
    return ExtendedModelResponse(response, Command(update={RELEASED: digest(final.text)}))


async def judge_input(
    adapter: Adapter, way: Way, place: Place, messages: list[AnyMessage]
) -> list[AnyMessage]:
    """Judge what people have said since the model last spoke; return the messages that changed."""
    suspend = suspending(get_config())
    changed: list[AnyMessage] = []
    new: list[HumanMessage] = []
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            break
        if isinstance(message, HumanMessage):
            new.insert(0, message)
    for message in new:
        call_id = f"input/{message.id}" if adapter.guard.policies.can_ask and message.id else ""
        text = await adapter.text(
            way, place, "input", message.text, call_id=call_id, suspend=suspend
        )
        if text != message.text:
            changed.append(message.model_copy(update={"content": _with_blocks(message, text)}))
    return changed


def _with_blocks(message: HumanMessage, text: str) -> Any:
    if isinstance(message.content, str):
        return text
    others = [b for b in message.content if isinstance(b, dict) and b.get("type") != "text"]
    return [{"type": "text", "text": text}, *others]


async def judge_output(
    adapter: Adapter, way: Way, place: Place, messages: list[AnyMessage], released: str
) -> list[AnyMessage]:
    """Judge the final answer unless it was `released`; return it if it changed."""
    final = next((one for one in reversed(messages) if isinstance(one, AIMessage)), None)
    if final is None or not final.text or digest(final.text) == released:
        return []
    text = await adapter.text(way, place, "output", final.text)
    if text == final.text:
        return []
    return [final.model_copy(update={"content": text, "additional_kwargs": {}})]
