"""The hooks of an agent: which point of its loop leads to which action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from haystack.components.agents.state import replace_values
from haystack.components.agents.tool_calling import _run_tool, _run_tool_async
from haystack.dataclasses import ChatMessage, ChatRole, ToolCall

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Place, Way, now
from wardline_haystack import _backstop
from wardline_haystack._models import is_refusal, refusal_message
from wardline_haystack._runs import APPROVAL, CONTEXT, REFUSED, Asked, Run, calling, current
from wardline_haystack._tools import screen, waiting
from wardline_haystack._values import with_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from haystack.components.agents import State
    from haystack.hooks.protocol import Hook, HookPoint

    from wardline_haystack._governor import Governor

__all__ = ["GovernedHook", "questions", "with_hooks"]

_POINTS: Final[tuple[HookPoint, ...]] = (
    "before_run",
    "before_llm",
    "before_tool",
    "after_tool",
    "on_exit",
    "after_run",
)


class GovernedHook:
    """One point of the loop of a governed agent."""

    def __init__(self, governor: Governor, point: HookPoint) -> None:
        self.governor = governor
        self.point = point
        self.allowed_hook_points = (point,)

    def run(self, state: State) -> None:
        """Do what is to be done here."""
        now(getattr(self, f"_{self.point}")(Way(loop=False), state))

    async def run_async(self, state: State) -> None:
        """Do the same inside an event loop, and not in a thread, whose context would be lost."""
        await getattr(self, f"_{self.point}")(Way(loop=True), state)

    def to_dict(self) -> NoReturn:
        """Raise `ConfigurationError`: a guard cannot be written down."""
        raise ConfigurationError(
            "a governed agent cannot be serialised with its guard. Serialise it before it is governed, "
            "and govern what you load again"
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NoReturn:  # noqa: ARG003
        """Raise `ConfigurationError`: a guard cannot be read from a file."""
        raise ConfigurationError(
            "a guard cannot be loaded with an agent: govern the agent once it is loaded"
        )

    # The run as a whole

    async def _before_run(self, way: Way, state: State) -> None:
        """Open the session and judge what the user said."""
        if self.governor.backstop:
            _backstop.install()  # a tracer may have been enabled since
        run = self._open(state)
        messages: list[ChatMessage] = state.data["messages"]
        if _parked(messages) is not None:
            _replace(state, _once(messages))
            return
        first = _since(messages)
        try:
            said = [
                await self._judged(way, run, "input", one) if one.is_from(ChatRole.USER) else one
                for one in messages[first:]
            ]
        except ActionRefused as refusal:
            if self.governor.raises:
                raise
            state.set("messages", [refusal_message(refusal)])
            state.set("stop_run", REFUSED)
            return
        _replace(state, [*messages[:first], *said])

    async def _after_run(self, way: Way, state: State) -> None:  # noqa: ARG002
        """Say why the run ended, and let go of it."""
        if _parked(state.data["messages"]) is not None:
            state.set("exit_reason", APPROVAL)
        current.set(None)

    def _open(self, state: State) -> Run:
        """Return what is known of this run, which another hook may have begun."""
        run = current.get()
        if run is not None and run.state is state:
            return run
        guard = self.governor.adapter.guard
        with guard.refusing("run", "run"):
            context = _context(state)
            parked = _parked(state.data["messages"])
            if parked is None:
                session = str(context.get("session") or "")
                place = Place.open(guard, "haystack", session=session, agent=calling.get())
            else:
                place = Place.restored(guard, "haystack", parked[1].get("place"))
            run = Run(self.governor, state, place)
            run.answers = {str(one.get("approval")): one for one in context.get("answers") or ()}
        current.set(run)
        return run

    # The model

    async def _before_llm(self, way: Way, state: State) -> None:
        """Put the tools of this step under the guard; run what waited for an approval."""
        run = self._open(state)
        # The agent runs the very list that it shows to its hooks.
        run.tools = state.data["tools"]
        with self.governor.adapter.guard.refusing("tool_call", "*"):
            run.tools[:] = [self.governor.tool(one) for one in run.tools]
        parked = _parked(state.data["messages"])
        if parked is not None and state.data.get("stop_run") is None:
            await self._resume(way, run, *parked)

    async def _resume(self, way: Way, run: Run, at: int, waits: Mapping[str, Any]) -> None:
        """Run those calls of the message at `at` that waited."""
        messages = list(run.state.data["messages"])
        message = messages[at]
        run.asked = [
            Asked(ToolCall.from_dict(one["call"]), str(one["id"])) for one in waits["calls"]
        ]
        meta = {key: value for key, value in message.meta.items() if key != CONTEXT}
        messages[at] = replace(message, _meta=meta)
        _replace(run.state, messages)
        rest = ChatMessage.from_assistant(tool_calls=[one.call for one in run.asked])
        given: dict[str, Any] = {"messages": [rest], "state": run.state, "tools": run.tools}
        given["raise_on_failure"] = False
        results, _ = await _run_tool_async(**given) if way.loop else _run_tool(**given)
        run.state.set("messages", results)
        await self._after_tool(way, run.state)

    # The tools

    async def _before_tool(self, way: Way, state: State) -> None:
        """Judge all calls of one answer together, before any of them runs."""
        run = self._open(state)
        messages = state.data["messages"]
        run.asked = run.next(messages[-1].tool_calls if messages else [])
        await screen(way, run, run.asked, {tool.name: tool for tool in run.tools})
        refused = [one for one in run.asked if one.refusal is not None]
        for one in refused:
            if self.governor.raises and one.refusal is not None:
                raise one.refusal
        if refused:
            _replace(state, [*messages[:-1], *_split(messages[-1], run.asked)])
            run.asked = [one for one in run.asked if one.refusal is None]
        if run.stream is not None:
            await run.stream.screened(
                len(run.asked) + len(refused), [one.position for one in refused]
            )

    async def _after_tool(self, way: Way, state: State) -> None:  # noqa: ARG002
        """Raise what has to leave the run; take out what waits for an approval, and end the run."""
        run = self._open(state)
        if run.refusal is not None:
            raise run.refusal
        waiting = [one for one in run.asked if one.question is not None]
        if not waiting:
            return
        messages = [one for one in state.data["messages"] if not _stands_for(one, waiting)]
        at = max(number for number, one in enumerate(messages) if one.tool_calls)
        note = {
            "place": dict(run.place.ids),
            "calls": [{"id": one.id, "call": one.call.to_dict()} for one in waiting],
            "questions": [one.question for one in waiting],
        }
        # By this note the run can be resumed in another process.
        messages[at] = replace(messages[at], _meta={**messages[at].meta, CONTEXT: note})
        _replace(state, messages)
        state.set("stop_run", APPROVAL)

    # The answer

    async def _on_exit(self, way: Way, state: State) -> None:
        """Judge a final answer that is the result of a tool."""
        run = self._open(state)
        messages = state.data["messages"]
        last = messages[-1]
        if is_refusal(last):
            state.set("exit_reason", REFUSED)
        if last.is_from(ChatRole.ASSISTANT):
            return  # judged where the model gave it, before it was streamed
        try:
            final = await self._judged(way, run, "output", last)
        except ActionRefused as refusal:
            if self.governor.raises:
                raise
            final = refusal_message(refusal)
            state.set("exit_reason", REFUSED)
        _replace(state, [*messages[:-1], final])

    async def _judged(self, way: Way, run: Run, kind: str, message: ChatMessage) -> ChatMessage:
        """Return a message with what of its text may go in or out."""
        result = message.tool_call_result
        if result is None and not message.texts:
            return message
        text = "\n".join(message.texts) if result is None else str(result.result)
        released = await self.governor.adapter.text(way, run.place, kind, text)
        if released == text:
            return message
        if result is None:
            return with_text(message, released)
        return ChatMessage.from_tool(released, origin=result.origin, error=result.error)


def with_hooks(
    governor: Governor, hooks: Mapping[HookPoint, Sequence[Hook]]
) -> dict[HookPoint, list[Hook]]:
    """Return the hooks of an agent with those of the governor among them.

    They come last, when the agent's own have changed what they will; after the tools they come first, so
    that no other hook works on what stands for a result.
    """
    made = {point: list(given) for point, given in hooks.items()}
    for point in _POINTS:
        mine = GovernedHook(governor, point)
        there = made.setdefault(point, [])
        there.insert(0 if point == "after_tool" else len(there), mine)
    return made


def questions(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what has to be answered before an agent can go on that returned `result`; none, if nothing.

    Each question says which `approval` it is, the `tool`, its `arguments` exactly as they will run, the
    `rule` that asks, the `approvers` and when it `expires`.
    """
    parked = _parked(result.get("messages") or [])
    return [] if parked is None else list(parked[1]["questions"])


