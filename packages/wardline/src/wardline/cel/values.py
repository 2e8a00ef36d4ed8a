"""CEL's operators on values, with CEL's meaning and not Python's.

Values are told apart by their exact type: `bool` is not `int`, and an object of any other class is
foreign: it may be passed around, but every operation on it is an EvaluationError and none of its
methods is ever called. A `datetime` with a time zone is a timestamp. Work that grows with a value is
charged to `budget` before it is done.
"""

# ruff: noqa: ARG001 - every operator takes the budget last
from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from wardline.cel import times
from wardline.cel.kinds import (
    ABSENT,
    TYPE_NAMES,
    Duration,
    Keyed,
    Optional,
    Timestamp,
    TypeName,
    UInt,
)
from wardline.cel.networks import Address, Network
from wardline.errors import EvaluationError

__all__ = [
    "INT_MAX",
    "INT_MIN",
    "Budget",
    "BudgetError",
    "add",
    "charge",
    "contains",
    "divide",
    "entries",
    "equal",
    "has",
    "index",
    "integer",
    "keyed",
    "kind_of",
    "less",
    "less_or_equal",
    "modulo",
    "multiply",
    "negate",
    "no_overload",
    "optional_index",
    "optional_select",
    "place",
    "search_cost",
    "select",
    "size",
    "subtract",
    "type_of",
    "unsigned",
]

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1
_UINT_MAX = 2**64 - 1

_NONE = type(None)
_MAX_DEPTH = 128
_KINDS: dict[type, str] = {
    str: "string",
    bool: "bool",
    int: "int",
    float: "double",
    bytes: "bytes",
    _NONE: "null",
    list: "list",
    tuple: "list",
    dict: "map",
    Keyed: "map",
    UInt: "uint",
    datetime: "timestamp",
    Timestamp: "timestamp",
    Duration: "duration",
    TypeName: "type",
    Optional: "optional",
    Address: "IP address",
    Network: "network",
}
_TYPES = {
    "null": "null_type", "timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration",
    "optional": "optional_type", "IP address": "net.IP", "network": "net.CIDR",
}  # fmt: skip
_NUMBERS = frozenset((int, float, UInt))


class Budget(Protocol):
    """What carries the steps left in this decision."""

    budget: int


class BudgetError(EvaluationError):
    """The decision used up its steps; unlike other errors, no operator absorbs this one."""


def charge(env: Budget, steps: int) -> None:
    """Take `steps` from the budget; BudgetError when it does not hold them."""
    left = env.budget - steps
    env.budget = left
    if left < 0:
        raise BudgetError("the condition needs more steps than one decision may take")


def kind_of(value: object) -> str:
    """The CEL type of a value; a foreign one is named by its class."""
    kind = _KINDS.get(type(value))
    return kind if kind is not None else f"foreign ({type(value).__name__})"


def type_of(value: object) -> TypeName:
    """What `type(value)` gives; EvaluationError for a foreign value."""
    kind = _KINDS.get(type(value))
    if kind is None:
        raise no_overload("type", value)
    return TYPE_NAMES[_TYPES.get(kind, kind)]


def no_overload(op: str, *values: object) -> EvaluationError:
    """The error of an operator or function that is not defined for values of these types."""
    kinds = ", ".join(kind_of(value) for value in values)
    return EvaluationError(f"`{op}` is not defined for {kinds}")


