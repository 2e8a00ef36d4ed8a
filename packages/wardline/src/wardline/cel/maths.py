"""CEL's functions on numbers, called as `math.abs(x)`. Each takes the budget first."""

# ruff: noqa: ARG001 - every function takes the budget first
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from wardline.cel.kinds import UInt
from wardline.cel.sorts import INT_MAX, integer, no_overload
from wardline.cel.values import charge, less
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.cel.values import Budget

__all__ = ["MATH_FUNCTIONS"]

_ALL = 2**64 - 1
_NUMBERS = frozenset((int, float, UInt))


# The greatest and the least


def _greatest(env: Budget, *given: Any) -> Any:
    return _best(env, "math.greatest", given, lambda best, other: less(best, other, env))


def _least(env: Budget, *given: Any) -> Any:
    return _best(env, "math.least", given, lambda best, other: less(other, best, env))


def _best(env: Budget, name: str, given: tuple[Any, ...], worse: Callable[[Any, Any], bool]) -> Any:
    """Of equal numbers the first; a single list stands for its elements."""
    if len(given) == 1 and type(given[0]) in (list, tuple):
        charge(env, len(given[0]))
        given = tuple(given[0])
    charge(env, 6 * len(given))
    if not given:
        raise EvaluationError(f"`{name}` wants at least one number")
    for one in given:
        if type(one) not in _NUMBERS:
            raise no_overload(name, one)
    best = integer(given[0]) if type(given[0]) is int else given[0]
    for other in given[1:]:
        if worse(best, other):
            best = other
    return best


# Doubles


def _ceil(value: float) -> float:
    return float(math.ceil(value))


def _floor(value: float) -> float:
    return float(math.floor(value))


def _trunc(value: float) -> float:
    return float(math.trunc(value))


def _round(value: float) -> float:
    """To the nearest whole number, halves away from zero."""
    whole = math.trunc(value)
    if abs(value - whole) >= 0.5:
        whole += 1 if value > 0 else -1
    return float(whole)


def _to_whole(name: str, rounded: Callable[[float], float]) -> Callable[..., float]:
    def to_whole(env: Budget, value: Any) -> float:
        if type(value) is not float:
            raise no_overload(name, value)
        if not math.isfinite(value):
            return value
        # Python's integers have no negative zero.
        return math.copysign(rounded(value), value)

    return to_whole


def _about(name: str, test: Callable[[float], bool]) -> Callable[..., bool]:
    def about(env: Budget, value: Any) -> bool:
        if type(value) is not float:
            raise no_overload(name, value)
        return test(value)

    return about


def _sqrt(env: Budget, value: Any) -> float:
    kind = type(value)
    if kind not in _NUMBERS:
        raise no_overload("math.sqrt", value)
    number = float(value.value if kind is UInt else value if kind is float else integer(value))
    return math.sqrt(number) if not number < 0 else math.nan


# Signs


def _abs(env: Budget, value: Any) -> Any:
    kind = type(value)
    if kind is int:
        return integer(abs(integer(value)))
    if kind is float:
        return abs(value)
    if kind is UInt:
        return value
    raise no_overload("math.abs", value)


def _sign(env: Budget, value: Any) -> Any:
    kind = type(value)
    if kind is int:
        integer(value)
        return (value > 0) - (value < 0)
    if kind is float:
        return value if math.isnan(value) else float((value > 0) - (value < 0))
    if kind is UInt:
        return UInt(min(value.value, 1))
    raise no_overload("math.sign", value)


# Bits


def _bits(name: str, join: Callable[[int, int], int]) -> Callable[..., Any]:
    def bits(env: Budget, left: Any, right: Any) -> Any:
        if type(left) is int and type(right) is int:
            return join(integer(left), integer(right))
        if type(left) is UInt and type(right) is UInt:
            return UInt(join(left.value, right.value))
        raise no_overload(name, left, right)

    return bits


def _bit_not(env: Budget, value: Any) -> Any:
    if type(value) is int:
        return ~integer(value)
    if type(value) is UInt:
        return UInt(value.value ^ _ALL)
    raise no_overload("math.bitNot", value)


def _shift(name: str, move: Callable[[int, int], int]) -> Callable[..., Any]:
    """A shift of all 64 bits, whatever the sign; everything is shifted out at 64."""

    def shift(env: Budget, value: Any, by: Any) -> Any:
        if type(by) is not int or type(value) not in (int, UInt):
            raise no_overload(name, value, by)
        if by < 0:
            raise EvaluationError(f"`{name}` cannot shift by a negative number")
        unsigned = value.value if type(value) is UInt else integer(value) & _ALL
        moved = move(unsigned, by) & _ALL if by < 64 else 0
        if type(value) is UInt:
            return UInt(moved)
        return moved if moved <= INT_MAX else moved - _ALL - 1

    return shift


MATH_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "math.greatest": _greatest,
    "math.least": _least,
    "math.ceil": _to_whole("math.ceil", _ceil),
    "math.floor": _to_whole("math.floor", _floor),
    "math.round": _to_whole("math.round", _round),
    "math.trunc": _to_whole("math.trunc", _trunc),
    "math.isNaN": _about("math.isNaN", math.isnan),
    "math.isInf": _about("math.isInf", math.isinf),
    "math.isFinite": _about("math.isFinite", math.isfinite),
    "math.sqrt": _sqrt,
    "math.abs": _abs,
    "math.sign": _sign,
    "math.bitAnd": _bits("math.bitAnd", lambda left, right: left & right),
    "math.bitOr": _bits("math.bitOr", lambda left, right: left | right),
    "math.bitXor": _bits("math.bitXor", lambda left, right: left ^ right),
    "math.bitNot": _bit_not,
    "math.bitShiftLeft": _shift("math.bitShiftLeft", lambda value, by: value << by),
    "math.bitShiftRight": _shift("math.bitShiftRight", lambda value, by: value >> by),
}
"""The functions by their full names."""
