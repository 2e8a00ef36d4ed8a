"""The capability: which hook of Pydantic AI leads to which action."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic_ai.capabilities import AbstractCapability, CapabilityOrdering
from pydantic_ai.exceptions import ApprovalRequired, SkipModelRequest
from pydantic_ai.messages import (
    FunctionToolCallEvent,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartEndEvent,
    PartStartEvent,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Adapter, Call, Place, Way, plain
from wardline_pydantic_ai._flow import Flow, current, flowing, required
from wardline_pydantic_ai._models import BENT, GovernedModel, says_text
from wardline_pydantic_ai._net import install, suspending
from wardline_pydantic_ai._toolset import GovernedToolset

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Collection, Sequence
    from pathlib import Path

    from pydantic_ai import RunContext
    from pydantic_ai.models import Model, ModelRequestContext
    from pydantic_ai.output import OutputContext
    from pydantic_ai.toolsets import AbstractToolset

    from wardline import Guard, Permit, PolicySet

__all__ = ["KINDS", "Wardline"]

KINDS: Final = ("input", "model_call", "tool_call", "delegation", "output")
"""The kinds of action that this adapter sees."""

_NEVER_WAITS: Final = ("output",)

_LOOP = Way(loop=True)
_NAME: Final = "pydantic-ai"


class Wardline(AbstractCapability[Any]):
    """Governs the runs of an agent: `Agent(..., capabilities=[Wardline("policy.yaml")])`.

    `guard` is a `Guard`, or what one is made from: a policy file, a directory, several of them or a
    `PolicySet`. `on_denied` says what becomes of a refusal: "message" tells the model, and the run goes
    on; "raise" raises it out of the run. `unused` names kinds of action that this agent never takes
    although the policy has rules for them. `backstop` refuses, in the whole process, every run of an
    agent that nobody governs; agents that are started inside a governed tool are governed by its
    guard in any case.

    Raises `ConfigurationError` for a rule that could never be asked, and what `Guard` raises.
    """

    def __init__(
        self,
        guard: Guard | str | Path | PolicySet | Sequence[str | Path],
        *,
        on_denied: Literal["message", "raise"] = "message",
        unused: Collection[str] = (),
        backstop: bool = True,
    ) -> None:
        if on_denied not in ("message", "raise"):
            raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
        self.adapter = Adapter(
            "Pydantic AI",
            guard,
            KINDS,
            unused=unused,
            cannot_wait=_NEVER_WAITS,
            passing=(ApprovalRequired,),
        )
        self.raises = on_denied == "raise"
        install(backstop=backstop)

    def get_ordering(self) -> CapabilityOrdering:
        """Stand behind everything that could change a call."""
        return CapabilityOrdering(position="innermost")

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        """Stand in front of the tools themselves."""
        return GovernedToolset(toolset, self)

    def get_wrapper_model(self, model: Model) -> Model:
        """Stand in front of the model itself."""
        return GovernedModel(model, self)

    def flow(self) -> Flow | None:
        """Return the run that the calling code belongs to, if this capability governs it."""
        flow = current()
        return flow if flow is not None and flow.governor is self else None

    async def wrap_run(self, ctx: RunContext[Any], *, handler: Any) -> Any:
        """Open the session; inside another governed action, authorise that this agent is asked."""
        outer = current()
        if outer is None or outer.adapter.guard is not self.adapter.guard:
            return await self._run(ctx, handler)
        if outer.adapter.guard.here() is None:
            return await self._run(ctx, handler)
        name = _agent(ctx)
        call = Call(name, {"text": _said(ctx.prompt), "from": _agent_of(outer)})

        async def body(_: dict[str, Any], __: Permit) -> Any:
            return await self._run(ctx, handler)

        return await self.adapter.act(
            _LOOP, outer.place, call, body, kind="delegation", result=_Unread
        )

    async def _run(self, ctx: RunContext[Any], handler: Any) -> Any:
        guard = self.adapter.guard
        with guard.refusing("run", _agent(ctx)):
            place = Place.open(
                guard,
                _NAME,
                session=ctx.conversation_id or "",
                run=ctx.run_id or "",
                agent=_agent(ctx),
            )
        token = flowing.set(Flow(self, place, suspending(ctx)))
        try:
            with place:
                return await handler()
        finally:
            flowing.reset(token)

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Judge what people have said since the model last spoke."""
        last = request_context.messages[-1] if request_context.messages else None
        if not isinstance(last, ModelRequest) or not self.adapter.guard.policies.speaks_of("input"):
            return request_context
        flow = required()
        try:
            released = await _released(flow, last)
        except ActionRefused as refused:
            if self.raises or not says_text(request_context.model_request_parameters):
                raise
            _put(ctx.messages, last, _withheld(last))
            answer = ModelResponse([TextPart(str(refused))], model_name="wardline")
            raise SkipModelRequest(answer) from refused
        if released is not last:
            _put(ctx.messages, last, released)
            request_context.messages = [*request_context.messages[:-1], released]
        return request_context

    async def wrap_output_process(
        self, ctx: RunContext[Any], *, output_context: OutputContext, output: Any, handler: Any
    ) -> Any:
        """Authorise the function that runs on an answer, or judge a structured one as output."""
        flow = required()
        if not output_context.has_function:
            if output_context.tool_call is not None and not ctx.partial_output:
                await self._judge(flow, output)
            return await handler(output)
        made = output_context.tool_call
        name = output_context.function_name or (made.tool_name if made else "output")
        given = plain(output)
        args = given if isinstance(given, dict) else {"output": given}
        run = flow.place.ids["run"]
        id = f"{run}/output/{made.tool_call_id}" if made and not ctx.partial_output else ""

        async def body(released: dict[str, Any], _: Permit) -> Any:
            with self.adapter.guard.refusing("tool_call", name):
                if released != args:
                    raise ConfigurationError(
                        "a rule changed the arguments of an output function, which the framework has no "
                        "way to take; deny it instead"
                    )
            return await handler(output)

        return await self.adapter.act(_LOOP, flow.place, Call(name, args, id=id), body)

    async def _judge(self, flow: Flow, output: Any) -> None:
        """Judge a structured answer, which no rule can change."""
        said = _said(output)
        if await self.adapter.text(_LOOP, flow.place, "output", said) != said:
            with self.adapter.guard.refusing("output", "output"):
                raise ConfigurationError(BENT)

    @property
    def has_wrap_run_event_stream(self) -> bool:
        """Say no: the hook below has nothing to add to a run that is not streamed."""
        return False

    async def wrap_run_event_stream(
        self,
        ctx: RunContext[Any],  # noqa: ARG002 - the signature is the framework's
        *,
        stream: AsyncIterable[Any],
    ) -> AsyncIterator[Any]:
        """Leave out the calls that are refused: a refused call shows by its refusal alone."""
        hidden: set[int] = set()
        async for event in stream:
            flow = self.flow()
            if flow is None or not _hides(event, flow.refused, hidden):
                yield event