def integer(value: int) -> int:
    """The value if it fits into 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("an integer does not fit into 64 bits")


def unsigned(value: int) -> UInt:
    """The value as an unsigned integer, if it fits into 64 bits."""
    if 0 <= value <= _UINT_MAX:
        return UInt(value)
    raise EvaluationError("an unsigned integer does not fit into 64 bits")


def _nanos(value: Any, env: Budget) -> int:
    """The nanoseconds of a timestamp in either form, or of a duration."""
    if type(value) is datetime:
        charge(env, 8)
        return times.moment(value).nanos
    nanos: int = value.nanos
    return nanos


# Equality


def equal(left: Any, right: Any, env: Budget, depth: int = 0) -> bool:
    """`left == right`: values of different types are unequal, numbers compare across types."""
    a, b = type(left), type(right)
    if a is str and b is str:
        if len(left) > 1024 and len(left) == len(right):
            charge(env, len(left) >> 10)
        return bool(left == right)
    if a in _NUMBERS and b in _NUMBERS:
        one, other = _comparable(left, right)
        return one == other
    kind = _KINDS.get(a)
    if kind is None or b not in _KINDS:
        raise no_overload("==", left, right)
    if kind != _KINDS[b]:
        if a is int:
            integer(left)
        elif b is int:
            integer(right)
        return False
    if kind == "map":
        return _equal_maps(left, right, env, depth)
    if kind == "list":
        return _equal_lists(left, right, env, depth)
    if kind == "timestamp":
        return _nanos(left, env) == _nanos(right, env)
    if kind == "optional":
        if not (left.present and right.present):
            return bool(left.present == right.present)
        return equal(left.value, right.value, env, depth + 1)
    if a is bytes and len(left) == len(right):
        charge(env, len(left) >> 10)
    return bool(left == right)


def _comparable(left: Any, right: Any) -> tuple[int | float, int | float]:
    """Two numbers as Python compares them: with a double both are doubles, otherwise both exact."""
    one = left.value if type(left) is UInt else left if type(left) is float else integer(left)
    other = (
        right.value if type(right) is UInt else right if type(right) is float else integer(right)
    )
    if type(one) is float or type(other) is float:
        return float(one), float(other)
    return one, other


def _equal_lists(left: Any, right: Any, env: Budget, depth: int) -> bool:
    if len(left) != len(right):
        return False
    if depth > _MAX_DEPTH:
        raise EvaluationError("a value is nested too deeply to be compared")
    charge(env, 4 * len(left))
    return all(equal(one, other, env, depth + 1) for one, other in zip(left, right, strict=True))


def _equal_maps(left: Any, right: Any, env: Budget, depth: int) -> bool:
    if len(left) != len(right):
        return False
    if depth > _MAX_DEPTH:
        raise EvaluationError("a value is nested too deeply to be compared")
    charge(env, 6 * len(left))
    for key, value in entries(left):
        found, other = _look_up(key, right)
        if not found or not equal(value, other, env, depth + 1):
            return False
    return True


# Order


def less(left: Any, right: Any, env: Budget) -> bool:
    """`left < right`."""
    if type(left) is int and type(right) is int:
        return integer(left) < integer(right)
    one, other = _ordered("<", left, right, env)
    return bool(one < other)


def less_or_equal(left: Any, right: Any, env: Budget) -> bool:
    """`left <= right`."""
    if type(left) is int and type(right) is int:
        return integer(left) <= integer(right)
    one, other = _ordered("<=", left, right, env)
    return bool(one <= other)


def _ordered(op: str, left: Any, right: Any, env: Budget) -> tuple[Any, Any]:
    """Two values as Python orders them."""
    a, b = type(left), type(right)
    if a in _NUMBERS and b in _NUMBERS:
        return _comparable(left, right)
    if a is b:
        if a is str or a is bytes:
            charge(env, min(len(left), len(right)) >> 8)
            return left, right
        if a is bool:
            return left, right
    kind = _KINDS.get(a)
    if kind in ("timestamp", "duration") and _KINDS.get(b) == kind:
        return _nanos(left, env), _nanos(right, env)
    raise no_overload(op, left, right)


# Arithmetic


def add(left: Any, right: Any, env: Budget) -> Any:
    """`left + right`: numbers of one type, strings, bytes, lists, or a time and a duration."""
    a, b = type(left), type(right)
    if a is int and b is int:
        return integer(integer(left) + integer(right))
    if a is float and b is float:
        return left + right
    if (a is str and b is str) or (a is bytes and b is bytes):
        charge(env, (len(left) + len(right)) >> 6)
        return left + right
    if (a is list or a is tuple) and (b is list or b is tuple):
        charge(env, (len(left) + len(right)) >> 2)
        return [*left, *right]
    if a is UInt and b is UInt:
        return unsigned(left.value + right.value)
    kinds = _KINDS.get(a), _KINDS.get(b)
    if kinds == ("duration", "duration"):
        return times.duration(left.nanos + right.nanos)
    if kinds in (("timestamp", "duration"), ("duration", "timestamp")):
        return times.timestamp(_nanos(left, env) + _nanos(right, env))
    raise no_overload("+", left, right)


def subtract(left: Any, right: Any, env: Budget) -> Any:
    """`left - right`: numbers of one type, durations, two times, or a duration from a time."""
    a, b = type(left), type(right)
    if a is int and b is int:
        return integer(integer(left) - integer(right))
    if a is float and b is float:
        return left - right
    if a is UInt and b is UInt:
        return unsigned(left.value - right.value)
    kinds = _KINDS.get(a), _KINDS.get(b)
    if kinds in (("duration", "duration"), ("timestamp", "timestamp")):
        return times.duration(_nanos(left, env) - _nanos(right, env))
    if kinds == ("timestamp", "duration"):
        return times.timestamp(_nanos(left, env) - right.nanos)
    raise no_overload("-", left, right)


def multiply(left: Any, right: Any, env: Budget) -> Any:
    """`left * right`."""
    a, b = type(left), type(right)
    if a is int and b is int:
        return integer(integer(left) * integer(right))
    if a is float and b is float:
        return left * right
    if a is UInt and b is UInt:
        return unsigned(left.value * right.value)
    raise no_overload("*", left, right)


def divide(left: Any, right: Any, env: Budget) -> Any:
    """`left / right`: integers truncate towards zero; doubles follow IEEE 754."""
    a, b = type(left), type(right)
    if a is int and b is int:
        integer(left), integer(right)
        if right == 0:
            raise EvaluationError("division by zero")
        quotient = abs(left) // abs(right)
        return integer(quotient if (left < 0) == (right < 0) else -quotient)
    if a is float and b is float:
        return _divide_doubles(left, right)
    if a is UInt and b is UInt:
        if right.value == 0:
            raise EvaluationError("division by zero")
        return UInt(left.value // right.value)
    raise no_overload("/", left, right)


def _divide_doubles(left: float, right: float) -> float:
    if right != 0.0:
        return left / right
    if left == 0.0 or left != left:
        return float("nan")
    negative = (str(left)[0] == "-") != (str(right)[0] == "-")
    return float("-inf") if negative else float("inf")


def modulo(left: Any, right: Any, env: Budget) -> Any:
    """`left % right` of integers: the sign is that of `left`."""
    a, b = type(left), type(right)
    if a is int and b is int:
        integer(left), integer(right)
        if right == 0:
            raise EvaluationError("modulus by zero")
        if right == -1:
            integer(-left)  # the division overflows, and so does its rest in every implementation
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    if a is UInt and b is UInt:
        if right.value == 0:
            raise EvaluationError("modulus by zero")
        return UInt(left.value % right.value)
    raise no_overload("%", left, right)


def negate(value: Any) -> Any:
    """`-value`."""
    if type(value) is int:
        return integer(-integer(value))
    if type(value) is float:
        return -value
    raise no_overload("-", value)


# Lists, maps, sizes


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
        return int(key) if key.is_integer() and INT_MIN <= key <= _UINT_MAX else None
    raise EvaluationError(f"a map has no keys of type {kind_of(key)}")


def _look_up(key: Any, items: Any) -> tuple[bool, Any]:
    """Whether a map has the key, and its value."""
    at = place(key)
    if type(items) is dict:
        if type(at) is str and at in items:
            return True, items[at]
        return False, None
    found = items.entries.get(at)
    return (False, None) if found is None else (True, found[1])


def contains(item: Any, items: Any, env: Budget) -> bool:
    """`item in items`: a list's element or a map's key."""
    kind = type(items)
    if kind is dict or kind is Keyed:
        return _look_up(item, items)[0]
    if kind is not list and kind is not tuple:
        raise no_overload("in", item, items)
    if type(item) not in _KINDS:
        raise no_overload("in", item, items)
    charge(env, len(items))
    failed: EvaluationError | None = None
    for other in items:
        try:
            if equal(item, other, env):
                return True
        except BudgetError:
            raise
        except EvaluationError as error:
            charge(env, 10)
            failed = error
    if failed is not None:
        raise failed
    return False


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
    if kind is Optional:
        return _at(over.value, by) if over.present else (False, None)
    if kind is dict or kind is Keyed:
        return _look_up(by, over)
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
        return _look_up(field, over)
    if kind is Optional:
        return _field(over.value, field) if over.present else (False, None)
    raise EvaluationError(f"no field `{field}` in a value of type {kind_of(over)}")


def size(value: Any, env: Budget) -> int:
    """The number of characters, octets, elements or entries."""
    if type(value) in (str, bytes, list, tuple, dict, Keyed):
        return len(value)
    raise no_overload("size", value)


def search_cost(text: int, part: int) -> int:
    """Steps to look for a string of `part` characters in one of `text` characters.

    CPython compares at every position for short texts and short needles, and searches in linear
    time beyond; the worst of both is charged.
    """
    if part <= 1:
        return text >> 6
    if part < 6 or text < 2500 or (part < 100 and text < 30000):
        return (max(text - part, 0) * part) >> 7
    return text >> 5
