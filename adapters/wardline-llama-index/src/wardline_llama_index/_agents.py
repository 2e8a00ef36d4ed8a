"""Agents and workflows of agents: the steps of LlamaIndex at which something is decided."""

# `step` reads the annotations of what it decorates, so they are no strings here.

from collections.abc import Sequence
from typing import Any, ClassVar

from llama_index.core.agent.workflow import (
    AgentInput,
    AgentOutput,
    AgentStream,
    FunctionAgent,
    ToolCall,
    ToolCallResult,
)
from llama_index.core.agent.workflow.workflow_events import AgentWorkflowStartEvent
from llama_index.core.llms import ChatMessage
from llama_index.core.memory.types import DEFAULT_CHAT_STORE_KEY
from llama_index.core.tools import ToolSelection
from llama_index.core.workflow import Context, step

from wardline import Action, ActionRefused
from wardline.adapters import Place, Way
from wardline_llama_index._results import refusal_output, refused_by, with_text
from wardline_llama_index._tools import calling, screen
from wardline_llama_index._turns import FRAMEWORK, Turn, current, delegated, load, opened, save

__all__ = ["GovernedAgent", "GovernedHost"]

_WAY = Way(loop=True)


class GovernedHost:
    """What runs agents, one of them or several: it starts the run, hands out tools and calls them."""

    wardline: ClassVar[Any]
    """The governor, which is why there is a class of this for each."""

    @step
    async def init_run(self, ctx: Context, ev: AgentWorkflowStartEvent) -> AgentInput:
        """Open the session, and judge what the user said before it is remembered."""
        turn = await self._open(ctx, ev)
        said = ev.get("user_msg", None)
        text = said.content or "" if isinstance(said, ChatMessage) else str(said or "")
        if said is not None:
            try:
                released = await self.wardline.adapter.text(_WAY, turn.place, "input", text)
            except ActionRefused as refusal:
                if self.wardline.raises:
                    raise
                released = turn.kept["refusal"] = str(refusal)
                await save(ctx, turn.kept)
            if released != text:
                message = ChatMessage(role="user", content=released)
                ev = AgentWorkflowStartEvent(**{**dict(ev.items()), "user_msg": message})
        started: AgentInput = await super().init_run(ctx, ev)  # type: ignore[misc]
        return started

    async def _open(self, ctx: Context, ev: AgentWorkflowStartEvent) -> Turn:
        """Return what is known of the conversation, or begin one.

        An agent that starts inside of another's tool has been delegated to.
        """
        guard = self.wardline.adapter.guard
        name = self._name()
        with guard.refusing("run", name):
            turn = await load(guard, ctx)
            if turn is not None and guard.here() is None:
                turn.kept.update(refusal="", next=None)
                return turn
            if guard.here() is not None and delegated.get() != id(self):
                await self._delegated(name, str(ev.get("user_msg", None) or ""))
            session = _conversation(ev.get("memory", None))
            place = Place.open(guard, FRAMEWORK, session=session, agent=name)
            turn = Turn(guard, opened(place))
            await save(ctx, turn.kept)
        return turn

    async def _delegated(self, name: str, text: str) -> None:
        """Authorise that this agent is started by whoever takes the action outside."""
        guard = self.wardline.adapter.guard
        guard.register("delegation", name)
        action = Action("delegation", name, {"text": text}, framework=FRAMEWORK)
        async with await guard.aauthorize(action) as permit:
            await permit.aside(permit.succeeded)

    def _name(self) -> str:
        """Return the name under which this one acts for another."""
        return str(getattr(self, "name", None) or getattr(self, "root_agent", "") or "agent")

    async def get_tools(self, *args: Any, **kwargs: Any) -> Sequence[Any]:
        """Return governed copies of the tools, wherever they come from."""
        tools = await super().get_tools(*args, **kwargs)  # type: ignore[misc]
        with self.wardline.adapter.guard.refusing("tool_call", "*"):
            return [self.wardline.tool(one) for one in tools]

    @step
    async def call_tool(self, ctx: Context, ev: ToolCall) -> ToolCallResult:
        """Run one call, with its own id at hand."""
        guard = self.wardline.adapter.guard
        with guard.refusing("tool_call", ev.tool_name):
            turn = await load(guard, ctx) or Turn(guard, opened(Place.open(guard, FRAMEWORK)))
        tokens = current.set((turn, ctx)), calling.set(ev.tool_id)
        try:
            result: ToolCallResult = await super().call_tool(ctx, ev)  # type: ignore[misc]
        finally:
            current.reset(tokens[0])
            calling.reset(tokens[1])
        refusal = refused_by(result.tool_output) if self.wardline.raises else None
        if refusal is not None:
            raise refusal
        return result

    async def _get_llm_response(self, ctx: Context, *args: Any, **kwargs: Any) -> Any:
        """Ask the model for the answer to which a run is forced that takes too many steps."""
        turn = await load(self.wardline.adapter.guard, ctx)
        token = current.set((turn, ctx) if turn is not None else None)
        try:
            return await super()._get_llm_response(ctx, *args, **kwargs)  # type: ignore[misc]
        finally:
            current.reset(token)


