"""Tool calls, and the handoffs that their results ask for."""

from __future__ import annotations

import json
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.errors import GraphBubbleUp, GraphInterrupt

from wardline import ActionDenied, ActionRefused, ConfigurationError, Permit
from wardline.adapters import Adapter, Call, Place, Way, now, same
from wardline_langchain._arguments import bound, injected_names
from wardline_langchain._place import calling, place_of, suspending
from wardline_langchain._results import Result, as_content
from wardline_langchain._streams import muted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.tools import BaseTool
    from langgraph.prebuilt.tool_node import ToolCallRequest

__all__ = ["call_tool", "refusal_message", "screen"]


def refusal_message(call: ToolCall, refusal: ActionRefused) -> ToolMessage:
    """Return the answer that the model gets for a call which was refused."""
    return ToolMessage(
        str(refusal), name=call["name"], tool_call_id=call["id"] or "", status="error"
    )


def _pending(messages: list[Any]) -> tuple[AIMessage | None, list[ToolCall]]:
    """Return the model's last answer and its calls that nobody has answered yet."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, AIMessage):
            done = {one.tool_call_id for one in messages[index:] if isinstance(one, ToolMessage)}
            return message, [call for call in message.tool_calls if call["id"] not in done]
    return None, []


def _call(answer: AIMessage | None, call: ToolCall, tool: BaseTool | None) -> Call:
    """Return the call of a tool as the guard takes it.

    Models use ids such as `1` over and over; together with the id of the message that carries the call
    they name it once and for all.
    """
    if answer is None or not answer.id or not call["id"]:
        return Call(call["name"], call["args"], bind=_nameless, known=tool is not None)
    named = f"{answer.id}/{call['id']}"
    if tool is None:
        return Call(call["name"], call["args"], named, known=False)
    return Call(tool.name, call["args"], named, partial(bound, tool), injected_names(tool))


def _nameless(_: Mapping[str, Any]) -> NoReturn:
    raise ConfigurationError("this call has no id, or no message of the model carries it")


async def screen(
    adapter: Adapter, way: Way, place: Place, messages: list[Any], tools: Mapping[str, BaseTool]
) -> list[tuple[ToolCall, ActionRefused]]:
    """Judge the calls of one answer together and return those that are refused."""
    answer, calls = _pending(messages)
    with adapter.guard.refusing("tool_call", "*"):
        made = [_call(answer, call, tools.get(call["name"])) for call in calls]
    refusals = await adapter.screen(way, place, made)
    return [(call, no) for call, no in zip(calls, refusals, strict=True) if no is not None]


async def call_tool(
    adapter: Adapter, way: Way, request: ToolCallRequest, handler: Callable[[Any], Any]
) -> Any:
    """Authorise one call on its final arguments, run it on the guard's copy, judge what it returns."""
    guard, call, tool = adapter.guard, request.tool_call, request.tool
    config = request.runtime.config
    with guard.refusing("tool_call", call["name"], passing=(GraphBubbleUp,)):
        if tool is None:
            raise ConfigurationError(f"this agent has no tool `{call['name']}`")
        place = place_of(guard, request.state)
        made = _call(_pending(request.state["messages"])[0], call, tool)
        suspend = suspending(config)

    async def start(args: dict[str, Any], permit: Permit) -> Any:
        if permit.decision.replacement is not None:
            _takes(adapter, made, args)
        final = request.override(tool_call={**call, "args": args})
        try:
            with calling(config), muted(config) if permit.buffers else nullcontext():
                return await way.run(handler, final)
        except GraphInterrupt as asked:
            if permit.decision.effect == "require_approval":
                raise _asked_twice(permit) from asked
            raise

    released = await adapter.act(
        way,
        place,
        made,
        start if way.loop else lambda args, permit: now(start(args, permit)),
        result=Result,
        stored=lambda kept: ToolMessage(
            as_content(kept), name=tool.name, tool_call_id=call["id"] or ""
        ),
        suspend=suspend,
    )
    result = Result(released)
    if tool.return_direct and guard.policies.speaks_of("output"):
        text = result.content if isinstance(result.content, str) else json.dumps(result.content)
        if (final_text := await adapter.text(way, place, "output", text)) != text:
            released = result.released(final_text)
    return await _handed_over(adapter, way, place, made, released)


def _takes(adapter: Adapter, call: Call, args: dict[str, Any]) -> None:
    """Refuse arguments that a rule has made and the tool's schema would drop or change."""
    with adapter.guard.refusing("tool_call", call.name):
        if call.bind is not None and not same(dict(call.bind(args)), args):
            raise ConfigurationError(
                f"a rule made the arguments of `{call.name}` into some that its schema does not take as "
                "they are, so its body would get others; declare them in the tool, with their types"
            )


def _asked_twice(permit: Permit) -> ActionRefused:
    """Return the refusal of a question inside a call that was itself approved.

    A resumed run starts the call from the beginning, and the approval was for one start.
    """
    return ActionDenied(
        f"`{permit.action.name}` was approved and started, and something inside it asks again. Going "
        "on would start it a second time, which nobody has approved: ask about the tool or about what "
        "happens inside it, not about both.",
        action=permit.action,
    )


async def _handed_over(adapter: Adapter, way: Way, place: Place, call: Call, raw: Any) -> Any:
    """Authorise the handoffs that a result asks for; return it with a note of who led to them.

    The tool has run by now, so a pending approval is a refusal: a suspended run could not get its
    result back.
    """
    result = Result(raw)
    said = [value for name, value in call.args.items() if name not in call.opaque]
    task = said[0] if len(said) == 1 and isinstance(said[0], str) else ""
    led: dict[str, list[str]] = {}
    for target in result.targets:
        args = {"text": task, "tool": call.name}
        handed = Call(target, args, f"{call.id}/{target}", parent=call.id)
        await adapter.act(way, place, handed, _nothing, kind="delegation")
        before = place.ids["agents"]
        known = before[: before.index(target)] if target in before else before
        led[target] = [*known, target]
    return result.handing(led) if led else raw


def _nothing(*_: Any) -> None:
    """Do what there is to do for a handoff here: LangGraph moves the conversation by itself."""
