"""Model calls, and the text that goes in and out of an agent."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import ExtendedModelResponse, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from wardline import AlreadyRan, ConfigurationError, Permit
from wardline_langchain._approval import permitted
from wardline_langchain._place import KEY, Ids, Place, has_checkpointer
from wardline_langchain._results import as_content
from wardline_langchain._streams import quietly

if TYPE_CHECKING:
    from wardline import PolicySet
    from wardline_langchain._way import Way

__all__ = [
    "call_model",
    "is_refusal",
    "judge_input",
    "judge_output",
    "judged",
    "refusal",
    "released_ids",
]

_SENTENCE = "wardline_refusal"


def refusal(error: Exception) -> AIMessage:
    """Return the agent's answer where the model may not give one."""
    return AIMessage(str(error), response_metadata={_SENTENCE: True})


def is_refusal(message: BaseMessage) -> bool:
    """Whether `refusal` made this message."""
    return bool(message.response_metadata.get(_SENTENCE))


def _model_name(model: Any) -> str:
    """Return the name that a model is registered under."""
    for attribute in ("model_name", "model"):
        name = getattr(model, attribute, None)
        if isinstance(name, str) and name:
            return name
    return type(model).__name__


def _digest(text: str) -> str:
    """Return what the state keeps of a text that was released."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def released_ids(ids: Ids, text: str) -> Ids:
    """Return the ids with `text` as the last that was released."""
    return {**ids, "released": _digest(text)}


async def call_model(way: Way, request: ModelRequest[Any]) -> Any:
    """Authorise one model call, count what it took, and judge its text before anybody sees it."""
    guard, policies = way.guard, way.guard.policies
    name = _model_name(request.model)
    with guard.refusing("model_call", name, passing=(GraphBubbleUp,)):
        guard.register("model_call", name)
        place = Place.of(guard, request.state)
        permit = await _model_permit(way, place, name, request)
    with permit:
        closed = permit.buffers or policies.speaks_of("output")
        response = await (quietly(way, request) if closed else way.handle(request))
        text = _text(response)
        usage = {"tokens": tokens} if (tokens := _tokens(way, request, response)) else {}
        released = await way.aside(partial(permit.succeeded, text, usage=usage))
        if permit.buffers:
            response = _with_text(response, text, released)
    if not policies.speaks_of("output"):
        return response
    answer = next(one for one in response.result if isinstance(one, AIMessage))
    if answer.tool_calls and response.structured_response is None:
        return response
    text = _text(response)
    response = _with_text(response, text, await judged(way, place, "output", text))
    final = next(one for one in response.result if isinstance(one, AIMessage))
    return ExtendedModelResponse(
        response, Command(update={KEY: released_ids(place.ids, final.text)})
    )


async def _model_permit(way: Way, place: Place, name: str, request: ModelRequest[Any]) -> Permit:
    """Return the permit for a model call.

    Only where something can ask does it need a name of its own, to be found again by a resumed run;
    asking a model twice is no harm.
    """
    reads = way.guard.policies.reads
    args: dict[str, Any] = {
        "message_count": len(request.messages),
        "tools": [tool.name for tool in request.tools if not isinstance(tool, dict)],
    }
    if "args" in reads or "args.messages" in reads:
        args["messages"] = [{"type": one.type, "text": str(one.text)} for one in request.messages]
    last = request.messages[-1].id if request.messages else ""
    suspend = has_checkpointer(get_config())
    if way.guard.policies.can_ask and last:
        action = place.action("model_call", name, args, call_id=f"model/{last}")
        try:
            return await permitted(way, action, suspend=suspend)
        except AlreadyRan:
            pass
    action = place.action("model_call", name, args)
    return await permitted(way, action, suspend=False)


def _text(response: ModelResponse[Any]) -> str:
    """Return all text of an answer; structured answers count as their JSON."""
    parts = [str(one.text) for one in response.result if isinstance(one, AIMessage)]
    if response.structured_response is not None:
        structured = response.structured_response
        dump = getattr(structured, "model_dump_json", None)
        parts.append(dump() if dump else json.dumps(structured, default=repr, ensure_ascii=False))
    return "\n".join(part for part in parts if part)


def _with_text(response: ModelResponse[Any], judged: str, released: Any) -> ModelResponse[Any]:
    """Return the answer with nothing in it but what was released and its tool calls."""
    if released != judged and response.structured_response is not None:
        raise ConfigurationError(
            "a rule changed a structured answer, which would not be one any more; nothing is released"
        )
    result: list[Any] = []
    for message in response.result:
        if isinstance(message, AIMessage):
            content = as_content(released) if released != judged else str(message.text)
            result.append(message.model_copy(update={"content": content, "additional_kwargs": {}}))
        elif isinstance(message, ToolMessage) or released == judged:
            result.append(message)
    return replace(response, result=result)


def _tokens(way: Way, request: ModelRequest[Any], response: ModelResponse[Any]) -> int:
    """Return what the model says it took; where it says nothing and it counts, an approximation."""
    used = [one.usage_metadata for one in response.result if isinstance(one, AIMessage)]
    if any(used) or not _counts_tokens(way.guard.policies):
        return sum(one["total_tokens"] for one in used if one is not None)
    return count_tokens_approximately([*request.messages, *response.result])


def _counts_tokens(policies: PolicySet) -> bool:
    limits = (limit.count for document in policies.documents for limit in document.limits)
    return "tokens" in limits or any(read.endswith(".tokens") for read in policies.reads)


async def judged(
    way: Way, place: Place, kind: str, text: str, *, call_id: str = "", suspend: bool = False
) -> str:
    """Return what of a text may go in or out."""
    with way.guard.refusing(kind, kind, passing=(GraphBubbleUp,)):
        way.guard.register(kind, kind)
        try:
            action = place.action(kind, kind, {"text": str(text)}, call_id=call_id)
            permit = await permitted(way, action, suspend=suspend)
        except AlreadyRan:  # judged before the run was suspended; reading it again is no harm
            action = place.action(kind, kind, {"text": str(text)})
            permit = await permitted(way, action, suspend=False)
        with permit:
            await way.aside(permit.succeeded)
        return str(permit.arguments["text"])


async def judge_input(way: Way, place: Place, messages: list[AnyMessage]) -> list[AnyMessage]:
    """Judge what people have said since the model last spoke; return the messages that changed."""
    suspend = has_checkpointer(get_config())
    changed: list[AnyMessage] = []
    new: list[HumanMessage] = []
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            break
        if isinstance(message, HumanMessage):
            new.insert(0, message)
    for message in new:
        call_id = f"input/{message.id}" if way.guard.policies.can_ask and message.id else ""
        text = await judged(way, place, "input", message.text, call_id=call_id, suspend=suspend)
        if text != message.text:
            changed.append(message.model_copy(update={"content": _with_blocks(message, text)}))
    return changed


def _with_blocks(message: HumanMessage, text: str) -> Any:
    if isinstance(message.content, str):
        return text
    others = [b for b in message.content if isinstance(b, dict) and b.get("type") != "text"]
    return [{"type": "text", "text": text}, *others]


async def judge_output(way: Way, place: Place, messages: list[AnyMessage]) -> list[AnyMessage]:
    """Judge the final answer unless `call_model` has; return it if it changed."""
    final = next((one for one in reversed(messages) if isinstance(one, AIMessage)), None)
    if final is None or not final.text or _digest(final.text) == place.ids["released"]:
        return []
    text = await judged(way, place, "output", final.text)
    if text == final.text:
        return []
    return [final.model_copy(update={"content": text, "additional_kwargs": {}})]
