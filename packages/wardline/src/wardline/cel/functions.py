"""What the functions of the language do. Each takes the budget first, then its values.

Every function has a row here and one in `types.py`, which says what it takes and gives.
"""

# ruff: noqa: ARG001 - every function takes the budget first
from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from wardline.cel import facets, nets, networks, times
from wardline.cel.conversions import CONVERSIONS
from wardline.cel.formats import format_text
from wardline.cel.kinds import ABSENT, Duration, Keyed, Optional, Timestamp, UInt
from wardline.cel.maths import MATH_FUNCTIONS
from wardline.cel.members import size
from wardline.cel.networks import Address, Network
from wardline.cel.sorts import no_overload
from wardline.cel.strings import STRING_FUNCTIONS, STRING_METHODS
from wardline.cel.times import LENGTHS, PARTS, Zone
from wardline.cel.values import charge
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.cel.values import Budget

__all__ = ["CALLS", "METHODS"]

_UTC = times.zone("UTC")
_NAMED_ZONE = 1500  # steps to find a time zone whose name is computed: it may be read from disk


def _size(env: Budget, value: Any) -> int:
    return size(value, env)


def _path(env: Any, value: Any) -> nets.PathView:
    if type(value) is not str:
        raise no_overload("path", value)
    charge(env, len(value) >> 2)
    return nets.linked_path(value, env.links)


def _url(env: Budget, value: Any) -> nets.UrlView:
    if type(value) is not str:
        raise no_overload("url", value)
    charge(env, len(value) >> 4)
    return nets.url(value)


# Optionals


def _none(env: Budget) -> Optional:
    return ABSENT


def _of(env: Budget, value: Any) -> Optional:
    return Optional(value)


def _of_non_zero(env: Budget, value: Any) -> Optional:
    return ABSENT if _is_zero(value) else Optional(value)


def _is_zero(value: Any) -> bool:
    kind = type(value)
    if kind in (str, bytes, list, tuple, dict, Keyed):
        return len(value) == 0
    if kind is UInt:
        return bool(value.value == 0)
    if kind in (Timestamp, Duration):
        return bool(value.nanos == 0)
    return value is None or (kind in (bool, int, float) and value == 0)


def _has_value(env: Budget, value: Any) -> bool:
    if type(value) is Optional:
        return value.present
    raise no_overload("hasValue", value)


def _value(env: Budget, value: Any) -> Any:
    if type(value) is not Optional:
        raise no_overload("value", value)
    if value.present:
        return value.value
    raise EvaluationError("the optional value is not there")


# Times


def _getter(name: str) -> Callable[..., int]:
    part, length = PARTS[name], LENGTHS.get(name)

    def getter(env: Budget, value: Any, where: Any = _UTC) -> int:
        kind = type(value)
        if kind is datetime:
            value, kind = times.moment(value), Timestamp
        if kind is Timestamp:
            return part(value, _zone(env, name, value, where))
        if kind is Duration and length is not None and where is _UTC:
            return length(value)
        raise no_overload(name, value)

    return getter


def _zone(env: Budget, name: str, value: Any, where: Any) -> Zone:
    if type(where) is Zone:
        return where
    if type(where) is not str:
        raise no_overload(name, value, where)
    charge(env, _NAMED_ZONE)
    return times.zone(where)


# Networks


def _of_address(name: str, read: Callable[[Address], Any]) -> Callable[..., Any]:
    def of_address(env: Budget, value: Any) -> Any:
        if type(value) is Address:
            return read(value)
        raise no_overload(name, value)

    return of_address


def _of_network(name: str, read: Callable[[Network], Any]) -> Callable[..., Any]:
    def of_network(env: Budget, value: Any) -> Any:
        if type(value) is Network:
            return read(value)
        raise no_overload(name, value)

    return of_network


def _contains_ip(env: Budget, value: Any, other: Any) -> bool:
    inner = networks.address(other) if type(other) is str else other
    if type(value) is Network and type(inner) is Address:
        return value.holds(inner)
    raise no_overload("containsIP", value, other)


def _contains_cidr(env: Budget, value: Any, other: Any) -> bool:
    inner = networks.network(other) if type(other) is str else other
    if type(value) is Network and type(inner) is Network:
        return value.holds(inner.address, inner.length)
    raise no_overload("containsCIDR", value, other)


CALLS: Final[dict[str, Callable[..., Any]]] = {
    "size": _size,
    "path": _path,
    "url": _url,
    "sql": facets.sql,
    "shell": facets.shell,
    "pii": facets.pii,
    "secrets": facets.secrets,
    "optional.none": _none,
    "optional.of": _of,
    "optional.ofNonZeroValue": _of_non_zero,
    **CONVERSIONS,
    **STRING_FUNCTIONS,
    **MATH_FUNCTIONS,
}
"""Functions called as `size(x)`, by their full names."""

METHODS: Final[dict[str, Callable[..., Any]]] = {
    "size": _size,
    "format": format_text,
    "hasValue": _has_value,
    "value": _value,
    "family": _of_address("family", lambda one: one.family),
    "isLoopback": _of_address("isLoopback", lambda one: one.is_loopback),
    "isUnspecified": _of_address("isUnspecified", lambda one: one.is_unspecified),
    "isGlobalUnicast": _of_address("isGlobalUnicast", lambda one: one.is_global_unicast),
    "isLinkLocalUnicast": _of_address("isLinkLocalUnicast", lambda one: one.is_link_local),
    "isLinkLocalMulticast": _of_address(
        "isLinkLocalMulticast", lambda one: one.is_link_local_multicast
    ),
    "ip": _of_network("ip", lambda one: one.address),
    "masked": _of_network("masked", Network.masked),
    "prefixLength": _of_network("prefixLength", lambda one: one.length),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    **STRING_METHODS,
    **{name: _getter(name) for name in PARTS},
}
"""Functions called as `x.size()`. `or` and `orValue` evaluate their argument only if it is needed."""
