"""Tool calls, handoffs, agents called as tools, and code that a model wrote."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from google.adk.code_executors.code_execution_utils import (
    CodeExecutionInput,
    CodeExecutionResult,
)
from google.adk.events.event import Event
from google.adk.flows.llm_flows.functions import generate_request_confirmation_event
from google.adk.tools.agent_tool import AgentTool

from wardline import ActionDenied, ActionRefused, ConfigurationError
from wardline.adapters import Attached, Call, Suspended, Way, beneath, now, same
from wardline_google_adk._arguments import Output, bound, hands_over, retrieves
from wardline_google_adk._place import acting, answer_id, carrier, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.adk.agents.invocation_context import InvocationContext
    from google.adk.tools.base_tool import BaseTool
    from google.adk.tools.tool_context import ToolContext
    from google.genai.types import FunctionCall

    from wardline.adapters import Adapter, Place, Suspend

__all__ = ["GovernedExecutor", "GovernedTool", "Tools"]

_LOOP = Way(loop=True)
_TRANSFER = "transfer_to_agent"


@dataclass(slots=True)
class _Run:
    """What is remembered as long as ADK holds the session: the tools offered, the batches screened."""

    offered: dict[tuple[str, str | None], Mapping[str, BaseTool]] = field(default_factory=dict)
    batches: dict[str, asyncio.Future[dict[str, ActionRefused]]] = field(default_factory=dict)


class Tools:
    """Judges the calls of one app. `raises` says that a refusal leaves the run."""

    def __init__(self, adapter: Adapter, *, raises: bool) -> None:
        self.adapter = adapter
        self.raises = raises
        self._runs: Attached[_Run] = Attached()

    def _run(self, context: InvocationContext) -> _Run:
        run = self._runs.find(context.session)
        return run if run is not None else self._runs.attach(context.session, _Run())

    def offer(self, context: InvocationContext, tools: Mapping[str, BaseTool]) -> None:
        """Remember what tools the model of this agent can choose from."""
        name = context.agent.name if context.agent else ""
        self._run(context).offered[name, context.branch] = dict(tools)

    # The answer of the model, as a whole

    async def answered(
        self, context: InvocationContext, answer: str, calls: Sequence[FunctionCall]
    ) -> dict[str, ActionRefused]:
        """Judge all calls of one answer together, once, before any of them runs.

        Returns the refusal of each that is refused, by the id of the call.
        """
        batches = self._run(context).batches
        batch = batches.get(answer)
        if batch is None:
            batch = batches[answer] = asyncio.get_running_loop().create_future()
            try:
                batch.set_result(await self._screen(context, answer, calls))
            finally:
                if not batch.done():
                    batch.cancel()
        return await batch

    async def screened(self, context: ToolContext) -> ActionRefused | None:
        """Return why this call is refused by what was said of the answer that it is in.

        Where refusals leave the run, any refusal in the answer refuses them all.
        """
        invocation = context._invocation_context
        event = carrier(invocation, context.function_call_id)
        if event is None:
            return None
        done = _answered(invocation, event)
        open_ = [one for one in event.get_function_calls() if one.id not in done]
        refused = await self.answered(invocation, answer_id(event, invocation), open_)
        if self.raises and refused:
            return next(iter(refused.values()))
        return refused.get(context.function_call_id or "")

    async def _screen(
        self, context: InvocationContext, answer: str, calls: Sequence[FunctionCall]
    ) -> dict[str, ActionRefused]:
        with self.adapter.guard.refusing("tool_call", "*"):
            place = place_of(self.adapter.guard, context)
            agent = acting(context)
            offered = self._run(context).offered.get((agent.name if agent else "", context.branch))
            planned = [
                (call.id or "", action)
                for call in calls
                for action in self._planned(context, answer, call, offered)
            ]
        refused = await self.adapter.screen(_LOOP, place, [action for _, action in planned])
        found: dict[str, ActionRefused] = {}
        for (call_id, _), refusal in zip(planned, refused, strict=True):
            if refusal is not None:
                found.setdefault(call_id, refusal)
        return found

    def _planned(
        self,
        context: InvocationContext,
        answer: str,
        call: FunctionCall,
        offered: Mapping[str, BaseTool] | None,
    ) -> list[Call]:
        """Return what a call is, as the model made it; its tool is not known where a run is resumed."""
        name, args, id = call.name or "", call.args or {}, f"{answer}/{call.id}"
        tool = offered.get(name) if offered is not None else None
        if tool is not None:
            return self._actions(context, tool, args, id)
        if offered is None and name == _TRANSFER:
            return [self._handover(context, args, id)]
        return [Call(name, args, id=id, kind="tool_call", known=offered is None)]

    def _actions(
        self, context: InvocationContext, tool: BaseTool, args: Mapping[str, Any], id: str
    ) -> list[Call]:
        """Return what the call of a tool is: a handoff, or a tool call inside what else it is."""
        if hands_over(tool):
            return [self._handover(context, args, id)]
        call = Call(tool.name, args, id=id, bind=partial(bound, tool), kind="tool_call")
        if isinstance(tool, AgentTool):
            task = str(args.get("request", "")) or json.dumps(dict(args), default=str)
            agent = acting(context)
            named = {"text": task, "from": agent.name if agent else ""}
            return [Call(tool.name, named, id=id, kind="delegation"), call]
        return [replace(call, kind="retrieval"), call] if retrieves(tool) else [call]

    def _handover(self, context: InvocationContext, args: Mapping[str, Any], id: str) -> Call:
        target, agent = str(args.get("agent_name", "")), acting(context)
        known = agent is not None and agent.root_agent.find_agent(target) is not None
        named = {"text": str(args.get("transfer_reason", "")), "from": agent.name if agent else ""}
        return Call(target, named, id=id, known=known, kind="delegation")

    # One call, as it starts

    async def start(
        self, tool: BaseTool, body: Callable[..., Any], args: dict[str, Any], context: ToolContext
    ) -> Any:
        """Judge a call on its final arguments, run it on the guard's copy; return what may be seen."""
        try:
            if refusal := await self.screened(context):
                raise refusal
            return await self._act(tool, body, args, context)
        except Suspended as asked:
            return {"error": str(asked)}
        except ActionRefused as refused:
            if self.raises:
                raise
            return {"error": str(refused)}

    async def _act(
        self, tool: BaseTool, body: Callable[..., Any], args: dict[str, Any], context: ToolContext
    ) -> Any:
        guard, invocation = self.adapter.guard, context._invocation_context
        with guard.refusing("tool_call", tool.name):
            _check_plugins(tool)
            place = place_of(guard, invocation)
            event = carrier(invocation, context.function_call_id)
            id = f"{answer_id(event, invocation)}/{context.function_call_id}"
            suspend = None if guard.here() else _suspend(context)
            actions = self._actions(invocation, tool, args, id)

        async def run(actions: Sequence[Call], judged: dict[str, Any]) -> Any:
            """Judge an action, and inside it the next, which goes on with what was judged before."""
            if not actions:
                return await body(args=judged, tool_context=context)
            call, *rest = actions
            if call.kind != "delegation":
                call = replace(call, args=judged)
            return await self._judge(place, call, partial(inside, call, rest, judged), suspend)

        async def inside(
            call: Call, rest: Sequence[Call], given: dict[str, Any], judged: dict[str, Any], _: Any
        ) -> Any:
            if call.kind == "delegation":
                return await run(rest, given)
            with guard.refusing("tool_call", tool.name):
                if not same(judged, bound(tool, judged)):
                    raise ConfigurationError(
                        f"a rule gives `{tool.name}` arguments that its body would not receive as they "
                        "were judged; set only parameters that it has, to values of their types"
                    )
            return await run(rest, judged)

        return await run(actions, args)

    async def _judge(
        self, place: Place, call: Call, body: Callable[..., Any], suspend: Suspend | None
    ) -> Any:
        return await self.adapter.act(
            _LOOP,
            place,
            call,
            body,
            kind=call.kind,
            result=Output,
            stored=lambda result: result,
            suspend=suspend,
        )

    def execute(
        self,
        body: Callable[..., CodeExecutionResult],
        context: InvocationContext,
        code: CodeExecutionInput,
    ) -> CodeExecutionResult:
        """Judge code that the model wrote, as the call of a tool `execute_code`, and run it."""

        def run(args: dict[str, Any], _: Any) -> CodeExecutionResult:
            return body(context, replace(code, code=args["code"]))

        guard = self.adapter.guard
        try:
            with guard.refusing("tool_call", "execute_code"):
                place = place_of(guard, context)
                files = [one.name for one in code.input_files]
                call = Call("execute_code", {"code": code.code, "files": files})
            result: CodeExecutionResult = now(
                self.adapter.act(Way(loop=False), place, call, run, result=_CodeOutput)
            )
        except ActionRefused as refused:
            if self.raises:
                raise
            return CodeExecutionResult(stderr=str(refused))
        return result


