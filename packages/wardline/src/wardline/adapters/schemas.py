"""Arguments and results of frameworks that hold them in models: what a body receives, in plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from wardline.adapters.tickets import same
from wardline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pydantic import BaseModel

__all__ = ["is_plain", "plain", "received", "settled"]

_SCALARS = (str, int, float, bool, bytes)
_SYNTHETIC = ("args", "kwargs")  # what pydantic calls `*args` and `**kwargs`


def received(
    tool: str, schema: type[BaseModel], given: Mapping[str, Any], hidden: Collection[str] = ()
) -> dict[str, Any]:
    """Return the arguments as the body of `tool` gets them: with defaults, and after coercion.

    `hidden` are parameters that the framework fills in later; they are left out. The framework
    validates the arguments once more, which must not change them again. Arguments that do not
    validate come back as they are: the framework reports the mistake, and the body does not run.
    Raises `ConfigurationError` where that cannot be said for certain.
    """
    from pydantic import ValidationError

    args = {name: value for name, value in given.items() if name not in hidden}
    model = _without(schema, hidden)
    try:
        first = _fields(model.model_validate(args), hidden)
    except ValidationError as error:
        if model is not schema and any(
            not one["loc"] or one["loc"][0] in hidden for one in error.errors()
        ):
            raise ConfigurationError(
                f"the schema of `{tool}` checks its arguments together with injected ones, so what its "
                "body will receive cannot be judged beforehand"
            ) from error
        return args
    try:
        second = _fields(model.model_validate(first), hidden)
    except ValidationError:
        second = {}
    _check_settled(tool, first, second)
    return first


def settled(
    tool: str,
    given: Mapping[str, Any],
    convert: Callable[[dict[str, Any]], Mapping[str, Any] | None],
    defaults: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the arguments as the body of `tool` gets them, where its framework has a way of its own.

    `convert` is that way: it returns arguments as the framework makes them of those given, None for such
    as it would report as a mistake, which come back as they are. `defaults` are what the body's
    signature adds; of these only plain ones are judged. The framework converts the arguments once more,
    which must not change them again: raises `ConfigurationError` where that cannot be said for certain.
    """
    first = convert(deepcopy(dict(given)))
    if first is None:
        return dict(given)
    args = {name: plain(value) for name, value in first.items()}
    for name, default in defaults.items():
        if name not in args and is_plain(default):
            args[name] = deepcopy(default)
    again = convert(deepcopy(args)) or {}
    _check_settled(tool, args, {name: plain(value) for name, value in again.items()})
    return args


def _check_settled(tool: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    if not same(first, second):
        raise ConfigurationError(
            f"the schema of `{tool}` does not leave arguments alone that it has validated already, so "
            "what was judged would not be what runs; make its validators accept their own results"
        )


def is_plain(value: Any) -> bool:
    """Whether a value is made of containers and scalars that JSON has, all the way down."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(one) for key, one in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


def _without(schema: type[BaseModel], hidden: Collection[str]) -> type[BaseModel]:
    """Return the schema with its injected fields left open; they are not there yet."""
    from pydantic import create_model

    names = frozenset(hidden) & schema.model_fields.keys()
    open_: dict[str, Any] = dict.fromkeys(names, (Any, None))
    return create_model(schema.__name__, __base__=schema, **open_) if open_ else schema


def _fields(values: BaseModel, hidden: Collection[str]) -> dict[str, Any]:
    """Return what validation made of the arguments, under the names that the tool is called with."""
    found: dict[str, Any] = {}
    for name, field in type(values).model_fields.items():
        absent = name not in values.model_fields_set
        if name in hidden or (absent and name in _SYNTHETIC):
            continue
        alias = field.validation_alias or field.alias
        found[alias if isinstance(alias, str) else name] = plain(getattr(values, name))
    for name, value in (values.model_extra or {}).items():
        found[name] = plain(value)
    return found


def plain(value: Any) -> Any:
    """Return a value in plain containers and scalars, which validate to that value again.

    Models and dataclasses become maps of their fields, and what nobody knows becomes its text. So do
    days, times and durations, which have no canonical form.
    """
    from pydantic import BaseModel

    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, BaseModel):
        named = {
            field.alias or name: getattr(value, name)
            for name, field in type(value).model_fields.items()
        }
        return {key: plain(item) for key, item in {**named, **(value.model_extra or {})}.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, timedelta):  # what str() makes of a negative one reads as another
        length = abs(value)
        sign = "-" if value < timedelta() else ""
        return f"{sign}P{length.days}DT{length.seconds}.{length.microseconds:06d}S"
    aware = isinstance(value, datetime) and value.utcoffset() is not None
    if value is None or aware or isinstance(value, Decimal) or type(value) in _SCALARS:
        return value
    return str(value)
