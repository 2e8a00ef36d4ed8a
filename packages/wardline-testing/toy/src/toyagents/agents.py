"""Agents: the loop of model and tools, with and without an event loop, and as a stream."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from toyagents.messages import Answer, Call, Event, Message, Request, ToolRequest
from toyagents.runs import Context, Refused, Run, Suspend
from toyagents.tools import Tool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from toyagents.hooks import Hook

__all__ = ["Agent", "HandOff"]

Effects = "Generator[tuple[Any, ...], Any, Run]"


class HandOff(LookupError):
    """A model hands over to an agent that its own does not know."""


class Agent:
    """An agent: a model, tools, agents that it calls like tools, and agents that it hands over to.

    A model has `answer(request)` and `aanswer(request)`. Conversations are kept in `folder`.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        tools: Sequence[Tool] = (),
        *,
        agents: Sequence[Agent] = (),
        hand_overs: Sequence[Agent] = (),
        hooks: Sequence[Hook] = (),
        hosted: Sequence[str] = (),
        folder: str | Path = ".toyagents",
    ) -> None:
        self.name = name
        self.model = model
        self.tools = [*tools, *(self._as_tool(one) for one in agents)]
        self.agents = list(agents)
        self.hand_overs = {one.name: one for one in hand_overs}
        self.hooks = list(hooks)
        self.hosted = tuple(hosted)
        self.folder = Path(folder)
        self._outer: contextvars.ContextVar[tuple[Hook, ...]] = contextvars.ContextVar(
            f"outer-{id(self)}", default=()
        )

    def _as_tool(self, agent: Agent) -> Tool:
        def function(task: str) -> str:
            agent._outer.set(self._handed_down())
            return agent.run(task).final

        async def coroutine(task: str) -> str:
            agent._outer.set(self._handed_down())
            return (await agent.arun(task)).final

        return Tool(agent.name, "An agent.", function, coroutine, agent=agent)

    def _handed_down(self) -> tuple[Hook, ...]:
        return tuple(one for one in self._all_hooks() if one.inherits)

    def _all_hooks(self) -> list[Hook]:
        return [*self._outer.get(), *self.hooks]

    # The three entry points

    def run(self, prompt: str = "", *, thread: str = "", resume: Any = None) -> Run:
        """Run without an event loop; with `resume`, go on with a suspended run."""
        context, hooks = self._context(thread, resume), self._all_hooks()
        try:
            flow = self._flow(context, prompt, resume, hooks)
            effect = next(flow)
            while True:
                effect = flow.send(self._do(effect))
        except StopIteration as end:
            run: Run = end.value
            return run
        finally:
            for hook in hooks:
                hook.on_end(context)

    async def arun(self, prompt: str = "", *, thread: str = "", resume: Any = None) -> Run:
        """Do what `run` does inside an event loop."""
        return await self._arun(self._context(thread, resume), prompt, resume)

    async def _arun(self, context: Context, prompt: str, resume: Any) -> Run:
        hooks = self._all_hooks()
        flow = self._flow(context, prompt, resume, hooks)
        try:
            effect = next(flow)
            while True:
                done = await self._ado(effect)
                try:
                    effect = flow.send(done)
                except StopIteration as end:
                    run: Run = end.value
                    return run
        finally:
            for hook in hooks:
                hook.on_end(context)

    async def astream(
        self, prompt: str = "", *, thread: str = "", resume: Any = None
    ) -> AsyncIterator[Event | Run]:
        """Yield what happens as it happens, and the run last."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        context = self._context(thread, resume)
        context.emit = queue.put_nowait
        task = asyncio.create_task(self._arun(context, prompt, resume))
        task.add_done_callback(lambda _: queue.put_nowait(None))
        try:
            while (event := await queue.get()) is not None:
                yield event
            yield await task
        finally:
            task.cancel()

    # The flow, which does not care how it is driven

    def _context(self, thread: str, resume: Any) -> Context:
        if resume is not None:
            return Context.load(self.folder, thread)
        return Context(self.name, thread or uuid4().hex)

    def _flow(self, context: Context, prompt: str, resume: Any, hooks: list[Hook]) -> Any:
        agent = self
        if resume is None:
            text = yield "on_input", hooks, (context, prompt)
            context.messages.append(Message("user", text))
        elif context.agent != self.name:
            agent, hooks = self._over_to(context.agent, hooks)
        while True:
            if not context.pending:
                request = Request(context, context.messages, agent.tools, agent.hosted)
                answer = yield "model", hooks, (agent, request)
                context.messages.append(
                    Message("assistant", answer.text, answer.calls, id=answer.id)
                )
                if answer.hand_over:
                    task = (answer.hand_over, answer.text)
                    why = ""
                    for hook in hooks:
                        why = why or (yield "on_hand_over", [hook], (context, *task))
                    if why:
                        context.messages.append(Message("tool", why, call_id="over", error=True))
                        continue
                    agent, hooks = agent._over_to(answer.hand_over, hooks)
                    context.agent = agent.name
                    continue
                if not answer.calls:
                    final = yield "on_final", hooks, (context, answer.text)
                    _emit(context, "final", final)
                    return Run(final, context.messages)
                refused: dict[str, str] = {}
                for hook in hooks:
                    refused |= yield "on_answer", [hook], (context, answer)
                _emit_calls(context, answer, refused, held=request.hold)
                for call_id, text in refused.items():
                    context.messages.append(_failed(context, call_id, text))
                context.pending = {
                    call.id: answer.id for call in answer.calls if call.id not in refused
                }
            calls = [
                call
                for message in context.messages
                for call in message.calls
                if context.pending.get(call.id) == message.id
            ]
            done = yield "tools", hooks, (agent, context, calls, resume or {})
            resume = None
            questions = [one.question for one in done if isinstance(one, Suspend)]
            for call, result in zip(calls, done, strict=True):
                if not isinstance(result, Suspend):
                    del context.pending[call.id]
                    context.messages.append(result)
            if questions:
                context.save(self.folder, questions)
                return Run("", context.messages, questions)

    def _over_to(self, name: str, hooks: list[Hook]) -> tuple[Agent, list[Hook]]:
        if name not in self.hand_overs:
            raise HandOff(f"{self.name} cannot hand over to {name}")
        target = self.hand_overs[name]
        kept = [one for one in hooks if one.inherits]
        return target, [*kept, *(one for one in target.hooks if one not in kept)]

    # What it takes, without an event loop and inside one

    def _do(self, effect: tuple[Any, ...]) -> Any:
        what, hooks, args = effect
        if what == "model":
            agent, request = args
            call: Any = partial(_asked, agent)
            for hook in reversed(hooks):
                call = partial(hook.wrap_model, call=call)
            return call(request)
        if what == "tools":
            agent, context, calls, resume = args
            work = [
                partial(contextvars.copy_context().run, agent._tool, hooks, context, call, resume)
                for call in calls
            ]
            if len(work) == 1:
                return [work[0]()]
            with ThreadPoolExecutor(4) as pool:
                return [one.result() for one in [pool.submit(one) for one in work]]
        context, value, *rest = args
        for hook in hooks:
            value = getattr(hook, what)(context, value, *rest)
        return value

    def _tool(self, hooks: list[Hook], context: Context, call: Call, resume: Any) -> Any:
        tool = next((one for one in self.tools if one.name == call.name), None)
        if tool is None:
            return _failed(context, call.id, f"there is no tool {call.name!r}")
        if tool.raw:
            hooks = []

        def body(request: ToolRequest) -> Any:
            for hook in hooks:
                hook.on_start(request)
            return request.tool.call(request.call.args)

        run: Any = body
        for hook in reversed(hooks):
            run = partial(hook.wrap_tool, call=run)
        for left in range(tool.retries, -1, -1):
            request = _tool_request(context, tool, call, resume)
            try:
                return _done(context, call.id, run(request))
            except Suspend as suspend:
                return suspend
            except Refused as refused:
                return _failed(context, call.id, str(refused))
            except PermissionError:
                raise
            except Exception as error:  # noqa: BLE001 - a tool may raise what it likes
                if not left:
                    return _failed(context, call.id, f"{type(error).__name__}: {error}")
        raise AssertionError("unreachable")

    async def _ado(self, effect: tuple[Any, ...]) -> Any:
        what, hooks, args = effect
        if what == "model":
            agent, request = args
            call: Any = partial(_aasked, agent)
            for hook in reversed(hooks):
                call = partial(hook.awrap_model, call=call)
            return await call(request)
        if what == "tools":
            agent, context, calls, resume = args
            return await asyncio.gather(
                *(agent._atool(hooks, context, call, resume) for call in calls)
            )
        context, value, *rest = args
        for hook in hooks:
            value = await getattr(hook, f"a{what}")(context, value, *rest)
        return value

    async def _atool(self, hooks: list[Hook], context: Context, call: Call, resume: Any) -> Any:
        tool = next((one for one in self.tools if one.name == call.name), None)
        if tool is None:
            return _failed(context, call.id, f"there is no tool {call.name!r}")
        if tool.raw:
            hooks = []

        async def body(request: ToolRequest) -> Any:
            for hook in hooks:
                hook.on_start(request)
            return await request.tool.acall(request.call.args)

        run: Any = body
        for hook in reversed(hooks):
            run = partial(hook.awrap_tool, call=run)
        for left in range(tool.retries, -1, -1):
            request = _tool_request(context, tool, call, resume)
            try:
                return _done(context, call.id, await run(request))
            except Suspend as suspend:
                return suspend
            except Refused as refused:
                return _failed(context, call.id, str(refused))
            except PermissionError:
                raise
            except Exception as error:  # noqa: BLE001 - a tool may raise what it likes
                if not left:
                    return _failed(context, call.id, f"{type(error).__name__}: {error}")
        raise AssertionError("unreachable")


def _tool_request(context: Context, tool: Tool, call: Call, resume: Any) -> ToolRequest:
    own = Call(call.name, dict(call.args), call.id)
    return ToolRequest(context, tool, own, context.pending[call.id], resume.get(call.id))


def _asked(agent: Agent, request: Request) -> Answer:
    answer: Answer = agent.model.answer(request)
    return _named(request, answer)


async def _aasked(agent: Agent, request: Request) -> Answer:
    return _named(request, await agent.model.aanswer(request))


def _named(request: Request, answer: Answer) -> Answer:
    answer.id = answer.id or uuid4().hex
    if not request.hold:
        for word in answer.text.split(" "):
            _emit(request.context, "text", f"{word} ")
        for call in answer.calls:
            _emit(request.context, "call", f"{call.name} {call.args}")
    return answer


def _emit_calls(context: Context, answer: Answer, refused: dict[str, str], *, held: bool) -> None:
    for call in answer.calls:
        if held and call.id not in refused:
            _emit(context, "call", f"{call.name} {call.args}")


def _done(context: Context, call_id: str, result: Any) -> Message:
    _emit(context, "result", str(result))
    return Message("tool", str(result), call_id=call_id)


def _failed(context: Context, call_id: str, text: str) -> Message:
    _emit(context, "result", text)
    return Message("tool", text, call_id=call_id, error=True)


def _emit(context: Context, kind: str, text: str) -> None:
    if context.emit is not None and text:
        context.emit(Event(kind, text))
