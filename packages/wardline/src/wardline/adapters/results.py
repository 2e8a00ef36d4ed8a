"""What an action returns: the content that is judged, and the same result with released content."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Plain", "Result", "ToolFailedError"]


class ToolFailedError(Exception):
    """A tool that reports its failure in its result instead of raising; the text is the report."""


class Result(Protocol):
    """A framework's result, taken apart."""

    @property
    def content(self) -> Any:
        """What rules read as the result."""

    @property
    def failed(self) -> str:
        """The text of the error that the result reports; "" for none."""

    def released(self, content: Any) -> Any:
        """Return the framework's result with `content` in the place of what was judged."""


class Plain:
    """A result that is its own content."""

    __slots__ = ("content",)

    failed = ""

    def __init__(self, raw: Any) -> None:
        self.content = raw

    def released(self, content: Any) -> Any:
        """Return `content`."""
        return content
