"""Tool calls, and the handoffs that their results ask for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import AIMessage, ToolCall, ToolMessage
from langgraph.errors import GraphInterrupt

from wardline import ActionDenied, ActionRefused, ConfigurationError, Permit
from wardline.adapters import Adapter, Call, Place, Suspend, Way, now, same
from wardline_langgraph._arguments import bound, injected_names
from wardline_langgraph._place import at_work, suspending
from wardline_langgraph._results import Result, as_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool
    from langgraph.prebuilt.tool_node import ToolCallRequest

__all__ = ["call_of", "call_tool", "pending", "refusal_message"]


def refusal_message(call: ToolCall, refusal: ActionRefused) -> ToolMessage:
    """Return the answer that the model gets for a call which was refused."""
    return ToolMessage(
        str(refusal), name=call["name"], tool_call_id=call["id"] or "", status="error"
    )


def pending(messages: list[Any], call: ToolCall) -> tuple[str, list[ToolCall]]:
    """Return the id of the model's answer that carries `call`, and its calls nobody has answered yet.

    "" is an answer without an id, and a call that no message carries is a batch of its own.
    """
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, AIMessage):
            if all(one["id"] != call["id"] for one in message.tool_calls):
                break
            done = {one.tool_call_id for one in messages[index:] if isinstance(one, ToolMessage)}
            return message.id or "", [one for one in message.tool_calls if one["id"] not in done]
    return "", [call]


def call_of(scope: str, call: ToolCall, tool: BaseTool | None) -> Call:
    """Return the call of a tool as the guard takes it.

    Models use ids such as `1` over and over; together with `scope`, the id of the message that carries
    the call, they name it once and for all.
    """
    if not scope or not call["id"]:
        return Call(call["name"], call["args"], bind=_nameless, known=tool is not None)
    named = f"{scope}/{call['id']}"
    if tool is None:
        return Call(call["name"], call["args"], named, known=False)
    return Call(tool.name, call["args"], named, partial(bound, tool), injected_names(tool))


def _nameless(_: Mapping[str, Any]) -> NoReturn:
    raise ConfigurationError("this call has no id, so nothing could say which call it is")


async def call_tool(
    adapter: Adapter,
    way: Way,
    place: Place,
    call: Call,
    request: ToolCallRequest,
    execute: Callable[[Any], Any],
) -> Any:
    """Authorise one call on its final arguments, run it on the guard's copy, judge what it returns."""
    tool_call, config = request.tool_call, request.runtime.config

    async def start(args: dict[str, Any], permit: Permit) -> Any:
        if permit.decision.replacement is not None:
            _takes(adapter, call, args)
        final = request.override(tool_call={**tool_call, "args": args})
        try:
            with at_work(config), _muted(config) if permit.buffers else nullcontext():
                return await way.run(execute, final)
        except GraphInterrupt as asked:
            if permit.decision.effect == "require_approval":
                raise _asked_twice(permit) from asked
            raise

    released = await adapter.act(
        way,
        place,
        call,
        start if way.loop else lambda args, permit: now(start(args, permit)),
        result=Result,
        stored=lambda kept: ToolMessage(
            as_content(kept), name=call.name, tool_call_id=tool_call["id"] or ""
        ),
        suspend=_asks(adapter, place, suspending(config)),
    )
    return await _handed_over(adapter, way, place, call, released)


def _asks(adapter: Adapter, place: Place, suspend: Suspend | None) -> Suspend | None:
    """Return a `suspend` that takes no answer for the question of another call in the same node.

    LangGraph tells the questions of one node apart by the order in which they come, which is no order
    where calls run at once.
    """
    if suspend is None:
        return None

    def ask(question: dict[str, Any]) -> Any:
        answer = suspend(question)
        if isinstance(answer, Mapping) and answer.get("approval") is None:
            waiting = adapter.guard.store.approvals("pending")
            if sum(one.session == place.ids["session"] for one in waiting) > 1:
                return {**answer, "approval": "which is not named although several wait"}
        return answer

    return ask


@contextmanager
def _muted(config: RunnableConfig) -> Iterator[None]:
    """Take out of the config what feeds a stream, for as long as a tool runs that is not judged yet.

    Handlers that do are told by `tap_output_aiter`.
    """
    callbacks = config.get("callbacks")
    config["callbacks"] = _quiet(callbacks)
    try:
        yield
    finally:
        config["callbacks"] = callbacks


def _quiet(callbacks: Any) -> Any:
    if isinstance(callbacks, BaseCallbackManager):
        quiet = callbacks.copy()
        quiet.handlers = _quiet(callbacks.handlers)
        quiet.inheritable_handlers = _quiet(callbacks.inheritable_handlers)
        return quiet
    return [one for one in callbacks or () if not hasattr(one, "tap_output_aiter")]


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
