"""Function tools: judged as they are invoked, on their final arguments, outside their body."""

from __future__ import annotations

import copy
import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from agents.function_schema import function_schema
from agents.tool import (
    FunctionTool,
    ToolOutputText,
    _normalize_function_tool_callable,
    maybe_invoke_function_tool_failure_error_function,
)
from agents.util._approvals import evaluate_function_tool_approval
from pydantic_core import to_json

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Call, Suspended, Way, plain, received, same
from wardline_openai_agents._flow import Flow, current, inside, required

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agents import RunContextWrapper
    from agents.tool_context import ToolContext
    from pydantic import BaseModel

    from wardline import Permit
    from wardline_openai_agents._agents import Governor

__all__ = ["Invocation", "govern_tool", "parsed"]

_failures: ContextVar[list[str]] = ContextVar("wardline_openai_agents_failures")


def govern_tool(governor: Governor, tool: FunctionTool) -> FunctionTool:
    """Return a copy of a tool that runs only what the guard has let through."""
    if isinstance(tool.on_invoke_tool, Invocation):
        return tool
    governed = copy.copy(tool)
    invocation = Invocation(governor, tool)
    governed.on_invoke_tool = invocation
    if governor.adapter.guard.policies.can_ask:
        governed.needs_approval = invocation.waits
    if tool._is_agent_tool and tool._agent_instance is not None:
        governed._agent_instance = governor.agent(tool._agent_instance)
    return governed


