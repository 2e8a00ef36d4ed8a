"""Models: each call is authorised, its answer judged, and the batch of its calls screened."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from agents import FunctionTool, HostedMCPTool, Model, ModelProvider, ModelResponse
from agents._tool_identity import (
    get_function_tool_lookup_key_for_call,
    get_function_tool_lookup_key_for_tool,
)
from openai.types.responses import ResponseCompletedEvent

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Call, Way
from wardline_openai_agents._answers import (
    Answer,
    Streamed,
    calls,
    completed,
    message,
    refuse_foreign,
    said_instead,
    text,
    whole,
)
from wardline_openai_agents._flow import Flow, required
from wardline_openai_agents._handoffs import GovernedHandoff
from wardline_openai_agents._items import readable
from wardline_openai_agents._tools import Invocation, parsed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest
    from openai.types.responses import ResponseFunctionToolCall

    from wardline import Permit

__all__ = ["GovernedModel", "GovernedProvider"]

_LOOP = Way(loop=True)


class GovernedProvider(ModelProvider):
    """Looks models up where the application said, and governs them."""

    def __init__(self, inner: ModelProvider) -> None:
        self.inner = inner
        self._models: dict[int, GovernedModel] = {}

    def get_model(self, model_name: str | None) -> Model:
        """Return the model of that name, governed."""
        model = self.inner.get_model(model_name)
        # The SDK cleans up what it was given, by identity, at the end of the run.
        return self._models.setdefault(id(model), GovernedModel(model))

    async def aclose(self) -> None:
        """Release what the provider holds."""
        await self.inner.aclose()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the SDK asks a model."""

    instructions: str | None
    input: Any
    settings: Any
    tools: list[Any]
    schema: Any
    handoffs: list[Any]
    prompt: Any

    @property
    def structured(self) -> bool:
        return self.schema is not None and not self.schema.is_plain_text()


