"""The middleware: which hook of LangChain leads to which action."""

# ruff: noqa: ARG002 - LangChain calls the hooks by the names of their parameters

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain.agents.middleware import (
    AgentMiddleware,
    ExtendedModelResponse,
    ModelRequest,
    ModelResponse,
    hook_config,
)
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool
from langgraph.config import get_config
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from wardline import ActionRefused, ConfigurationError, Guard, PolicySet
from wardline.adapters import Adapter, Call, Place, Way, now
from wardline_langchain._backstop import TICKETS, install
from wardline_langchain._models import (
    call_model,
    digest,
    is_refusal,
    judge_input,
    judge_output,
    refusal,
)
from wardline_langchain._place import IDS, RELEASED, GovernedState, name_of, open_place, place_of
from wardline_langchain._tools import call_tool, refusal_message, screen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from pathlib import Path

    from langgraph.prebuilt.tool_node import ToolCallRequest
    from langgraph.runtime import Runtime

__all__ = ["KINDS", "Update", "WardlineMiddleware", "govern_middleware"]

KINDS: Final = ("input", "model_call", "tool_call", "delegation", "output")
"""The kinds of action that this adapter sees."""

_CANNOT_WAIT: Final = ("delegation", "output")

_SYNC: Final = Way(loop=False)
_ASYNC: Final = Way(loop=True)

Update = dict[str, Any]


