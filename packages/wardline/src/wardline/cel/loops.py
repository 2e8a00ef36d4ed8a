"""The closures of macros: functions of the activation and the frame, which holds their variables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from wardline.cel import members, sorts
from wardline.cel.closures import ABSORBED, not_bool
from wardline.cel.kinds import ABSENT, Keyed, Optional
from wardline.cel.sorts import kind_of
from wardline.cel.values import BudgetError, charge
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from wardline.cel.activation import Activation, Frame, Run

__all__ = [
    "Turns",
    "bind",
    "bound",
    "exists_one",
    "filter_items",
    "map_items",
    "one_variable",
    "optional_map",
    "quantifier",
    "transform_entries",
    "transform_map",
    "two_variables",
]

Turns = Callable[[Any, list[Any]], Iterator[Any]]
"""Sets the variables in the frame to one element after the other, and yields the element."""


def _range(value: Any) -> Any:
    kind = type(value)
    if kind is list or kind is tuple or kind is dict or kind is Keyed:
        return value
    raise EvaluationError(f"a macro wants a list or a map, not {kind_of(value)}")


def one_variable(slot: int) -> Turns:
    """The elements of a list, or the keys of a map."""

    def turns(value: Any, frame: Frame) -> Iterator[Any]:
        for item in _range(value):
            frame[slot] = item
            yield item

    return turns


def two_variables(key: int, slot: int) -> Turns:
    """The indexes and elements of a list, or the keys and values of a map; yields index or key."""

    def turns(value: Any, frame: Frame) -> Iterator[Any]:
        over = _range(value)
        is_map = type(over) is dict or type(over) is Keyed
        for name, item in members.entries(over) if is_map else enumerate(over):
            frame[key] = name
            frame[slot] = item
            yield name

    return turns


def quantifier(macro: str, items: Run, turns: Turns, step: Run, steps: int) -> Run:
    """`exists` and `all`: a deciding element outweighs errors in others."""
    decides = macro == "exists"

    def quantifier(env: Activation, frame: Frame) -> Any:
        failed: EvaluationError | None = None
        for _ in turns(items(env, frame), frame):
            charge(env, steps)
            try:
                value = step(env, frame)
            except BudgetError:
                raise
            except EvaluationError as error:
                charge(env, ABSORBED)
                failed = failed or error
                continue
            if value is decides:
                return decides
            if type(value) is not bool:
                charge(env, ABSORBED)
                failed = failed or not_bool(f"`{macro}`", value)
        if failed is not None:
            raise failed
        return not decides

    return quantifier


def exists_one(items: Run, turns: Turns, step: Run, steps: int) -> Run:
    """`exists_one`."""

    def exists_one(env: Activation, frame: Frame) -> bool:
        found = 0
        for _ in turns(items(env, frame), frame):
            charge(env, steps)
            found += _holds("exists_one", step(env, frame))
        return found == 1

    return exists_one


def _holds(macro: str, value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise not_bool(f"`{macro}`", value)


def filter_items(items: Run, turns: Turns, step: Run, steps: int) -> Run:
    """`filter`."""

    def filtered(env: Activation, frame: Frame) -> list[Any]:
        kept: list[Any] = []
        for item in turns(items(env, frame), frame):
            charge(env, steps)
            if _holds("filter", step(env, frame)):
                kept.append(item)
        return kept

    return filtered


def map_items(
    macro: str, items: Run, turns: Turns, guard: Run | None, step: Run, steps: int
) -> Run:
    """`map` and `transformList`, with or without a predicate."""

    def mapped(env: Activation, frame: Frame) -> list[Any]:
        results: list[Any] = []
        for _ in turns(items(env, frame), frame):
            charge(env, steps)
            if guard is None or _holds(macro, guard(env, frame)):
                results.append(step(env, frame))
        return results

    return mapped


def transform_map(items: Run, turns: Turns, guard: Run | None, step: Run, steps: int) -> Run:
    """`transformMap`: the keys of a map, or the indexes of a list, with new values."""

    def transformed(env: Activation, frame: Frame) -> Any:
        pairs: list[tuple[Any, Any]] = []
        for key in turns(items(env, frame), frame):
            charge(env, steps + 4)
            if guard is None or _holds("transformMap", guard(env, frame)):
                pairs.append((key, step(env, frame)))
        return members.keyed(pairs)

    return transformed


def transform_entries(items: Run, turns: Turns, guard: Run | None, step: Run, steps: int) -> Run:
    """`transformMapEntry`: the entries of all the maps that the step gives, in one."""

    def transformed(env: Activation, frame: Frame) -> Any:
        pairs: list[tuple[Any, Any]] = []
        for _ in turns(items(env, frame), frame):
            charge(env, steps)
            if guard is None or _holds("transformMapEntry", guard(env, frame)):
                entry = step(env, frame)
                if type(entry) is not dict and type(entry) is not Keyed:
                    raise EvaluationError(f"`transformMapEntry` wants a map, not {kind_of(entry)}")
                charge(env, 8 * len(entry))
                pairs.extend(members.entries(entry))
        return members.keyed(pairs)

    return transformed


def optional_map(operand: Run, slot: int, step: Run, *, flat: bool) -> Run:
    """`optMap`, or `optFlatMap` where the step gives an optional itself."""
    name = "optFlatMap" if flat else "optMap"

    def optional_map(env: Activation, frame: Frame) -> Optional:
        value = operand(env, frame)
        if type(value) is not Optional:
            raise sorts.no_overload(name, value)
        if not value.present:
            return ABSENT
        frame[slot] = value.value
        result = step(env, frame)
        if not flat:
            return Optional(result)
        if type(result) is Optional:
            return result
        raise EvaluationError(f"`{name}` wants an optional value, not {kind_of(result)}")

    return optional_map


class _Unread:
    """Stands in the frame for a value that nobody has asked for."""


class _Failed:
    """Stands in the frame for a value that could not be worked out."""

    def __init__(self, error: EvaluationError) -> None:
        self.error = error


def bind(slot: int, step: Run) -> Run:
    """`cel.bind(variable, value, step)`: the value is worked out when it is first read."""

    def bind(env: Activation, frame: Frame) -> Any:
        frame[slot] = _Unread
        return step(env, frame)

    return bind


def bound(slot: int, value: Run) -> Run:
    """The variable of `cel.bind`."""

    def bound(env: Activation, frame: Frame) -> Any:
        held = frame[slot]
        if held is _Unread:
            try:
                held = frame[slot] = value(env, frame)
            except BudgetError:
                raise
            except EvaluationError as error:
                frame[slot] = _Failed(error)
                raise
        elif type(held) is _Failed:
            raise held.error
        return held

    return bound