def parsed(name: str, raw: str) -> dict[str, Any]:
    """Return the arguments that a model wrote.

    Raises `ConfigurationError` for what is not a JSON object.
    """
    try:
        found = json.loads(raw) if raw else {}
    except ValueError as error:
        raise ConfigurationError(f"the arguments of `{name}` are not JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"the arguments of `{name}` are not a JSON object")
    return found


class Invocation:
    """What the SDK calls to run one tool."""

    def __init__(self, governor: Governor, tool: FunctionTool) -> None:
        self.governor = governor
        self.tool = tool
        self.name = tool.qualified_name
        self._schema = _schema(tool)
        # The SDK turns what a body raises into a text for the model. This copy lets us see it first.
        self._inner = copy.copy(tool)
        self._inner._use_default_failure_error_function = False
        self._inner._failure_error_function = cast("Any", self._failed)

    def call(self, flow: Flow, id: str, raw: str) -> Call:
        """Return the call that the model made."""

        def bind(_: Mapping[str, Any]) -> Mapping[str, Any]:
            given = parsed(self.name, raw)
            return given if self._schema is None else received(self.name, self._schema, given)

        return Call(self.name, {}, id=flow.call_id(id), bind=bind)

    async def waits(self, context: RunContextWrapper[Any], given: dict[str, Any], id: str) -> bool:
        """Whether the run has to be suspended before this call, until somebody has answered.

        Where it has not, the permit is kept for the invocation.
        """
        raw = json.dumps(given)
        asks = await evaluate_function_tool_approval(self.tool, context, raw, id)
        natively = asks.outcome == "require_approval"
        flow = current()
        if flow is None:
            return natively
        if id in flow.refused:
            return False  # it is answered with the refusal, and nobody is asked
        call = self.call(flow, id, raw)
        try:
            permit = await flow.adapter.permit(_LOOP, flow.place, call, suspend=_suspend)
        except Suspended:
            return True
        except ActionRefused as refused:
            flow.refused[id] = refused
            return False
        if natively:
            await flow.adapter.guard.aside(permit.withdraw)
            return True
        flow.permits[id] = (given, permit)
        return False

    async def __call__(self, context: ToolContext[Any], raw: str) -> Any:
        """Run the tool if it may; the refusal is the answer that the model gets."""
        try:
            with self.governor.adapter.guard.refusing("tool_call", self.name):
                flow = required()
                permit = self._permit(flow, context.tool_call_id, raw)
            return await self._run(flow, context, raw, permit)
        except Suspended:
            return None  # an agent inside was suspended; the SDK calls again when it goes on
        except ActionRefused as refused:
            if self.governor.raises:
                raise
            # Shown on the item of the transcript, where nothing else tells a refusal from a result.
            context._custom_data = {"wardline": {"refused": refused.rule or ""}}
            return str(refused)

    def _permit(self, flow: Flow, id: str, raw: str) -> Permit | None:
        if refused := flow.refused.get(id):
            raise refused
        given, permit = flow.permits.pop(id, (None, None))
        if permit is not None and not same(given, parsed(self.name, raw)):
            permit.withdraw()
            raise ConfigurationError(
                "its arguments changed after they were judged. Let no hook or guardrail rewrite calls"
            )
        return permit

    async def _run(
        self, flow: Flow, context: ToolContext[Any], raw: str, permit: Permit | None
    ) -> Any:
        call = self.call(flow, context.tool_call_id, raw)

        async def body(args: dict[str, Any], _: Permit) -> _Output:
            self._takes(flow, args)
            if not self.tool._is_agent_tool:
                return await self._invoke(context, args)
            return await self._delegate(flow, context, args)

        done = await flow.adapter.act(
            _LOOP,
            flow.place,
            call,
            body,
            result=_identity,
            stored=_Output,
            permit=permit,
        )
        return done.raw

    def _takes(self, flow: Flow, args: dict[str, Any]) -> None:
        """Refuse arguments that a rule has made and the tool's schema would drop or change."""
        with flow.adapter.guard.refusing("tool_call", self.name):
            if self._schema is not None and not same(received(self.name, self._schema, args), args):
                raise ConfigurationError(
                    f"a rule made the arguments of `{self.name}` into some that its schema does not take "
                    "as they are, so its body would get others; declare them in the tool, with their types"
                )

    async def _delegate(
        self, flow: Flow, context: ToolContext[Any], args: dict[str, Any]
    ) -> _Output:
        """Authorise that another agent takes over a task, and let it."""
        agent = self.tool._agent_instance
        name = str(getattr(agent, "name", "") or self.name)
        owner = context.agent.name if context.agent is not None else ""
        id = context.tool_call_id
        task = args["input"] if args.keys() == {"input"} else to_json(args).decode()
        given = {"text": task, "from": owner}
        call = Call(name, given, id=f"{flow.call_id(id)}/delegation", parent=flow.call_id(id))

        async def body(handed: dict[str, Any], _: Permit) -> _Output:
            if not same(handed, given):
                raise ConfigurationError(
                    "a rule changed what is delegated; change the arguments of the tool call instead"
                )
            with inside(flow, id):
                return await self._invoke(context, args)

        done: _Output = await flow.adapter.act(
            _LOOP, flow.place, call, body, kind="delegation", result=_identity
        )
        return done

    async def _invoke(self, context: ToolContext[Any], args: dict[str, Any]) -> _Output:
        """Run the tool's own code on the guard's arguments."""
        text = to_json(args, inf_nan_mode="constants").decode()
        # Bodies may read their arguments here, too.
        context.tool_arguments = text
        failures: list[str] = []
        token = _failures.set(failures)
        try:
            raw = await self._inner.on_invoke_tool(context, text)
        finally:
            _failures.reset(token)
        flow = required()
        if context.tool_call_id in flow.waiting:
            flow.waiting.discard(context.tool_call_id)
            raise Suspended({"message": "an agent inside waits for an approval"})
        return _Output(raw, failures[0] if failures else "")

    async def _failed(self, context: RunContextWrapper[Any], error: Exception) -> str | None:
        """Note that the body failed, and answer as the tool itself would."""
        _failures.get().append(f"{type(error).__name__}: {error}")
        # None makes the SDK raise the error again.
        return await maybe_invoke_function_tool_failure_error_function(
            function_tool=self.tool, context=context, error=error
        )


_LOOP = Way(loop=True)


def _suspend(question: dict[str, Any]) -> Any:
    raise Suspended(question)


def _schema(tool: FunctionTool) -> type[BaseModel] | None:
    """Return the model that checks the arguments of a Python function, None for other tools."""
    original = getattr(tool, "__wrapped__", None)
    if original is None:
        return None
    function, _ = _normalize_function_tool_callable(original, None, tool.name, False)
    return function_schema(
        function,
        name_override=tool.name,
        use_docstring_info=False,
        strict_json_schema=tool.strict_json_schema,
    ).params_pydantic_model


class _Output:
    """What a tool returned: its text where it is one, else plain containers."""

    def __init__(self, raw: Any, failed: str = "") -> None:
        self.raw = raw
        self.failed = failed
        self.content = _content(raw)

    def released(self, content: Any) -> _Output:
        """Return what the model gets to see instead."""
        return _Output(_rebuilt(self.raw, content))


def _identity(output: _Output) -> _Output:
    return output


def _content(raw: Any) -> Any:
    if isinstance(raw, ToolOutputText):
        return raw.text
    if isinstance(raw, dict) and raw.keys() == {"type", "text"} and raw["type"] == "text":
        return raw["text"]
    if isinstance(raw, list | tuple):
        return [_content(one) for one in raw]
    return plain(raw)


def _rebuilt(raw: Any, content: Any) -> Any:
    """Return the SDK's form of a result with what was released of it."""
    if isinstance(raw, ToolOutputText) and isinstance(content, str):
        return raw.model_copy(update={"text": content})
    if isinstance(raw, list | tuple) and isinstance(content, list) and len(raw) == len(content):
        return [_rebuilt(one, new) for one, new in zip(raw, content, strict=True)]
    if isinstance(raw, dict) and isinstance(content, str) and raw.get("type") == "text":
        return {**raw, "text": content}
    return content
