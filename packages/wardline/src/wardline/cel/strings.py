"""CEL's functions on strings. Each takes the budget first, then its values.

Positions count characters (code points) from 0.
"""

# ruff: noqa: ARG001 - every function takes the budget first
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.cel.sorts import no_overload
from wardline.cel.values import charge, search_cost
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wardline.cel.values import Budget

__all__ = ["STRING_FUNCTIONS", "STRING_METHODS"]

_LOWER = {code: code + 32 for code in range(65, 91)}
_UPPER = {code: code - 32 for code in range(97, 123)}
# White_Space of Unicode, as the string library has it.
_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
_LEFT_OUT: Any = object()  # an argument that is not there; null is one that is
_ESCAPES = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
)


def _contains(env: Budget, text: Any, part: Any) -> bool:
    if type(text) is str and type(part) is str:
        if len(text) > 48:
            charge(env, search_cost(len(text), len(part)))
        return part in text
    raise no_overload("contains", text, part)


def _starts(env: Budget, text: Any, part: Any) -> bool:
    if type(text) is str and type(part) is str:
        charge(env, len(part) >> 8)
        return text.startswith(part)
    raise no_overload("startsWith", text, part)


def _ends(env: Budget, text: Any, part: Any) -> bool:
    if type(text) is str and type(part) is str:
        charge(env, len(part) >> 8)
        return text.endswith(part)
    raise no_overload("endsWith", text, part)


def _lower(env: Budget, text: Any) -> str:
    if type(text) is str:
        return _recase(env, text, str.lower, _LOWER)
    raise no_overload("lowerAscii", text)


def _upper(env: Budget, text: Any) -> str:
    if type(text) is str:
        return _recase(env, text, str.upper, _UPPER)
    raise no_overload("upperAscii", text)


def _recase(env: Budget, text: str, plain: Callable[[str], str], table: Mapping[int, int]) -> str:
    if text.isascii():
        charge(env, len(text) >> 6)
        return plain(text)
    charge(env, len(text))
    return text.translate(table)


def _trim(env: Budget, text: Any) -> str:
    if type(text) is str:
        charge(env, len(text) >> 4)
        return text.strip(_SPACE)
    raise no_overload("trim", text)


def _char_at(env: Budget, text: Any, at: Any) -> str:
    if type(text) is str and type(at) is int:
        if 0 <= at <= len(text):
            return text[at : at + 1]
        raise EvaluationError("the index is out of range")
    raise no_overload("charAt", text, at)


def _index_of(env: Budget, text: Any, part: Any, start: Any = 0) -> int:
    if type(text) is str and type(part) is str and type(start) is int:
        if not 0 <= start <= len(text):
            raise EvaluationError("the index is out of range")
        charge(env, search_cost(len(text), len(part)))
        return text.find(part, start)
    raise no_overload("indexOf", text, part, start)


def _last_index_of(env: Budget, text: Any, part: Any, last: Any = _LEFT_OUT) -> int:
    if type(text) is str and type(part) is str and (last is _LEFT_OUT or type(last) is int):
        # `rfind` compares at every position whatever the lengths are.
        charge(env, (len(text) * (len(part) + 4)) >> 8)
        if last is _LEFT_OUT:
            return text.rfind(part)
        if not 0 <= last <= len(text):
            raise EvaluationError("the index is out of range")
        return text.rfind(part, 0, last + len(part))
    raise no_overload("lastIndexOf", text, part, last)


def _substring(env: Budget, text: Any, start: Any, end: Any = _LEFT_OUT) -> str:
    if type(text) is str and type(start) is int and (end is _LEFT_OUT or type(end) is int):
        stop = len(text) if end is _LEFT_OUT else end
        if not 0 <= start <= stop <= len(text):
            raise EvaluationError("the index is out of range")
        charge(env, (stop - start) >> 6)
        return text[start:stop]
    raise no_overload("substring", text, start, end)


def _replace(env: Budget, text: Any, old: Any, new: Any, limit: Any = -1) -> str:
    if type(text) is str and type(old) is str and type(new) is str and type(limit) is int:
        most = (len(text) // len(old) if old else len(text) + 1) if old != new else 0
        if limit >= 0:
            most = min(most, limit)
        charge(env, search_cost(len(text), len(old)) + (len(text) >> 4) + (most >> 1))
        if most and len(new) > len(old):
            # How much it grows is known once the occurrences are counted.
            found = min(text.count(old), most)
            charge(env, (found * len(new)) >> 6)
        return text.replace(old, new, most if limit >= 0 else -1)
    raise no_overload("replace", text, old, new, limit)


def _split(env: Budget, text: Any, separator: Any, limit: Any = -1) -> list[str]:
    if type(text) is str and type(separator) is str and type(limit) is int:
        parts = len(text) // max(len(separator), 1)
        charge(env, search_cost(len(text), len(separator)) + (len(text) >> 4) + parts)
        if limit == 0:
            return []
        if limit == 1:
            return [text]
        if separator:
            return text.split(separator, limit - 1 if limit > 0 else -1)
        if limit < 0 or limit >= len(text):
            return list(text)
        return [*text[: limit - 1], text[limit - 1 :]]
    raise no_overload("split", text, separator, limit)


def _join(env: Budget, items: Any, separator: Any = "") -> str:
    if (type(items) is list or type(items) is tuple) and type(separator) is str:
        charge(env, len(items) + ((len(items) * len(separator)) >> 6))
        length = 0
        for item in items:
            if type(item) is not str:
                raise no_overload("join", item)
            length += len(item)
        charge(env, length >> 6)
        return separator.join(items)
    raise no_overload("join", items, separator)


def _reverse(env: Budget, text: Any) -> str:
    if type(text) is str:
        charge(env, len(text) >> 5)
        return text[::-1]
    raise no_overload("reverse", text)


def _quote(env: Budget, text: Any) -> str:
    if type(text) is str:
        charge(env, len(text) >> 1)
        return f'"{text.translate(_ESCAPES)}"'
    raise no_overload("strings.quote", text)


STRING_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {"strings.quote": _quote}
"""Functions called as `strings.quote(x)`."""

STRING_METHODS: Final[dict[str, Callable[..., Any]]] = {
    "contains": _contains,
    "startsWith": _starts,
    "endsWith": _ends,
    "lowerAscii": _lower,
    "upperAscii": _upper,
    "trim": _trim,
    "charAt": _char_at,
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "substring": _substring,
    "replace": _replace,
    "reverse": _reverse,
    "split": _split,
    "join": _join,
}
"""Functions called as `x.trim()`."""