def _answered(context: InvocationContext, event: Event) -> set[str | None]:
    """Return the calls of `event` that have their answer; a question to somebody is none."""
    events = context.session.events
    after = events[events.index(event) + 1 :]
    return {
        one.id
        for later in after
        for one in later.get_function_responses()
        if one.id not in later.actions.requested_tool_confirmations
    }


def _check_plugins(tool: BaseTool) -> None:
    if isinstance(tool, AgentTool) and not tool.include_plugins:
        raise ConfigurationError(
            "it runs an agent without the plugins of this app, so nobody could judge what that agent "
            "does; make it AgentTool(agent, include_plugins=True)"
        )


def _suspend(context: ToolContext) -> Suspend:
    """Return what asks by ADK's tool confirmation, and takes the answer of a resumed run once."""
    answers = [context.tool_confirmation] if context.tool_confirmation else []

    async def suspend(question: dict[str, Any]) -> Any:
        if answers:
            reply = answers.pop()
            more = reply.payload if isinstance(reply.payload, dict) else {}
            return {**more, "approved": reply.confirmed}
        payload = json.loads(json.dumps(question, default=str))
        context.request_confirmation(hint=str(question["message"]), payload=payload)
        context.actions.skip_summarization = True
        if context.tool_confirmation:
            await _ask_again(context)
        raise Suspended(question)

    return suspend