class GovernedAgent(GovernedHost):
    """An agent, alone or inside of a workflow of agents: it asks the model, and its answer is screened."""

    async def take_step(self, ctx: Any, llm_input: Any, tools: Any, memory: Any) -> AgentOutput:
        """Ask the model until it says what may be done; return that alone."""
        governor = self.wardline
        guard = governor.adapter.guard
        with guard.refusing("model_call", "*"):
            turn = await self._turn(ctx)
        if turn.kept["refusal"]:
            return self._said(turn.kept["refusal"])
        limit = await ctx.store.get("max_iterations", default=20)
        for _ in range(limit):
            held = guard.policies.speaks_of("output")
            quiet = _Quiet(ctx, turn.kept["refused"], held=held, in_words=self._calls_in_words())
            turn.kept["answers"] += 1
            await save(ctx, turn.kept)
            token = current.set((turn, ctx))
            try:
                output: AgentOutput = await super().take_step(  # type: ignore[misc]
                    quiet, llm_input, tools, memory
                )
                output, done = await self._judged(turn, quiet, output, tools, memory)
            except ActionRefused as refusal:
                if governor.raises:
                    raise
                return self._said(str(refusal))
            finally:
                current.reset(token)
            if done:
                return output
        return self._said("the run was ended: the model asked for nothing but what is refused")

    async def _turn(self, ctx: Any) -> Turn:
        guard = self.wardline.adapter.guard
        turn = await load(guard, ctx)
        if turn is None:
            turn = Turn(guard, opened(Place.open(guard, FRAMEWORK, agent=self._name())))
        if turn.kept["next"] is not None:
            # The conversation was handed over to this agent.
            turn = Turn(guard, {**turn.kept, "place": turn.kept["next"], "next": None})
        await save(ctx, turn.kept)
        return turn

    async def _judged(
        self, turn: Turn, quiet: "_Quiet", output: AgentOutput, tools: Any, memory: Any
    ) -> tuple[AgentOutput, bool]:
        """Return what may come of an answer, and whether anything does."""
        governor, ctx = self.wardline, quiet.ctx
        if not output.tool_calls:
            if not output.retry_messages:
                output = await self._released(turn, ctx, output)
            quiet.release(output.response.content or "")
            return output, True
        named = {one.metadata.name: one for one in tools}
        agents = await ctx.store.get("agents", default=[])
        verdicts = await screen(governor, turn, output.tool_calls, named, agents)
        refused = [
            (call, why)
            for call, why in zip(output.tool_calls, verdicts, strict=True)
            if why is not None
        ]
        if not refused:
            quiet.release(None)
            return output, True
        if governor.raises:
            raise refused[0][1]
        rest = [call for call, why in zip(output.tool_calls, verdicts, strict=True) if why is None]
        turn.kept["refused"] = [*turn.kept["refused"], *(call.tool_id for call, _ in refused)]
        await save(ctx, turn.kept)
        await self._answered(ctx, output, refused, rest, memory)
        response = _with_calls(output.response, {one.tool_id for one in rest}, words=False)
        made = AgentOutput(
            response=response,
            tool_calls=rest,
            raw=None,
            current_agent_name=output.current_agent_name,
        )
        return made, bool(rest)

    async def _answered(
        self,
        ctx: Any,
        output: AgentOutput,
        refused: Sequence[tuple[ToolSelection, ActionRefused]],
        rest: Sequence[ToolSelection],
        memory: Any,
    ) -> None:
        """Answer the refused calls in the agent's own transcript, and show that they were refused.

        Providers want every call answered before the next message, and the events of an answer show its
        calls to whoever streams: so the refused ones, with their answers, come in a message before.
        """
        results = [
            ToolCallResult(
                tool_name=call.tool_name,
                tool_kwargs={},
                tool_id=call.tool_id,
                tool_output=refusal_output(call.tool_name, why),
                return_direct=False,
            )
            for call, why in refused
        ]
        pad = getattr(self, "scratchpad_key", "")
        if pad:
            written = list(await ctx.store.get(pad, default=[]))
            asked = written.pop()
            gone = {call.tool_id for call, _ in refused}
            await ctx.store.set(pad, [*written, _with_calls(asked, gone, words=True)])
        await self.handle_tool_call_results(ctx, results, memory)  # type: ignore[attr-defined]
        if pad and rest:
            written = list(await ctx.store.get(pad, default=[]))
            kept = _with_calls(output.response, {one.tool_id for one in rest}, words=False)
            await ctx.store.set(pad, [*written, kept])
        done = list(await ctx.store.get("current_tool_calls", default=[]))
        await ctx.store.set("current_tool_calls", [*done, *results])
        for one in results:
            ctx.write_event_to_stream(one)

    async def _released(self, turn: Turn, ctx: Any, output: AgentOutput) -> AgentOutput:
        """Return a final answer as far as it may be given."""
        text = output.response.content or ""
        released = await self.wardline.adapter.text(_WAY, turn.place, "output", text)
        turn.kept["released"] = released
        await save(ctx, turn.kept)
        if released == text:
            return output
        message = with_text(output.response, released)
        pad = getattr(self, "scratchpad_key", "")
        written = list(await ctx.store.get(pad, default=[])) if pad else []
        if written:
            await ctx.store.set(pad, [*written[:-1], message])
        return output.model_copy(update={"response": message, "raw": None})

    async def finalize(self, ctx: Any, output: AgentOutput, memory: Any) -> AgentOutput:
        """Judge a final answer that is the result of a tool."""
        governor = self.wardline
        turn = await load(governor.adapter.guard, ctx)
        text = output.response.content or ""
        hands_over = turn is not None and turn.kept["next"] is not None
        if (
            turn is not None
            and not hands_over
            and output.tool_calls
            and text != turn.kept["released"]
        ):
            try:
                output = await self._released(turn, ctx, output)
            except ActionRefused as refusal:
                if governor.raises:
                    raise
                output = self._said(str(refusal))
        final: AgentOutput = await super().finalize(ctx, output, memory)  # type: ignore[misc]
        return final

    def _said(self, text: str) -> AgentOutput:
        """Return the answer that stands where the model may not give one."""
        message = ChatMessage(role="assistant", content=text)
        name = self._name()
        return AgentOutput(response=message, tool_calls=[], raw=None, current_agent_name=name)

    def _calls_in_words(self) -> bool:
        """Whether the model's calls are in the words that it streams."""
        return not isinstance(self, FunctionAgent)