def _hides(event: Any, refused: Collection[str], hidden: set[int]) -> bool:
    """Whether an event tells of a refused call; `hidden` are the parts of the answer that do."""
    if isinstance(event, FunctionToolCallEvent):
        return event.part.tool_call_id in refused
    if isinstance(event, PartStartEvent):
        hidden.discard(event.index)
        if isinstance(event.part, ToolCallPart) and event.part.tool_call_id in refused:
            hidden.add(event.index)
    return (
        isinstance(event, PartStartEvent | PartDeltaEvent | PartEndEvent) and event.index in hidden
    )


async def _released(flow: Flow, request: ModelRequest) -> ModelRequest:
    """Return a request with what may go in of what people said in it."""
    parts: list[Any] = list(request.parts)
    for number, part in enumerate(request.parts):
        if isinstance(part, UserPromptPart):
            content = await _released_content(flow, part.content)
            parts[number] = replace(part, content=content)
    return request if parts == list(request.parts) else replace(request, parts=parts)


async def _released_content(flow: Flow, content: Any) -> Any:
    if isinstance(content, str):
        return await flow.adapter.text(_LOOP, flow.place, "input", content)
    found = []
    for one in content:
        said = one if isinstance(one, str) else getattr(one, "content", None)
        if not isinstance(said, str):
            found.append(one)
            continue
        text = await flow.adapter.text(_LOOP, flow.place, "input", said)
        found.append(text if isinstance(one, str) else replace(one, content=text))
    return found


def _withheld(request: ModelRequest) -> ModelRequest:
    parts = [
        replace(part, content="(withheld)") if isinstance(part, UserPromptPart) else part
        for part in request.parts
    ]
    return replace(request, parts=parts)


def _put(messages: list[Any], old: ModelRequest, new: ModelRequest) -> None:
    """Put a request into the place of another in the run's history."""
    for number, one in enumerate(messages):
        if one is old or one == old:
            messages[number] = new


def _agent(ctx: RunContext[Any]) -> str:
    return (ctx.agent.name if ctx.agent is not None else None) or "agent"


def _agent_of(flow: Flow) -> str:
    agents = flow.place.ids["agents"]
    return agents[-1] if agents else flow.adapter.guard.principal.id


def _said(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    dump = getattr(value, "model_dump_json", None)
    return dump() if callable(dump) else str(plain(value))


class _Unread:
    """The result of another agent's run; what of it comes back is the result of the tool."""

    failed = ""
    content = None

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def released(self, content: Any) -> Any:
        """Raise `ConfigurationError`: rules on delegations read no result."""
        raise ConfigurationError(f"a rule put {content!r} in the place of another agent's run")
