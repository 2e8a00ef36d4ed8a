"""What people say to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from wardline_langgraph._place import suspending_here

if TYPE_CHECKING:
    from wardline.adapters import Adapter, Place, Way

__all__ = ["judge_input"]


async def judge_input(
    adapter: Adapter, way: Way, place: Place, messages: list[BaseMessage]
) -> list[BaseMessage]:
    """Judge what people have said since the model last spoke; return what the model may hear."""
    if not adapter.guard.policies.speaks_of("input"):
        return messages
    spoken = max((i for i, one in enumerate(messages) if isinstance(one, AIMessage)), default=-1)
    heard: list[BaseMessage] = messages[: spoken + 1]
    for message in messages[spoken + 1 :]:
        if not isinstance(message, HumanMessage):
            heard.append(message)
            continue
        call_id = f"input/{message.id}" if adapter.guard.policies.can_ask and message.id else ""
        said = str(message.text)
        suspend = suspending_here()
        text = await adapter.text(way, place, "input", said, call_id=call_id, suspend=suspend)
        content = _with_blocks(message, text)
        heard.append(message if text == said else message.model_copy(update={"content": content}))
    return heard


def _with_blocks(message: HumanMessage, text: str) -> Any:
    if isinstance(message.content, str):
        return text
    others = [b for b in message.content if isinstance(b, dict) and b.get("type") != "text"]
    return [{"type": "text", "text": text}, *others]
