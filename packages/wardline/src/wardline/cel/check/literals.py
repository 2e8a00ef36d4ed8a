"""Literals, and the lists and maps that are written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.cel.kinds import UInt
from wardline.cel.members import place
from wardline.cel.tree import Literal, OptionalItem
from wardline.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    LIST,
    NULL,
    NUMBER,
    NUMERIC,
    STRING,
    UINT,
    Type,
    describe,
    list_of,
    map_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.cel.check.checker import Bound, Checker
    from wardline.cel.tree import ListOf, MapOf

__all__ = ["common", "item", "list_literal", "literal", "map_literal"]

_TYPES: Final[dict[type, Type]] = {
    str: STRING,
    bool: BOOL,
    int: INT,
    UInt: UINT,
    float: DOUBLE,
    bytes: BYTES,
    type(None): NULL,
}
_KEYS: Final = frozenset(("string", "bool", "int", "uint", "number", "dyn"))


def literal(checker: Checker, node: Literal) -> Type:
    """The type of a literal."""
    return _TYPES[type(node.value)] if checker.typed else DYN


def common(kinds: Sequence[Type]) -> Type:
    """The type that all these have, or DYN."""
    first = kinds[0]
    if all(kind == first for kind in kinds):
        return first
    return NUMBER if all(kind.kind in NUMERIC and kind.kind != "uint" for kind in kinds) else DYN


def list_literal(checker: Checker, node: ListOf, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `[a, ?b]`."""
    kinds = [checker.visit(part, bound, sure) for part in node.items]
    return list_of(common(kinds)) if kinds else LIST


def item(checker: Checker, node: OptionalItem, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of what an optional entry holds."""
    kind = checker.visit(node.operand, bound, sure)
    if kind.kind not in ("optional", "dyn"):
        checker.complain(
            f"`?` here wants an optional value, not {describe(kind)}",
            node,
            "Leave the `?` out, or write `optional.of(…)`.",
        )
    return kind.item or DYN


def map_literal(checker: Checker, node: MapOf, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `{a: b, ?c: d}`."""
    seen: set[object] = set()
    keys: list[Type] = []
    held: list[Type] = []
    for key, value in node.entries:
        kind = checker.visit(key, bound, sure)
        keys.append(kind)
        allowed = kind.kind in _KEYS
        if isinstance(key, Literal):
            allowed = type(key.value) in (str, bool, int, UInt)
        if not allowed:
            checker.complain(
                "a map's keys are strings, integers and booleans, not "
                + describe(_TYPES[type(key.value)] if isinstance(key, Literal) else kind),
                key,
            )
        elif isinstance(key, Literal) and not isinstance(value, OptionalItem):
            at = place(key.value)
            if at in seen:
                shown = key.value.value if isinstance(key.value, UInt) else key.value
                checker.complain(f"the key {shown!r} stands twice in this map", key)
            seen.add(at)
        held.append(checker.visit(value, bound, sure))
    return map_of(common(keys), common(held)) if keys else Type("map")
