"""What lies in lists, maps and optionals, and how it is found."""

# ruff: noqa: ARG001 - every operator takes the budget last
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.cel.kinds import ABSENT, Keyed, Optional, UInt
from wardline.cel.sorts import INT_MAX, INT_MIN, UINT_MAX, integer, kind_of, no_overload
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from wardline.cel.values import Budget

__all__ = [
    "entries",
    "has",
    "index",
    "keyed",
    "look_up",
    "optional_index",
    "optional_select",
    "place",
    "select",
    "size",
]


def keyed(pairs: list[tuple[Any, Any]]) -> dict[str, Any] | Keyed:
    """The map of these keys and values; EvaluationError for a key that repeats or cannot be one."""
    found: dict[Any, tuple[Any, Any]] = {}
    texts = True
    for key, value in pairs:
        kind = type(key)
        if kind is not str:
            texts = False
            if kind is not bool and kind is not int and kind is not UInt:
                raise EvaluationError(
                    f"a map's key must be a string, an integer or a boolean, not {kind_of(key)}"
                )
        at = place(key)
        if at in found:
            raise EvaluationError("a key stands twice in a map")
        found[at] = (key, value)
    return dict(found.values()) if texts else Keyed(found)


def entries(items: dict[Any, Any] | Keyed) -> Any:
    """The keys and values of a map, in order."""
    return items.entries.values() if type(items) is Keyed else items.items()  # type: ignore[union-attr]


def place(key: Any) -> object:
    """Under what a key is found; None for one that no map can hold, such as 1.5.

    Raises EvaluationError for what is not a key at all.
    """
    kind = type(key)
    if kind is str:
        return key
    if kind is bool:
        return (key,)
    if kind is int:
        return integer(key)
    if kind is UInt:
        return key.value
    if kind is float:
        return int(key) if key.is_integer() and INT_MIN <= key <= UINT_MAX else None
    raise EvaluationError(f"a map has no keys of type {kind_of(key)}")


def look_up(key: Any, items: Any) -> tuple[bool, Any]:
    """Whether a map has the key, and its value."""
    at = place(key)
    if type(items) is dict:
        if type(at) is str and at in items:
            return True, items[at]
        return False, None
    found = items.entries.get(at)
    return (False, None) if found is None else (True, found[1])


def index(over: Any, by: Any, env: Budget) -> Any:
    """`over[by]`; of an optional, the element if both are there, as an optional."""
    found, value = _at(over, by)
    if type(over) is Optional:
        return Optional(value) if found else ABSENT
    if found:
        return value
    is_map = type(over) is dict or type(over) is Keyed
    raise EvaluationError("no such key" if is_map else "the index is out of range")


def optional_index(over: Any, by: Any, env: Budget) -> Optional:
    """`over[?by]`: the element as an optional."""
    found, value = _at(over, by)
    return Optional(value) if found else ABSENT


def _at(over: Any, by: Any) -> tuple[bool, Any]:
    kind = type(over)
    if kind is Optional and type(over.value) is not Optional:
        return _at(over.value, by) if over.present else (False, None)
    if kind is dict or kind is Keyed:
        return look_up(by, over)
    if kind is not list and kind is not tuple:
        raise no_overload("[]", over, by)
    if type(by) is float and by.is_integer() and abs(by) < INT_MAX:
        by = int(by)
    elif type(by) is UInt:
        by = by.value
    if type(by) is not int:
        raise no_overload("[]", over, by)
    return (True, over[by]) if 0 <= by < len(over) else (False, None)


def select(over: Any, field: str) -> Any:
    """`over.field` of a map; of an optional, the field if both are there, as an optional."""
    found, value = _field(over, field)
    if type(over) is Optional:
        return Optional(value) if found else ABSENT
    if found:
        return value
    raise EvaluationError(f"no such key: {field}")


def optional_select(over: Any, field: str) -> Optional:
    """`over.?field`: the field as an optional."""
    found, value = _field(over, field)
    return Optional(value) if found else ABSENT


def has(over: Any, field: str) -> bool:
    """`has(over.field)`."""
    return _field(over, field)[0]


def _field(over: Any, field: str) -> tuple[bool, Any]:
    kind = type(over)
    if kind is dict:
        return (True, over[field]) if field in over else (False, None)
    if kind is Keyed:
        return look_up(field, over)
    if kind is Optional and type(over.value) is not Optional:
        return _field(over.value, field) if over.present else (False, None)
    raise EvaluationError(f"no field `{field}` in a value of type {kind_of(over)}")


def size(value: Any, env: Budget) -> int:
    """The number of characters, octets, elements or entries."""
    if type(value) in (str, bytes, list, tuple, dict, Keyed):
        return len(value)
    raise no_overload("size", value)
