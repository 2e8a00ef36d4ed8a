"""Tool calls: the governed copy of a tool, which an agent gets in the place of the tool."""

from __future__ import annotations

import copy
import inspect
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from llama_index.core.tools import AsyncBaseTool, FunctionTool, ToolOutput
from llama_index.core.workflow import HumanResponseEvent, InputRequiredEvent

from wardline import ActionRefused
from wardline.adapters import Call, Place, Suspended, Way, now, plain, same
from wardline_llama_index._results import Output, refusal_output
from wardline_llama_index._turns import FRAMEWORK, Turn, current, save

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from llama_index.core.tools import ToolSelection

    from wardline_llama_index._governor import Governor

__all__ = ["HANDOFF", "call_id", "calling", "governed_tool", "screen"]

HANDOFF = "handoff"
"""The name that LlamaIndex reserves for the tool by which an agent hands over."""

calling: ContextVar[str] = ContextVar("wardline_llama_index_call", default="")
"""The id that the model gave the call which the calling code runs."""


def call_id(turn: Turn, tool_id: str) -> str:
    """Return the id of a call that is unique in its session."""
    return f"{turn.name}/{tool_id}"


def governed_tool(governor: Governor, tool: AsyncBaseTool) -> AsyncBaseTool:
    """Return a copy of `tool` that runs only what the guard lets through.

    A copy, because one tool may belong to several agents under several guards. It is of the same class
    and has the same metadata, so that LlamaIndex describes and calls it as it would the original.
    """
    if getattr(tool, "wardline", None) is governor:
        return tool
    governed = copy.copy(tool)

    def call(*args: Any, **kwargs: Any) -> ToolOutput:
        given = _named(tool, args, kwargs)
        return now(_call(governor, tool, Way(loop=False), tool.call, given))  # type: ignore[no-any-return]

    async def acall(*args: Any, **kwargs: Any) -> ToolOutput:
        given = _named(tool, args, kwargs)
        return await _call(governor, tool, Way(loop=True), tool.acall, given)  # type: ignore[no-any-return]

    governed.__dict__.update(call=call, acall=acall, wardline=governor)
    return governed


async def screen(
    governor: Governor,
    turn: Turn,
    calls: Sequence[ToolSelection],
    tools: Mapping[str, AsyncBaseTool],
    agents: Sequence[str],
) -> list[ActionRefused | None]:
    """Judge the calls of one answer together; hand-offs to one of `agents` are delegations."""
    refused: list[ActionRefused | None] = [None] * len(calls)
    for kind in ("tool_call", "delegation"):
        chosen = [
            (n, one)
            for n, one in enumerate(calls)
            if (_is_handoff(one, tools)) == (kind != "tool_call")
        ]
        made = [
            _screened(turn, one, tools.get(one.tool_name))
            if kind == "tool_call"
            else _delegation(one.tool_kwargs, call_id(turn, one.tool_id), agents)
            for _, one in chosen
        ]
        verdicts = await governor.adapter.screen(Way(loop=True), turn.place, made, kind=kind)
        for (number, _), verdict in zip(chosen, verdicts, strict=True):
            refused[number] = verdict
    return refused


def _is_handoff(call: ToolSelection, tools: Mapping[str, AsyncBaseTool]) -> bool:
    return call.tool_name == HANDOFF and HANDOFF in tools


def _screened(turn: Turn, call: ToolSelection, tool: AsyncBaseTool | None) -> Call:
    if tool is None:
        return Call(call.tool_name, call.tool_kwargs, id=call_id(turn, call.tool_id), known=False)
    return _as_call(tool, call.tool_kwargs, call_id(turn, call.tool_id))


def _as_call(tool: AsyncBaseTool, given: Mapping[str, Any], id: str) -> Call:
    hidden = _injected(tool)
    args = {name: value for name, value in given.items() if name not in hidden}
    return Call(
        tool.metadata.get_name(),
        args,
        id=id,
        bind=partial(_received, tool),
        opaque=frozenset(hidden & given.keys()),
    )


def _delegation(given: Mapping[str, Any], id: str, agents: Sequence[str]) -> Call:
    target = str(given.get("to_agent", ""))
    args = {"text": str(given.get("reason", "")), "tool": HANDOFF}
    return Call(target, args, id=id, known=target in agents)


