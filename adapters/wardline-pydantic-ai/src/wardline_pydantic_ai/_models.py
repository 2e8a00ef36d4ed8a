"""Models: each call is authorised, its answer judged, and the batch of its calls screened."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic_ai._run_context import get_current_run_context
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_ai.models import CompletedStreamedResponse, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Call, Way
from wardline_pydantic_ai._flow import Flow, call_name, required
from wardline_pydantic_ai._toolset import tool_call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from pydantic_ai.models import Model, ModelRequestParameters

    from wardline import Permit
    from wardline_pydantic_ai._capability import Wardline

__all__ = ["BENT", "SEARCH", "GovernedModel", "says_text"]

BENT: Final = (
    "a rule changed a structured answer, which would not be one any more; nothing is released"
)
"""Why a structured answer cannot be changed."""

SEARCH: Final = "tool_search"
"""The provider's search in the agent's own tools, which runs none of them."""

_LOOP = Way(loop=True)


def says_text(params: ModelRequestParameters) -> bool:
    """Whether the agent may answer with a sentence."""
    return params.allow_text_output and params.output_mode not in ("native", "prompted")


def _text(parts: Sequence[Any]) -> str:
    """Return all that a model says to people."""
    return "\n".join(one.content for one in parts if isinstance(one, TextPart) and one.content)


class GovernedModel(WrapperModel):
    """A model that is asked, and whose answer is used, only as far as the guard lets it."""

    def __init__(self, wrapped: Model, governor: Wardline) -> None:
        super().__init__(wrapped)
        self.governor = governor

    async def request(
        self, messages: Any, model_settings: Any, model_request_parameters: ModelRequestParameters
    ) -> ModelResponse:
        """Return the model's answer, or what is said instead."""
        params = model_request_parameters

        async def body(_: dict[str, Any], __: Permit) -> ModelResponse:
            return await self.wrapped.request(messages, model_settings, params)

        try:
            flow = self._flow()
            call = self._call(flow, messages, params)
            response: ModelResponse = await flow.adapter.act(
                _LOOP,
                flow.place,
                call,
                body,
                kind="model_call",
                result=_Answer,
                usage=lambda raw: _usage(flow, messages, raw),
            )
            return await self._used(flow, call, response, params)
        except ActionRefused as refused:
            return self._instead(refused, params)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: Any,
        model_settings: Any,
        model_request_parameters: ModelRequestParameters,
        run_context: Any = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """Yield the model's answer as far as it is released, or what is said instead."""
        params = model_request_parameters
        try:
            flow = self._flow()
            call = self._call(flow, messages, params)
            permit = await flow.adapter.permit(_LOOP, flow.place, call, kind="model_call")
        except ActionRefused as refused:
            yield _replayed(self._instead(refused, params), params)
            return
        async with self.wrapped.request_stream(
            messages, model_settings, params, run_context
        ) as stream:
            finish = partial(self._finish, flow, call, permit, messages, params)
            if permit.buffers or flow.adapter.guard.policies.speaks_of("output"):
                yield _replayed(await self._read(permit, stream, finish, params), params)
            else:
                yield _Passing(stream, permit, finish)

    async def _read(
        self, permit: Permit, stream: StreamedResponse, finish: Any, params: ModelRequestParameters
    ) -> ModelResponse:
        """Read a stream to its end, and return what of it may be used."""
        try:
            async for _ in stream:
                pass
        except BaseException as error:
            await permit.aside(permit.ended, error)
            raise
        try:
            response: ModelResponse = await finish(stream.get())
        except ActionRefused as refused:
            return self._instead(refused, params)
        return response

    async def _finish(
        self,
        flow: Flow,
        call: Call,
        permit: Permit,
        messages: Any,
        params: ModelRequestParameters,
        response: ModelResponse,
    ) -> ModelResponse:
        """Close the permit of a streamed answer, and judge the answer."""
        answer = _Answer(response)
        closed = partial(permit.succeeded, answer.content, usage=_usage(flow, messages, response))
        released = await flow.adapter.guard.aside(closed)
        if released != answer.content:
            response = answer.released(released)
        return await self._used(flow, call, response, params)

    async def _used(
        self, flow: Flow, call: Call, response: ModelResponse, params: ModelRequestParameters
    ) -> ModelResponse:
        """Return what of an answer is used: judged as output if it is one, its calls screened."""
        guard = flow.adapter.guard
        with guard.refusing("model_call", call.name):
            _refuse_native(response)
        calls = [one for one in response.parts if isinstance(one, ToolCallPart)]
        if not calls:
            said = _text(response.parts)
            released = await flow.adapter.text(_LOOP, flow.place, "output", said)
            if released != said:
                with guard.refusing("output", "output"):
                    if not says_text(params):
                        raise ConfigurationError(BENT)
                    response = _Answer(response).released(released)
        await _screen(flow, calls, {one.name for one in params.output_tools})
        return response

    def _flow(self) -> Flow:
        with self.governor.adapter.guard.refusing("model_call", self.wrapped.model_name):
            return required()

    def _call(self, flow: Flow, messages: Any, params: ModelRequestParameters) -> Call:
        """Return the model call; what nobody could judge in the request refuses it."""
        name = self.wrapped.model_name
        with flow.adapter.guard.refusing("model_call", name):
            _refuse_ungoverned(params)
        args: dict[str, Any] = {
            "message_count": len(messages),
            "tools": [tool.name for tool in params.function_tools],
        }
        if flow.adapter.reads("messages"):
            args["messages"] = [one for message in messages for one in _readable(message)]
        return Call(name, args)

    def _instead(self, refused: ActionRefused, params: ModelRequestParameters) -> ModelResponse:
        """Return the answer of an agent whose model may not give one."""
        if self.governor.raises or not says_text(params):
            raise refused
        return ModelResponse([TextPart(str(refused))], model_name=self.wrapped.model_name)


