"""CEL's functions on strings, and the conversions. Each takes the budget first, then its values."""

# ruff: noqa: ARG001 - every function takes the budget first
from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wardline.cel import facets, nets
from wardline.cel.values import INT_MAX, INT_MIN, charge, integer, kind_of, search_cost, size
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wardline.cel.values import Budget

__all__ = ["CALLS", "METHODS"]

_INT = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_DOUBLE = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|NaN|[+-]?Inf(?:inity)?", re.ASCII
)
_BOOLS = {
    "1": True, "t": True, "true": True, "TRUE": True, "True": True,
    "0": False, "f": False, "false": False, "FALSE": False, "False": False,
}  # fmt: skip
_LOWER = {code: code + 32 for code in range(65, 91)}
_UPPER = {code: code - 32 for code in range(97, 123)}
# White_Space of Unicode, as the string library has it.
_SPACE = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def _wrong(function: str, *values: object) -> EvaluationError:
    kinds = ", ".join(kind_of(value) for value in values)
    return EvaluationError(f"`{function}` is not defined for {kinds}")


# Conversions


def _to_int(env: Budget, value: Any) -> int:
    kind = type(value)
    if kind is int:
        return integer(value)
    if kind is float:
        if INT_MIN < value < INT_MAX:  # false for NaN; the bounds themselves are not exact
            return int(value)
        raise EvaluationError("a double does not fit into a 64-bit integer")
    if kind is str:
        if _INT.fullmatch(value):
            return integer(int(value))
        raise EvaluationError("the text is not an integer")
    raise _wrong("int", value)


def _to_double(env: Budget, value: Any) -> float:
    kind = type(value)
    if kind is float:
        return float(value)
    if kind is int:
        return float(integer(value))
    if kind is str:
        if len(value) <= 400 and _DOUBLE.fullmatch(value):
            return float(value)
        raise EvaluationError("the text is not a double")
    raise _wrong("double", value)


def _to_string(env: Budget, value: Any) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(integer(value))
    if kind is float:
        return _double_text(value)
    if kind is bytes:
        charge(env, len(value) >> 6)
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError as error:
            raise EvaluationError("the bytes are not UTF-8") from error
    raise _wrong("string", value)


def _double_text(value: float) -> str:
    if value.is_integer() and abs(value) < 1e16:
        return "-0" if value == 0 and str(value)[0] == "-" else str(int(value))
    text = repr(value)
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(text, text)


def _to_bool(env: Budget, value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is str:
        if value in _BOOLS:
            return _BOOLS[value]
        raise EvaluationError("the text is not a boolean")
    raise _wrong("bool", value)


def _to_bytes(env: Budget, value: Any) -> bytes:
    if type(value) is bytes:
        return value
    if type(value) is str:
        charge(env, len(value) >> 6)
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise EvaluationError("the text holds a lone surrogate") from error
    raise _wrong("bytes", value)


def _dyn(env: Budget, value: Any) -> Any:
    return value


def _size(env: Budget, value: Any) -> int:
    return size(value, env)


def _path(env: Any, value: Any) -> nets.PathView:
    if type(value) is not str:
        raise _wrong("path", value)
    charge(env, len(value) >> 2)
    return nets.linked_path(value, env.links)


def _url(env: Budget, value: Any) -> nets.UrlView:
    if type(value) is not str:
        raise _wrong("url", value)
    charge(env, len(value) >> 4)
    return nets.url(value)


# Strings


def _contains(env: Budget, text: Any, part: Any) -> bool:
    if type(text) is str and type(part) is str:
        if len(text) > 48:
            charge(env, search_cost(len(text), len(part)))
        return part in text
    raise _wrong("contains", text, part)


def _starts(env: Budget, text: Any, part: Any) -> bool:
    if type(text) is str and type(part) is str:
        charge(env, len(part) >> 8)
        return text.startswith(part)
    raise _wrong("startsWith", text, part)


def _ends(env: Budget, text: Any, part: Any) -> bool:
    if type(text) is str and type(part) is str:
        charge(env, len(part) >> 8)
        return text.endswith(part)
    raise _wrong("endsWith", text, part)


def _lower(env: Budget, text: Any) -> str:
    if type(text) is str:
        return _recase(env, text, str.lower, _LOWER)
    raise _wrong("lowerAscii", text)


def _upper(env: Budget, text: Any) -> str:
    if type(text) is str:
        return _recase(env, text, str.upper, _UPPER)
    raise _wrong("upperAscii", text)


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
    raise _wrong("trim", text)


def _char_at(env: Budget, text: Any, at: Any) -> str:
    if type(text) is str and type(at) is int:
        if 0 <= at <= len(text):
            return text[at : at + 1]
        raise EvaluationError("the index is out of range")
    raise _wrong("charAt", text, at)


def _index_of(env: Budget, text: Any, part: Any, start: Any = 0) -> int:
    if type(text) is str and type(part) is str and type(start) is int:
        if not 0 <= start <= len(text):
            raise EvaluationError("the index is out of range")
        charge(env, search_cost(len(text), len(part)))
        return text.find(part, start)
    raise _wrong("indexOf", text, part, start)


def _last_index_of(env: Budget, text: Any, part: Any, last: Any = None) -> int:
    if type(text) is str and type(part) is str and (last is None or type(last) is int):
        # `rfind` compares at every position whatever the lengths are.
        charge(env, (len(text) * (len(part) + 4)) >> 8)
        if last is None:
            return text.rfind(part)
        if not 0 <= last <= len(text):
            raise EvaluationError("the index is out of range")
        return text.rfind(part, 0, last + len(part))
    raise _wrong("lastIndexOf", text, part, last)


def _substring(env: Budget, text: Any, start: Any, end: Any = None) -> str:
    if type(text) is str and type(start) is int and (end is None or type(end) is int):
        stop = len(text) if end is None else end
        if not 0 <= start <= stop <= len(text):
            raise EvaluationError("the index is out of range")
        charge(env, (stop - start) >> 6)
        return text[start:stop]
    raise _wrong("substring", text, start, end)


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
    raise _wrong("replace", text, old, new, limit)


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
    raise _wrong("split", text, separator, limit)


def _join(env: Budget, items: Any, separator: Any = "") -> str:
    if (type(items) is list or type(items) is tuple) and type(separator) is str:
        charge(env, len(items) + ((len(items) * len(separator)) >> 6))
        length = 0
        for item in items:
            if type(item) is not str:
                raise _wrong("join", item)
            length += len(item)
        charge(env, length >> 6)
        return separator.join(items)
    raise _wrong("join", items, separator)


CALLS: dict[str, Callable[..., Any]] = {
    "size": _size,
    "int": _to_int,
    "double": _to_double,
    "string": _to_string,
    "bool": _to_bool,
    "bytes": _to_bytes,
    "dyn": _dyn,
    "path": _path,
    "url": _url,
    "sql": facets.sql,
    "shell": facets.shell,
    "pii": facets.pii,
    "secrets": facets.secrets,
}

METHODS: dict[str, Callable[..., Any]] = {
    "size": _size,
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
    "split": _split,
    "join": _join,
}
