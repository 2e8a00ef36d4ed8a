"""What a consumer of a run's events sees: a refused call shows by its refusal alone."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from agents.stream_events import RawResponsesStreamEvent, RunItemStreamEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agents import RunResultStreaming

    from wardline_openai_agents._flow import Flow

__all__ = ["without_refused"]


def without_refused(flow: Flow, result: RunResultStreaming) -> RunResultStreaming:
    """Make the result's events leave out the calls of this run that are refused.

    The SDK tells of a call as soon as the model has made it, and a consumer may take it for one that
    happens. What the model gets to see, and the transcript, have it.
    """
    events = result.stream_events

    async def stream_events() -> AsyncIterator[Any]:
        async for event in events():
            if (shown := _shown(flow, event)) is not None:
                yield shown

    result.stream_events = stream_events  # type: ignore[method-assign]
    return result


def _shown(flow: Flow, event: Any) -> Any:
    """Return what of an event is shown, None for nothing."""
    if isinstance(event, RunItemStreamEvent):
        called = event.name in ("tool_called", "handoff_requested")
        return None if called and _call_id(event.item.raw_item) in flow.refused else event
    if not isinstance(event, RawResponsesStreamEvent):
        return event
    item = getattr(event.data, "item", None)
    if item is not None and _call_id(item) in flow.refused:
        return None
    response: Any = getattr(event.data, "response", None)
    output = getattr(response, "output", None) or []
    kept = [one for one in output if _call_id(one) not in flow.refused]
    if len(kept) == len(output):
        return event
    shown = copy.copy(event)
    shown.data = event.data.model_copy(
        update={"response": response.model_copy(update={"output": kept})}
    )
    return shown


def _call_id(item: Any) -> str:
    id = item.get("call_id") if isinstance(item, dict) else getattr(item, "call_id", None)
    return id if isinstance(id, str) else ""