class _Answer:
    """An answer, which rules read by its text."""

    failed = ""

    def __init__(self, response: ModelResponse) -> None:
        self.response = response
        self.content = _text(response.parts)

    def released(self, content: Any) -> ModelResponse:
        """Return the answer with nothing in it but what was released, and its calls."""
        kept = [one for one in self.response.parts if not isinstance(one, TextPart | ThinkingPart)]
        said = content if isinstance(content, str) else str(content)
        return replace(self.response, parts=[TextPart(said), *kept] if said or not kept else kept)


class _Passing(StreamedResponse):
    """A stream that passes as it comes, but for its calls, which wait until they are screened."""

    def __init__(self, inner: StreamedResponse, permit: Permit, finish: Any) -> None:
        super().__init__(inner.model_request_parameters)
        self._inner, self._permit, self._finish = inner, permit, finish
        self.__dict__["_parts_manager"] = inner._parts_manager

    async def _get_event_iterator(self) -> AsyncIterator[Any]:
        held: list[Any] = []
        try:
            async for event in self._inner._get_event_iterator():
                if held or _of_a_call(event):
                    held.append(event)
                else:
                    yield event
            self._inner._finished = True
        except GeneratorExit as error:
            self._permit.ended(error)
            raise
        except BaseException as error:
            await self._permit.aside(self._permit.ended, error)
            raise
        await self._finish(self._inner.get())
        for event in held:
            yield event

    def get(self) -> ModelResponse:
        """Return the answer as it is so far."""
        self._inner._finished, self._inner._cancelled = self._finished, self._cancelled
        return self._inner.get()

    @property
    def usage(self) -> Any:
        """What the answer took so far."""
        return self._inner.usage

    async def close_stream(self) -> None:
        """Close the connection."""
        await self._inner.close_stream()

    def get_stream_cancel_errors(self) -> tuple[type[BaseException], ...]:
        """Return what closing the connection raises."""
        return self._inner.get_stream_cancel_errors()

    @property
    def model_name(self) -> str:
        """The model's name."""
        return self._inner.model_name

    @property
    def provider_name(self) -> str | None:
        """The provider's name."""
        return self._inner.provider_name

    @property
    def provider_url(self) -> str | None:
        """The provider's address."""
        return self._inner.provider_url

    @property
    def timestamp(self) -> Any:
        """When the answer began."""
        return self._inner.timestamp