async def _ask_again(context: ToolContext) -> None:
    """Emit the question of a call that has been asked about before, which ADK does only the first time."""
    invocation = context._invocation_context
    event = carrier(invocation, context.function_call_id)
    if event is None or invocation._event_queue is None:
        return
    response = Event(author=event.author, actions=context.actions)
    asked = generate_request_confirmation_event(invocation, event, response)
    if asked is not None:
        await invocation._enqueue_event(asked)


class _CodeOutput:
    """What code printed."""

    failed = ""

    def __init__(self, raw: CodeExecutionResult) -> None:
        self._raw = raw
        self.content: Any = {"stdout": raw.stdout, "stderr": raw.stderr}

    def released(self, content: Any) -> CodeExecutionResult:
        """Return the result with `content` in it; raises `ConfigurationError` for another shape."""
        if not isinstance(content, dict) or content.keys() != {"stdout", "stderr"}:
            raise ConfigurationError("what code printed stays a map of stdout and stderr")
        return replace(self._raw, stdout=str(content["stdout"]), stderr=str(content["stderr"]))


def _found(context: InvocationContext, name: str) -> Tools:
    """Return who judges the calls of this run; raise `ActionDenied` where nobody does."""
    for plugin in context.plugin_manager.plugins:
        if isinstance(tools := getattr(plugin, "tools", None), Tools):
            return tools
    raise ActionDenied(
        f"`{name}` was not run: no guard has decided about it, because this run has no WardlinePlugin. "
        "Start it by the Runner of an app with one"
    )


class GovernedTool:
    """The seam in front of a tool's `run_async`."""

    async def run_async(self, *, args: dict[str, Any], tool_context: ToolContext) -> Any:
        """Run the tool if its call may run."""
        tool: Any = self
        tools = _found(tool_context._invocation_context, tool.name)
        body = partial(beneath(tool).run_async, tool)
        return await tools.start(tool, body, args, tool_context)

    async def check_require_confirmation(
        self, args: dict[str, Any], tool_context: ToolContext
    ) -> bool:
        """Ask nobody about a call that is refused anyhow."""
        tool: Any = self
        tools = _found(tool_context._invocation_context, tool.name)
        if await tools.screened(tool_context):
            return False
        asks: bool = await beneath(tool).check_require_confirmation(tool, args, tool_context)
        return asks


class GovernedExecutor:
    """The seam in front of an executor's `execute_code`."""

    def execute_code(
        self, invocation_context: InvocationContext, code_execution_input: CodeExecutionInput
    ) -> CodeExecutionResult:
        """Run the code if it may run."""
        body = partial(beneath(self).execute_code, self)
        tools = _found(invocation_context, "execute_code")
        return tools.execute(body, invocation_context, code_execution_input)
