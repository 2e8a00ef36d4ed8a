"""Tool calls: from the model's answer to the body of the tool."""

from __future__ import annotations

import inspect
import json
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from agent_framework import (
    Agent,
    Content,
    FunctionInvocationContext,
    FunctionMiddleware,
    FunctionTool,
    MiddlewareFailure,
)

from wardline import ActionDenied, ActionRefused, ConfigurationError
from wardline.adapters import (
    Call,
    Suspended,
    Way,
    beneath,
    now,
    plain,
    put_before,
    same,
    settled,
)
from wardline_agent_framework._run import KEY, Run, refusal_content, run_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pydantic import BaseModel

    from wardline.adapters import Suspend
    from wardline_agent_framework._middleware import WardlineMiddleware

__all__ = [
    "FunctionGate",
    "GovernedAgent",
    "GovernedFunction",
    "actions_of",
    "agent_of",
    "bound",
    "governing",
]

_LOOP = Way(loop=True)

governing: ContextVar[WardlineMiddleware | None] = ContextVar("wardline_governing", default=None)
"""The middleware under which the calling code runs, for agents that are called inside a tool."""


class FunctionGate(FunctionMiddleware):
    """Stands before the tools of one run."""

    def __init__(self, run: Run, middleware: WardlineMiddleware) -> None:
        self._run = run
        self._middleware = middleware

    async def process(
        self, context: FunctionInvocationContext, call_next: Callable[[], Awaitable[None]]
    ) -> None:
        """Stand in front of the tool, where its final arguments are; ask by the framework's request."""
        with self._run.adapter.guard.refusing("tool_call", context.function.name):
            put_before(context.function, GovernedFunction)
            run_of(context, self._run)
        token = governing.set(self._middleware)
        try:
            await call_next()
        except Suspended as asked:
            context.result = _request(context, asked.question)
        finally:
            governing.reset(token)

    def _on_approval_responses(self, responses: Sequence[Content], *, session: Any) -> None:  # noqa: ARG002
        """Record the answers that the framework acts on by itself: those of people who said no."""
        for response in responses:
            asked = response.additional_properties.get(KEY)
            if response.approved or not isinstance(asked, dict) or "approval" not in asked:
                continue
            answer = {**asked, "approved": False}
            now(self._run.adapter.answer(Way(loop=False), str(asked["approval"]), answer))


def _request(context: FunctionInvocationContext, question: Mapping[str, Any]) -> Content:
    """Return the framework's request for an approval of the call of `context`."""
    shown = json.loads(json.dumps(dict(question), default=str))
    occurrence = context.metadata.get("function_call_occurrence_id") or context.metadata["call_id"]
    call = Content.from_function_call(
        call_id=context.metadata["call_id"],
        name=context.function.name,
        arguments=shown["arguments"],
        id=occurrence,
    )
    return Content.from_function_approval_request(
        id=occurrence, function_call=call, additional_properties={KEY: shown}
    )


def _suspend(context: FunctionInvocationContext) -> Suspend:
    """Return what asks by a request of the framework, and takes the answer of a resumed run once."""
    response = context.metadata.get("approval_response")
    answers = [response] if isinstance(response, Content) else []

    def suspend(question: dict[str, Any]) -> Any:
        if not answers:
            raise Suspended(question)
        reply = answers.pop()
        given = reply.additional_properties.get(KEY)
        return {**(given if isinstance(given, dict) else {}), "approved": bool(reply.approved)}

    return suspend


