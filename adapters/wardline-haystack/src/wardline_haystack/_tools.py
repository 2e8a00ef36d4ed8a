"""Tool calls: the governed copy of a tool that an agent really runs."""

from __future__ import annotations

import copy
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from haystack.components.agents import Agent
from haystack.components.agents.tool_calling import _get_func_params, _inject_state_args
from haystack.dataclasses import ChatMessage
from haystack.tools import ComponentTool
from haystack.tools.errors import ToolInvocationError
from haystack.tools.parameters_schema_utils import _is_state_annotation
from pydantic import ValidationError

from wardline import ActionRefused, AlreadyRan
from wardline.adapters import Call, Place, Suspended, Way, now
from wardline_haystack._runs import Asked, Run, calling, current
from wardline_haystack._values import Result, is_plain, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from haystack.tools.tool import Tool

    from wardline_haystack._governor import Governor

__all__ = ["agent_of", "governed_tool", "screen", "waiting"]

_STREAM = "streaming_callback"


def agent_of(tool: Tool) -> Agent | None:
    """Return the agent that a tool is, None for any other tool."""
    component = getattr(tool, "_component", None)
    return component if isinstance(component, Agent) else None


def waiting(question: Mapping[str, Any]) -> str:
    """Return what stands in the place of a result that waits for an approval."""
    return str(question["message"])


def governed_tool(governor: Governor, tool: Tool) -> Tool:
    """Return a copy of `tool` that runs only what the guard lets through.

    A copy, because one tool may belong to several agents under several guards. It is of the same class
    and has the same schema, so that Haystack prepares and describes it as it would the original.
    """
    governed = copy.copy(tool)
    if hasattr(tool, "__del__"):
        # Such a tool lets go of its connection when it is forgotten, and so would its copies.
        kept = {"__del__": lambda _self: None, "__module__": type(tool).__module__}
        governed.__class__ = type(type(tool).__name__, (type(tool),), kept)

    def invoke(**kwargs: Any) -> Any:
        return now(_invoke(governor, tool, Way(loop=False), tool.invoke, kwargs))

    async def invoke_async(**kwargs: Any) -> Any:
        return await _invoke(governor, tool, Way(loop=True), tool.invoke_async, kwargs)

    governed.__dict__.update(invoke=invoke, invoke_async=invoke_async, wardline=governor)
    return governed


async def screen(way: Way, run: Run, calls: list[Asked], tools: Mapping[str, Tool]) -> None:
    """Judge the calls of one answer together, and remember in each why it may not run."""
    made = [_screened(run, one, tools.get(one.call.tool_name)) for one in calls]
    refused = await run.governor.adapter.screen(way, run.place, made)
    for one, refusal in zip(calls, refused, strict=True):
        one.refusal = refusal


def _screened(run: Run, asked: Asked, tool: Tool | None) -> Call:
    given = asked.call.arguments
    if tool is None:
        return Call(asked.call.tool_name, given, id=asked.id, known=False)

    def bind(args: Mapping[str, Any]) -> Mapping[str, Any]:
        return _received(tool, _readable(tool, _inject_state_args(tool, dict(args), run.state)))

    return Call(tool.name, given, id=asked.id, bind=bind, opaque=_opaque(tool, given, run))


async def _invoke(
    governor: Governor,
    tool: Tool,
    way: Way,
    invoke: Callable[..., Any],
    kwargs: dict[str, Any],
) -> Any:
    """Run one start of a tool. A refusal becomes the error that Haystack makes a result of."""
    run = current.get()
    asked = run.of(tool.name, kwargs) if run is not None else None
    try:
        if asked is not None and asked.refusal is not None:
            raise asked.refusal
        return await _act(governor, tool, way, invoke, kwargs, run, asked)
    except Suspended as waits:
        if asked is not None:
            asked.question = waits.question
        raise ToolInvocationError(waiting(waits.question), tool_name=tool.name) from waits
    except ActionRefused as refusal:
        if run is None and governor.raises:
            raise
        if run is not None and governor.raises:
            run.refusal = run.refusal or refusal  # raised once all calls of the step have ended
        raise ToolInvocationError(str(refusal), tool_name=tool.name) from refusal
    except ToolInvocationError as error:
        if run is not None and governor.raises:
            run.refusal = run.refusal or _refusal_in(error)
        raise


