"""Tools: judged as they are called, on their final arguments, behind every hook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_ai import DeferredToolRequests, ToolReturn
from pydantic_ai.exceptions import ApprovalRequired, ToolFailed
from pydantic_ai.toolsets import WrapperToolset

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Call, Suspend, Way, plain, same
from wardline_pydantic_ai._flow import Flow, call_name, required

if TYPE_CHECKING:
    from pydantic_ai import RunContext
    from pydantic_ai.toolsets.abstract import ToolsetTool

    from wardline import Permit
    from wardline_pydantic_ai._capability import Wardline

__all__ = ["GovernedToolset", "questions", "tool_call"]

_LOOP = Way(loop=True)


def questions(requests: DeferredToolRequests) -> list[dict[str, Any]]:
    """Return what a suspended run asks: the approval's id, the tool, its arguments, who may answer."""
    asked = [requests.metadata.get(call.tool_call_id, {}) for call in requests.approvals]
    return [one for one in asked if "approval" in one]


def tool_call(flow: Flow, name: str, args: Any, id: str) -> Call:
    """Return the call that a model made; `args` as it wrote them, or validated."""
    tool = flow.tools.get(name)

    def bind(_: Mapping[str, Any]) -> Mapping[str, Any]:
        if tool is None:
            return args if isinstance(args, Mapping) else {"arguments": args}
        return _received(name, tool, args)

    return Call(name, {}, id=id, bind=bind, known=tool is not None)


def _received(name: str, tool: ToolsetTool[Any], args: Any) -> dict[str, Any]:
    """Return the arguments that a tool will receive, in plain containers.

    Those that do not validate come back as they are: the framework reports the mistake to the model.
    """
    validate = tool.args_validator
    try:
        if isinstance(args, str):
            found = validate.validate_json(args or "{}")
        else:
            found = validate.validate_python(args or {})
    except ValidationError:
        return {"arguments": args} if not isinstance(args, Mapping) else dict(args)
    if not isinstance(found, Mapping):
        raise ConfigurationError(f"the arguments of `{name}` are not a JSON object")
    return {str(key): plain(value) for key, value in found.items()}


@dataclass
class GovernedToolset(WrapperToolset[Any]):
    """The tools of a run, of which only runs what the guard has let through."""

    governor: Wardline

    async def get_tools(self, ctx: RunContext[Any]) -> dict[str, ToolsetTool[Any]]:
        """Return the tools of this step."""
        tools = await super().get_tools(ctx)
        if flow := self.governor.flow():
            flow.tools = tools
        return tools

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        """Run a tool if it may; the refusal is the result that the model gets."""
        try:
            with self.governor.adapter.guard.refusing("tool_call", name):
                flow = required()
                id = ctx.tool_call_id or ""
                if refused := flow.refused.get(id):
                    raise refused
                call = self._call(name, tool_args, tool, call_name(ctx.messages, id))
            return await self._run(flow, call, ctx, tool)
        except ActionRefused as refused:
            if self.governor.raises:
                raise
            raise ToolFailed(str(refused)) from refused

    def _call(self, name: str, args: dict[str, Any], tool: ToolsetTool[Any], id: str) -> Call:
        given = {key: plain(value) for key, value in args.items()}

        def bind(_: Mapping[str, Any]) -> Mapping[str, Any]:
            if not same(given, _received(name, tool, given)):
                raise ConfigurationError(
                    f"the schema of `{name}` does not leave arguments alone that it has validated "
                    "already, so what was judged would not be what runs; make its validators accept "
                    "their own results"
                )
            return given

        return Call(name, given, id=id, bind=bind)

    async def _run(
        self, flow: Flow, call: Call, ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        async def body(args: dict[str, Any], _: Permit) -> Any:
            final = tool.args_validator.validate_python(args)
            return await self.wrapped.call_tool(call.name, final, ctx, tool)

        return await flow.adapter.act(
            _LOOP,
            flow.place,
            call,
            body,
            result=_Result,
            stored=lambda kept: kept,
            suspend=_suspending(flow, ctx),
        )


def _suspending(flow: Flow, ctx: RunContext[Any]) -> Suspend | None:
    """Return how this call asks: by ending the run, and once by the answer that it was resumed with."""
    answers = [ctx.tool_call_metadata] if ctx.tool_call_approved else []

    def ask(question: dict[str, Any]) -> Any:
        answer = answers.pop() if answers else None
        if isinstance(answer, Mapping) and "by" in answer:
            return answer
        raise ApprovalRequired(question)

    return ask if flow.suspends else None


class _Result:
    """What a tool returned: its value, and what it says beside."""

    failed = ""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.content = plain(raw)
        if isinstance(raw, ToolReturn):
            self.content = plain(raw.return_value)
            if raw.content is not None:
                self.content = {"value": self.content, "content": plain(raw.content)}

    def released(self, content: Any) -> Any:
        """Return what the model gets to see instead; nothing is left beside it."""
        if not isinstance(self.raw, ToolReturn):
            return content
        return replace(self.raw, return_value=content, content=None)