def bound(tool: FunctionTool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the body of `tool` gets them: with defaults, after validation.

    Raises `ConfigurationError` where that cannot be said for certain.
    """

    def convert(args: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return tool._prepare_arguments(args)
        except TypeError:  # the framework's word for arguments that do not validate
            return None

    return settled(tool.name, given, convert, _defaults(tool))


def _defaults(tool: FunctionTool) -> dict[str, Any]:
    """Return the defaults of the parameters that the model may leave out."""
    func = tool.func.func if isinstance(tool.func, FunctionTool) else tool.func
    if func is None:
        return {}
    declared = tool.parameters().get("properties", {})
    parameters = inspect.signature(func).parameters
    return {name: one.default for name, one in parameters.items() if name in declared}


def agent_of(tool: FunctionTool) -> Any:
    """Return the agent that `Agent.as_tool` made `tool` of, None for any other tool."""
    func = tool.func
    if not getattr(func, "__qualname__", "").endswith("as_tool.<locals>._agent_wrapper"):
        return None
    names = func.__code__.co_freevars  # type: ignore[union-attr]
    cells = dict(zip(names, func.__closure__ or (), strict=True))  # type: ignore[union-attr]
    return cells["self"].cell_contents


def actions_of(run: Run, tool: FunctionTool, args: Mapping[str, Any], id: str) -> list[Call]:
    """Return what the call of a tool is: a tool call, and around it a delegation to an agent."""
    call = Call(tool.name, args, id=id, bind=partial(bound, tool), kind="tool_call")
    if agent_of(tool) is None:
        return [call]
    task = " ".join(str(value) for value in args.values())
    named = {"text": task, "from": run.agent}
    return [Call(tool.name, named, id=id, kind="delegation"), call]


class _Output:
    """What a tool returned: the text of its contents, as the model reads it."""

    failed = ""

    def __init__(self, raw: Any) -> None:
        contents = isinstance(raw, list) and all(isinstance(one, Content) for one in raw)
        self._contents = contents
        texts = [one.text or "" for one in raw if one.type == "text"] if contents else []
        self.content: Any = "\n".join(texts) if contents else plain(raw)

    def released(self, content: Any) -> Any:
        """Return `content` as the framework takes it."""
        if not self._contents:
            return content
        return [Content.from_text(content if isinstance(content, str) else json.dumps(content))]


class GovernedFunction:
    """The seam in front of a tool's `invoke`."""

    async def invoke(
        self,
        *,
        arguments: BaseModel | Mapping[str, Any] | None = None,
        context: FunctionInvocationContext | None = None,
        **more: Any,
    ) -> Any:
        """Run the tool if its call may run."""
        tool: Any = self
        run = run_of(context) if context is not None else None
        if context is None or run is None:
            raise ActionDenied(
                f"`{tool.name}` was not run: no guard has decided about it. Let an agent with "
                "WardlineMiddleware call it"
            )
        given = arguments if arguments is not None else context.arguments
        body = partial(beneath(tool).invoke, tool, context=context, **more)
        try:
            return await _act(run, tool, body, given, context)
        except ActionRefused as refused:
            if run.raises:
                raise MiddlewareFailure(str(refused)) from refused
            return [refusal_content(refused)]


async def _act(
    run: Run, tool: FunctionTool, body: Callable[..., Any], arguments: Any, context: Any
) -> Any:
    """Judge a call on its final arguments, and run it on the guard's copy."""
    guard, call_id = run.adapter.guard, context.metadata.get("call_id", "")
    if refusal := run.refused.get(call_id):
        raise refusal
    with guard.refusing("tool_call", tool.name):
        args = tool._arguments_as_mapping(arguments)
        if args is None:
            raise ConfigurationError(f"the arguments of `{tool.name}` are no mapping")
        agent = agent_of(tool)
        if agent is not None:
            _govern(agent)
        id = context.metadata.get("function_call_occurrence_id") or call_id
        actions = actions_of(run, tool, args, id)
        suspend = None if run.inside else _suspend(context)

    async def inside(judged: dict[str, Any], _: Any) -> Any:
        with guard.refusing("tool_call", tool.name):
            if not same(judged, bound(tool, judged)):
                raise ConfigurationError(
                    f"a rule gives `{tool.name}` arguments that its body would not receive as they were "
                    "judged; set only parameters that it has, to values of their types"
                )
            # The framework compares what was approved with what it is handed, by their Python types.
            approved = "approval_response" in context.metadata
            final = deepcopy(args) if approved and same(bound(tool, args), judged) else judged
        return await body(arguments=final)

    async def outside(judged: dict[str, Any], _: Any) -> Any:  # noqa: ARG001 - the inner call has its own
        return await judge(replace(actions[-1], args=args), inside)

    async def judge(call: Call, start: Callable[..., Any]) -> Any:
        return await run.adapter.act(
            _LOOP,
            run.place,
            call,
            start,
            kind=call.kind,
            result=_Output,
            stored=lambda result: [Content.from_text(str(result))],
            suspend=suspend,
        )

    return await judge(actions[0], inside if len(actions) == 1 else outside)


def _govern(agent: Any) -> None:
    """Stand in front of an agent that is about to be called; refuse one that cannot be governed."""
    if not isinstance(agent, Agent):
        raise ConfigurationError(
            f"it calls a {type(agent).__name__}, which takes no middleware, so nobody could judge what "
            "that agent does; make it an Agent"
        )
    put_before(agent, GovernedAgent)


class GovernedAgent:
    """The seam in front of the `run` of an agent that is called as a tool."""

    def run(self, messages: Any = None, *, middleware: Any = None, **more: Any) -> Any:
        """Run the agent under the middleware of who calls it, unless it has one of its own."""
        agent: Any = self
        above = governing.get()
        if above is not None and not above.governs(agent):
            given = middleware if isinstance(middleware, list | tuple) else [middleware]
            middleware = [*(one for one in given if one is not None), above]
        return beneath(agent).run(agent, messages, middleware=middleware, **more)
