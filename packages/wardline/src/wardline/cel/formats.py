"""`'%s of %d'.format([a, b])`: CEL's format strings.

The clauses are `%s`, `%d`, `%f`, `%e`, `%b`, `%o`, `%x`, `%X` and `%%`; `%.3f` and `%.3e` take a
number of decimals. Numbers are written the same way in every locale.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from wardline.cel.conversions import text_of
from wardline.cel.kinds import Keyed, TypeName, UInt
from wardline.cel.members import entries
from wardline.cel.sorts import integer, kind_of, no_overload
from wardline.cel.values import charge
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.cel.values import Budget

__all__ = ["clauses", "format_text"]

_MOST_DECIMALS: Final = 1000
_MOST_DEPTH: Final = 64
_SIX: Final = 6


def format_text(env: Budget, text: Any, values: Any) -> str:
    """`text.format(values)`."""
    if type(text) is not str or type(values) not in (list, tuple):
        raise no_overload("format", text, values)
    charge(env, len(text) >> 4)
    parts: list[str] = []
    at = used = 0
    while (found := text.find("%", at)) >= 0:
        parts.append(text[at:found])
        clause, decimals, at = _clause(text, found)
        if clause == "%":
            parts.append("%")
            continue
        if used >= len(values):
            raise EvaluationError(f"the format has more clauses than its {len(values)} values")
        charge(env, 40)
        parts.append(_CLAUSES[clause](env, values[used], decimals))
        used += 1
    parts.append(text[at:])
    return _joined(env, parts, "")


def clauses(text: str) -> int:
    """How many values a format wants; EvaluationError where it is not one."""
    at = count = 0
    while (found := text.find("%", at)) >= 0:
        clause, _, at = _clause(text, found)
        count += clause != "%"
    return count


def _joined(env: Budget, parts: list[str], separator: str) -> str:
    charge(env, (sum(map(len, parts)) + len(parts) * len(separator)) >> 6)
    return separator.join(parts)


def _clause(text: str, found: int) -> tuple[str, int, int]:
    """The letter of the clause at `found`, its decimals, and the offset after it."""
    at = found + 1
    decimals = _SIX
    if text[at : at + 1] == ".":
        begin = at = at + 1
        while text[at : at + 1] in _DIGITS and at - begin < 5:
            at += 1
        if at == begin or int(text[begin:at]) > _MOST_DECIMALS:
            raise EvaluationError(f"a format takes 0 to {_MOST_DECIMALS:,} decimals")
        decimals = int(text[begin:at])
    letter = text[at : at + 1]
    if letter != "%" and letter not in _CLAUSES:
        raise EvaluationError(f"the format has no clause `%{letter}`")
    return letter, decimals, at + 1


_DIGITS: Final = frozenset("0123456789")


def _cannot(clause: str, value: object) -> EvaluationError:
    return EvaluationError(f"`%{clause}` cannot write a value of type {kind_of(value)}")


# Strings


def _string(env: Budget, value: Any, decimals: int) -> str:
    del decimals
    return _written(env, value, 0)


def _written(env: Budget, value: Any, depth: int) -> str:
    kind = type(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind is float:
        return _plain(value)
    if kind is list or kind is tuple:
        return f"[{_joined(env, _each(env, value, depth), ', ')}]"
    if kind is dict or kind is Keyed:
        charge(env, 16 * len(value))
        pairs = [
            (_written(env, key, depth + 1), _inner(env, item, depth))
            for key, item in entries(value)
        ]
        pairs.sort(key=lambda pair: pair[0])
        return f"{{{_joined(env, [f'{key}: {item}' for key, item in pairs], ', ')}}}"
    if kind is TypeName:
        return str(value.name)
    text = text_of(env, value)
    if text is None:
        raise _cannot("s", value)
    return text


def _each(env: Budget, items: Any, depth: int) -> list[str]:
    charge(env, 8 * len(items))
    return [_inner(env, item, depth) for item in items]


def _inner(env: Budget, value: Any, depth: int) -> str:
    if depth >= _MOST_DEPTH:
        raise EvaluationError("a value is nested too deeply to be formatted")
    return _written(env, value, depth + 1)


def _plain(value: float) -> str:
    """The shortest text that means the double, without an exponent."""
    text = _special(value) or f"{Decimal(repr(value)):f}"
    return text.rstrip("0").removesuffix(".") if "." in text else text


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "" if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


# Numbers


def _decimal(env: Budget, value: Any, decimals: int) -> str:
    del decimals
    if type(value) is float:
        return _plain(value)
    if type(value) not in (int, UInt):
        raise _cannot("d", value)
    return str(text_of(env, value))


def _double(clause: str) -> Callable[[Budget, Any, int], str]:
    def double(env: Budget, value: Any, decimals: int) -> str:
        kind = type(value)
        if kind not in (int, UInt, float):
            raise _cannot(clause, value)
        charge(env, decimals >> 2)
        number = float(value.value if kind is UInt else value if kind is float else integer(value))
        return _special(number) or f"{number:.{decimals}{clause}}"

    return double


def _base(clause: str) -> Callable[[Budget, Any, int], str]:
    def base(env: Budget, value: Any, decimals: int) -> str:
        del decimals
        kind = type(value)
        if kind is bool and clause == "b":
            return "1" if value else "0"
        if kind is int:
            return f"{integer(value):{clause}}"
        if kind is UInt:
            return f"{value.value:{clause}}"
        if kind in (str, bytes) and clause in "xX":
            charge(env, len(value) >> 4)
            octets = value if kind is bytes else _octets(value)
            return octets.hex() if clause == "x" else octets.hex().upper()
        raise _cannot(clause, value)

    return base


def _octets(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise EvaluationError("the text holds a lone surrogate") from error


_CLAUSES: Final[dict[str, Callable[[Budget, Any, int], str]]] = {
    "s": _string,
    "d": _decimal,
    "f": _double("f"),
    "e": _double("e"),
    "b": _base("b"),
    "o": _base("o"),
    "x": _base("x"),
    "X": _base("X"),
}
