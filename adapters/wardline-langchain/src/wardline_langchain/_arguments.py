"""The arguments that a tool's body will really receive."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any

from langchain_core.tools import BaseTool, Tool
from langgraph.prebuilt.tool_node import _get_all_injected_args
from pydantic import BaseModel, ValidationError, create_model

from wardline import ConfigurationError
from wardline_langchain._backstop import same

__all__ = ["Injected", "bound", "injected_names"]

_SYNTHETIC = ("args", "kwargs")  # what pydantic calls `*args` and `**kwargs`
_FRAMEWORK = ("self", "config", "run_manager", "callbacks")


class Injected:
    """Stands for a parameter that LangGraph fills in; no condition can read it."""


def injected_names(tool: BaseTool) -> frozenset[str]:
    """Return the parameters that LangGraph fills in: state, store, runtime and their like."""
    found = _get_all_injected_args(tool)
    ones = {name for name in (found.store, found.runtime) if name}
    return frozenset(found.all_injected_keys | found.state.keys() | ones | tool._injected_args_keys)


def bound(tool: BaseTool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the body of `tool` gets them: with defaults, and after coercion.

    The tool validates them once more, which must not change them again. Arguments that do not validate
    come back as they are: LangChain reports the mistake to the model, and the body does not run.
    Raises `ConfigurationError` where that cannot be said for certain.
    """
    hidden = injected_names(tool)
    args = {name: value for name, value in given.items() if name not in hidden}
    schema = tool.args_schema
    if schema is None:
        return {**_defaults(tool, hidden), **args}
    if isinstance(schema, dict):
        return args
    if not issubclass(schema, BaseModel):
        raise ConfigurationError(
            f"the tool `{tool.name}` has a schema of {schema.__module__}, whose defaults and coercions "
            "cannot be judged; use a pydantic 2 model"
        )
    model = _without(schema, hidden)
    try:
        first = _received(model.model_validate(args), hidden)
    except ValidationError as error:
        if model is not schema and any(
            not one["loc"] or one["loc"][0] in hidden for one in error.errors()
        ):
            raise ConfigurationError(
                f"the schema of `{tool.name}` checks its arguments together with injected ones, so "
                "what its body will receive cannot be judged beforehand"
            ) from error
        return args
    try:
        second = _received(model.model_validate(first), hidden)
    except ValidationError:
        second = {}
    if not same(first, second):
        raise ConfigurationError(
            f"the schema of `{tool.name}` does not leave arguments alone that it has validated already, "
            "so what was judged would not be what runs; make its validators accept their own results"
        )
    return first


def _without(schema: type[BaseModel], hidden: frozenset[str]) -> type[BaseModel]:
    """Return the schema with its injected fields left open; they are not there yet."""
    open_: dict[str, Any] = dict.fromkeys(hidden & schema.model_fields.keys(), (Any, None))
    return create_model(schema.__name__, __base__=schema, **open_) if open_ else schema


def _received(values: BaseModel, hidden: frozenset[str]) -> dict[str, Any]:
    """Return what validation made of the arguments, under the names that the tool is called with."""
    received: dict[str, Any] = {}
    for name, field in type(values).model_fields.items():
        absent = name not in values.model_fields_set
        if name in hidden or (absent and name in _SYNTHETIC):
            continue
        alias = field.validation_alias or field.alias
        received[alias if isinstance(alias, str) else name] = _plain(getattr(values, name))
    for name, value in (values.model_extra or {}).items():
        received[name] = _plain(value)
    return received


def _plain(value: Any) -> Any:
    """Return a value in plain containers and scalars, which validate to that value again."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        plain = {
            field.alias or name: _plain(getattr(value, name)) for name, field in fields.items()
        }
        return {**plain, **{k: _plain(v) for k, v in (value.model_extra or {}).items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item) for item in value), key=repr)
    if type(value).__module__ in ("builtins", "datetime", "decimal"):
        return value
    return str(value)


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
