"""Model calls: the request, the answer as a whole, and the pieces of a stream."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from agent_framework import (
    ChatContext,
    ChatMiddleware,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionTool,
    Message,
    MiddlewareFailure,
    ResponseStream,
)

from wardline import ActionRefused, ConfigurationError
from wardline.adapters import Call, Way, same
from wardline_agent_framework._functions import actions_of
from wardline_agent_framework._run import KEY, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from wardline import Permit

__all__ = ["ChatGate", "digest", "is_call", "refusal_message"]

_LOOP = Way(loop=True)
_CHARACTERS_A_TOKEN = 4


def digest(text: str) -> str:
    """Return what a run remembers of a text that was released."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_call(content: Content) -> bool:
    """Whether `content` is the call of a tool, or a piece of one."""
    return content.type == "function_call"


def refusal_message(refused: Exception) -> Message:
    """Return what the agent says where its model may not be asked, or may not answer."""
    properties = {KEY: {"refused": True}}
    return Message(
        role="assistant",
        contents=[Content.from_text(str(refused), additional_properties=properties)],
    )


class ChatGate(ChatMiddleware):
    """Stands before the model of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._held = run.adapter.guard.policies.speaks_of("output")

    async def process(self, context: ChatContext, call_next: Callable[[], Awaitable[None]]) -> None:
        """Authorise a model call and judge its answer, with all calls in it, before anybody sees it."""
        try:
            await self._process(context, call_next)
        except ActionRefused as refused:
            if self._run.raises:
                raise MiddlewareFailure(str(refused)) from refused
            context.result = self._refusal(context, refused)

    async def _process(
        self, context: ChatContext, call_next: Callable[[], Awaitable[None]]
    ) -> None:
        adapter, place = self._run.adapter, self._run.place
        name = self._name(context)
        with adapter.guard.refusing("model_call", name):
            self._refuse_hosted(context)
            call = Call(name, self._arguments(context))
        if not context.stream:
            answer: ChatResponse[Any] = await adapter.act(
                _LOOP,
                place,
                call,
                lambda args, permit: self._asked(context, call, args, permit, call_next),
                kind="model_call",
                result=_Answer,
                usage=lambda answer: self._usage(context, [answer]),
            )
            answer = await self._spoken(answer)
            await self._screen(context, answer.messages)
            context.result = answer
            return
        permit = await adapter.permit(_LOOP, place, call, kind="model_call")
        inner = await self._asked(context, call, dict(permit.arguments), permit, call_next)
        updates = self._updates(context, call, permit, inner)
        context.result = ResponseStream(updates, finalizer=partial(_whole, context))

    async def _asked(
        self,
        context: ChatContext,
        call: Call,
        args: dict[str, Any],
        permit: Permit,
        call_next: Callable[[], Awaitable[None]],
    ) -> Any:
        if not same(args, dict(call.args)):
            refusing = self._run.adapter.guard.refusing("model_call", permit.action.name)
            with permit, refusing:
                raise ConfigurationError(
                    "a rule changes the arguments of a model call, and the request would still be the "
                    "one before; change what the user says (on: input), or deny the call"
                )
        try:
            await call_next()
        except BaseException as error:
            if not permit.closed and context.stream:
                await permit.aside(permit.ended, error)
            raise
        return context.result

    async def _updates(
        self, context: ChatContext, call: Call, permit: Permit, inner: Any
    ) -> AsyncIterator[ChatResponseUpdate]:
        """Yield the pieces of an answer as far as they may be seen; those of calls only as a whole."""
        try:
            stream = self._run.adapter.astream(
                self._run.place,
                call,
                lambda *_: inner,
                way=_LOOP,
                whole=_Pieces,
                usage=lambda updates: self._usage(context, [_whole(context, updates)]),
                hold=self._held,
                permit=permit,
            )
            calls: list[ChatResponseUpdate] = []
            if self._held:
                updates = [update async for update in stream]
                if not any(map(is_call, _contents(updates))):
                    updates = await self._said(updates)
                for update in updates:
                    if any(map(is_call, update.contents)):
                        calls.append(update)
                    else:
                        yield update
            else:
                async with aclosing(stream):  # type: ignore[type-var]
                    async for update in stream:
                        if any(map(is_call, update.contents)):
                            calls.append(update)
                        else:
                            yield update
            if calls:
                _name_calls(calls)
                whole = _whole(context, calls)
                refused = await self._screen(context, whole.messages)
                for update in calls:
                    for content in update.contents:
                        if is_call(content) and (content.call_id or "") in refused:
                            content.additional_properties[KEY] = {"refused": True}
                    yield update
        except ActionRefused as refused:
            if self._run.raises:
                raise MiddlewareFailure(str(refused)) from refused
            self._run.released.add(digest(str(refused)))
            yield _update(refused)

    def _refusal(self, context: ChatContext, refused: ActionRefused) -> Any:
        self._run.released.add(digest(str(refused)))
        if not context.stream:
            return ChatResponse(messages=[refusal_message(refused)])

        async def one() -> AsyncIterator[ChatResponseUpdate]:
            yield _update(refused)

        return ResponseStream(one(), finalizer=partial(_whole, context))

    # The calls of an answer

    async def _screen(
        self, context: ChatContext, messages: Sequence[Message]
    ) -> dict[str, ActionRefused]:
        """Judge all calls of one answer together, before any of them runs; mark what is refused."""
        run = self._run
        run.refused = {}
        calls = [one for message in messages for one in message.contents if is_call(one)]
        calls = [one for one in calls if not one.informational_only]
        with run.adapter.guard.refusing("tool_call", "*"):
            tools = {one.name: one for one in _tools(context) if isinstance(one, FunctionTool)}
            planned = [
                (one.call_id or "", action) for one in calls for action in self._planned(one, tools)
            ]
        refused = await run.adapter.screen(_LOOP, run.place, [action for _, action in planned])
        for (call_id, _), refusal in zip(planned, refused, strict=True):
            if refusal is not None:
                run.refused.setdefault(call_id, refusal)
        if run.raises and run.refused:
            raise next(iter(run.refused.values()))
        for one in calls:
            if (one.call_id or "") in run.refused:
                one.additional_properties[KEY] = {"refused": True}
        return run.refused

    def _planned(self, content: Content, tools: dict[str, FunctionTool]) -> list[Call]:
        if content.id is None and content.call_id:
            content.id = f"call-{uuid4().hex}"
        name, id = content.name or "", content.id or content.call_id or ""
        args = content.parse_arguments() or {}
        tool = tools.get(name)
        if tool is None:
            return [Call(name, args, id=id, kind="tool_call", known=False)]
        *around, call = actions_of(self._run, tool, args, id)
        return [*around, call]

    # The text of an answer

    async def _spoken(self, answer: ChatResponse[Any]) -> ChatResponse[Any]:
        """Judge the final answer of an agent."""
        if not self._held or any(is_call(one) for m in answer.messages for one in m.contents):
            return answer
        released = await self._judged(answer.text)
        return answer if released == answer.text else _with_text(answer, released)

    async def _said(self, updates: list[ChatResponseUpdate]) -> list[ChatResponseUpdate]:
        text = "".join(update.text for update in updates)
        released = await self._judged(text)
        return updates if released == text else _Pieces(updates).released(released)

    async def _judged(self, text: str) -> str:
        if not text:
            return text
        run = self._run
        released = await run.adapter.text(_LOOP, run.place, "output", text)
        run.released.add(digest(released))
        return released

    # The request

    @staticmethod
    def _name(context: ChatContext) -> str:
        options: Any = context.options or {}
        client: Any = context.client
        name = options.get("model") or getattr(client, "model", None)
        return str(name or type(client).__name__)

    def _arguments(self, context: ChatContext) -> dict[str, Any]:
        args: dict[str, Any] = {
            "message_count": len(context.messages),
            "tools": [one.name for one in _tools(context) if isinstance(one, FunctionTool)],
        }
        if self._run.adapter.reads("messages"):
            args["messages"] = [
                {"type": str(one.role), "text": _readable(one)} for one in context.messages
            ]
        return args

    def _refuse_hosted(self, context: ChatContext) -> None:
        """Refuse a request that offers tools which somebody else than this process would run."""
        for tool in _tools(context):
            if isinstance(tool, FunctionTool) and not tool.declaration_only:
                continue
            name = _tool_name(tool)
            with self._run.adapter.guard.refusing("tool_call", name):
                raise ConfigurationError(
                    f"this process does not execute `{name}`: the provider of the model, or who called "
                    "the agent, does, so it cannot be judged before it runs. Take it out, or replace it "
                    "by a function"
                )

    def _usage(self, context: ChatContext, answers: Sequence[ChatResponse[Any]]) -> dict[str, int]:
        """Return what the model says it took; where it says nothing and it counts, an approximation."""
        for answer in answers:
            used: Any = answer.usage_details or {}
            if used.get("total_token_count") is not None:
                return {"tokens": int(used["total_token_count"])}
        if not self._run.adapter.counts_tokens:
            return {}
        said = sum(len(_readable(one)) for one in context.messages)
        said += sum(len(answer.text) for answer in answers)
        return {"tokens": said // _CHARACTERS_A_TOKEN + 1}


def _tools(context: ChatContext) -> list[Any]:
    options: Any = context.options or {}
    tools = options.get("tools") or []
    return list(tools) if isinstance(tools, list | tuple) else [tools]


def _tool_name(tool: Any) -> str:
    if isinstance(tool, dict):
        function = tool.get("function")
        named = function.get("name") if isinstance(function, dict) else None
        return str(named or tool.get("name") or tool.get("type") or tool)
    return str(getattr(tool, "name", type(tool).__name__))


def _readable(message: Message) -> str:
    """Return the text of a message, results of tools included."""
    texts = [message.text, *(str(one.result) for one in message.contents if one.result is not None)]
    return "\n".join(text for text in texts if text)


def _contents(updates: Sequence[ChatResponseUpdate]) -> list[Content]:
    return [content for update in updates for content in update.contents]


def _whole(context: ChatContext, updates: Sequence[ChatResponseUpdate]) -> ChatResponse[Any]:
    options: Any = context.options or {}
    return ChatResponse.from_updates(
        list(updates), output_format_type=options.get("response_format")
    )


def _name_calls(updates: Sequence[ChatResponseUpdate]) -> None:
    """Give all pieces of a call one id of its occurrence."""
    names: dict[str, str] = {}
    for content in _contents(updates):
        if is_call(content) and content.call_id and content.id is None:
            content.id = names.setdefault(content.call_id, f"call-{uuid4().hex}")


def _update(refused: Exception) -> ChatResponseUpdate:
    message = refusal_message(refused)
    return ChatResponseUpdate(role="assistant", contents=list(message.contents))


def _with_text(answer: ChatResponse[Any], text: str) -> ChatResponse[Any]:
    """Return an answer with nothing in it but `text` and the calls of tools."""
    said = [Message(role="assistant", contents=[Content.from_text(text)])] if text else []
    calls = [[one for one in message.contents if is_call(one)] for message in answer.messages]
    said.extend(Message(role="assistant", contents=found) for found in calls if found)
    return ChatResponse(
        messages=said,
        response_id=answer.response_id,
        conversation_id=answer.conversation_id,
        usage_details=answer.usage_details,
        finish_reason=answer.finish_reason,
    )


class _Answer:
    """What a model answered: its text."""

    failed = ""

    def __init__(self, answer: ChatResponse[Any]) -> None:
        self._answer = answer
        self.content: Any = answer.text

    def released(self, content: Any) -> ChatResponse[Any]:
        """Return the answer with `content` for all its text."""
        return _with_text(self._answer, str(content))


class _Pieces:
    """What a model answered in pieces: their text."""

    failed = ""

    def __init__(self, updates: list[ChatResponseUpdate]) -> None:
        self._updates = updates
        self.content: Any = "".join(update.text for update in updates)

    def released(self, content: Any) -> list[ChatResponseUpdate]:
        """Return pieces with `content` for all their text, and the calls of tools."""
        kept = [one for one in self._updates if any(map(is_call, one.contents))]
        for update in kept:
            update.contents = [one for one in update.contents if is_call(one)]
        text = ChatResponseUpdate(role="assistant", contents=[Content.from_text(str(content))])
        return [text, *kept]
