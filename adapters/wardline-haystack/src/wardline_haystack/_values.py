"""Haystack's values in plain containers, as rules read them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from haystack.dataclasses import ChatMessage, Document, TextContent

from wardline import ConfigurationError

__all__ = ["Found", "Result", "is_plain", "plain", "with_text"]

_SCALARS = (str, int, float, bool, bytes)


def is_plain(value: Any) -> bool:
    """Whether rules can read `value` as it is."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and is_plain(one) for key, one in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in _SCALARS


def plain(value: Any) -> Any:
    """Return `value` as rules read it: documents by what is in them, messages by role and text."""
    if is_plain(value):
        return value
    if isinstance(value, Document):
        return {"id": value.id, "content": value.content, "meta": plain(value.meta)}
    if isinstance(value, ChatMessage):
        return {"role": value.role.value, "text": value.text or ""}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return str(value)


def with_text(message: ChatMessage, text: str) -> ChatMessage:
    """Return the message with `text` and nothing else that could say what it said before."""
    rest = [*message.tool_calls, *message.images, *message.files]
    content: list[Any] = [TextContent(text), *rest] if text or not rest else rest
    return replace(message, _content=content)


class Result:
    """What a tool, a retriever or a writer returned."""

    __slots__ = ("_raw", "content")

    failed = ""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.content = _last_text(raw) if _of_agent(raw) else plain(raw)

    def released(self, content: Any) -> Any:
        """Return the same with `content` in it."""
        if _of_agent(self._raw):
            last = with_text(self._raw["last_message"], str(content))
            return {**self._raw, "last_message": last, "messages": [last]}
        return _rebuilt(self._raw, content)


class Found:
    """What a retriever returned: rules read the texts of its documents."""

    __slots__ = ("_raw", "content")

    failed = ""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.content = [one.content or "" for one in raw["documents"]]

    def released(self, content: Any) -> Any:
        """Return the documents with these texts in them."""
        documents = self._raw["documents"]
        if not isinstance(content, list) or len(content) != len(documents):
            raise ConfigurationError(
                "a rule changed how many documents were found, or made something else of them; nothing "
                "is released"
            )
        made = [
            one if text == one.content else replace(one, content=str(text))
            for one, text in zip(documents, content, strict=True)
        ]
        return {**self._raw, "documents": made}


def _of_agent(raw: Any) -> bool:
    return isinstance(raw, dict) and isinstance(raw.get("last_message"), ChatMessage)


def _last_text(raw: Any) -> str:
    return raw["last_message"].text or ""


def _rebuilt(raw: Any, content: Any) -> Any:
    """Return `content` in the types of `raw`, from which `plain` made what was judged."""
    if is_plain(raw):
        return content
    if isinstance(raw, Document) and isinstance(content, dict):
        return replace(raw, content=content.get("content"), meta=content.get("meta") or {})
    if isinstance(raw, ChatMessage) and isinstance(content, dict):
        return with_text(raw, str(content.get("text", "")))
    if isinstance(raw, Mapping) and isinstance(content, dict) and raw.keys() == content.keys():
        return {key: _rebuilt(one, content[key]) for key, one in raw.items()}
    if (
        isinstance(raw, list | tuple)
        and isinstance(content, list | tuple)
        and len(raw) == len(content)
    ):
        return [_rebuilt(one, other) for one, other in zip(raw, content, strict=True)]
    if plain(raw) == content:
        return raw
    raise ConfigurationError(
        f"a rule made something else of a {type(raw).__name__}, which cannot be rebuilt; nothing is "
        "released"
    )
