"""What comes back, as the wire has it: the content that is judged, and the same with released content.

Everything of a result that a model could read is judged. Where it is changed, only what was released
remains: metadata that the other side attached goes, and structured and unstructured content agree.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from wardline import ConfigurationError

__all__ = [
    "ElicitationResult",
    "InterimResult",
    "OtherResult",
    "PromptResult",
    "ResourceResult",
    "SamplingResult",
    "Shaped",
    "ToolResult",
    "refusal_result",
    "stored_result",
    "text_of",
]

_PROTOCOL = "io.modelcontextprotocol/"


def refusal_result(text: str, *, modern: bool) -> dict[str, Any]:
    """Return a refusal as the protocol answers a tool call that failed.

    `modern` says that the client speaks a version in which a result says that it is complete.
    """
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    return {**result, "resultType": "complete"} if modern else result


def stored_result(content: Any, *, structured: bool) -> dict[str, Any]:
    """Return the result of a tool from the content that was released of it, when it ran before."""
    if isinstance(content, dict) and content.keys() == {"content", "structuredContent"}:
        return {**content, "content": _blocks(content["content"])}
    result: dict[str, Any] = {"content": _as_text(content) if structured else _blocks(content)}
    if structured:
        result["structuredContent"] = content if isinstance(content, dict) else {"result": content}
    return result


class Shaped:
    """A result of a request, taken apart: `raw` is how it came, `content` what is judged of it."""

    __slots__ = ("content", "raw")

    failed = ""
    kept: ClassVar[tuple[str, ...]] = ()
    """What stays beside changed content."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.content: Any = self._content()

    def _content(self) -> Any:
        raise NotImplementedError

    def _put(self, content: Any) -> dict[str, Any]:
        raise NotImplementedError

    def released(self, content: Any) -> dict[str, Any]:
        """Return the result with `content` in the place of what was judged.

        Raises `ConfigurationError` where the result cannot say it.
        """
        rest = {key: self.raw[key] for key in (*self.kept, "resultType") if key in self.raw}
        meta = self.raw.get("_meta")
        if isinstance(meta, dict):
            kept = {key: value for key, value in meta.items() if key.startswith(_PROTOCOL)}
            if kept:
                rest["_meta"] = kept
        return {**rest, **self._put(content)}


class ToolResult(Shaped):
    """What a tool returned.

    The content is its text; the list of its parts where there are several or others than text; its
    structured content where the text says the same; and both where they differ.
    """

    __slots__ = ("_form",)

    kept = ("isError",)

    @property
    def failed(self) -> str:  # type: ignore[override]  # decided by the result
        """The text of the error that the tool reports; "" for none."""
        if not self.raw.get("isError"):
            return ""
        texts = [part for part in _parts(self.raw.get("content")) if isinstance(part, str)]
        return "\n".join(texts) or "the tool failed"

    def _content(self) -> Any:
        parts = _parts(self.raw.get("content"))
        structured = self.raw.get("structuredContent")
        self._form = "plain"
        if structured is None:
            return _one_or_all(parts)
        wraps = isinstance(structured, dict) and structured.keys() == {"result"}
        if wraps and _says(parts, structured["result"]):
            self._form = "wrapped"
            return structured["result"]
        if isinstance(structured, dict) and _says(parts, structured):
            self._form = "structured"
            return structured
        self._form = "both"
        return {"content": parts, "structuredContent": structured}

    def _put(self, content: Any) -> dict[str, Any]:
        if self._form == "plain":
            return {"content": _blocks(content)}
        if self._form == "wrapped":
            return {"content": _as_text(content), "structuredContent": {"result": content}}
        if not isinstance(content, dict):
            raise ConfigurationError(
                "a rule made something else than an object of a structured result; nothing is released"
            )
        if self._form == "structured":
            return {"content": _as_text(content), "structuredContent": content}
        if content.keys() != {"content", "structuredContent"}:
            raise ConfigurationError(
                "a rule took apart a result with structured and other content; nothing is released"
            )
        return {
            "content": _blocks(content["content"]),
            "structuredContent": content["structuredContent"],
        }


class ResourceResult(Shaped):
    """What a resource holds: its text, or the list of its parts."""

    __slots__ = ()

    kept = ("cacheScope", "ttlMs")

    def _content(self) -> Any:
        contents = self.raw.get("contents") or []
        if len(contents) == 1 and isinstance(contents[0], dict) and "text" in contents[0]:
            return contents[0]["text"]
        return contents

    def _put(self, content: Any) -> dict[str, Any]:
        contents = self.raw.get("contents") or []
        if isinstance(content, str) and len(contents) == 1:
            part = {key: value for key, value in contents[0].items() if key != "_meta"}
            return {"contents": [{**part, "text": content}]}
        if isinstance(content, list) and all(isinstance(part, dict) for part in content):
            return {"contents": content}
        raise ConfigurationError("a rule made something else of a resource; nothing is released")