async def _call(
    governor: Governor,
    tool: AsyncBaseTool,
    way: Way,
    run: Callable[..., Any],
    kwargs: dict[str, Any],
) -> Any:
    """Run one start of a tool. A refusal becomes the error that LlamaIndex tells the model."""
    name = tool.metadata.get_name()
    here = current.get()
    try:
        if here is not None and name == HANDOFF:
            return await _hand_over(governor, here[0], here[1], way, run, kwargs)
        return await _act(governor, tool, way, run, kwargs)
    except ActionRefused as refusal:
        return refusal_output(name, refusal)


async def _act(
    governor: Governor,
    tool: AsyncBaseTool,
    way: Way,
    run: Callable[..., Any],
    kwargs: dict[str, Any],
) -> Any:
    adapter = governor.adapter
    name = tool.metadata.get_name()
    here = current.get()
    with adapter.guard.refusing("tool_call", name):
        place = here[0].place if here is not None else Place.open(adapter.guard, FRAMEWORK)
        id = call_id(here[0], calling.get()) if here is not None and calling.get() else ""
        call = _as_call(tool, kwargs, id)
    by_reference = {one: kwargs[one] for one in call.opaque}
    suspend = partial(_suspend, here[1]) if here is not None and governor.suspends and id else None

    def body(args: dict[str, Any], _permit: object) -> Any:
        return run(**args, **by_reference)

    return await adapter.act(
        way,
        place,
        call,
        body,
        result=Output,
        stored=lambda kept: ToolOutput(
            content=str(kept), tool_name=name, raw_input={}, raw_output=kept
        ),
        suspend=suspend,
    )


async def _hand_over(
    governor: Governor,
    turn: Turn,
    ctx: Any,
    way: Way,
    run: Callable[..., Any],
    kwargs: dict[str, Any],
) -> Any:
    """Authorise the hand-over; the other agent acts as one below this one, in the same conversation."""
    agents: list[str] = await ctx.store.get("agents", default=[])
    call = _delegation(kwargs, call_id(turn, calling.get()), agents)
    suspend = partial(_suspend, ctx) if governor.suspends else None

    def body(_args: object, _permit: object) -> Any:
        return run(**kwargs)

    output = await governor.adapter.act(
        way, turn.place, call, body, kind="delegation", result=Output, suspend=suspend
    )
    if await ctx.store.get("next_agent", default=None) == call.name:
        session = turn.place.ids["session"]
        turn.kept["next"] = dict(turn.place.below(call.name, session=session).ids)
        await save(ctx, turn.kept)
    return output


async def _suspend(ctx: Any, question: dict[str, Any]) -> Any:
    """Wait for an answer as LlamaIndex does: the step is left here, and starts again with the answer."""
    if ctx is None:
        raise Suspended(question)
    approval = question["approval"]
    answer = await ctx.wait_for_event(
        HumanResponseEvent,
        waiter_event=InputRequiredEvent(prefix=question["message"], **question),  # type: ignore[call-arg]
        waiter_id=f"wardline/{approval}/{question.get('why', '')}",
        requirements={"approval": approval},
        timeout=None,
    )
    # A context that was kept waits for any answer: what it asked for is not kept with it.
    given = {key: answer.get(key, None) for key in ("approval", "approved", "by", "note")}
    return {key: one for key, one in given.items() if one is not None}


# The arguments


def _named(tool: AsyncBaseTool, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by their names."""
    if not args:
        return dict(kwargs)
    names = list(tool.metadata.get_parameters_dict().get("properties", {})) or ["input"]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _injected(tool: AsyncBaseTool) -> frozenset[str]:
    """Return the parameters that LlamaIndex fills in."""
    name = getattr(tool, "ctx_param_name", None)
    return frozenset([name] if name else [])


def _received(tool: AsyncBaseTool, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the function gets them: with defaults, and what was fixed beforehand.

    LlamaIndex validates nothing here; a function gets what the model gave.
    """
    if not isinstance(tool, FunctionTool):
        return dict(args)
    hidden = _injected(tool)
    found: dict[str, Any] = {}
    for name, one in inspect.signature(tool.real_fn).parameters.items():
        if name not in hidden and same(plain(one.default), one.default):
            found[name] = one.default
    return {**found, **tool._field_defaults, **tool.partial_params, **args}
