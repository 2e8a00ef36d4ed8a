"""The model: each call is authorised, and its answer judged before any stream has it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableBinding
from langgraph.errors import GraphBubbleUp
from pydantic import PrivateAttr

from wardline import ActionRefused, AlreadyRan, ConfigurationError, Permit
from wardline.adapters import Adapter, Call, Place, Way, now
from wardline_langgraph._answers import Answer, joined, model_name, refusal, tool_names, usage
from wardline_langgraph._governor import ASYNC, SYNC, Policy, governor
from wardline_langgraph._place import place_of, suspending_here
from wardline_langgraph._texts import judge_input

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

    from wardline import Guard

__all__ = ["GovernedModel"]


class GovernedModel(BaseChatModel):
    """A chat model in front of `model` that asks before each call and judges what comes back.

    What people said since the model last spoke is its `input`; an answer without tool calls is `output`.
    `guard` is a `Guard`, or what one is made from. `on_denied` says what becomes of a refusal: with
    "message" it is the model's answer, with "raise" it is raised.
    """

    inner: BaseChatModel
    _adapter: Adapter = PrivateAttr()
    _raises: bool = PrivateAttr()

    def __init__(
        self,
        model: BaseChatModel,
        guard: Policy,
        *,
        on_denied: Literal["message", "raise"] = "message",
        **fields: Any,
    ) -> None:
        if on_denied not in ("message", "raise"):
            raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
        # LangChain looks into its cache before it calls a model, and so before anybody is asked.
        fields = {"disable_streaming": model.disable_streaming, **fields, "cache": False}
        super().__init__(inner=model, **fields)  # type: ignore[call-arg]
        self._adapter = governor(guard)
        self._raises = on_denied == "raise"

    @property
    def guard(self) -> Guard:
        """The guard that decides here."""
        return self._adapter.guard

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return self.inner._identifying_params

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return self.inner._get_ls_params(stop=stop, **kwargs)

    def bind_tools(
        self, tools: Sequence[Any], **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools as the model in here does."""
        bound = self.inner.bind_tools(tools, **kwargs)
        if bound is self.inner:
            return self
        if isinstance(bound, RunnableBinding) and isinstance(bound.bound, BaseChatModel):
            return self.model_copy(update={"inner": bound.bound}).bind(**bound.kwargs)
        raise ConfigurationError(
            f"{type(self.inner).__name__}.bind_tools returns {type(bound).__name__}, in front of which "
            "nothing can ask; bind the tools to the model first and give it as it is"
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        return now(self._judged(SYNC, messages, run_manager, {"stop": stop, **kwargs}))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._judged(ASYNC, messages, run_manager, {"stop": stop, **kwargs})

    async def _judged(
        self, way: Way, messages: list[BaseMessage], run_manager: Any, options: dict[str, Any]
    ) -> ChatResult:
        listener = None if self._holds else run_manager

        async def ask(place: Place, call: Call, said: list[BaseMessage]) -> ChatResult:
            async def start(_: dict[str, Any], permit: Permit) -> ChatResult:
                ask = self.inner._agenerate if way.loop else self.inner._generate
                made = await way.run(partial(ask, said, run_manager=listener, **options))
                answer = Answer(made)
                return answer.released(answer.content) if permit.buffers else made

            run = start if way.loop else lambda args, permit: now(start(args, permit))

            result: ChatResult = await self._adapter.act(
                way,
                place,
                call,
                run,
                kind="model_call",
                result=Answer,
                usage=lambda result: usage(self._adapter, said, result),
                suspend=suspending_here() if call.id else None,
            )
            return result

        try:
            place, calls, said = await self._asked(way, messages, options)
            try:
                result = await ask(place, calls[0], said)
            except AlreadyRan:
                result = await ask(place, calls[1], said)
            return await self._output(way, place, result)
        except ActionRefused as refused:
            if self._raises:
                raise
            return refusal(refused)

    async def _asked(
        self, way: Way, messages: list[BaseMessage], options: Mapping[str, Any]
    ) -> tuple[Place, tuple[Call, Call], list[BaseMessage]]:
        """Return where a call happens, the call with a name of its own and without, and what is sent.

        Only where something can ask does it need a name of its own, to be found again by a resumed run;
        asking a model twice is no harm.
        """
        adapter, name = self._adapter, model_name(self.inner)
        tools, hosted = tool_names(options.get("tools") or ())
        if hosted:
            with self.guard.refusing("tool_call", ", ".join(hosted)):
                raise ConfigurationError(
                    "the provider of the model executes it by itself, so it cannot be judged before "
                    "it runs. Take it out, or replace it by a tool that this process runs"
                )
        with self.guard.refusing("model_call", name, passing=(GraphBubbleUp,)):
            place = await place_of(adapter, way, messages)
        said = await judge_input(adapter, way, place, messages)
        args: dict[str, Any] = {"message_count": len(said), "tools": tools}
        if adapter.reads("messages"):
            args["messages"] = [{"type": one.type, "text": str(one.text)} for one in said]
        last = said[-1].id if said else ""
        named = f"model/{last}" if self.guard.policies.can_ask and last else ""
        return place, (Call(name, args, named), Call(name, args)), said

    async def _output(self, way: Way, place: Place, result: ChatResult) -> ChatResult:
        """Judge an answer as the agent's own where it is the last one."""
        answer = Answer(result)
        if not self.guard.policies.speaks_of("output") or answer.calls_tools:
            return result
        return answer.released(await self._adapter.text(way, place, "output", answer.content))

    # Streams

    @property
    def _holds(self) -> bool:
        """Whether an answer is released only when all of it has been judged."""
        policies = self.guard.policies
        return policies.speaks_of("output") or policies.speaks_of("model_call", "after")

    def _whole(self, *, asynchronous: bool) -> bool:
        """Whether the answer comes in one piece: it is held back, or the model does not stream."""
        kind, base = type(self.inner), BaseChatModel
        streams = kind._stream is not base._stream
        return self._holds or not (streams or (asynchronous and kind._astream is not base._astream))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        options = {"stop": stop, **kwargs}
        if self._whole(asynchronous=False):
            yield _chunk(self._generate(messages, run_manager=run_manager, **options))
            return
        try:
            permit, said = now(self._permit(messages, options))
        except ActionRefused as refused:
            if self._raises:
                raise
            yield _chunk(refusal(refused))
            return
        yield from self._adapter.stream(
            permit,
            self.inner._stream(said, run_manager=run_manager, **options),
            whole=lambda chunks: Answer(joined(chunks)),
            usage=lambda chunks: usage(self._adapter, said, joined(chunks)),
        )

    async def _permit(
        self, messages: list[BaseMessage], options: Mapping[str, Any]
    ) -> tuple[Permit, list[BaseMessage]]:
        place, calls, said = await self._asked(SYNC, messages, options)
        ask = self._adapter.permit
        try:
            suspend = suspending_here() if calls[0].id else None
            return await ask(SYNC, place, calls[0], kind="model_call", suspend=suspend), said
        except AlreadyRan:
            return await ask(SYNC, place, calls[1], kind="model_call"), said

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        options = {"stop": stop, **kwargs}
        if self._whole(asynchronous=True):
            yield _chunk(await self._agenerate(messages, run_manager=run_manager, **options))
            return
        try:
            place, calls, said = await self._asked(ASYNC, messages, options)
            stream = self._chunks(place, calls[0], said, run_manager, options)
            try:
                first = await anext(stream, None)
            except AlreadyRan:
                stream = self._chunks(place, calls[1], said, run_manager, options)
                first = await anext(stream, None)
        except ActionRefused as refused:
            if self._raises:
                raise
            yield _chunk(refusal(refused))
            return
        if first is not None:
            yield first
        async for chunk in stream:
            yield chunk

    def _chunks(
        self, place: Place, call: Call, said: list[BaseMessage], run_manager: Any, options: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        def start(*_: Any) -> Any:
            return self.inner._astream(said, run_manager=run_manager, **options)

        return self._adapter.astream(
            place,
            call,
            start,
            way=ASYNC,
            whole=lambda chunks: Answer(joined(chunks)),
            usage=lambda chunks: usage(self._adapter, said, joined(chunks)),
            suspend=suspending_here() if call.id else None,
        )


def _chunk(result: ChatResult) -> ChatGenerationChunk:
    """Return an answer as the one chunk of a stream."""
    message = result.generations[0].message
    fields = {key: value for key, value in message if key not in ("type", "example")}
    return ChatGenerationChunk(message=AIMessageChunk(**fields))
