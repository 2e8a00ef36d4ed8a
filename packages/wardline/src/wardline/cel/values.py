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
from wardline.cel.kinds import Keyed, UInt
from wardline.cel.members import entries, look_up
from wardline.cel.sorts import INT_MAX, INT_MIN, KINDS, integer, no_overload, unsigned
from wardline.errors import EvaluationError

__all__ = [
    "Budget",
    "BudgetError",
    "add",
    "charge",
    "contains",
    "divide",
    "equal",
    "less",
    "less_or_equal",
    "modulo",
    "multiply",
    "negate",
    "search_cost",
    "subtract",
]

_MAX_DEPTH = 128
_SHORT = 1024  # characters that are compared for nothing
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
        if len(left) > _SHORT and len(left) == len(right):
            charge(env, len(left) >> 10)
        return bool(left == right)
    if a is int and b is int and INT_MIN <= left <= INT_MAX and INT_MIN <= right <= INT_MAX:
        return bool(left == right)
    if a in _NUMBERS and b in _NUMBERS:
        one, other = _comparable(left, right)
        return one == other
    kind = KINDS.get(a)
    if kind is None or b not in KINDS:
        raise no_overload("==", left, right)
    if kind != KINDS[b]:
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
        found, other = look_up(key, right)
        if not found or not equal(value, other, env, depth + 1):
            return False
    return True


# Order


def less(left: Any, right: Any, env: Budget) -> bool:
    """`left < right`."""
    if type(left) is int and type(right) is int:
        if INT_MIN <= left <= INT_MAX and INT_MIN <= right <= INT_MAX:
            return left < right
        return integer(left) < integer(right)
    one, other = _ordered("<", left, right, env)
    return bool(one < other)


def less_or_equal(left: Any, right: Any, env: Budget) -> bool:
    """`left <= right`."""
    if type(left) is int and type(right) is int:
        if INT_MIN <= left <= INT_MAX and INT_MIN <= right <= INT_MAX:
            return left <= right
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
    kind = KINDS.get(a)
    if kind in ("timestamp", "duration") and KINDS.get(b) == kind:
        return _nanos(left, env), _nanos(right, env)
    raise no_overload(op, left, right)


# Arithmetic


def add(left: Any, right: Any, env: Budget) -> Any:
    """`left + right`: numbers of one type, strings, bytes, lists, or a time and a duration."""
    a, b = type(left), type(right)
    if a is int and b is int:
        total = left + right
        if (
            INT_MIN <= left <= INT_MAX
            and INT_MIN <= right <= INT_MAX
            and INT_MIN <= total <= INT_MAX
        ):
            return total
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
    kinds = KINDS.get(a), KINDS.get(b)
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
    kinds = KINDS.get(a), KINDS.get(b)
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


# Membership, and what a search costs


def contains(item: Any, items: Any, env: Budget) -> bool:
    """`item in items`: a list's element or a map's key."""
    kind = type(items)
    if kind is dict or kind is Keyed:
        return look_up(item, items)[0]
    if kind is not list and kind is not tuple:
        raise no_overload("in", item, items)
    if type(item) not in KINDS:
        raise no_overload("in", item, items)
    charge(env, len(items))
    failed: EvaluationError | None = None
    # Texts and integers are what long lists hold; for most of them equality is Python's and free.
    own = type(item)
    plain = (own is str and len(item) <= _SHORT) or (own is int and INT_MIN <= item <= INT_MAX)
    for other in items:
        if plain and type(other) is own and (own is str or INT_MIN <= other <= INT_MAX):
            if other == item:
                return True
            continue
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
