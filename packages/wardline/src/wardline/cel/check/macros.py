"""Macros: their variables, and what they give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cel.scope import proves
from wardline.cel.types import (
    BOOL,
    DYN,
    INT,
    LIST,
    OPTIONAL,
    ROOTS,
    Type,
    describe,
    list_of,
    map_of,
    optional_of,
)

if TYPE_CHECKING:
    from wardline.cel.check.checker import Bound, Checker
    from wardline.cel.tree import Bind, Comprehension, Node, OptionalMap, PairComprehension

__all__ = ["bind", "comprehension", "optional_map", "pair_comprehension"]


def comprehension(
    checker: Checker, node: Comprehension, bound: Bound, sure: frozenset[str]
) -> Type:
    """The type of a macro with one variable."""
    over = _over(checker, node, bound, sure)
    _hides(checker, node.variable, node)
    item = _key(over) if over.kind == "map" else over.item or DYN
    inner = {**bound, node.variable: item}
    step = _step(checker, node, inner, sure)
    if node.macro == "map":
        return list_of(step)
    _predicate(checker, node, step, node.step)
    if node.macro == "filter":
        return list_of(item) if over.kind != "dyn" else LIST
    return BOOL


def pair_comprehension(
    checker: Checker, node: PairComprehension, bound: Bound, sure: frozenset[str]
) -> Type:
    """The type of a macro with two variables."""
    over = _over(checker, node, bound, sure)
    _hides(checker, node.key, node)
    _hides(checker, node.variable, node)
    key = {"map": _key(over), "list": INT}.get(over.kind, DYN)
    inner = {**bound, node.key: key, node.variable: over.item or DYN}
    step = _step(checker, node, inner, sure)
    if node.macro == "transformList":
        return list_of(step)
    if node.macro == "transformMap":
        return map_of(key, step)
    if node.macro == "transformMapEntry":
        if step.kind not in ("map", "dyn"):
            checker.complain(f"`{node.macro}` wants a map, not {describe(step)}", node.step)
        return step if step.kind == "map" else Type("map")
    _predicate(checker, node, step, node.step)
    return BOOL


def _key(over: Type) -> Type:
    return over.key or DYN


def _over(
    checker: Checker, node: Comprehension | PairComprehension, bound: Bound, sure: frozenset[str]
) -> Type:
    over = checker.visit(node.items, bound, sure)
    if over.kind not in ("list", "map", "dyn"):
        checker.complain(f"`{node.macro}` wants a list or a map, not {describe(over)}", node)
    return over


def _hides(checker: Checker, variable: str, node: Node) -> None:
    if variable in ROOTS:
        checker.complain(
            f"the variable `{variable}` would hide `{variable}`", node, "Give it another name."
        )


def _step(
    checker: Checker, node: Comprehension | PairComprehension, inner: Bound, sure: frozenset[str]
) -> Type:
    if node.guard is not None:
        _predicate(checker, node, checker.visit(node.guard, inner, sure), node.guard)
        sure |= proves(node.guard, True)
    return checker.visit(node.step, inner, sure)


def _predicate(
    checker: Checker, node: Comprehension | PairComprehension, kind: Type, at: Node
) -> None:
    checker.want_bool(kind, at, f"`{node.macro}` wants true or false, not {{}}")


def optional_map(checker: Checker, node: OptionalMap, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `optMap` and `optFlatMap`."""
    name = "optFlatMap" if node.flat else "optMap"
    operand = checker.visit(node.operand, bound, sure)
    if operand.kind not in ("optional", "dyn"):
        checker.complain(f"`{name}` wants an optional value, not {describe(operand)}", node)
    _hides(checker, node.variable, node)
    step = checker.visit(node.step, {**bound, node.variable: operand.item or DYN}, sure)
    if not node.flat:
        return optional_of(step)
    if step.kind not in ("optional", "dyn"):
        checker.complain(f"`{name}` wants an optional value, not {describe(step)}", node.step)
    return step if step.kind == "optional" else OPTIONAL


def bind(checker: Checker, node: Bind, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `cel.bind(variable, value, step)`."""
    value = checker.visit(node.value, bound, sure)
    _hides(checker, node.variable, node)
    return checker.visit(node.step, {**bound, node.variable: value}, sure)