class PromptResult(Shaped):
    """The messages of a prompt: the text of its one message, or the list of them.

    A description does not stay beside changed messages: it could say what was taken out.
    """

    __slots__ = ()

    def _content(self) -> Any:
        messages = self.raw.get("messages") or []
        if len(messages) == 1 and isinstance(messages[0], dict):
            part = _part(messages[0].get("content"))
            if isinstance(part, str):
                return part
        return messages

    def _put(self, content: Any) -> dict[str, Any]:
        messages = self.raw.get("messages") or []
        if isinstance(content, str) and len(messages) == 1:
            message = {**messages[0], "content": {"type": "text", "text": content}}
            return {"messages": [message]}
        if isinstance(content, list) and all(isinstance(one, dict) for one in content):
            return {"messages": content}
        raise ConfigurationError("a rule made something else of a prompt; nothing is released")


class SamplingResult(Shaped):
    """What a model answered a server: its text, or the list of its parts."""

    __slots__ = ()

    kept = ("model", "role", "stopReason")

    def _content(self) -> Any:
        content = self.raw.get("content")
        return _one_or_all(_parts(content if isinstance(content, list) else [content]))

    def _put(self, content: Any) -> dict[str, Any]:
        blocks = _blocks(content)
        return {"content": blocks if isinstance(self.raw.get("content"), list) else blocks[0]}


class ElicitationResult(Shaped):
    """What a person answered a server: `action`, and `content` where it was accepted."""

    __slots__ = ()

    def _content(self) -> Any:
        return {key: value for key, value in self.raw.items() if key != "_meta"}

    def _put(self, content: Any) -> dict[str, Any]:
        if not isinstance(content, dict) or "action" not in content:
            raise ConfigurationError("a rule made something else of an answer; nothing is released")
        return content


class OtherResult(Shaped):
    """A result of an extension of the protocol: whatever it has."""

    __slots__ = ()

    def _content(self) -> Any:
        return {key: value for key, value in self.raw.items() if key not in {"_meta", "resultType"}}

    def _put(self, content: Any) -> dict[str, Any]:
        if not isinstance(content, dict):
            raise ConfigurationError("a rule made something else of a result; nothing is released")
        return content


class InterimResult(Shaped):
    """Questions that stand in the way of a result: what a server wants to know before it goes on."""

    __slots__ = ()

    def _content(self) -> Any:
        return self.raw.get("inputRequests") or {}

    def _put(self, content: Any) -> dict[str, Any]:  # noqa: ARG002 - there is no place for it
        raise ConfigurationError(
            "a rule changed what a server asks back before it goes on, which cannot be passed on; "
            "deny it, or let it through"
        )


def text_of(content: Any) -> str:
    """Return the text of content: of one block or several; what is no text is left out."""
    blocks = content if isinstance(content, list) else [content]
    return "\n".join(part for part in _parts(blocks) if isinstance(part, str))


def _part(block: Any) -> Any:
    """Return a block of content: its text where it is no more than that."""
    if isinstance(block, dict) and block.get("type") == "text" and isinstance(block["text"], str):
        return block["text"]
    return block


def _parts(blocks: Any) -> list[Any]:
    return [_part(block) for block in blocks] if isinstance(blocks, list) else []


def _one_or_all(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


def _says(parts: list[Any], value: Any) -> bool:
    """Whether the unstructured parts say the same as a structured value."""
    if parts == value or (len(parts) == 1 and parts[0] == value):
        return True
    if len(parts) != 1 or not isinstance(parts[0], str):
        return False
    try:
        return bool(json.loads(parts[0]) == value)
    except ValueError:
        return False


def _as_text(value: Any) -> list[Any]:
    """Return structured content as the blocks that say the same."""
    many = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return [_block(one, whole=True) for one in (value if many else [value])]


def _blocks(content: Any) -> list[Any]:
    """Return released content as blocks."""
    if isinstance(content, list):
        return [_block(part) for part in content]
    return [_block(content, whole=True)]


def _block(part: Any, *, whole: bool = False) -> Any:
    if isinstance(part, dict) and "type" in part and not whole:
        return part
    text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False, default=str)
    return {"type": "text", "text": text}