def _context(state: State) -> Mapping[str, Any]:
    """Return what the application says about this run."""
    found = (state.data.get("hook_context") or {}).get(CONTEXT) or {}
    if not isinstance(found, Mapping) or found.keys() - {"session", "answers"}:
        raise ConfigurationError(
            f"hook_context[{CONTEXT!r}] is {{'session': '<id>', 'answers': [{{'approval', 'approved', "
            f"'by'}}, …]}}, both optional, and not {found!r}"
        )
    return found


def _parked(messages: Sequence[ChatMessage]) -> tuple[int, Mapping[str, Any]] | None:
    """Return where the message is whose calls wait for an answer, and the note in it."""
    for number in range(len(messages) - 1, -1, -1):
        note = messages[number].meta.get(CONTEXT)
        if messages[number].tool_calls and isinstance(note, Mapping):
            return number, note
    return None


def _stands_for(message: ChatMessage, waits: Sequence[Asked]) -> bool:
    """Whether a message holds the place of a result of one of these calls."""
    return any(
        result.error and result.result == waiting(one.question or {})
        for result in message.tool_call_results
        for one in waits
    )


def _split(message: ChatMessage, asked: Sequence[Asked]) -> list[ChatMessage]:
    """Return an answer with the refused calls, their refusals, and an answer with the other calls.

    Haystack runs the calls of the last message, and shows each with its result to whoever streams.
    """
    words = replace(
        message, _content=[one for one in message._content if one not in message.tool_calls]
    )
    refused = [one for one in asked if one.refusal is not None]
    split = [replace(words, _content=[*words._content, *(one.call for one in refused)])]
    split += [
        ChatMessage.from_tool(str(one.refusal), origin=one.call, error=True) for one in refused
    ]
    if rest := [one.call for one in asked if one.refusal is None]:
        split.append(ChatMessage.from_assistant(tool_calls=rest))
    return split


def _since(messages: Sequence[ChatMessage]) -> int:
    """Return where what people said since the model last spoke begins."""
    spoken = [n for n, one in enumerate(messages) if one.is_from(ChatRole.ASSISTANT)]
    return spoken[-1] + 1 if spoken else 0


def _once(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Return the messages of a resumed run without the system prompt that the agent put there again."""
    again = (
        len(messages) > 1
        and all(one.is_from(ChatRole.SYSTEM) for one in messages[:2])
        and messages[0].texts == messages[1].texts
    )
    return messages[1:] if again else messages


def _replace(state: State, messages: list[ChatMessage]) -> None:
    state.set("messages", messages, handler_override=replace_values)
