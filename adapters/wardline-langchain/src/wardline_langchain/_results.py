"""What a tool returns: the content that is judged, and the same result with released content."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage, convert_to_messages
from langgraph.types import Command, Send

from wardline import ConfigurationError

__all__ = ["Result", "as_content", "led_here"]

_END = "__end__"
_HANDED = "wardline_handed_over"


def as_content(value: Any) -> Any:
    """Return a released value as the content of a message."""
    return value if isinstance(value, str | list) else json.dumps(value, default=str)


class Result:
    """One result: a `ToolMessage`, a `Command` with messages inside, or a list of these."""

    __slots__ = ("_items", "_many", "_messages", "content", "raw")

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self._many = isinstance(raw, list)
        self._items: list[Any] = list(raw) if self._many else [raw]
        self._messages = [_messages(item) for item in self._items]
        contents = [message.content for group in self._messages for message in group]
        self.content: Any = contents[0] if len(contents) == 1 else contents

    @property
    def failed(self) -> str:
        """The text of the error that the tool reports; "" for none."""
        return next(
            (
                str(message.text) or "the tool failed"
                for group in self._messages
                for message in group
                if isinstance(message, ToolMessage) and message.status == "error"
            ),
            "",
        )

    @property
    def targets(self) -> list[str]:
        """The nodes to which the result sends the conversation."""
        return [name for item in self._items for name in _targets(item)]

    def handing(self, agents: Mapping[str, list[str]]) -> Any:
        """Return the result with a note for each target: the `agents` that led to it."""
        items = [
            _rebuilt(item, [_noted(message, agents) for message in group])
            if group and _targets(item)
            else item
            for item, group in zip(self._items, self._messages, strict=True)
        ]
        return items if self._many else items[0]

    def released(self, content: Any) -> Any:
        """Return the result with `content` in the place of what was judged."""
        if content is self.content:
            return self.raw
        count = sum(map(len, self._messages))
        contents = [content] if count == 1 else content
        if not isinstance(contents, list) or len(contents) != count:
            raise ConfigurationError(
                "a rule made something else of a result with several messages; nothing is released"
            )
        rest = iter(contents)
        items = [
            _rebuilt(item, [_replaced(message, next(rest)) for message in group])
            for item, group in zip(self._items, self._messages, strict=True)
        ]
        return items if self._many else items[0]


def led_here(messages: Iterable[Any], node: str) -> list[str]:
    """Return the agents by whose handoffs the conversation came to `node`, as a result noted them."""
    for message in reversed([*messages]):
        if isinstance(message, ToolMessage):
            noted = message.response_metadata.get(_HANDED)
            found = noted.get(node) if isinstance(noted, dict) else None
            if isinstance(found, list) and found[-1:] == [node]:
                return [str(one) for one in found]
    return []


def _targets(item: Any) -> list[str]:
    if not isinstance(item, Command):
        return []
    gotos = item.goto if isinstance(item.goto, list | tuple) else [item.goto]
    names = [one.node if isinstance(one, Send) else str(one) for one in gotos]
    return [name for name in names if name != _END]


def _noted(message: BaseMessage, agents: Mapping[str, list[str]]) -> BaseMessage:
    if not isinstance(message, ToolMessage):
        return message
    noted = {**message.response_metadata, _HANDED: dict(agents)}
    return message.model_copy(update={"response_metadata": noted})


def _messages(item: Any) -> list[BaseMessage]:
    if isinstance(item, Command):
        found = _update(item).get("messages") or []
        return list(convert_to_messages(found if isinstance(found, list | tuple) else [found]))
    if isinstance(item, ToolMessage):
        return [item]
    raise ConfigurationError(f"a tool returned {type(item).__name__}, which cannot be judged")


def _update(command: Command[Any]) -> dict[str, Any]:
    update = command.update
    if update is None:
        return {}
    if isinstance(update, Mapping):
        return dict(update)
    if isinstance(update, list | tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 for pair in update
    ):
        return dict(update)
    raise ConfigurationError(
        f"a tool returned a Command whose update is {type(update).__name__}; return a dictionary, so "
        "that the messages in it can be judged"
    )


def _replaced(message: BaseMessage, content: Any) -> BaseMessage:
    update: dict[str, Any] = {"content": as_content(content), "additional_kwargs": {}}
    if isinstance(message, ToolMessage):
        update["artifact"] = None  # it may say what the content no longer does
    return message.model_copy(update=update)


def _rebuilt(item: Any, messages: list[BaseMessage]) -> Any:
    if isinstance(item, Command):
        update = _update(item)
        return replace(item, update={**update, "messages": messages}) if update else item
    return messages[0]
