"""Items of a conversation: the text in them, and the same item with another text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wardline import ConfigurationError

__all__ = ["readable", "reworded"]

_PLACES = ("content", "output", "arguments", "summary")


def readable(item: Any) -> dict[str, str]:
    """Return an item as rules read it: its `type` (`user`, `assistant`, `function_call` …) and `text`."""
    kind = str(item.get("role") or item.get("type") or "message")
    place = next((one for one in _PLACES if item.get(one)), "")
    return {"type": kind, "text": _text(item.get(place, ""))}


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        return "\n".join(part for part in parts if isinstance(part, str) and part)
    return content if isinstance(content, str) else str(content)


def reworded(item: Any, text: Any) -> Any:
    """Return an item with `text` in the place of its own; what else it holds beside texts stays.

    Raises `ConfigurationError` where it has no place for one.
    """
    place = next((one for one in _PLACES if item.get(one)), "")
    content = item.get(place)
    if isinstance(content, str):
        return {**item, place: str(text)}
    if isinstance(content, list):
        parts = [dict(part) if isinstance(part, Mapping) else part for part in content]
        said = [
            part for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)
        ]
        for number, part in enumerate(said):
            part["text"] = "" if number else str(text)
        if said:
            return {**item, place: parts}
    raise ConfigurationError(
        f"a rule changed the text of a {readable(item)['type']}, which has none"
    )
