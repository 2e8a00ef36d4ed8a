"""Memory: what context and history providers bring into a conversation, and take out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_framework import (
    ContextProvider,
    HistoryProvider,
    InMemoryHistoryProvider,
    Message,
    SessionContext,
)

from wardline import ConfigurationError
from wardline.adapters import Attached, Call, Place, Plain, Way, beneath, put_before
from wardline_agent_framework._run import FRAMEWORK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wardline.adapters import Adapter, Result

__all__ = ["govern_provider"]

_LOOP = Way(loop=True)

_adapters: Attached[Adapter] = Attached()


def govern_provider(provider: ContextProvider, adapter: Adapter) -> None:
    """Stand in front of a provider; one that keeps the conversation's own messages is none of our business.

    Raises `ConfigurationError` for one that another guard has.
    """
    if isinstance(provider, InMemoryHistoryProvider):
        return
    known = _adapters.find(provider)
    if known is not None and known.guard is not adapter.guard:
        raise ConfigurationError(
            f"the provider `{provider.source_id}` is governed by another guard already; give each guard "
            "providers of its own"
        )
    history = isinstance(provider, HistoryProvider)
    put_before(provider, _GovernedHistory if history else _GovernedProvider)
    _adapters.attach(provider, adapter)


async def _judge(
    provider: Any,
    kind: str,
    args: dict[str, Any],
    body: Callable[[dict[str, Any]], Any],
    session: str | None,
    result: Callable[[Any], Result] = Plain,
) -> Any:
    adapter = _adapters.find(provider)
    assert adapter is not None, "a governed provider has its guard"
    with adapter.guard.refusing(kind, provider.source_id):
        place = Place.open(adapter.guard, FRAMEWORK, session=session or "")
        call = Call(provider.source_id, args)

    def run(judged: dict[str, Any], _: Any) -> Any:
        if kind == "memory_write" and judged["text"] != args["text"]:
            with adapter.guard.refusing(kind, provider.source_id):
                raise ConfigurationError(
                    "a rule changes the text, and this provider would still write the one before; deny it"
                )
        return body(judged)

    return await adapter.act(_LOOP, place, call, run, kind=kind, result=result)


def _text(messages: Sequence[Message]) -> str:
    return "\n".join(message.text for message in messages if message.text)


class _GovernedHistory:
    """The seam in front of a history that is kept outside the session."""

    async def get_messages(self, session_id: str | None, **more: Any) -> Any:
        """Read, if that may be, what of it may be seen."""
        own = beneath(self).get_messages
        return await _judge(
            self,
            "memory_read",
            {"query": ""},
            lambda _: own(self, session_id, **more),
            session_id,
            _Messages,
        )

    async def save_messages(
        self, session_id: str | None, messages: Sequence[Message], **more: Any
    ) -> None:
        """Write, if that may be."""
        own = beneath(self).save_messages
        await _judge(
            self,
            "memory_write",
            {"text": _text(messages)},
            lambda _: own(self, session_id, messages, **more),
            session_id,
        )


class _GovernedProvider:
    """The seam in front of a provider that adds to a run what it remembers, and remembers the run."""

    async def before_run(self, *, session: Any, context: SessionContext, **more: Any) -> None:
        """Let it add what it knows, if that may be, as far as it may be seen."""
        own = beneath(self).before_run
        scratch = SessionContext(
            session_id=context.session_id,
            service_session_id=context.service_session_id,
            input_messages=context.input_messages,
            options=context.options,
            metadata=context.metadata,
        )

        async def read(_: dict[str, Any]) -> SessionContext:
            await own(self, session=session, context=scratch, **more)
            return scratch

        found = await _judge(
            self,
            "memory_read",
            {"query": _text(context.input_messages)},
            read,
            session.session_id if session is not None else "",
            _Found,
        )
        for source, messages in found.context_messages.items():
            context.extend_messages(source, messages)
        context.instructions.extend(found.instructions)
        context.tools.extend(found.tools)
        for kind, middleware in found.middleware.items():
            context.middleware.setdefault(kind, []).extend(middleware)

    async def after_run(self, *, session: Any, context: SessionContext, **more: Any) -> None:
        """Let it remember what was said, if that may be."""
        own = beneath(self).after_run
        said = context.response.messages if context.response is not None else []
        await _judge(
            self,
            "memory_write",
            {"text": _text([*context.input_messages, *said])},
            lambda _: own(self, session=session, context=context, **more),
            session.session_id if session is not None else "",
        )


class _Messages:
    """Messages that were read: a list of their texts."""

    failed = ""

    def __init__(self, raw: Sequence[Message]) -> None:
        self._raw = raw
        self.content: Any = [message.text for message in raw]

    def released(self, content: Any) -> list[Message]:
        """Return messages with the texts of `content`; raises `ConfigurationError` for fewer."""
        if not isinstance(content, list) or len(content) != len(self._raw):
            raise ConfigurationError("what a memory holds stays a list of as many texts")
        return [
            message if message.text == text else Message(role=message.role, contents=[str(text)])
            for message, text in zip(self._raw, content, strict=True)
        ]


class _Found:
    """What a provider added to a run: a list of texts."""

    failed = ""

    def __init__(self, raw: SessionContext) -> None:
        self._raw = raw
        self._messages = [one for found in raw.context_messages.values() for one in found]
        self.content: Any = [*(one.text for one in self._messages), *raw.instructions]

    def released(self, content: Any) -> SessionContext:
        """Return it with the texts of `content`; raises `ConfigurationError` for fewer."""
        raw, count = self._raw, len(self._messages)
        if not isinstance(content, list) or len(content) != count + len(raw.instructions):
            raise ConfigurationError("what a memory holds stays a list of as many texts")
        texts = iter(content)
        for source, messages in raw.context_messages.items():
            raw.context_messages[source] = _Messages(messages).released(
                [next(texts) for _ in messages]
            )
        raw.instructions[:] = [str(text) for text in texts]
        return raw
