"""The hook: which event of the framework leads to which action."""

from __future__ import annotations

import inspect
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from toyagents import Answer, Call, Context, Hook, Refused, Request, Suspend, ToolRequest

from wardline import ActionRefused, ConfigurationError, Guard, PolicySet
from wardline.adapters import Adapter, Place, Tickets, Way, now
from wardline.adapters import Call as Judged

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from toyagents import Tool

    from wardline.adapters import Ids

__all__ = ["KINDS", "Governor"]

KINDS: Final = (
    "input",
    "model_call",
    "tool_call",
    "delegation",
    "memory_read",
    "memory_write",
    "retrieval",
    "output",
)
"""The kinds of action that this adapter sees."""

NAME: Final = "toyagents"
KEY: Final = "wardline"
_CANNOT_WAIT: Final = tuple(kind for kind in KINDS if kind != "tool_call")
_TICKETS: Final = Tickets("wardline-toy", "Give the agent a Governor")


class Governor(Hook):
    """Governs an agent and all that it calls or hands over to. Put it last in the list of hooks.

    `guard` is a `Guard`, or what one is made from. `on_denied` says what becomes of a refusal: "message"
    tells the model, and the run goes on; "raise" raises it out of the run. `unused` names kinds of
    action that the agent never takes although the policy has rules for them.

    Raises `ConfigurationError` for a rule that could never be asked, and what `Guard` raises.
    """

    inherits = True

    def __init__(
        self,
        guard: Guard | str | Path | PolicySet | Sequence[str | Path],
        *,
        on_denied: Literal["message", "raise"] = "message",
        unused: Collection[str] = (),
    ) -> None:
        if on_denied not in ("message", "raise"):
            raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
        self._adapter = Adapter(
            "toyagents",
            guard,
            KINDS,
            unused=unused,
            cannot_wait=_CANNOT_WAIT,
            passing=(Suspend,),
            tickets=_TICKETS,
        )
        self.guard = self._adapter.guard
        self._raises = on_denied == "raise"

    # Where a run belongs

    def _place(self, context: Context) -> Place:
        place = context.local.get(self)
        if place is None:
            ids: Ids | None = context.state.get(KEY)
            if ids is not None:  # a run that was suspended
                place = Place(self.guard, NAME, ids)
            else:
                place = Place.open(self.guard, NAME, session=context.thread, agent=context.agent)
            self._keep(context, place)
        return place

    def _keep(self, context: Context, place: Place) -> None:
        context.local[self] = place
        context.state[KEY] = place.ids

    # What goes in and out

    def on_input(self, context: Context, text: str) -> str:
        """Judge what the user says."""
        return now(self._text(Way(loop=False), context, "input", text))

    async def aon_input(self, context: Context, text: str) -> str:
        """Do the same inside an event loop."""
        return await self._text(Way(loop=True), context, "input", text)

    def on_final(self, context: Context, text: str) -> str:
        """Judge what the caller gets."""
        return now(self._text(Way(loop=False), context, "output", text))

    async def aon_final(self, context: Context, text: str) -> str:
        """Do the same inside an event loop."""
        return await self._text(Way(loop=True), context, "output", text)

    async def _text(self, way: Way, context: Context, kind: str, text: str) -> str:
        try:
            return await self._adapter.text(way, self._place(context), kind, text)
        except ActionRefused as refused:
            if self._raises or kind == "input":
                raise
            return str(refused)

    # The model

    def wrap_model(self, request: Request, call: Callable[[Request], Answer]) -> Answer:
        """Authorise the model call and judge what comes back."""
        return now(self._model(Way(loop=False), request, call))

    async def awrap_model(self, request: Request, call: Callable[[Request], Any]) -> Answer:
        """Do the same inside an event loop."""
        return await self._model(Way(loop=True), request, call)

    async def _model(self, way: Way, request: Request, call: Callable[[Request], Any]) -> Answer:
        guard, context = self.guard, request.context
        try:
            if request.hosted:
                names = ", ".join(request.hosted)
                with guard.refusing("tool_call", names):
                    raise ConfigurationError(
                        "the provider of the model executes it by itself, so it cannot be judged "
                        "before it runs. Take it out, or replace it by a tool that this process runs"
                    )
            for tool in request.tools:
                with guard.refusing("tool_call", tool.name):
                    guard.register("tool_call", tool.name)
            context.local[self, "tools"] = {tool.name: tool for tool in request.tools}
            request.hold = True  # nothing is streamed before it was judged
            texts: dict[str, Any] = {
                "message_count": len(request.messages),
                "tools": [tool.name for tool in request.tools],
            }
            if self._adapter.reads("messages"):
                texts["messages"] = [
                    {"type": one.role, "text": one.text} for one in request.messages
                ]
            answer: Answer = await self._adapter.act(
                way,
                self._place(context),
                Judged("model", texts),
                lambda *_: call(request),
                kind="model_call",
                result=_Said,
                usage=lambda said: {"tokens": said.tokens},
            )
        except ActionRefused as refused:
            if self._raises:
                raise
            return Answer(str(refused))
        return answer

    def on_answer(self, context: Context, answer: Answer) -> Mapping[str, str]:
        """Judge all calls of one answer together, before any of them runs."""
        return now(self._answer(Way(loop=False), context, answer))

    async def aon_answer(self, context: Context, answer: Answer) -> Mapping[str, str]:
        """Do the same inside an event loop."""
        return await self._answer(Way(loop=True), context, answer)

    async def _answer(self, way: Way, context: Context, answer: Answer) -> Mapping[str, str]:
        tools = context.local.get((self, "tools"), {})
        calls = [self._judged(call, answer.id, tools.get(call.name)) for call in answer.calls]
        refused = await self._adapter.screen(way, self._place(context), calls)
        found = {
            call.id: refusal
            for call, refusal in zip(answer.calls, refused, strict=True)
            if refusal is not None
        }
        if found and self._raises:
            raise next(iter(found.values()))
        return {call_id: str(refusal) for call_id, refusal in found.items()}

    # The tools

    def _judged(self, call: Call, answer: str, tool: Tool | None) -> Judged:
        """Return a call of the framework; models repeat their ids, so the answer's id belongs to it."""
        return Judged(
            call.name,
            call.args,
            id=f"{answer}/{call.id}",
            bind=None if tool is None else partial(_bound, tool),
            known=tool is not None,
        )

    def wrap_tool(self, request: ToolRequest, call: Callable[[ToolRequest], Any]) -> Any:
        """Authorise the call on its final arguments, run it, and judge its result."""
        return now(self._tool(Way(loop=False), request, call))

    async def awrap_tool(self, request: ToolRequest, call: Callable[[ToolRequest], Any]) -> Any:
        """Do the same inside an event loop."""
        return await self._tool(Way(loop=True), request, call)

    async def _tool(
        self, way: Way, request: ToolRequest, call: Callable[[ToolRequest], Any]
    ) -> Any:
        place = self._place(request.context)
        answers = [] if request.resume is None else [request.resume]

        def suspend(question: dict[str, Any]) -> Any:
            if answers:
                return answers.pop()
            raise Suspend({**question, "call": request.call.id})

        async def run(args: dict[str, Any], _: object) -> Any:
            if request.tool.agent is not None:
                await self._delegate(way, place, request.tool.name, str(args.get("task", "")))
            own = replace(request, call=replace(request.call, args=args))
            return await way.run(call, own)

        body: Any = run if way.loop else lambda *given: now(run(*given))
        try:
            judged = self._judged(request.call, request.answer, request.tool)
            return await self._adapter.act(way, place, judged, body, suspend=suspend)
        except ActionRefused as refused:
            if self._raises:
                raise
            raise Refused(str(refused)) from refused

    def on_start(self, request: ToolRequest) -> None:
        """Refuse the start of a tool for which there is no decision."""
        _TICKETS.check(request.tool.name, f"{request.answer}/{request.call.id}", request.call.args)

    # Other agents

    def on_hand_over(self, context: Context, name: str, task: str) -> str:
        """Authorise the hand-over, and let the target act on behalf of who hands over."""
        return now(self._hand_over(Way(loop=False), context, name, task))

    async def aon_hand_over(self, context: Context, name: str, task: str) -> str:
        """Do the same inside an event loop."""
        return await self._hand_over(Way(loop=True), context, name, task)

    async def _hand_over(self, way: Way, context: Context, name: str, task: str) -> str:
        place = self._place(context)
        try:
            await self._delegate(way, place, name, task)
        except ActionRefused as refused:
            if self._raises:
                raise
            return str(refused)
        self._keep(context, place.below(name, session=place.ids["session"]))
        return ""

    async def _delegate(self, way: Way, place: Place, name: str, task: str) -> None:
        call = Judged(name, {"text": task})
        await self._adapter.act(way, place, call, lambda *_: None, kind="delegation")

    # Memory and retrieval

    def wrap_shelf(
        self, kind: str, name: str, args: dict[str, Any], call: Callable[[dict[str, Any]], Any]
    ) -> Any:
        """Authorise what is read or written, and judge what comes back."""
        return now(self._shelf(Way(loop=False), kind, name, args, call))

    async def awrap_shelf(
        self, kind: str, name: str, args: dict[str, Any], call: Callable[[dict[str, Any]], Any]
    ) -> Any:
        """Do the same inside an event loop."""
        return await self._shelf(Way(loop=True), kind, name, args, call)

    async def _shelf(
        self,
        way: Way,
        kind: str,
        name: str,
        args: dict[str, Any],
        call: Callable[[dict[str, Any]], Any],
    ) -> Any:
        place = Place.open(self.guard, NAME)
        return await self._adapter.act(
            way, place, Judged(name, args), lambda given, _: call(given), kind=kind
        )


class _Said:
    """What a model said: its text is what rules read."""

    failed = ""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.content = answer.text

    def released(self, content: Any) -> Answer:
        return replace(self._answer, text=str(content))


def _bound(tool: Tool, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the body gets them, with its defaults.

    Arguments that do not fit stay as they are: the framework reports the mistake.
    """
    try:
        bound = inspect.signature(tool.function or tool.coroutine or dict).bind(**args)
    except TypeError:
        return dict(args)
    bound.apply_defaults()
    found = dict(bound.arguments)
    for name, parameter in bound.signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= found.pop(name)
    return found