class _Quiet:
    """The context of one step, which holds back what is streamed until it has been judged."""

    def __init__(self, ctx: Any, refused: list[str], *, held: bool, in_words: bool) -> None:
        self.ctx = ctx
        self._refused = refused
        self._held = held or in_words
        self._in_words = in_words
        self._events: list[AgentStream] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "ctx":
            raise AttributeError(name)
        return getattr(self.ctx, name)

    def write_event_to_stream(self, event: Any) -> None:
        """Pass an event on, or keep it; what the provider sent is not passed on, calls may be in it."""
        if isinstance(event, AgentInput):
            self.ctx.write_event_to_stream(self._without_refused(event))
        elif not isinstance(event, AgentStream):
            self.ctx.write_event_to_stream(event)
        elif self._held or event.tool_calls or self._events:
            self._events.append(event)
        else:
            self.ctx.write_event_to_stream(event.model_copy(update={"raw": None}))

    def _without_refused(self, event: AgentInput) -> AgentInput:
        """Return what the model is asked, without the calls that were refused."""
        if not self._refused:
            return event
        shown = [] if self._in_words else [_without(one, self._refused) for one in event.input]
        return event.model_copy(update={"input": shown})

    def release(self, text: str | None) -> None:
        """Pass on what was kept; where it does not say `text`, say that instead."""
        if text is not None and self._events and self._events[-1].response != text:
            last = self._events[-1]
            again = {"delta": text, "response": text, "raw": None, "thinking_delta": None}
            self._events = [last.model_copy(update=again)]
        for event in self._events:
            self.ctx.write_event_to_stream(event)
        self._events = []


def _conversation(memory: Any) -> str:
    """Return what a memory calls its conversation, "" where it is not called anything."""
    named = getattr(memory, "session_id", "") or getattr(memory, "chat_store_key", "")
    return "" if named in (None, DEFAULT_CHAT_STORE_KEY) else str(named)


def _with_calls(message: ChatMessage, ids: set[Any], *, words: bool) -> ChatMessage:
    """Return a message with those of its calls that have one of `ids`, and with its words if wanted."""
    blocks = [
        one
        for one in message.blocks
        if (one.tool_call_id in ids if one.block_type == "tool_call" else words)
    ]
    more = dict(message.additional_kwargs)
    calls = more.get("tool_calls")
    if isinstance(calls, list):
        more["tool_calls"] = [one for one in calls if _id_of(one) in ids]
    return ChatMessage(role=message.role, blocks=blocks, additional_kwargs=more)


def _without(message: ChatMessage, ids: Sequence[str]) -> ChatMessage:
    calls = {one.tool_call_id for one in message.blocks if one.block_type == "tool_call"}
    listed = message.additional_kwargs.get("tool_calls")
    calls |= {_id_of(one) for one in listed} if isinstance(listed, list) else set()
    return _with_calls(message, calls - set(ids), words=True) if calls & set(ids) else message


def _id_of(call: Any) -> Any:
    return call.get("id") if isinstance(call, dict) else getattr(call, "id", None)
