"""CEL's conversions between types. Each takes the budget first, then its value."""

# ruff: noqa: ARG001 - every function takes the budget first
from __future__ import annotations

import math
import re
from binascii import Error as Base64Error
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from wardline.cel import networks, times
from wardline.cel.kinds import Duration, Timestamp, TypeName, UInt
from wardline.cel.networks import Address, Network
from wardline.cel.sorts import INT_MAX, INT_MIN, integer, no_overload, type_of, unsigned
from wardline.cel.values import charge
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.cel.values import Budget

__all__ = ["CONVERSIONS", "double_text", "text_of"]

_INT = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_UINT = re.compile(r"\+?[0-9]{1,20}", re.ASCII)
_DOUBLE = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|[+-]?inf(?:inity)?",
    re.ASCII | re.IGNORECASE,
)
_BOOLS: Final = {
    "1": True, "t": True, "true": True, "TRUE": True, "True": True,
    "0": False, "f": False, "false": False, "FALSE": False, "False": False,
}  # fmt: skip
_UINT_END = 2.0**64
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)


def _to_int(env: Budget, value: Any) -> int:
    kind = type(value)
    if kind is int:
        return integer(value)
    if kind is UInt:
        return integer(value.value)
    if kind is float:
        if INT_MIN < value < INT_MAX:  # false for NaN; the bounds themselves are not exact
            return int(value)
        raise EvaluationError("a double does not fit into a 64-bit integer")
    if kind is str:
        if _INT.fullmatch(value):
            return integer(int(value))
        raise EvaluationError("the text is not an integer")
    if kind is Timestamp or kind is datetime:
        nanos: int = _as_timestamp(value).nanos
        return nanos // 10**9
    raise no_overload("int", value)


def _to_uint(env: Budget, value: Any) -> UInt:
    kind = type(value)
    if kind is UInt:
        return UInt(value.value)
    if kind is int:
        return unsigned(value)
    if kind is float:
        if 0.0 <= value < _UINT_END:
            return UInt(int(value))
        raise EvaluationError("a double does not fit into an unsigned 64-bit integer")
    if kind is str:
        if _UINT.fullmatch(value):
            return unsigned(int(value))
        raise EvaluationError("the text is not an unsigned integer")
    raise no_overload("uint", value)


def _to_double(env: Budget, value: Any) -> float:
    kind = type(value)
    if kind is float:
        return float(value)
    if kind is int:
        return float(integer(value))
    if kind is UInt:
        return float(value.value)
    if kind is str:
        if len(value) <= 400 and _DOUBLE.fullmatch(value):
            return float(value)
        raise EvaluationError("the text is not a double")
    raise no_overload("double", value)


def _to_string(env: Budget, value: Any) -> str:
    kind = type(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        charge(env, 20)
        return double_text(value)
    text = text_of(env, value)
    if text is None:
        raise no_overload("string", value)
    return text


def text_of(env: Budget, value: Any) -> str | None:
    """The text of a value that is written the same way everywhere; None for other types."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is int:
        return str(integer(value))
    if kind is UInt:
        return str(value.value)
    if kind is bytes:
        charge(env, len(value) >> 6)
        try:
            return str(value, "utf-8")
        except UnicodeDecodeError as error:
            raise EvaluationError("the bytes are not UTF-8") from error
    if kind is Timestamp or kind is datetime:
        return times.timestamp_text(_as_timestamp(value))
    if kind is Duration:
        return times.duration_text(value)
    if kind is Address or kind is Network:
        return str(value)
    return None


def double_text(value: float) -> str:
    """The shortest text that means the double, with an exponent below -4 and from 6 on."""
    if value.is_integer() and abs(value) < 1e6:
        return "-0" if value == 0 and str(value)[0] == "-" else str(int(value))
    text = repr(value)
    if not math.isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}[text]
    if 1e-4 <= abs(value) < 1e6:
        return text
    number = Decimal(text)
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    shown = f"{digits[0]}.{digits[1:]}".rstrip(".")
    return f"{'-' if value < 0 else ''}{shown}e{number.adjusted():+03}"


def _to_bool(env: Budget, value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is str:
        if value in _BOOLS:
            return _BOOLS[value]
        raise EvaluationError("the text is not a boolean")
    raise no_overload("bool", value)


def _to_bytes(env: Budget, value: Any) -> bytes:
    if type(value) is bytes:
        return value
    if type(value) is str:
        charge(env, len(value) >> 6)
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise EvaluationError("the text holds a lone surrogate") from error
    raise no_overload("bytes", value)


def _as_timestamp(value: Any) -> Timestamp:
    return times.moment(value) if type(value) is datetime else value


def _to_timestamp(env: Budget, value: Any) -> Timestamp:
    kind = type(value)
    if kind is Timestamp or kind is datetime:
        return _as_timestamp(value)
    if kind is str:
        return times.parse_timestamp(value)
    if kind is int:
        return times.timestamp(integer(value) * 10**9)
    raise no_overload("timestamp", value)


def _to_duration(env: Budget, value: Any) -> Duration:
    if type(value) is Duration:
        return value
    if type(value) is str:
        charge(env, 3 * min(len(value), 128))
        return times.parse_duration(value)
    raise no_overload("duration", value)


def _type(env: Budget, value: Any) -> TypeName:
    return type_of(value)


def _dyn(env: Budget, value: Any) -> Any:
    return value


# Base 64


def _encode(env: Budget, value: Any) -> str:
    from base64 import b64encode

    if type(value) is bytes:
        charge(env, len(value) >> 5)
        return b64encode(value).decode()
    raise no_overload("base64.encode", value)


def _decode(env: Budget, value: Any) -> bytes:
    from base64 import b64decode

    if type(value) is not str:
        raise no_overload("base64.decode", value)
    charge(env, len(value) >> 4)
    # Padding may be left out, but not be half there.
    if _BASE64.fullmatch(value) and (len(value) % 4 == 0 or "=" not in value):
        try:
            return b64decode(value + "=" * (-len(value) % 4), validate=True)
        except Base64Error:
            pass
    raise EvaluationError("the text is not base 64")


# Addresses


def _ip(env: Budget, value: Any) -> Address:
    if type(value) is str:
        return networks.address(value)
    raise no_overload("ip", value)


def _cidr(env: Budget, value: Any) -> Network:
    if type(value) is str:
        return networks.network(value)
    raise no_overload("cidr", value)


def _is_ip(env: Budget, value: Any) -> bool:
    return _is("isIP", networks.address, value)


def _is_cidr(env: Budget, value: Any) -> bool:
    return _is("isCIDR", networks.network, value)


def _is(name: str, read: Callable[[str], object], value: Any) -> bool:
    if type(value) is not str:
        raise no_overload(name, value)
    try:
        read(value)
    except EvaluationError:
        return False
    return True


def _is_canonical(env: Budget, value: Any) -> bool:
    if type(value) is str:
        return networks.is_canonical(value)
    raise no_overload("ip.isCanonical", value)


CONVERSIONS: Final[dict[str, Callable[..., Any]]] = {
    "int": _to_int,
    "uint": _to_uint,
    "double": _to_double,
    "string": _to_string,
    "bool": _to_bool,
    "bytes": _to_bytes,
    "timestamp": _to_timestamp,
    "duration": _to_duration,
    "type": _type,
    "dyn": _dyn,
    "base64.encode": _encode,
    "base64.decode": _decode,
    "ip": _ip,
    "cidr": _cidr,
    "isIP": _is_ip,
    "isCIDR": _is_cidr,
    "ip.isCanonical": _is_canonical,
}
"""Functions called as `int(x)`."""
