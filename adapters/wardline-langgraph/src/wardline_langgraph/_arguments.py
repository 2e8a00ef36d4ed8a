"""The arguments that a tool's body will really receive."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, Tool
from langgraph.prebuilt.tool_node import _get_all_injected_args
from pydantic import BaseModel

from wardline import ConfigurationError
from wardline.adapters import received

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["bound", "injected_names"]

_FRAMEWORK = ("self", "config", "run_manager", "callbacks")


def injected_names(tool: BaseTool) -> frozenset[str]:
    """Return the parameters that LangGraph fills in: state, store, runtime and their like."""
    found = _get_all_injected_args(tool)
    ones = {name for name in (found.store, found.runtime) if name}
    return frozenset(found.all_injected_keys | found.state.keys() | ones | tool._injected_args_keys)


def bound(tool: BaseTool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the body of `tool` gets them: with defaults, and after coercion.

    Raises `ConfigurationError` where that cannot be said for certain.
    """
    hidden = injected_names(tool)
    schema = tool.args_schema
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return received(tool.name, schema, given, hidden)
    args = {name: value for name, value in given.items() if name not in hidden}
    if schema is None:
        return {**_defaults(tool, hidden), **args}
    if isinstance(schema, dict):
        return args
    raise ConfigurationError(
        f"the tool `{tool.name}` has a schema of {schema.__module__}, whose defaults and coercions "
        "cannot be judged; use a pydantic 2 model"
    )


def _defaults(tool: BaseTool, hidden: frozenset[str]) -> dict[str, Any]:
    """Return the defaults of a tool that is a class with a `_run` and no schema."""
    if isinstance(tool, Tool):
        return {}
    parameters = inspect.signature(tool._run).parameters.values()
    return {
        one.name: one.default
        for one in parameters
        if one.default is not one.empty and one.name not in hidden and one.name not in _FRAMEWORK
    }
