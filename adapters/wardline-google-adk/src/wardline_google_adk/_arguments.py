"""The arguments that the body of a tool will receive, and what it returns."""

from __future__ import annotations

import inspect
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from google.adk.tools.function_tool import FunctionTool
from google.adk.tools.retrieval.base_retrieval_tool import BaseRetrievalTool
from google.adk.tools.transfer_to_agent_tool import transfer_to_agent

from wardline import ConfigurationError
from wardline.adapters import plain, same

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.adk.tools.base_tool import BaseTool

__all__ = ["Output", "bound", "hands_over", "retrieves"]

_SCALARS = (str, int, float, bool, type(None))


def hands_over(tool: BaseTool | None) -> bool:
    """Whether `tool` is ADK's own by which a model hands the conversation over."""
    return isinstance(tool, FunctionTool) and tool.func is transfer_to_agent


def retrieves(tool: BaseTool) -> bool:
    """Whether `tool` is one of ADK's retrievers."""
    return isinstance(tool, BaseRetrievalTool)


def bound(tool: BaseTool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the body of `tool` gets them: with defaults, and as ADK converts them.

    ADK converts them once more when the body starts, which must not change them again. Arguments that
    do not convert come back as they are: ADK reports the mistake, and the body does not run. Raises
    `ConfigurationError` where that cannot be said for certain.
    """
    if not isinstance(tool, FunctionTool):
        return dict(given)
    try:
        parameters = inspect.signature(tool.func).parameters
    except (TypeError, ValueError):  # ADK passes everything to a callable without a signature
        return dict(given)
    first, errors = _converted(tool, given)
    if errors:
        return dict(given)
    hidden = tool._ignore_params
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        args = first
    else:
        args = {name: value for name, value in first.items() if name in parameters}
    for name, one in parameters.items():
        if name not in args and name not in hidden and _is_plain(one.default):
            args[name] = deepcopy(one.default)
    second, _ = _converted(tool, args)
    if not same(args, second):
        raise ConfigurationError(
            f"`{tool.name}` does not leave arguments alone that it has converted already, so what was "
            "judged would not be what runs; make its parameters accept their own values"
        )
    return args


def _converted(tool: FunctionTool, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    args, errors = tool._preprocess_args_with_validation(deepcopy(dict(given)))
    return {name: plain(value) for name, value in args.items()}, errors


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(one) for key, one in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in _SCALARS


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
