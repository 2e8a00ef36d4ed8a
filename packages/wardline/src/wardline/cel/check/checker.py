"""The walk over the tree, and the mistakes that were found on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from wardline.cel.check import calls, literals, macros, names, operators
from wardline.cel.plain import UNPLAIN
from wardline.cel.tree import (
    Binary,
    Bind,
    Call,
    Choice,
    Comprehension,
    Expr,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Method,
    Name,
    Node,
    OptionalIndex,
    OptionalItem,
    OptionalMap,
    OptionalSelect,
    PairComprehension,
    Select,
    Unary,
)
from wardline.cel.types import DYN, Type, describe
from wardline.errors import PolicyError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wardline.cel.scope import Scope

__all__ = ["Bound", "Checked", "Checker", "check"]

Bound: TypeAlias = dict[str, Type]
"""The variables in sight, with their types."""

_NOTHING: Final[frozenset[str]] = frozenset()


class Checked:
    """What the check found out: the type of the whole and what it reads."""

    __slots__ = ("reads", "type")

    def __init__(self, kind: Type, reads: frozenset[str]) -> None:
        self.type = kind
        self.reads = reads


def check(
    expr: Expr,
    scope: Scope,
    *,
    condition: bool = True,
    variables: Iterable[str] = (),
    typed: bool = True,
) -> Checked:
    """Check a whole expression.

    A `condition` must be true or false; any other expression gives a value for an argument.
    `variables` are names that are bound from outside; `typed=False` leaves the types of literals to
    the evaluation.

    Raises PolicyError with every mistake that was found.
    """
    checker = Checker(expr, scope, typed=typed)
    kind = checker.visit(expr.root, dict.fromkeys(variables, DYN), _NOTHING)
    if condition:
        checker.want_bool(kind, expr.root, "a condition must be true or false; this is {}")
    elif typed and kind.kind in UNPLAIN:
        checker.complain(f"{describe(kind)} cannot be an argument", expr.root, UNPLAIN[kind.kind])
    if checker.problems:
        raise PolicyError(checker.problems)
    return Checked(kind, frozenset(checker.reads))


class Checker:
    """Walks the tree once.

    `bound` are the variables in sight, `sure` the arguments that are known to be there.
    """

    __slots__ = ("problems", "reads", "scope", "source", "typed")

    def __init__(self, expr: Expr, scope: Scope, *, typed: bool) -> None:
        self.source = expr.source
        self.typed = typed
        self.scope = scope
        self.problems: list[Problem] = []
        self.reads: set[str] = set()

    def complain(self, message: str, node: Node, hint: str = "") -> Type:
        """Note a mistake at a node; its type is unknown then."""
        if self.scope.subject:
            message = f"{self.scope.subject}: {message}"
        self.problems.append(self.source.problem(message, node.at, hint))
        return DYN

    def want_bool(self, kind: Type, node: Node, message: str) -> None:
        """Complain unless a node may be true or false; `{}` in the message is what it is."""
        if kind.kind not in ("bool", "dyn"):
            self.complain(message.format(describe(kind)), node)

    def visit(self, node: Node, bound: Bound, sure: frozenset[str]) -> Type:  # noqa: C901
        """The type of a node; DYN where it is unknown or wrong."""
        match node:
            case Literal():
                return literals.literal(self, node)
            case Name():
                return names.name(self, node, bound)
            case Select() | OptionalSelect():
                return names.select(self, node, bound, sure)
            case Has():
                return names.has(self, node, bound, sure)
            case Index() | OptionalIndex():
                return names.index(self, node, bound, sure)
            case ListOf():
                return literals.list_literal(self, node, bound, sure)
            case MapOf():
                return literals.map_literal(self, node, bound, sure)
            case OptionalItem():
                return literals.item(self, node, bound, sure)
            case Call():
                return calls.call(self, node, bound, sure)
            case Method():
                return calls.method(self, node, bound, sure)
            case Unary():
                return operators.unary(self, node, bound, sure)
            case Binary():
                return operators.binary(self, node, bound, sure)
            case Logic():
                return operators.logic(self, node, bound, sure)
            case Choice():
                return operators.choice(self, node, bound, sure)
            case Comprehension():
                return macros.comprehension(self, node, bound, sure)
            case PairComprehension():
                return macros.pair_comprehension(self, node, bound, sure)
            case OptionalMap():
                return macros.optional_map(self, node, bound, sure)
            case Bind():
                return macros.bind(self, node, bound, sure)
