"""Tool calls, and the handoffs that their results ask for."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langgraph.errors import GraphBubbleUp, GraphInterrupt

from wardline import (
    Action,
    ActionDenied,
    ActionRefused,
    AlreadyRan,
    ConfigurationError,
    Guard,
)
from wardline_langchain._approval import permitted
from wardline_langchain._arguments import Injected, bound, injected_names
from wardline_langchain._backstop import Ticket, running
from wardline_langchain._models import judged
from wardline_langchain._place import Place, has_checkpointer
from wardline_langchain._results import Result, as_content
from wardline_langchain._streams import muted

if TYPE_CHECKING:
    from collections.abc import Collection

    from langgraph.prebuilt.tool_node import ToolCallRequest

    from wardline_langchain._way import Way

__all__ = ["call_tool", "pending_calls", "refusal_message", "screen", "tool_action"]

_INJECTED = Injected()


def refusal_message(call: ToolCall, refusal: ActionRefused) -> ToolMessage:
    """Return the answer that the model gets for a call which was refused."""
    return ToolMessage(
        str(refusal), name=call["name"], tool_call_id=call["id"] or "", status="error"
    )


def pending_calls(messages: list[Any]) -> tuple[AIMessage | None, list[ToolCall]]:
    """Return the model's last answer and its calls that nobody has answered yet."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, AIMessage):
            done = {one.tool_call_id for one in messages[index:] if isinstance(one, ToolMessage)}
            return message, [call for call in message.tool_calls if call["id"] not in done]
    return None, []


def tool_action(
    place: Place, answer: AIMessage | None, call: ToolCall, tool: BaseTool | None
) -> tuple[Action, Collection[str]]:
    """Return the action of a call and the names of what passes by reference.

    Models use ids such as `1` over and over; together with the id of the message that carries the call
    they name it once and for all.
    """
    if answer is None or not answer.id or not call["id"]:
        raise ConfigurationError("this call has no id, or no message of the model carries it")
    name, args, opaque = call["name"], call["args"], frozenset[str]()
    if tool is not None:
        name, args, opaque = tool.name, bound(tool, args), injected_names(tool)
        args.update(dict.fromkeys(sorted(opaque), _INJECTED))
    return place.action("tool_call", name, args, call_id=f"{answer.id}/{call['id']}"), opaque


def screen(
    guard: Guard, place: Place, messages: list[Any], tools: dict[str, BaseTool]
) -> list[tuple[ToolCall, ActionRefused]]:
    """Judge the calls of one answer together and return those that are refused."""
    answer, calls = pending_calls(messages)
    refused: dict[int, ActionRefused] = {}
    actions: list[tuple[int, Action, Collection[str]]] = []
    for number, call in enumerate(calls):
        try:
            with guard.refusing("tool_call", call["name"]):
                actions.append((number, *tool_action(place, answer, call, tools.get(call["name"]))))
        except ActionRefused as refusal:
            refused[number] = refusal
    verdicts = guard.screen(
        [action for _, action, _ in actions], opaque=[opaque for _, _, opaque in actions]
    )
    for (number, _, _), verdict in zip(actions, verdicts, strict=True):
        if verdict is not None:
            refused[number] = verdict
    return [(calls[number], refusal) for number, refusal in sorted(refused.items())]


async def call_tool(way: Way, request: ToolCallRequest) -> Any:
    """Authorise one call on its final arguments, run it on the guard's copy, judge what it returns."""
    guard, call, tool = way.guard, request.tool_call, request.tool
    config = request.runtime.config
    with guard.refusing("tool_call", call["name"], passing=(GraphBubbleUp,)):
        if tool is None:
            raise ConfigurationError(f"this agent has no tool `{call['name']}`")
        guard.register("tool_call", tool.name)
        place = Place.of(guard, request.state)
        answer, _ = pending_calls(request.state["messages"])
        action, opaque = tool_action(place, answer, call, tool)
        try:
            permit = await permitted(way, action, opaque, suspend=has_checkpointer(config))
        except AlreadyRan as ran:
            if not ran.has_result:
                raise
            return ToolMessage(as_content(ran.result), name=tool.name, tool_call_id=call["id"])
    with permit:
        args = {name: value for name, value in permit.arguments.items() if name not in opaque}
        final = request.override(tool_call={**call, "args": args})
        ticket = Ticket(guard, tool.name, call["id"] or "", args, injected_names(tool))
        with ExitStack() as stack:
            stack.enter_context(running(ticket))
            if permit.buffers:
                stack.enter_context(muted(config))
            try:
                raw = await way.handle(final)
            except GraphInterrupt as asked:
                if permit.decision.effect == "require_approval":
                    raise _asked_twice(action) from asked
                raise
        result = Result(raw)
        if result.failed:
            await way.aside(permit.failed, ToolException(result.failed))
            released = raw
        else:
            released = result.released(await way.aside(permit.succeeded, result.content))
    if tool.return_direct and guard.policies.speaks_of("output"):
        result = Result(released)
        text = result.content if isinstance(result.content, str) else json.dumps(result.content)
        if (final_text := await judged(way, place, "output", text)) != text:
            released = result.released(final_text)
    for target in result.targets:
        await _hand_over(way, place, action, target)
    return released


def _asked_twice(action: Action) -> ActionRefused:
    """Return the refusal of a question inside a call that was itself approved.

    A resumed run starts the call from the beginning, and the approval was for one start.
    """
    return ActionDenied(
        f"`{action.name}` was approved and started, and something inside it asks again. Going on would "
        "start it a second time, which nobody has approved: ask about the tool or about what happens "
        "inside it, not about both.",
        action=action,
    )


async def _hand_over(way: Way, place: Place, call: Action, target: str) -> None:
    """Authorise the handoff to `target`; the conversation moves once the tool's result is returned.

    The tool has run by now, so a pending approval is a refusal: a suspended run could not get its
    result back.
    """
    with way.guard.refusing("delegation", target, passing=(GraphBubbleUp,)):
        way.guard.register("delegation", target)
        action = place.action(
            "delegation",
            target,
            {"tool": call.name},
            call_id=f"{call.call_id}/{target}",
            parent=call.call_id,
        )
        permit = await permitted(way, action, suspend=False)
    with permit:
        await way.aside(permit.succeeded)