class GovernedModel(Model):
    """A model that is asked, and whose answer is used, only as far as the guard lets it."""

    def __init__(self, inner: Model) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        """Answer what the SDK asks of some models alone."""
        return getattr(self.__dict__["inner"], name)

    async def _cleanup_on_run_end(self, owner: object) -> None:
        await self.inner._cleanup_on_run_end(owner)

    async def close(self) -> None:
        """Release what the model holds."""
        await self.inner.close()

    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """Return what the model says about a failed request."""
        return self.inner.get_retry_advice(request)

    async def get_response(
        self,
        system_instructions: Any,
        input: Any,
        model_settings: Any,
        tools: Any,
        output_schema: Any,
        handoffs: Any,
        tracing: Any,
        *,
        previous_response_id: Any,
        conversation_id: Any,
        prompt: Any,
    ) -> ModelResponse:
        """Return the model's answer, or what is said instead."""
        asked = _Asked(
            system_instructions, input, model_settings, tools, output_schema, handoffs, prompt
        )
        flow = required()

        async def body(_: dict[str, Any], __: Permit) -> ModelResponse:
            return await self.inner.get_response(
                system_instructions,
                input,
                model_settings,
                tools,
                output_schema,
                handoffs,
                tracing,
                previous_response_id=previous_response_id,
                conversation_id=conversation_id,
                prompt=prompt,
            )

        try:
            if flow.answers:
                return said_instead(flow.answers)
            return await self._answer(flow, asked, body)
        except ActionRefused as refused:
            if flow.governor.raises or asked.structured:
                raise
            return said_instead(str(refused))

    async def _answer(self, flow: Flow, asked: _Asked, body: Any) -> ModelResponse:
        call = self._call(flow, asked)
        response: ModelResponse = await flow.adapter.act(
            _LOOP,
            flow.place,
            call,
            body,
            kind="model_call",
            result=partial(Answer, structured=asked.structured),
            usage=lambda raw: self._usage(flow, asked, raw.usage, raw.output),
        )
        with flow.adapter.guard.refusing("model_call", call.name):
            refuse_foreign(response.output)
        answer = Answer(response, asked.structured)
        said = await _judged(flow, answer)
        if said != answer.content:
            with flow.adapter.guard.refusing("output", "output"):
                response = answer.released(said)
        await _screen(flow, asked, response.output)
        return response

    async def stream_response(
        self,
        system_instructions: Any,
        input: Any,
        model_settings: Any,
        tools: Any,
        output_schema: Any,
        handoffs: Any,
        tracing: Any,
        *,
        previous_response_id: Any,
        conversation_id: Any,
        prompt: Any,
    ) -> AsyncIterator[Any]:
        """Yield the model's answer as far as it is released, or what is said instead."""
        asked = _Asked(
            system_instructions, input, model_settings, tools, output_schema, handoffs, prompt
        )
        flow = required()

        def start(_: dict[str, Any], __: Permit) -> AsyncIterator[Any]:
            return self.inner.stream_response(
                system_instructions,
                input,
                model_settings,
                tools,
                output_schema,
                handoffs,
                tracing,
                previous_response_id=previous_response_id,
                conversation_id=conversation_id,
                prompt=prompt,
            )

        try:
            if flow.answers:
                yield completed([message(flow.answers)])
                return
            async with aclosing(self._stream(flow, asked, start)) as events:
                async for event in events:
                    yield event
        except ActionRefused as refused:
            if flow.governor.raises or asked.structured:
                raise
            yield completed([message(str(refused))])

    async def _stream(self, flow: Flow, asked: _Asked, start: Any) -> AsyncGenerator[Any, None]:
        """Yield events; the last one, at which the SDK starts what was called, after screening."""
        call = self._call(flow, asked)
        held = flow.adapter.guard.policies.speaks_of("output")
        events: list[Any] = []
        stream: Any = flow.adapter.astream(
            flow.place,
            call,
            start,
            way=_LOOP,
            whole=partial(Streamed, structured=asked.structured),
            usage=lambda seen: self._stream_usage(flow, asked, seen),
            hold=held,
        )
        async with aclosing(stream) as released:
            async for event in released:
                events.append(event)
                if not held and not isinstance(event, ResponseCompletedEvent):
                    yield event
        response = whole(events)
        if response is None:
            return  # the SDK says that the model failed
        with flow.adapter.guard.refusing("model_call", call.name):
            refuse_foreign(response.output)
        answer = Streamed(events, asked.structured)
        said = await _judged(flow, answer)
        last: Any = completed(response)
        if said != answer.content:
            with flow.adapter.guard.refusing("output", "output"):
                (last,) = answer.released(said)
            events = []
        await _screen(flow, asked, last.response.output)
        if held:
            for event in events:
                if not isinstance(event, ResponseCompletedEvent):
                    yield event
        yield last

    def _call(self, flow: Flow, asked: _Asked) -> Call:
        """Return the model call; what nobody could judge in the request refuses it."""
        name = self._name()
        with flow.adapter.guard.refusing("model_call", name):
            _refuse_ungoverned(asked)
        items = (
            [{"role": "user", "content": asked.input}]
            if isinstance(asked.input, str)
            else asked.input
        )
        args: dict[str, Any] = {
            "message_count": len(items),
            "tools": [tool.qualified_name for tool in asked.tools],
        }
        messages = [readable(item) for item in items]
        flow.task = next((m["text"] for m in reversed(messages) if m["type"] == "user"), flow.task)
        if flow.adapter.reads("messages"):
            first = [{"type": "system", "text": asked.instructions}] if asked.instructions else []
            args["messages"] = [*first, *messages]
        return Call(name, args)

    def _name(self) -> str:
        name = getattr(self.inner, "model", None)
        return name if isinstance(name, str) and name else type(self.inner).__name__

    def _usage(
        self, flow: Flow, asked: _Asked, usage: Any, output: Sequence[Any]
    ) -> dict[str, int]:
        """Return what the model says it took; where it says nothing and it counts, an approximation."""
        if tokens := getattr(usage, "total_tokens", 0):
            return {"tokens": tokens}
        if not flow.adapter.counts_tokens:
            return {}
        return {"tokens": len(f"{asked.instructions}{asked.input}{output}") // 4 + 1}

    def _stream_usage(self, flow: Flow, asked: _Asked, events: Sequence[Any]) -> dict[str, int]:
        response = whole(events)
        if response is None:
            return {}
        return self._usage(flow, asked, response.usage, response.output)


def _refuse_ungoverned(asked: _Asked) -> None:
    """Raise `ConfigurationError` for a request with which something could run unjudged."""
    names = [
        _named(tool)
        for tool in asked.tools
        if not (isinstance(tool, FunctionTool) and isinstance(tool.on_invoke_tool, Invocation))
    ]
    names += [one.tool_name for one in asked.handoffs if not isinstance(one, GovernedHandoff)]
    extras = (asked.settings.extra_body, asked.settings.extra_args)
    if any(isinstance(extra, Mapping) and "tools" in extra for extra in extras):
        names.append("tools in ModelSettings")
    if names:
        raise ConfigurationError(
            f"the model would get {', '.join(f'`{name}`' for name in names)}, which runs where no guard "
            "can decide before it does: at the model's provider, or in the SDK past its function "
            "tools. Take it off the agent, or give the agent a function tool that does the same"
        )
    if asked.prompt is not None:
        raise ConfigurationError(
            "the agent has a stored `prompt`, which may bring tools that run at the model's provider; "
            "use `instructions`"
        )


def _named(tool: Any) -> str:
    """Return how its owner would call a tool."""
    if isinstance(tool, HostedMCPTool):
        return f"{tool.name} {tool.tool_config.get('server_label', '')}".strip()
    return str(getattr(tool, "name", None) or type(tool).__name__)


async def _judged(flow: Flow, answer: Answer | Streamed) -> str:
    """Return what of an answer may go out; only one without calls does."""
    output = answer.response.output if answer.response is not None else []
    if calls(output):
        return str(answer.content)
    return await flow.adapter.text(_LOOP, flow.place, "output", text(output))


async def _screen(flow: Flow, asked: _Asked, output: Sequence[Any]) -> None:
    """Judge all calls of an answer together, and remember which are refused.

    Raises the first refusal where they are to leave the run.
    """
    flow.close()
    made = calls(output)
    handoffs = {one.tool_name: one for one in asked.handoffs}
    tools = {get_function_tool_lookup_key_for_tool(tool): tool for tool in asked.tools}
    batch: list[Call] = []
    flow.handoff = ""
    for item in made:
        handoff = handoffs.get(item.name)
        tool = tools.get(get_function_tool_lookup_key_for_call(item))
        if handoff is not None and tool is None:
            flow.handoff = flow.handoff or item.call_id
            batch.append(handoff.call(flow, item.call_id, item.arguments))
        elif tool is not None:
            batch.append(tool.on_invoke_tool.call(flow, item.call_id, item.arguments))
        else:
            bind = partial(_unknown, item.name, item.arguments)
            id = flow.call_id(item.call_id)
            batch.append(Call(item.name, {}, id=id, bind=bind, known=False))
    verdicts = await flow.adapter.screen(_LOOP, flow.place, batch)
    for item, refused in zip(made, verdicts, strict=True):
        if refused is not None:
            flow.refused[item.call_id] = refused
            _make_readable(item)
    if flow.governor.raises:
        for item in made:
            if refused := flow.refused.get(item.call_id):
                raise refused


def _make_readable(item: ResponseFunctionToolCall) -> None:
    """Take what is no JSON object out of a refused call: the SDK would ask a person about it."""
    try:
        parsed(item.name, item.arguments)
    except ConfigurationError:
        item.arguments = "{}"


def _unknown(name: str, raw: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
    return parsed(name, raw)
