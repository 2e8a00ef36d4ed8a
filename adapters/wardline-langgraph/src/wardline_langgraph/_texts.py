"""What people say to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from wardline import ActionRefused
from wardline_langgraph._place import current_run, suspending_here

if TYPE_CHECKING:
    from wardline.adapters import Adapter, Place, Way

__all__ = ["judge_input"]


async def judge_input(
    adapter: Adapter, way: Way, place: Place, messages: list[BaseMessage]
) -> list[BaseMessage]:
    """Judge what people have said, and return the conversation as the model may hear it.

    What was said since the model last spoke is refused with the call. What was said before stands in
    the conversation for good: of that, what may not be heard is replaced by the refusal.
    """
    if not adapter.guard.policies.speaks_of("input"):
        return messages
    spoken = max((i for i, one in enumerate(messages) if isinstance(one, AIMessage)), default=-1)
    heard: list[BaseMessage] = []
    for number, message in enumerate(messages):
        if not isinstance(message, HumanMessage):
            heard.append(message)
            continue
        said = str(message.text)
        text = await _judged(adapter, way, place, message, new=number > spoken)
        content = _with_blocks(message, text)
        heard.append(message if text == said else message.model_copy(update={"content": content}))
    return heard


async def _judged(
    adapter: Adapter, way: Way, place: Place, message: HumanMessage, *, new: bool
) -> str:
    said, memory = str(message.text), current_run()
    kept: dict[tuple[str, str], str] = {}
    if memory is not None:
        kept = memory.known((adapter.guard, place.ids["session"], "input"), dict)
    key = (message.id or "", said)
    if key in kept:
        return kept[key]
    call_id = f"input/{message.id}" if adapter.guard.policies.can_ask and message.id else ""
    try:
        suspend = suspending_here() if new else None
        text = await adapter.text(way, place, "input", said, call_id=call_id, suspend=suspend)
    except ActionRefused as refused:
        if new:
            raise
        text = str(refused)
    kept[key] = text
    return text


def _with_blocks(message: HumanMessage, text: str) -> Any:
    if isinstance(message.content, str):
        return text
    others = [b for b in message.content if isinstance(b, dict) and b.get("type") != "text"]
    return [{"type": "text", "text": text}, *others]
