"""Model calls, and the text that goes in and out of an app."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from google.adk.events.event import Event
from google.adk.flows.llm_flows.functions import generate_client_function_call_id
from google.adk.models.llm_response import LlmResponse
from google.genai import types

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Attached, Call, Way, beneath, same
from wardline_google_adk._place import METADATA, place_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from google.adk.agents.invocation_context import InvocationContext
    from google.adk.models.llm_request import LlmRequest

    from wardline import Permit
    from wardline.adapters import Adapter
    from wardline_google_adk._tools import Tools

__all__ = ["GovernedModel", "Models", "text_of", "with_text"]

_LOOP = Way(loop=True)
_CHARACTERS_A_TOKEN = 4


class Models:
    """Judges the model calls of one app. `raises` says that a refusal leaves the run."""

    def __init__(self, adapter: Adapter, tools: Tools, *, raises: bool) -> None:
        self.adapter = adapter
        self.raises = raises
        self._tools = tools
        self._released: Attached[set[str]] = Attached()

    def expect(self, context: InvocationContext, request: LlmRequest) -> None:
        """Remember in whose name `request` is sent, for when the model gets it."""
        _expected.attach(request, (self, context))

    async def answers(
        self,
        context: InvocationContext,
        name: str,
        request: LlmRequest,
        source: Callable[[], AsyncGenerator[LlmResponse, None]],
    ) -> AsyncGenerator[LlmResponse, None]:
        """Yield what the model answers, as far as it may be seen."""
        guard, held = self.adapter.guard, self.adapter.guard.policies.speaks_of("output")
        try:
            with guard.refusing("model_call", name):
                place = place_of(guard, context)
                self._refuse_hosted(request)
                call = Call(name, self._arguments(request))
            stream = self.adapter.astream(
                place,
                call,
                lambda args, permit: self._start(call, args, permit, source),
                way=_LOOP,
                whole=_Answer,
                usage=lambda items: self._usage(request, items),
                hold=held,
            )
            if held:
                items = [item async for item in stream]
                if not any(_calls(item) for item in items):
                    items = await self._spoken(context, items)
                for item in items:
                    for one in await self._screened(context, item):
                        yield one
            else:
                async with aclosing(stream):  # type: ignore[type-var]
                    async for item in stream:
                        for one in await self._screened(context, item):
                            yield one
        except ActionRefused as refused:
            if self.raises:
                raise
            yield self.refusal(context, refused)

    def _start(
        self,
        call: Call,
        args: Mapping[str, Any],
        permit: Permit,
        source: Callable[[], AsyncGenerator[LlmResponse, None]],
    ) -> AsyncGenerator[LlmResponse, None]:
        if not same(dict(args), dict(call.args)):
            with self.adapter.guard.refusing("model_call", permit.action.name):
                raise ConfigurationError(
                    "a rule changes the arguments of a model call, and the request would still be the "
                    "one before; change what the user says (on: input), or deny the call"
                )
        return source()

    async def _screened(self, context: InvocationContext, item: LlmResponse) -> list[LlmResponse]:
        """Judge the calls of a whole answer before anybody sees them; pieces of calls are left out.

        The answer says itself which of its calls are refused.
        """
        if not (parts := _calls(item)):
            return [item]
        if item.partial:
            rest = [
                one
                for one in (item.content.parts if item.content else None) or ()
                if one not in parts
            ]
            content = types.Content(role="model", parts=rest)
            return [item.model_copy(update={"content": content})] if rest else []
        calls = [part.function_call for part in parts if part.function_call]
        for call in calls:
            call.id = call.id or generate_client_function_call_id()
        answer = Event.new_id()
        refused = await self._tools.answered(context, answer, calls)
        if self.raises and refused:
            raise next(iter(refused.values()))
        ours = {"answer": answer, "refused": {id: str(one) for id, one in refused.items()}}
        metadata = {**(item.custom_metadata or {}), METADATA: ours}
        return [item.model_copy(update={"custom_metadata": metadata})]

    async def _spoken(
        self, context: InvocationContext, items: list[LlmResponse]
    ) -> list[LlmResponse]:
        """Judge the final answer of an agent."""
        text = _text(items)
        if not text:
            return items
        place = place_of(self.adapter.guard, context)
        released = await self.adapter.text(_LOOP, place, "output", text)
        self._remember(context, released)
        return items if released == text else with_text(items, released)

    def refusal(self, context: InvocationContext, refused: ActionRefused) -> LlmResponse:
        """Return what the agent says where the model may not be asked, or may not answer."""
        self._remember(context, str(refused))
        part = types.Part(text=str(refused))
        return LlmResponse(content=types.Content(role="model", parts=[part]))

    def _remember(self, context: InvocationContext, text: str) -> None:
        known = self._released.find(context.session)
        known = known if known is not None else self._released.attach(context.session, set())
        known.add(_digest(text))

    def released(self, context: InvocationContext, text: str) -> bool:
        """Whether `text` has been judged as the final answer of a model of this run."""
        return _digest(text) in (self._released.find(context.session) or ())

    def _arguments(self, request: LlmRequest) -> dict[str, Any]:
        args: dict[str, Any] = {
            "message_count": len(request.contents),
            "tools": sorted(request.tools_dict),
        }
        if self.adapter.reads("messages"):
            args["messages"] = [
                {"type": one.role or "", "text": text_of(one)} for one in request.contents
            ]
        return args

    def _refuse_hosted(self, request: LlmRequest) -> None:
        """Refuse a request that offers tools which the provider of the model would run by itself."""
        names: list[str] = []
        for tool in request.config.tools or ():
            if isinstance(tool, types.Tool):
                given = tool.model_dump(exclude_none=True, exclude={"function_declarations"})
                servers = [one.get("name", "mcp_servers") for one in given.pop("mcp_servers", ())]
                names += [*given, *servers]
            else:
                names.append(str(getattr(tool, "name", getattr(tool, "__name__", tool))))
        for name in names:
            with self.adapter.guard.refusing("tool_call", name):
                raise ConfigurationError(
                    f"the provider of the model executes `{name}` by itself, so it cannot be judged "
                    "before it runs. Take it out, or replace it by a tool that this process runs"
                )

    def _usage(self, request: LlmRequest, items: Sequence[LlmResponse]) -> dict[str, int]:
        """Return what the model says it took; where it says nothing and it counts, an approximation."""
        for item in reversed(items):
            if item.usage_metadata and item.usage_metadata.total_token_count is not None:
                return {"tokens": item.usage_metadata.total_token_count}
        if not self.adapter.counts_tokens:
            return {}
        said = sum(len(text_of(one)) for one in request.contents) + len(_text(items))
        return {"tokens": said // _CHARACTERS_A_TOKEN + 1}


_expected: Attached[tuple[Models, InvocationContext]] = Attached()


class GovernedModel:
    """The seam in front of a model's `generate_content_async`."""

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Ask the model if it may be asked; a request of no governed app is none of our business."""
        source = partial(beneath(self).generate_content_async, self)
        expected = _expected.find(llm_request)
        if expected is None:
            answers = source(llm_request, stream=stream)
        else:
            models, context = expected
            model: Any = self
            name = llm_request.model or model.model
            answers = models.answers(
                context, name, llm_request, lambda: source(llm_request, stream=stream)
            )
        async with aclosing(answers) as items:
            async for item in items:
                yield item


def text_of(content: types.Content | None) -> str:
    """Return all text of a content."""
    return "".join(part.text or "" for part in (content.parts if content else None) or ())


def _calls(item: LlmResponse) -> list[types.Part]:
    parts = (item.content.parts if item.content else None) or []
    return [part for part in parts if part.function_call]


def _text(items: Sequence[LlmResponse]) -> str:
    """Return all that a model said in one call; pieces that its whole answer repeats count once."""
    whole = "\n".join(filter(None, (text_of(one.content) for one in items if not one.partial)))
    pieces = "".join(text_of(one.content) for one in items if one.partial)
    return whole if pieces in whole else "\n".join(filter(None, (pieces, whole)))


def with_text(items: Sequence[LlmResponse], text: str) -> list[LlmResponse]:
    """Return the answers with nothing in them but `text` and the calls of tools."""
    whole = [one for one in items if not one.partial] or list(items[-1:])
    result: list[LlmResponse] = []
    for number, one in enumerate(whole):
        parts = [types.Part(text=text)] if number == 0 and text else []
        content = types.Content(role="model", parts=[*parts, *_calls(one)])
        changed: dict[str, Any] = {"content": content, "partial": None, "grounding_metadata": None}
        result.append(one.model_copy(update=changed))
    return result


class _Answer:
    """What a model answered: its text."""

    failed = ""

    def __init__(self, items: list[LlmResponse]) -> None:
        self._items = items
        self.content: Any = _text(items)

    def released(self, content: Any) -> list[LlmResponse]:
        """Return the answers with `content` for all their text."""
        return with_text(self._items, content if isinstance(content, str) else str(content))


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
