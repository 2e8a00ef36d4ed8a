"""What sorts of values there are, and the errors of those that do not fit.

A value is of the sort of its exact type; an object of any other class is foreign.
"""

from __future__ import annotations

from datetime import datetime

from wardline.cel.kinds import (
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
    "KINDS",
    "UINT_MAX",
    "integer",
    "kind_of",
    "no_overload",
    "type_of",
    "unsigned",
]

INT_MIN = -(2**63)
INT_MAX = 2**63 - 1
UINT_MAX = 2**64 - 1

_NONE = type(None)
KINDS: dict[type, str] = {
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
"""The sort of each type of Python's that is not foreign."""
_TYPES = {
    "null": "null_type", "timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration",
    "optional": "optional_type", "IP address": "net.IP", "network": "net.CIDR",
}  # fmt: skip


def kind_of(value: object) -> str:
    """The CEL type of a value; a foreign one is named by its class."""
    kind = KINDS.get(type(value))
    return kind if kind is not None else f"foreign ({type(value).__name__})"


def type_of(value: object) -> TypeName:
    """What `type(value)` gives; EvaluationError for a foreign value."""
    kind = KINDS.get(type(value))
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
    if 0 <= value <= UINT_MAX:
        return UInt(value)
    raise EvaluationError("an unsigned integer does not fit into 64 bits")