def _replayed(response: ModelResponse, params: ModelRequestParameters) -> StreamedResponse:
    return CompletedStreamedResponse(response, model_request_parameters=params, replay_events=True)


def _of_a_call(event: Any) -> bool:
    if isinstance(event, PartStartEvent):
        return isinstance(event.part, ToolCallPart)
    return isinstance(event, PartDeltaEvent) and isinstance(event.delta, ToolCallPartDelta)


def _usage(flow: Flow, messages: Any, response: ModelResponse) -> dict[str, int]:
    """Return what the model says it took; where it says nothing and it counts, an approximation."""
    if tokens := response.usage.total_tokens:
        return {"tokens": tokens}
    if not flow.adapter.counts_tokens:
        return {}
    return {"tokens": len(f"{messages}{response.parts}") // 4 + 1}


def _refuse_ungoverned(params: ModelRequestParameters) -> None:
    """Raise `ConfigurationError` for a request with which something could run unjudged."""
    names = [one.kind for one in params.native_tools if one.kind != SEARCH]
    names += [one.name for one in params.function_tools if one.kind == "external"]
    if names:
        raise ConfigurationError(
            f"the model would get {', '.join(f'`{name}`' for name in names)}, which runs where no guard "
            "can decide before it does: at the model's provider, or in your own code after the run. "
            "Take it off the agent, or give the agent a tool that does the same"
        )


def _refuse_native(response: ModelResponse) -> None:
    """Raise `ConfigurationError` for an answer in which the provider has run something itself."""
    native = NativeToolCallPart | NativeToolReturnPart
    names = sorted({one.tool_name for one in response.parts if isinstance(one, native)} - {SEARCH})
    if names:
        raise ConfigurationError(
            f"the model's provider has run {', '.join(names)} by itself, which no guard could judge "
            "before it ran; nothing of the answer is used. Take that tool off the model"
        )


async def _screen(flow: Flow, calls: Sequence[ToolCallPart], outputs: set[str]) -> None:
    """Judge all calls of an answer together, and remember which are refused.

    A call of an output tool is the agent's answer; if a function runs on it, that is judged there.
    Raises the first refusal where they are to leave the run.
    """
    context = get_current_run_context()
    history = context.messages if context is not None else []
    run = context.run_id or "" if context is not None else ""
    made = [one for one in calls if one.tool_name not in outputs]
    batch = [
        tool_call(flow, one.tool_name, one.args, call_name(history, one.tool_call_id, run=run))
        for one in made
    ]
    verdicts = await flow.adapter.screen(_LOOP, flow.place, batch)
    flow.refused = {
        one.tool_call_id: refused
        for one, refused in zip(made, verdicts, strict=True)
        if refused is not None
    }
    if flow.governor.raises:
        for refused in flow.refused.values():
            raise refused


def _readable(message: Any) -> list[dict[str, str]]:
    """Return a message as rules read it, one entry for each of its parts."""
    kind = "assistant" if isinstance(message, ModelResponse) else ""
    found = []
    if isinstance(message, ModelRequest) and message.instructions:
        found.append({"type": "system", "text": message.instructions})
    names = {"user-prompt": "user", "system-prompt": "system", "tool-return": "tool"}
    for part in message.parts:
        content = getattr(part, "content", None)
        if content is None:
            content = getattr(part, "args", "")
        said = content if isinstance(content, str) else str(content)
        found.append({"type": kind or names.get(part.part_kind, part.part_kind), "text": said})
    return found
