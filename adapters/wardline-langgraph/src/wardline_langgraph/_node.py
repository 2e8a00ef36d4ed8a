"""The tool node: every call of an answer is judged together, then each as it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.prebuilt import ToolNode

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Adapter, Way, now
from wardline_langgraph._backstop import install
from wardline_langgraph._governor import ASYNC, SYNC, Policy, governor
from wardline_langgraph._place import current_run, place_of, task_id
from wardline_langgraph._tools import call_of, call_tool, pending, refusal_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Sequence

    from langchain_core.tools import BaseTool
    from langgraph.prebuilt.tool_node import ToolCallRequest

    from wardline import Guard
    from wardline.adapters import Call, Place

__all__ = ["GovernedToolNode"]


class GovernedToolNode(ToolNode):
    """A `ToolNode` whose calls are authorised before they run.

    `tools` and all options are those of `ToolNode`. `guard` is a `Guard`, or what one is made from; the
    parts of one graph share one guard. A `Guard` should keep results (`keep_results=True`) where runs
    are suspended, because a resumed node runs all its calls again; one that is made here does.

    `on_denied` says what becomes of a refusal: "message" tells the model, and the run goes on; "raise"
    raises it out of the run before any call of that answer has run. `wrap_tool_call` and
    `awrap_tool_call` see a call before the guard does, and are given both or neither. `backstop`
    refuses, in the whole process, every tool that is started without the decision of a guard.

    Raises `ConfigurationError` for a rule that could never be asked, and what `Guard` raises.
    """

    def __init__(
        self,
        tools: Sequence[BaseTool | Callable[..., Any]],
        guard: Policy,
        *,
        on_denied: Literal["message", "raise"] = "message",
        backstop: bool = True,
        messages_key: str = "messages",
        wrap_tool_call: Callable[[ToolCallRequest, Callable[..., Any]], Any] | None = None,
        awrap_tool_call: Callable[[ToolCallRequest, Callable[..., Any]], Awaitable[Any]]
        | None = None,
        **options: Any,
    ) -> None:
        if on_denied not in ("message", "raise"):
            raise ConfigurationError(f"on_denied is 'message' or 'raise', not {on_denied!r}")
        if (wrap_tool_call is None) != (awrap_tool_call is None):
            raise ConfigurationError(
                "give both wrap_tool_call and awrap_tool_call: ToolNode leaves the one out that is "
                "missing, and calls would pass without it"
            )
        self._adapter = governor(guard)
        self._raises = on_denied == "raise"
        self._key = messages_key
        self._outer, self._aouter = wrap_tool_call, awrap_tool_call
        super().__init__(
            tools,
            messages_key=messages_key,
            wrap_tool_call=self._wrap,
            awrap_tool_call=self._awrap,
            **options,
        )
        for name in self.tools_by_name:
            self.guard.register("tool_call", name)
        if backstop:
            install()

    @property
    def guard(self) -> Guard:
        """The guard that decides here."""
        return self._adapter.guard

    def _wrap(self, request: ToolCallRequest, execute: Callable[..., Any]) -> Any:
        def judged(final: ToolCallRequest) -> Any:
            return now(self._judged(SYNC, final, execute))

        try:
            return judged(request) if self._outer is None else self._outer(request, judged)
        except GraphBubbleUp as asked:
            return _later(request, asked)

    async def _awrap(self, request: ToolCallRequest, execute: Callable[..., Any]) -> Any:
        async def judged(final: ToolCallRequest) -> Any:
            return await self._judged(ASYNC, final, execute)

        try:
            call = judged(request) if self._aouter is None else self._aouter(request, judged)
            return await call
        except GraphBubbleUp as asked:
            return _later(request, asked)

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Run the calls of an answer; a question ends this when the other calls have ended."""
        with _asking() as asked:
            made = super().invoke(input, config, **kwargs)
        if asked:
            raise asked[0]
        return made

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Do the same inside an event loop."""
        with _asking() as asked:
            made = await super().ainvoke(input, config, **kwargs)
        if asked:
            raise asked[0]
        return made

    async def _judged(self, way: Way, request: ToolCallRequest, execute: Callable[..., Any]) -> Any:
        adapter, call, tool = self._adapter, request.tool_call, request.tool
        config = request.runtime.config
        try:
            with self.guard.refusing("tool_call", call["name"], passing=(GraphBubbleUp,)):
                messages = self._messages(request.state)
                place = await place_of(adapter, way, messages)
                answer, batch = pending(messages, call)
                scope = answer or task_id(config)
                made = {
                    one["id"] or "": call_of(scope, one, self.tools_by_name.get(one["name"]))
                    for one in batch
                }
                refusals = await way.aside(
                    self.guard, self._batch(scope).screened, adapter, place, made
                )
                if self._raises and refusals:
                    raise next(iter(refusals.values()))
                if (refusal := refusals.get(call["id"] or "")) is not None:
                    raise refusal
                if tool is None:
                    raise ConfigurationError(f"this node has no tool `{call['name']}`")
                final = call_of(scope, call, tool)
            return await call_tool(adapter, way, place, final, request, execute)
        except ActionRefused as refused:
            if self._raises:
                raise
            return refusal_message(call, refused)

    def _batch(self, scope: str) -> _Batch:
        """Return the batch that the answer `scope` is, the same for all its calls in one run."""
        run = current_run()
        return _Batch() if run is None else run.known((self, scope), _Batch)

    def _messages(self, state: Any) -> list[Any]:
        """Return the conversation in a state of any form that `ToolNode` takes."""
        if isinstance(state, list):
            return state
        found = (
            state.get(self._key) if isinstance(state, Mapping) else getattr(state, self._key, ())
        )
        return list(found or ())


_asked: ContextVar[list[GraphBubbleUp] | None] = ContextVar(
    "wardline_langgraph_asked", default=None
)


@contextmanager
def _asking() -> Iterator[list[GraphBubbleUp]]:
    """Collect the questions of the calls that a node runs at once.

    `ToolNode` would end with the first, and leave what runs beside it to itself: it would end after the
    run that it belongs to, or not start at all.
    """
    found: list[GraphBubbleUp] = []
    token = _asked.set(found)
    try:
        yield found
    finally:
        _asked.reset(token)


def _later(request: ToolCallRequest, asked: GraphBubbleUp) -> ToolMessage:
    """Keep a question until the node has ended; nobody sees the message that stands in for it."""
    found = _asked.get()
    if found is None:
        raise asked
    found.append(asked)
    return ToolMessage("", tool_call_id=request.tool_call["id"] or "")


class _Batch:
    """One answer of the model; `ToolNode` shows its calls one by one, and many at once."""

    __slots__ = ("_lock", "_refused")

    def __init__(self) -> None:
        self._lock = Lock()
        self._refused: Mapping[str, ActionRefused] | None = None

    def screened(
        self, adapter: Adapter, place: Place, calls: Mapping[str, Call]
    ) -> Mapping[str, ActionRefused]:
        """Return the refusals among `calls`, by the ids that the model gave them."""
        with self._lock:  # nothing of the answer starts before all of it is screened
            if self._refused is None:
                verdicts = now(adapter.screen(SYNC, place, list(calls.values())))
                found = zip(calls, verdicts, strict=True)
                self._refused = {name: verdict for name, verdict in found if verdict is not None}
            return self._refused
