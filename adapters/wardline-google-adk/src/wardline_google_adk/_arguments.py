"""The arguments that the body of a tool will receive, and what it returns."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from google.adk.tools.function_tool import FunctionTool
from google.adk.tools.retrieval.base_retrieval_tool import BaseRetrievalTool
from google.adk.tools.transfer_to_agent_tool import transfer_to_agent

from wardline.adapters import plain, settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.adk.tools.base_tool import BaseTool

__all__ = ["Output", "bound", "hands_over", "retrieves"]


def hands_over(tool: BaseTool | None) -> bool:
    """Whether `tool` is ADK's own by which a model hands the conversation over."""
    return isinstance(tool, FunctionTool) and tool.func is transfer_to_agent


def retrieves(tool: BaseTool) -> bool:
    """Whether `tool` is one of ADK's retrievers."""
    return isinstance(tool, BaseRetrievalTool)


def bound(tool: BaseTool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the body of `tool` gets them: with defaults, and as ADK converts them.

    Raises `ConfigurationError` where that cannot be said for certain.
    """
    if not isinstance(tool, FunctionTool):
        return dict(given)
    try:
        parameters = inspect.signature(tool.func).parameters
    except (TypeError, ValueError):  # ADK passes everything to a callable without a signature
        return dict(given)
    hidden = tool._ignore_params
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters.values())

    def convert(args: dict[str, Any]) -> dict[str, Any] | None:
        converted, errors = tool._preprocess_args_with_validation(args)
        if errors:
            return None
        return {name: one for name, one in converted.items() if takes_all or name in parameters}

    defaults = {name: one.default for name, one in parameters.items() if name not in hidden}
    return settled(tool.name, given, convert, defaults)


class Output:
    """What a tool returned: its plain values. `{"error": …}` alone is how ADK's tools report a failure."""

    __slots__ = ("content", "failed")

    def __init__(self, raw: Any) -> None:
        self.content = plain(raw)
        alone = isinstance(raw, dict) and raw.keys() == {"error"} and raw["error"]
        self.failed = str(raw["error"]) if alone else ""

    def released(self, content: Any) -> Any:
        """Return `content`, which ADK takes as it is."""
        return content