async def _act(
    governor: Governor,
    tool: Tool,
    way: Way,
    invoke: Callable[..., Any],
    kwargs: dict[str, Any],
    run: Run | None,
    asked: Asked | None,
) -> Any:
    adapter = governor.adapter
    with adapter.guard.refusing("tool_call", tool.name):
        place = run.place if run is not None else Place.open(adapter.guard, "haystack")
        opaque = frozenset(_injected(tool, kwargs))
        by_reference = {name: kwargs[name] for name in opaque & kwargs.keys()}
        call = Call(
            tool.name,
            {name: value for name, value in kwargs.items() if name not in opaque},
            id=asked.id if asked is not None else "",
            bind=partial(_received, tool),
            opaque=opaque & kwargs.keys(),
        )
    suspend = partial(_suspend, run) if run is not None and run.suspends else None

    async def start(args: dict[str, Any]) -> Any:
        token = calling.set(tool.name)
        try:
            return await way.run(partial(invoke, **args, **by_reference))
        finally:
            calling.reset(token)

    async def body(args: dict[str, Any]) -> Any:
        if agent_of(tool) is None:
            return await start(args)
        task = Call(
            tool.name,
            {"text": _task(args)},
            id=f"{call.id}/delegation" if call.id else "",
            parent=call.id,
        )
        return await adapter.act(
            way,
            place,
            task,
            lambda _args, _permit: _either(way, start(args)),
            kind="delegation",
            result=Result,
            suspend=suspend,
        )

    return await adapter.act(
        way,
        place,
        call,
        lambda args, _permit: _either(way, body(args)),
        result=Result,
        stored=lambda kept: kept,
        suspend=suspend,
    )


def _either(way: Way, body: Any) -> Any:
    """Return what a body that never suspends returns, or the body itself where it is awaited."""
    return body if way.loop else now(body)


def _suspend(run: Run, question: dict[str, Any]) -> Any:
    """Return the answer with which this run was resumed; end the run where there is none."""
    answer = run.answers.pop(question["approval"], None)
    if answer is None:
        raise Suspended(question)
    return answer


def _refusal_in(error: BaseException) -> ActionRefused | None:
    """Return the refusal because of which a tool failed, as an agent inside of it raised it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ActionRefused):
        cause = cause.__cause__
    return None if isinstance(cause, AlreadyRan) else cause


def _task(args: Mapping[str, Any]) -> str:
    """Return what an agent is asked to do."""
    messages = args.get("messages")
    if not isinstance(messages, list):
        return str(messages or "")
    parts = [
        one.text if isinstance(one, ChatMessage) else one.get("content", "")
        for one in messages
        if isinstance(one, ChatMessage | dict)
    ]
    return "\n".join(one if isinstance(one, str) else str(plain(one)) for one in parts)


# The arguments


def _injected(tool: Tool, args: Mapping[str, Any]) -> set[str]:
    """Return the parameters that Haystack fills in with what rules cannot read."""
    found = {
        name for name, kind in _get_func_params(tool).items() if _is_state_annotation(kind)
    } | {_STREAM} & args.keys()
    mapped = (tool.inputs_from_state or {}).values()
    return found | {name for name in mapped if name in args and not is_plain(args[name])}


def _opaque(tool: Tool, given: Mapping[str, Any], run: Run) -> frozenset[str]:
    return frozenset(_injected(tool, _inject_state_args(tool, dict(given), run.state)))


def _readable(tool: Tool, args: Mapping[str, Any]) -> dict[str, Any]:
    hidden = _injected(tool, args)
    return {name: value for name, value in args.items() if name not in hidden}


def _received(tool: Tool, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the body of the tool receives them: with defaults, and after coercion."""
    if isinstance(tool, ComponentTool):
        return _of_component(tool, args)
    body = tool.function or tool.async_function
    found = dict(args)
    for name, one in inspect.signature(body).parameters.items() if body is not None else ():
        if one.default is not one.empty and name not in found and is_plain(one.default):
            found[name] = one.default
    return found


def _of_component(tool: ComponentTool, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the component gets where that is plain; else what it is made from."""
    sockets = tool._component.__haystack_input__._sockets_dict  # type: ignore[attr-defined]
    found = dict(args)
    for name in args.keys() & sockets.keys():
        try:
            value = tool._convert_param(args[name], sockets[name].type)
        except (ValidationError, TypeError, ValueError, KeyError):
            continue  # Haystack reports the mistake, and the component does not run
        if is_plain(value):
            found[name] = value
    return found
