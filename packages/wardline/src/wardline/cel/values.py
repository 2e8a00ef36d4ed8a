"""CEL's operators on Python values, with CEL's meaning and not Python's.

Values are told apart by their exact type: `bool` is not `int`, and an object of any other class is
foreign: it may be passed around, but every operation on it is an EvaluationError and none of its
methods is ever called. Work that grows with a value is charged to `budget` before it is done.
"""

# ruff: noqa: ARG001 - every operator takes the budget last
from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Protocol

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
    "equal",
    "index",
    "integer",
    "kind_of",
    "less",
    "less_or_equal",
    "modulo",
    "multiply",
    "negate",
    "search_cost",
    "select",
    "size",
    "subtract",
]

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1

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
    datetime: "timestamp",
}


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


def _no_overload(op: str, *values: object) -> EvaluationError:
    kinds = ", ".join(kind_of(value) for value in values)
    return EvaluationError(f"`{op}` is not defined for {kinds}")


def integer(value: int) -> int:
    """The value if it fits into 64 bits."""
    if INT_MIN <= value <= INT_MAX:
        return value
    raise EvaluationError("an integer does not fit into 64 bits")


def _moment(value: datetime) -> datetime:
    zone = value.tzinfo
    if type(zone) is timezone:
        return value
    if zone is not None:
        from zoneinfo import ZoneInfo

        if type(zone) is ZoneInfo:
            return value
    raise EvaluationError("a point in time without a time zone cannot be compared")


# Equality


def equal(left: Any, right: Any, env: Budget, depth: int = 0) -> bool:
    """`left == right`: values of different types are unequal, numbers compare across types."""
    a, b = type(left), type(right)
    if a is str and b is str:
        if len(left) > 1024 and len(left) == len(right):
            charge(env, len(left) >> 10)
        return bool(left == right)
    if (a is int or a is float) and (b is int or b is float):
        return _equal_numbers(left, right)
    if a not in _KINDS or b not in _KINDS:
        raise _no_overload("==", left, right)
    if _KINDS[a] != _KINDS[b]:
        if a is int:
            integer(left)
        elif b is int:
            integer(right)
        return False
    if a is dict:
        return _equal_maps(left, right, env, depth)
    if a is list or a is tuple:
        return _equal_lists(left, right, env, depth)
    if a is datetime:
        return bool(_moment(left) == _moment(right))
    if a is bytes and len(left) == len(right):
        charge(env, len(left) >> 10)
    return bool(left == right)


def _equal_numbers(left: int | float, right: int | float) -> bool:
    if type(left) is int:
        integer(left)
        if type(right) is float:
            return float(left) == right
    if type(right) is int:
        integer(right)
        return left == (float(right) if type(left) is float else right)
    return left == right


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
    return all(
        key in right and equal(value, right[key], env, depth + 1) for key, value in left.items()
    )


# Order


def less(left: Any, right: Any, env: Budget) -> bool:
    """`left < right`."""
    a, b = type(left), type(right)
    if a is int and b is int:
        return integer(left) < integer(right)
    if (a is int or a is float) and (b is int or b is float):
        return _double(left) < _double(right)
    if a is b:
        if a is str or a is bytes:
            charge(env, min(len(left), len(right)) >> 8)
            return bool(left < right)
        if a is bool:
            return bool(left < right)
        if a is datetime:
            return _moment(left) < _moment(right)
    raise _no_overload("<", left, right)


def less_or_equal(left: Any, right: Any, env: Budget) -> bool:
    """`left <= right`."""
    a, b = type(left), type(right)
    if a is int and b is int:
        return integer(left) <= integer(right)
    if (a is int or a is float) and (b is int or b is float):
        return _double(left) <= _double(right)
    if a is b:
        if a is str or a is bytes:
            charge(env, min(len(left), len(right)) >> 8)
            return bool(left <= right)
        if a is bool:
            return bool(left <= right)
        if a is datetime:
            return _moment(left) <= _moment(right)
    raise _no_overload("<=", left, right)