class WardlineMiddleware(AgentMiddleware[GovernedState, Any, Any]):
    """Governs one agent of `create_agent`. Put it last in the list of middleware.

    `guard` is a `Guard`, or what one is made from: a policy file, a directory, several of them or a
    `PolicySet`. Agents that call one another share one guard, so that the inner one's session lies
    below the outer one's.

    `on_denied` says what becomes of a refusal: "message" tells the model, and the run goes on; "raise"
    raises it out of the run. `unused` names kinds of action that this agent never takes although the
    policy has rules for them. `backstop` refuses, in the whole process, every tool that is started
    without the decision of a guard.

    Raises `ConfigurationError` for a rule that could never be asked, and what `Guard` raises.
    """

    state_schema = GovernedState

    def __init__(
        self,
        guard: Guard | str | Path | PolicySet | Sequence[str | Path],
        *,
        on_denied: Literal["message", "raise"] = "message",
        unused: Collection[str] = (),
        backstop: bool = True,
    ) -> None:
        super().__init__()
        if on_denied not in ("message", "raise"):
            raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
        self._adapter = Adapter(
            "LangChain",
            guard,
            KINDS,
            unused=unused,
            cannot_wait=_CANNOT_WAIT,
            passing=(GraphBubbleUp,),
            tickets=TICKETS,
        )
        self.guard = self._adapter.guard
        self._raises = on_denied == "raise"
        self._tools: dict[str, BaseTool] = {}
        self.tools = []
        if backstop:
            install()

    # The agent as a whole

    @hook_config(can_jump_to=["end"])
    def before_agent(self, state: Any, runtime: Runtime[Any]) -> Update | None:
        """Open the session and judge what the user said."""
        return now(self._before_agent(_SYNC, state))

    @hook_config(can_jump_to=["end"])
    async def abefore_agent(self, state: Any, runtime: Runtime[Any]) -> Update | None:
        """Do the same inside an event loop."""
        return await self._before_agent(_ASYNC, state)

    async def _before_agent(self, way: Way, state: Any) -> Update | None:
        guard = self.guard
        with guard.refusing("input", "input"):
            place = open_place(guard, get_config(), state["messages"])
        update: Update = {IDS: place.ids, RELEASED: ""}
        try:
            await self._delegated(way, state["messages"])
            if not guard.policies.speaks_of("input"):
                return update
            changed = await judge_input(self._adapter, way, place, state["messages"])
        except ActionRefused as refused:
            if self._raises:
                raise
            message = refusal(refused)
            update[RELEASED] = digest(message.text)
            return {**update, "messages": [message], "jump_to": "end"}
        return {**update, "messages": changed} if changed else update

    async def _delegated(self, way: Way, messages: list[Any]) -> None:
        """Authorise that a tool asks this agent, where it is one that does."""
        caller = Place.here(self.guard, "langchain")
        if caller is not None:
            said = next((str(one.text) for one in messages if isinstance(one, HumanMessage)), "")
            asked = Call(name_of(get_config()), {"text": said})
            await self._adapter.act(way, caller, asked, lambda *_: None, kind="delegation")

    def after_agent(self, state: Any, runtime: Runtime[Any]) -> Update | None:
        """Judge a final answer that did not come from the model as it was judged there."""
        return now(self._after_agent(_SYNC, state))

    async def aafter_agent(self, state: Any, runtime: Runtime[Any]) -> Update | None:
        """Do the same inside an event loop."""
        return await self._after_agent(_ASYNC, state)

    async def _after_agent(self, way: Way, state: Any) -> Update | None:
        guard = self.guard
        if not guard.policies.speaks_of("output"):
            return None
        messages = state["messages"]
        try:
            with guard.refusing("output", "output", passing=(GraphBubbleUp,)):
                place = place_of(guard, state)
                released = state.get(RELEASED, "")
                changed = await judge_output(self._adapter, way, place, messages, released)
        except ActionRefused as refused:
            if self._raises:
                raise
            last = next(one for one in reversed(messages) if isinstance(one, AIMessage))
            changed = [refusal(refused).model_copy(update={"id": last.id})]
        return {"messages": changed} if changed else None

    # The model

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> Any:
        """Authorise the model call and judge what comes back."""
        return now(self._wrap_model_call(_SYNC, request, handler))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> Any:
        """Do the same inside an event loop."""
        return await self._wrap_model_call(_ASYNC, request, handler)

    async def _wrap_model_call(
        self, way: Way, request: ModelRequest[Any], handler: Callable[[Any], Any]
    ) -> Any:
        self._register(request)
        try:
            return await call_model(self._adapter, way, request, handler)
        except ActionRefused as refused:
            if self._raises:
                raise
            message = refusal(refused)
            return ExtendedModelResponse(
                ModelResponse(result=[message]), Command(update={RELEASED: digest(message.text)})
            )

    def _register(self, request: ModelRequest[Any]) -> None:
        """Tell the guard what tools there are, by the names that LangChain knows them under.

        A tool that the provider of the model executes would run before anybody could judge it.
        """
        provided = [tool for tool in request.tools if isinstance(tool, dict)]
        if provided:
            names = ", ".join(str(one.get("name") or one.get("type") or one) for one in provided)
            with self.guard.refusing("tool_call", names):
                raise ConfigurationError(
                    "the provider of the model executes it by itself, so it cannot be judged before it "
                    "runs. Take it out, or replace it by a tool that this process runs"
                )
        for tool in request.tools:
            if isinstance(tool, BaseTool):
                with self.guard.refusing("tool_call", tool.name):
                    self.guard.register("tool_call", tool.name)
                # For screening alone, which only refuses; a call is authorised with its own tool.
                self._tools[tool.name] = tool

    @hook_config(can_jump_to=["end"])
    def after_model(self, state: Any, runtime: Runtime[Any]) -> Update | None:
        """Judge all calls of one answer together, before any of them runs."""
        return now(self._after_model(_SYNC, state))

    @hook_config(can_jump_to=["end"])
    async def aafter_model(self, state: Any, runtime: Runtime[Any]) -> Update | None:
        """Do the same inside an event loop."""
        return await self._after_model(_ASYNC, state)

    async def _after_model(self, way: Way, state: Any) -> Update | None:
        messages = state["messages"]
        if messages and is_refusal(messages[-1]):
            return {"jump_to": "end"}  # or an agent with a structured answer would ask for ever
        with self.guard.refusing("tool_call", "*"):
            place = place_of(self.guard, state)
        refused = await screen(self._adapter, way, place, messages, self._tools)
        if refused and self._raises:
            raise refused[0][1]
        return {"messages": [refusal_message(*one) for one in refused]} if refused else None

    # The tools

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]
    ) -> Any:
        """Authorise the call on its final arguments, run it, and judge its result."""
        return now(self._wrap_tool_call(_SYNC, request, handler))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]
    ) -> Any:
        """Do the same inside an event loop."""
        return await self._wrap_tool_call(_ASYNC, request, handler)

    async def _wrap_tool_call(
        self, way: Way, request: ToolCallRequest, handler: Callable[[Any], Any]
    ) -> Any:
        try:
            return await call_tool(self._adapter, way, request, handler)
        except ActionRefused as refused:
            if self._raises:
                raise
            return refusal_message(request.tool_call, refused)


def govern_middleware(
    middleware: Sequence[AgentMiddleware[Any, Any, Any]],
    guard: Guard | str | Path | PolicySet | Sequence[str | Path],
    *,
    on_denied: Literal["message", "raise"] = "message",
    unused: Collection[str] = (),
    backstop: bool = True,
) -> list[AgentMiddleware[Any, Any, Any]]:
    """Return the list with a `WardlineMiddleware` as its last member, where it sees what really runs.

    Raises `ConfigurationError` if there is one in the list already.
    """
    if any(isinstance(one, WardlineMiddleware) for one in middleware):
        raise ConfigurationError("the list has a WardlineMiddleware already; one agent has one")
    make = partial(WardlineMiddleware, on_denied=on_denied, unused=unused, backstop=backstop)
    return [*middleware, make(guard)]
