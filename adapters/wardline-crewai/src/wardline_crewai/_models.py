"""Governed models: every request is judged, and its answer before anybody sees it or a call starts."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from crewai.agents.parser import AgentAction, OutputParserError, parse
from crewai.llms.base_llm import BaseLLM, call_stream_override, llm_call_context
from crewai.utilities.agent_utils import is_tool_call_list
from pydantic import BaseModel, PrivateAttr

from wardline import ActionRefused, AlreadyRan, ConfigurationError
from wardline.adapters import Call, Suspended, Way, now
from wardline_crewai._turns import Paused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from wardline_crewai._governor import Governor
    from wardline_crewai._turns import Turn

__all__ = ["Answer", "GovernedModel", "Held", "Request", "hosted"]

F = TypeVar("F")

_INTERNAL = frozenset({"create_reasoning_plan"})
"""What CrewAI offers to a model for its own sake: a function that only hands a plan over."""


def _as_it_is(method: F) -> F:
    """Keep CrewAI from wrapping a method in its retries: the model's own has them already."""
    method._crewai_rate_limit_wrapped = True  # type: ignore[attr-defined]
    return method


class GovernedModel(BaseLLM):
    """The methods of a model that the guard stands in front of."""

    _governor: Any = PrivateAttr(default=None)

    @_as_it_is
    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        """Authorise the request, and judge the answer and all tool calls in it."""
        request = Request(self, messages, args, kwargs)
        send = super().call  # type: ignore[safe-super]  # a model's class is always behind this one
        return now(request.play(Way(loop=False), send))

    @_as_it_is
    async def acall(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        """Do the same inside an event loop."""
        request = Request(self, messages, args, kwargs)
        return await request.play(Way(loop=True), super().acall)

    def _emit_stream_chunk_event(self, *args: Any, **kwargs: Any) -> None:
        held = _held.get()
        if held is not None and held.keeps(self, args, kwargs):
            return
        super()._emit_stream_chunk_event(*args, **kwargs)

    def _emit_thinking_chunk_event(self, *args: Any, **kwargs: Any) -> None:
        held = _held.get()
        if held is None or not (held.model is self and held.all):
            super()._emit_thinking_chunk_event(*args, **kwargs)


class Held:
    """What a model must not stream yet: everything, or the tool calls in its answer."""

    def __init__(self, model: GovernedModel, *, all: bool) -> None:
        self.model = model
        self.all = all
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def keeps(self, model: GovernedModel, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether this piece is held back; a piece of a tool call is kept for later."""
        if model is not self.model:
            return False
        is_call = bool(kwargs.get("tool_call") or (len(args) > 3 and args[3]))
        if is_call:
            self.calls.append((args, kwargs))
        return self.all or is_call


_held: ContextVar[Held | None] = ContextVar("wardline_crewai_held", default=None)


class Answer:
    """A model's answer: rules read its text; a structured answer counts as its JSON."""

    failed = ""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.content = _text(raw)

    def released(self, content: Any) -> Any:
        """Return the answer with `content` as its text."""
        if not isinstance(self._raw, str):
            raise ConfigurationError(
                "a rule changed a structured answer, which would not be one any more"
            )
        return content if isinstance(content, str) else str(content)


def _text(raw: Any) -> str:
    if isinstance(raw, BaseModel):
        return raw.model_dump_json()
    return "" if isinstance(raw, list) else str(raw)


class Request:
    """One request to a model."""

    def __init__(
        self, model: GovernedModel, messages: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.model = model
        self.governor: Governor = model._governor
        self.messages = messages
        self.args = args
        self.kwargs = kwargs
        self.turn: Turn = self.governor.here()

    def _given(self, name: str, position: int) -> Any:
        found = self.kwargs.get(name)
        return self.args[position] if found is None and len(self.args) > position else found

    @property
    def _written(self) -> bool:
        """Whether the model writes its tool calls as text, because it knows no others."""
        return bool(self.turn.tools) and not self._given("tools", 0)

    async def play(self, way: Way, call: Callable[..., Any]) -> Any:
        """Authorise the request, send it, judge the answer."""
        self.turn.stop()
        try:
            self._refuse_ungoverned()
            with self._holding(self.governor.guard.policies) as held:
                try:
                    answer = await self._ask(way, call, self._call())
                except AlreadyRan:  # before the run was suspended; asking a model twice is no harm
                    answer = await self._ask(way, call, replace(self._call(), id=""))
        except Suspended as suspended:
            self.turn.parked.append(Paused(suspended.question))
            raise self.turn.parked[0] from suspended
        except ActionRefused as refused:
            return self._said(refused)
        calls = isinstance(answer, list) and is_tool_call_list(answer)
        if not calls or await self.governor.screen(way, self.turn, answer):
            self._stream(held, answer)
        return answer

    async def _ask(self, way: Way, call: Callable[..., Any], action: Call) -> Any:
        return await self.governor.adapter.act(
            way,
            self.turn.place,
            action,
            lambda *_: call(self.messages, *self.args, **self.kwargs),
            kind="model_call",
            result=Answer,
            usage=self._usage(),
            suspend=self.turn.suspend,
        )

    def _refuse_ungoverned(self) -> None:
        """Refuse to send a request with tools that would run without a question."""
        names = hosted(self.model, self._given("tools", 0))
        functions = set(self._given("available_functions", 2) or ()) - _INTERNAL
        offered = {_offered(one) for one in self._given("tools", 0) or ()}
        strange = offered - self.turn.tools.keys() - _INTERNAL - {""}
        if names:
            with self.governor.guard.refusing("tool_call", ", ".join(names)):
                raise ConfigurationError(
                    "the provider of the model executes it by itself, so it cannot be judged before "
                    "it runs. Take it out, or replace it by a tool that this process runs"
                )
        if functions:
            with self.governor.guard.refusing("tool_call", ", ".join(sorted(functions))):
                raise ConfigurationError(
                    "the model would start it inside its call. Leave `available_functions` out and "
                    "give it to an agent as a tool"
                )
        if strange:
            with self.governor.guard.refusing("tool_call", ", ".join(sorted(strange))):
                raise ConfigurationError(
                    "it was offered to the model and is no tool of this agent, so nobody could judge it. "
                    "Give it to the agent, or ask a model that is not governed"
                )

    def _call(self) -> Call:
        adapter = self.governor.adapter
        messages = self.messages if isinstance(self.messages, list) else [self.messages]
        tools = self._given("tools", 0) or []
        args: dict[str, Any] = {
            "message_count": len(messages),
            "tools": [name for name in map(_offered, tools) if name]
            or [one.name for one in self.turn.tools.values()],
        }
        if adapter.reads("messages"):
            args["messages"] = [_message(one) for one in messages]
        asked = self.turn.ask(f"model/{self.model.model}", args)
        # A name of its own only where somebody may be asked; asking a model twice is no harm.
        return Call(self.model.model, args, id=asked.id if adapter.guard.policies.can_ask else "")

    @contextmanager
    def _holding(self, policies: Any) -> Iterator[Held]:
        """Hold back what may not be streamed before it is judged."""
        binds = policies.speaks_of("model_call", "after") or policies.speaks_of("output")
        held = Held(self.model, all=binds or self._written)
        with ExitStack() as stack:
            stack.callback(_held.reset, _held.set(held))
            if held.all:
                stack.enter_context(call_stream_override(self.model, False))
            yield held

    def _stream(self, held: Held, answer: Any) -> None:
        """Stream what was held back and may be seen now.

        The final answer of a task is no such thing where a rule is on `output`: that comes later.
        """
        if not self.model._effective_stream():
            return
        task, agent = self._given("from_task", 3), self._given("from_agent", 4)
        with llm_call_context():
            for args, kwargs in held.calls if not held.all else ():
                self.model._emit_stream_chunk_event(*args, **kwargs)
            if held.all and isinstance(answer, str) and not self._starts(answer):
                self.model._emit_stream_chunk_event(answer, from_task=task, from_agent=agent)

    def _starts(self, answer: str) -> bool:
        """Whether an answer is a tool call in words, or one that `output` is still to be asked about."""
        if self.governor.guard.policies.speaks_of("output"):
            return True
        try:
            return self._written and isinstance(parse(answer), AgentAction)
        except OutputParserError:
            return True

    def _usage(self) -> Callable[[Any], Mapping[str, int]]:
        before = self.model.get_token_usage_summary().total_tokens

        def used(answer: Any) -> dict[str, int]:
            tokens = self.model.get_token_usage_summary().total_tokens - before
            if not tokens and self.governor.adapter.counts_tokens:
                # Four characters to a token, as CrewAI counts where a provider does not say.
                text = f"{self.messages}{_text(answer) or answer}"
                tokens = (len(text) + 3) // 4
            return {"tokens": tokens} if tokens else {}

        return used

    def _said(self, refused: ActionRefused) -> Any:
        """Return the answer of an agent whose model may not give one.

        What CrewAI asks for its own sake, such as what to remember, it does without. A structured
        answer cannot be a refusal, and ends the run.
        """
        agent, structured = self._given("from_agent", 4), self._given("response_model", 5)
        if self.governor.raises or (agent is not None and structured is not None):
            raise self.governor.stop(self.turn, refused) from refused
        if agent is None:
            raise refused
        text = str(refused)
        return (
            text if self._given("tools", 0) else f"Thought: I may not go on\nFinal Answer: {text}"
        )


def _message(one: Any) -> dict[str, str]:
    if isinstance(one, str):
        return {"type": "user", "text": one}
    content = one.get("content")
    return {
        "type": str(one.get("role", "")),
        "text": content if isinstance(content, str) else str(content or ""),
    }


def _offered(tool: Any) -> str:
    """Return the name under which a function is offered; "" for what is none."""
    function = tool.get("function") if isinstance(tool, dict) else None
    return str(function.get("name", "")) if isinstance(function, dict) else ""


def hosted(model: BaseLLM, tools: Any = None) -> list[str]:
    """Return the names of the tools of a model that its provider would run by itself."""
    found = [str(one) for one in getattr(model, "builtin_tools", None) or ()]
    extra = model.additional_params or {}
    named = [*(extra.get("tools") or ()), *(extra.get("mcp_servers") or ())]
    given = [one for one in tools or () if isinstance(one, dict) and one.get("type") != "function"]
    for one in [*named, *given]:
        name = one.get("name") or one.get("type") if isinstance(one, dict) else one
        found.append(str(name))
    found += [key for key in ("web_search_options", "plugins") if extra.get(key)]
    return found