def _double(value: int | float) -> float:
    return float(integer(value)) if type(value) is int else float(value)


# Arithmetic


def add(left: Any, right: Any, env: Budget) -> Any:
    """`left + right` of two integers, doubles, strings, bytes or lists."""
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
    raise _no_overload("+", left, right)


def subtract(left: Any, right: Any, env: Budget) -> Any:
    """`left - right`."""
    if type(left) is int and type(right) is int:
        return integer(integer(left) - integer(right))
    if type(left) is float and type(right) is float:
        return left - right
    raise _no_overload("-", left, right)


def multiply(left: Any, right: Any, env: Budget) -> Any:
    """`left * right`."""
    if type(left) is int and type(right) is int:
        return integer(integer(left) * integer(right))
    if type(left) is float and type(right) is float:
        return left * right
    raise _no_overload("*", left, right)


def divide(left: Any, right: Any, env: Budget) -> Any:
    """`left / right`: integers truncate towards zero; doubles follow IEEE 754."""
    if type(left) is int and type(right) is int:
        integer(left), integer(right)
        if right == 0:
            raise EvaluationError("division by zero")
        quotient = abs(left) // abs(right)
        return integer(quotient if (left < 0) == (right < 0) else -quotient)
    if type(left) is float and type(right) is float:
        return _divide_doubles(left, right)
    raise _no_overload("/", left, right)


def _divide_doubles(left: float, right: float) -> float:
    if right != 0.0:
        return left / right
    if left == 0.0 or left != left:
        return float("nan")
    negative = (str(left)[0] == "-") != (str(right)[0] == "-")
    return float("-inf") if negative else float("inf")


def modulo(left: Any, right: Any, env: Budget) -> Any:
    """`left % right` of integers: the sign is that of `left`."""
    if type(left) is int and type(right) is int:
        integer(left), integer(right)
        if right == 0:
            raise EvaluationError("modulus by zero")
        rest = abs(left) % abs(right)
        return -rest if left < 0 else rest
    raise _no_overload("%", left, right)


def negate(value: Any) -> Any:
    """`-value`."""
    if type(value) is int:
        return integer(-integer(value))
    if type(value) is float:
        return -value
    raise _no_overload("-", value)


# Lists, maps, sizes


def contains(item: Any, items: Any, env: Budget) -> bool:
    """`item in items`: a list's element or a map's key."""
    kind = type(items)
    if kind is dict:
        return _has_key(item, items)
    if kind is not list and kind is not tuple:
        raise _no_overload("in", item, items)
    if type(item) not in _KINDS:
        raise _no_overload("in", item, items)
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


def _has_key(key: Any, items: dict[Any, Any]) -> bool:
    kind = type(key)
    if kind is str:
        return key in items
    if kind is bool or kind is int or kind is float:
        return False  # the keys of maps are strings
    raise _no_overload("in", key, items)


def index(over: Any, by: Any, env: Budget) -> Any:
    """`over[by]`."""
    kind = type(over)
    if kind is dict:
        if type(by) is str:
            if by in over:
                return over[by]
        elif type(by) not in (int, bool, float):
            raise _no_overload("[]", over, by)
        raise EvaluationError("no such key")
    if kind is not list and kind is not tuple:
        raise _no_overload("[]", over, by)
    if type(by) is float and by.is_integer() and abs(by) < INT_MAX:
        by = int(by)
    if type(by) is not int:
        raise _no_overload("[]", over, by)
    if 0 <= by < len(over):
        return over[by]
    raise EvaluationError("the index is out of range")


def select(over: Any, field: str) -> Any:
    """`over.field` of a map."""
    if type(over) is dict:
        if field in over:
            return over[field]
        raise EvaluationError(f"no such key: {field}")
    raise EvaluationError(f"no field `{field}` in a value of type {kind_of(over)}")


def size(value: Any, env: Budget) -> int:
    """The number of characters, octets, elements or entries."""
    if type(value) in (str, bytes, list, tuple, dict):
        return len(value)
    raise _no_overload("size", value)


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
