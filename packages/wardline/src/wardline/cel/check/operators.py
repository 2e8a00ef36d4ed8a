"""Operators: which types each can take, and what it gives then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.cel.check.names import key_problem
from wardline.cel.scope import proves
from wardline.cel.tree import Binary, Literal
from wardline.cel.types import (
    BOOL,
    DYN,
    NUMBER,
    NUMERIC,
    Type,
    agree,
    describe,
)

if TYPE_CHECKING:
    from wardline.cel.check.checker import Bound, Checker
    from wardline.cel.tree import Choice, Logic, Unary

__all__ = ["binary", "choice", "logic", "unary"]

_ORDERED: Final = (
    frozenset(("bool", "string", "bytes", "timestamp", "duration", "dyn", "null")) | NUMERIC
)
_SIGNED: Final = frozenset(("int", "double", "number", "dyn"))
_SAME = ("int", "uint", "double")
_TIMES = (
    ("timestamp", "duration", "timestamp"),
    ("duration", "timestamp", "timestamp"),
    ("duration", "duration", "duration"),
)
_ARITHMETIC: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "+": (
        *((kind, kind, kind) for kind in (*_SAME, "string", "bytes", "list")),
        *_TIMES,
    ),
    "-": (
        *((kind, kind, kind) for kind in _SAME),
        ("timestamp", "timestamp", "duration"),
        ("timestamp", "duration", "timestamp"),
        ("duration", "duration", "duration"),
    ),
    "*": tuple((kind, kind, kind) for kind in _SAME),
    "/": tuple((kind, kind, kind) for kind in _SAME),
    "%": tuple((kind, kind, kind) for kind in ("int", "uint")),
}
"""What each operator takes on its left and right, and what it gives."""


def unary(checker: Checker, node: Unary, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `!x` or `-x`."""
    kind = checker.visit(node.operand, bound, sure)
    if node.op == "!":
        checker.want_bool(kind, node, "`!` wants true or false, not {}")
        return BOOL
    if kind.kind not in _SIGNED:
        checker.complain(f"`-` wants a number with a sign, not {describe(kind)}", node)
        return DYN
    return kind


def binary(checker: Checker, node: Binary, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of arithmetic, a comparison or `in`."""
    left = checker.visit(node.left, bound, sure)
    right = checker.visit(node.right, bound, sure)
    op = node.op
    if op in ("==", "!="):
        if not agree(left, right):
            checker.complain(
                f"{describe(left)} is never equal to {describe(right)}", node, _quotes(node)
            )
        return BOOL
    if op == "in":
        _membership(checker, node, left, right)
        return BOOL
    if op in ("<", "<=", ">", ">="):
        _order(checker, node, left, right)
        return BOOL
    return _arithmetic(checker, node, left, right)


def _order(checker: Checker, node: Binary, left: Type, right: Type) -> None:
    for kind, side in ((left, node.left), (right, node.right)):
        if kind.kind not in _ORDERED or kind.kind == "null":
            checker.complain(f"`{node.op}` cannot order {describe(kind)}", side)
            return
    if not agree(left, right):
        checker.complain(
            f"`{node.op}` cannot compare {describe(left)} with {describe(right)}",
            node,
            _quotes(node),
        )


def _membership(checker: Checker, node: Binary, left: Type, right: Type) -> None:
    if right.kind == "list":
        if right.item is not None and not agree(left, right.item):
            checker.complain(
                f"{describe(left)} is never in a list whose items are each {describe(right.item)}",
                node,
            )
    elif right.kind == "map":
        problem = key_problem(right, left)
        if problem:
            checker.complain(problem, node)
    elif right.kind != "dyn":
        hint = "For part of a text write `x.contains('…')`." if right.kind == "string" else ""
        checker.complain(f"`in` wants a list or a map, not {describe(right)}", node, hint)


def _fits(kind: Type, wanted: str) -> bool:
    if kind.kind == "number":
        return wanted in ("int", "double")
    return kind.kind in (wanted, "dyn")


def _arithmetic(checker: Checker, node: Binary, left: Type, right: Type) -> Type:
    op = node.op
    rows = _ARITHMETIC[op]
    fitting = [row for row in rows if _fits(left, row[0]) and _fits(right, row[1])]
    if not fitting:
        if not any(_fits(left, row[0]) for row in rows):
            return checker.complain(f"`{op}` cannot take {describe(left)}", node.left)
        if not any(_fits(right, row[1]) for row in rows):
            return checker.complain(f"`{op}` cannot take {describe(right)}", node.right)
        numbers = left.kind in NUMERIC and right.kind in NUMERIC
        return checker.complain(
            f"`{op}` cannot join {describe(left)} and {describe(right)}",
            node,
            "Convert one of them with int(…), uint(…) or double(…)." if numbers else "",
        )
    results = {row[2] for row in fitting}
    if "dyn" in (left.kind, right.kind) and len(results) > 1:
        return DYN
    if len(results) == 1:
        (kind,) = results
        return left if left == right and left.kind == kind else Type(kind)
    return NUMBER


def logic(checker: Checker, node: Logic, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `a && b` or `a || b`; what a term proves holds for those after it."""
    for term in node.terms:
        kind = checker.visit(term, bound, sure)
        checker.want_bool(kind, term, f"`{node.op}` wants true or false, not {{}}")
        sure |= proves(term, node.op == "&&")
    return BOOL


def choice(checker: Checker, node: Choice, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `test ? yes : no`."""
    test = checker.visit(node.test, bound, sure)
    checker.want_bool(test, node.test, "`? :` wants true or false, not {}")
    yes = checker.visit(node.yes, bound, sure | proves(node.test, True))
    no = checker.visit(node.no, bound, sure | proves(node.test, False))
    return yes if yes == no else DYN


def _quotes(node: Binary) -> str:
    """A hint for a number or boolean that was quoted, or a text that was not."""
    for side in (node.left, node.right):
        if isinstance(side, Literal) and isinstance(side.value, str):
            text = side.value
            if text in ("true", "false", "null") or text.lstrip("-").replace(".", "", 1).isdigit():
                return f"Without quotes: `{text}`."
    return ""
