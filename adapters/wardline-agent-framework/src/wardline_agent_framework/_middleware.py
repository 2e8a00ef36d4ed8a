"""The middleware: which hook of Agent Framework leads to which action."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from agent_framework import (
    AgentContext,
    AgentMiddleware,
    AgentResponse,
    AgentResponseUpdate,
    ChatMiddlewareLayer,
    Content,
    FunctionInvocationLayer,
    Message,
    MiddlewareFailure,
    ResponseStream,
)

from wardline import ActionRefused, ConfigurationError, Guard, PolicySet
from wardline.adapters import Adapter, Attached, Place, Way, beneath, put_before
from wardline_agent_framework._functions import FunctionGate
from wardline_agent_framework._models import ChatGate, digest, refusal_message
from wardline_agent_framework._providers import govern_provider
from wardline_agent_framework._run import FRAMEWORK, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
    from pathlib import Path

    from agent_framework import ContextProvider

__all__ = ["KINDS", "WardlineMiddleware"]

KINDS: Final = (
    "input",
    "model_call",
    "tool_call",
    "delegation",
    "memory_read",
    "memory_write",
    "output",
)
"""The kinds of action that this adapter sees."""

_C = TypeVar("_C")

_LOOP = Way(loop=True)


class WardlineMiddleware(AgentMiddleware):
    """Governs an agent, and the agents that it calls as tools. Put it anywhere in the list.

    `guard` is a `Guard`, or what one is made from: a policy file, a directory, several of them or a
    `PolicySet`.

    `on_denied` says what becomes of a refusal: "message" tells the model, and the run goes on; "raise"
    raises it out of the run, as the cause of a `MiddlewareFailure`. `unused` names kinds of action that
    this agent never takes although the policy has rules for them.

    Raises `ConfigurationError` for a rule that could never be asked, and what `Guard` raises.
    """

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
            "Agent Framework", guard, KINDS, unused=unused, cannot_wait=("output",)
        )
        self._raises = on_denied == "raise"

    @property
    def guard(self) -> Guard:
        """Who decides."""
        return self._adapter.guard

    def governs(self, agent: Any) -> bool:
        """Whether `agent` has a middleware of this kind in its own list."""
        own = getattr(agent, "middleware", None) or ()
        own = own if isinstance(own, list | tuple) else [own]
        return any(isinstance(one, WardlineMiddleware) for one in own)

    def client(self, client: _C) -> _C:
        """Put a chat client behind the guard, for what your own code asks it without an agent."""
        _check_client(client)
        put_before(client, _GovernedClient)
        _clients.attach(client, self)
        return client

    def gates(self, run: Run) -> list[Any]:
        """Return what stands before the model and the tools of one run.

        They come last in the lists, whatever the order of the agent's own: what they see is what starts.
        """
        return [ChatGate(run), FunctionGate(run, self)]

    def open(self, session: str, agent: str = "") -> Run:
        """Return a run that starts now."""
        inside = self.guard.here() is not None
        place = Place.open(self.guard, FRAMEWORK, session=session, agent=agent)
        return Run(self._adapter, place, agent, self._raises, inside)

    def memory(self, provider: ContextProvider) -> ContextProvider:
        """Put `provider` behind the guard, for what your own code reads and writes outside a run."""
        govern_provider(provider, self._adapter)
        return provider

    async def process(
        self, context: AgentContext, call_next: Callable[[], Awaitable[None]]
    ) -> None:
        """Judge what goes in and out of a run, and stand before its model and its tools."""
        guard, agent = self.guard, context.agent
        try:
            with guard.refusing("run", agent.name or "agent"):
                _check_client(getattr(agent, "client", None))
                session = context.session.session_id if context.session is not None else ""
                run = self.open(session, agent.name or "")
                for provider in getattr(agent, "context_providers", None) or ():
                    govern_provider(provider, self._adapter)
            await self._input(context, run)
            given = context.client_kwargs.get("middleware") or ()
            context.client_kwargs["middleware"] = [*given, *self.gates(run)]
            await call_next()
            await self._output(context, run)
        except ActionRefused as refused:
            if self._raises:
                raise MiddlewareFailure(str(refused)) from refused
            context.result = _said(context, refused)

    async def _input(self, context: AgentContext, run: Run) -> None:
        """Judge what people say."""
        if not self.guard.policies.speaks_of("input"):
            return
        messages = list(context.messages)
        for number, message in enumerate(messages):
            text = message.text
            if str(message.role) != "user" or not text:
                continue
            named = f"input/{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"
            call_id = named if self.guard.policies.can_ask else ""
            released = await run.adapter.text(_LOOP, run.place, "input", text, call_id=call_id)
            if released != text:
                others = [one for one in message.contents if one.type != "text"]
                contents = [Content.from_text(released), *others]
                messages[number] = Message(
                    role="user", contents=contents, author_name=message.author_name
                )
        context.messages = messages

    async def _output(self, context: AgentContext, run: Run) -> None:
        """Judge a final answer that did not come from the model as it was judged there."""
        result: Any = context.result
        if not self.guard.policies.speaks_of("output") or not isinstance(result, AgentResponse):
            return
        text = result.text
        if not text or digest(text) in run.released:
            return
        released = await run.adapter.text(_LOOP, run.place, "output", text)
        if released != text:
            said = Message(role="assistant", contents=[Content.from_text(released)])
            context.result = AgentResponse(messages=[said])


def _check_client(client: Any) -> None:
    """Refuse a client whose model or tools would pass us by."""
    layered = isinstance(client, ChatMiddlewareLayer)
    if not layered or not isinstance(client, FunctionInvocationLayer):
        raise ConfigurationError(
            f"the client, a {type(client).__name__}, takes no middleware for chats and functions, so "
            "nobody could judge them; derive it from FunctionInvocationLayer and ChatMiddlewareLayer"
        )


_clients: Attached[WardlineMiddleware] = Attached()


class _GovernedClient:
    """The seam in front of a client's `get_response`."""

    def get_response(self, messages: Any, *, client_kwargs: Any = None, **more: Any) -> Any:
        """Ask the model as a run of its own, unless an agent asks that is governed already."""
        client: Any = self
        middleware = _clients.find(client)
        assert middleware is not None, "a governed client has its middleware"
        told = dict(client_kwargs or {})
        given = told.get("middleware") or ()
        given = given if isinstance(given, list | tuple) else [given]
        if not any(isinstance(one, ChatGate) for one in given):
            with middleware.guard.refusing("run", type(client).__name__):
                session = told.get("session")
                run = middleware.open(session.session_id if session is not None else "")
            told["middleware"] = [*given, *middleware.gates(run)]
        return beneath(client).get_response(client, messages, client_kwargs=told, **more)


def _said(context: AgentContext, refused: ActionRefused) -> Any:
    """Return the answer of an agent where it may not start, or may not say what it would."""
    message = refusal_message(refused)
    if not context.stream:
        return AgentResponse(messages=[message])

    async def one() -> AsyncIterator[AgentResponseUpdate]:
        yield AgentResponseUpdate(role="assistant", contents=list(message.contents))

    return ResponseStream(one(), finalizer=AgentResponse.from_updates)
