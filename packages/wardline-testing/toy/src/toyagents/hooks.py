"""What can stand between an agent and what it does."""

# ruff: noqa: ARG002 - hooks are called by the names of their parameters

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from toyagents.messages import Answer, Request, ToolRequest
    from toyagents.runs import Context

__all__ = ["Hook"]


class Hook:
    """Wraps what agents do. Every method has an awaited twin, for runs inside an event loop.

    Earlier hooks stand outside of later ones. A hook with `inherits` goes along to every agent that its
    agent calls or hands over to.
    """

    inherits = False

    def on_input(self, context: Context, text: str) -> str:
        """Return what the user says."""
        return text

    async def aon_input(self, context: Context, text: str) -> str:
        """Do what `on_input` does."""
        return text

    def wrap_model(self, request: Request, call: Callable[[Request], Answer]) -> Answer:
        """Return the model's answer."""
        return call(request)

    async def awrap_model(
        self, request: Request, call: Callable[[Request], Awaitable[Answer]]
    ) -> Answer:
        """Do what `wrap_model` does."""
        return await call(request)

    def on_answer(self, context: Context, answer: Answer) -> Mapping[str, str]:
        """Return the calls of an answer that are not to run, by id, with what the model is told."""
        return {}

    async def aon_answer(self, context: Context, answer: Answer) -> Mapping[str, str]:
        """Do what `on_answer` does."""
        return {}

    def wrap_tool(self, request: ToolRequest, call: Callable[[ToolRequest], Any]) -> Any:
        """Return the tool's result. An exception becomes an error message, a `PermissionError` leaves."""
        return call(request)

    async def awrap_tool(
        self, request: ToolRequest, call: Callable[[ToolRequest], Awaitable[Any]]
    ) -> Any:
        """Do what `wrap_tool` does."""
        return await call(request)

    def on_start(self, request: ToolRequest) -> None:
        """Hear that a body starts now, behind all other hooks, with its final arguments."""

    def on_hand_over(self, context: Context, name: str, task: str) -> str:
        """Return why the conversation is not handed over to `name`, or ""."""
        return ""

    async def aon_hand_over(self, context: Context, name: str, task: str) -> str:
        """Do what `on_hand_over` does."""
        return ""

    def on_final(self, context: Context, text: str) -> str:
        """Return the text that the caller gets."""
        return text

    async def aon_final(self, context: Context, text: str) -> str:
        """Do what `on_final` does."""
        return text

    def on_end(self, context: Context) -> None:
        """Hear that a run is over, however it ended."""

    def wrap_shelf(
        self, kind: str, name: str, args: dict[str, Any], call: Callable[[dict[str, Any]], Any]
    ) -> Any:
        """Do a `memory_read`, `memory_write` or `retrieval`."""
        return call(args)

    async def awrap_shelf(
        self, kind: str, name: str, args: dict[str, Any], call: Callable[[dict[str, Any]], Any]
    ) -> Any:
        """Do what `wrap_shelf` does."""
        return await call(args)
