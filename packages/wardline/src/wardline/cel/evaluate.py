"""Turns a checked tree into Python closures that evaluate it with CEL's exact meaning.

Every node becomes a function of the activation (`env`) and the frame (`frame`, the values of macro
variables by slot). Shapes that policies are full of, such as `action.type in ['a', 'b']` and
`args.x == 'y'`, become one closure instead of several; each falls back to the general operator as
soon as a value is not of the expected type, so there is one meaning. `shortcuts.py` holds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cel import closures, regex
from wardline.cel.functions import CALLS, METHODS
from wardline.cel.scope import argument_of
from wardline.cel.shortcuts import comparison, membership, read_argument
from wardline.cel.tree import (
    Binary,
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
    Select,
    Unary,
    walk,
)
from wardline.cel.types import FUNCTIONS as CALL_SIGNATURES
from wardline.cel.types import METHODS as METHOD_SIGNATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.cel.shortcuts import Run

__all__ = ["Builder", "cost_of"]

_TURN = 2  # steps for each turn of a macro beside those of its body
_MAP_ROOTS = ("principal", "session", "run", "tool")


def cost_of(node: Node) -> int:
    """The steps that one evaluation of this tree takes: its nodes, and more for costly functions."""
    total = 0
    for part, _ in walk(node):
        total += 1
        if isinstance(part, Call):
            signature = CALL_SIGNATURES.get(part.function)
            total += signature.charge if signature else 0
        elif isinstance(part, Method):
            signature = METHOD_SIGNATURES.get(part.function)
            total += signature.charge if signature else 0
    return total


class Builder:
    """Builds the closures of one condition. `variables` are names bound from outside, by slot."""

    def __init__(self, expr: Expr, variables: Sequence[str] = ()) -> None:
        self.expr = expr
        self.slots = len(variables)
        self.outer = {name: slot for slot, name in enumerate(variables)}

    def build(self) -> Run:
        """The closure of the whole condition; afterwards `slots` says how long a frame must be."""
        return self._node(self.expr.root, self.outer)

    def _node(self, node: Node, bound: dict[str, int]) -> Run:
        match node:
            case Literal(value=value):
                return closures.constant(value)
            case Name(name=name):
                return self._name(name, bound)
            case Select():
                return self._select(node, bound)
            case Has():
                return self._has(node, bound)
            case Index():
                return self._index(node, bound)
            case ListOf(items=items):
                return closures.list_of([self._node(item, bound) for item in items])
            case MapOf(entries=entries):
                return closures.map_of(
                    [(self._node(key, bound), self._node(item, bound)) for key, item in entries]
                )
            case Call(function=function, args=args):
                return closures.apply(CALLS[function], [self._node(arg, bound) for arg in args])
            case Method():
                return self._method(node, bound)
            case Unary(op=op, operand=operand):
                inner = self._node(operand, bound)
                return closures.negation(inner) if op == "!" else closures.negative(inner)
            case Binary():
                return self._binary(node, bound)
            case Logic(op=op, terms=terms):
                built = [self._node(term, bound) for term in terms]
                return closures.logic(built, decides=op == "||", op=op)
            case Choice(test=test, yes=yes, no=no):
                return closures.choice(*(self._node(part, bound) for part in (test, yes, no)))
            case Comprehension():
                return self._comprehension(node, bound)

    # Names and fields

    def _name(self, name: str, bound: dict[str, int]) -> Run:
        if name in bound:
            return closures.variable(bound[name])
        return closures.whole_args if name == "args" else closures.now

    def _select(self, node: Select, bound: dict[str, int]) -> Run:
        argument = argument_of(node)
        if argument is not None and _free(bound):
            return read_argument(argument)
        operand = node.operand
        if isinstance(operand, Name) and operand.name not in bound:
            if operand.name == "action":
                return closures.action_field(node.field)
            if operand.name in _MAP_ROOTS:
                return closures.root_field(operand.name, node.field)
        return closures.select(self._node(operand, bound), node.field)

    def _has(self, node: Has, bound: dict[str, int]) -> Run:
        operand, field = node.operand, node.field
        if isinstance(operand, Name) and operand.name not in bound:
            if operand.name == "action":
                return closures.constant(True)
            if operand.name == "args":
                return closures.has_argument(field)
            if operand.name in _MAP_ROOTS:
                return closures.has_root_field(operand.name, field)
        return closures.has_field(self._node(operand, bound), field)

    def _index(self, node: Index, bound: dict[str, int]) -> Run:
        argument = argument_of(node)
        if argument is not None and _free(bound):
            return read_argument(argument)
        return closures.index(self._node(node.operand, bound), self._node(node.index, bound))

    # Functions and operators

    def _method(self, node: Method, bound: dict[str, int]) -> Run:
        target = self._node(node.target, bound)
        if node.function == "matches" and isinstance(node.args[0], Literal):
            return closures.matches(target, regex.compile(str(node.args[0].value)))
        if node.function == "under":
            return closures.under(target, self._node(node.args[0], bound))
        args = [self._node(arg, bound) for arg in node.args]
        return closures.apply(METHODS[node.function], [target, *args])

    def _binary(self, node: Binary, bound: dict[str, int]) -> Run:
        op, left, right = node.op, node.left, node.right
        if _free(bound):
            if op == "in" and isinstance(right, ListOf) and right.items:
                short = membership(left, right, self._node(left, bound))
                if short is not None:
                    return short
            if op in _MIRRORED and isinstance(left, Literal) and not isinstance(right, Literal):
                op, left, right = _MIRRORED[op], right, left
            if op in _MIRRORED and isinstance(right, Literal):
                short = comparison(op, left, right.value, self._node(left, bound))
                if short is not None:
                    return short
        return closures.binary(op, self._node(left, bound), self._node(right, bound))

    def _comprehension(self, node: Comprehension, bound: dict[str, int]) -> Run:
        items = self._node(node.items, bound)
        slot, self.slots = self.slots, self.slots + 1
        inner = {**bound, node.variable: slot}
        step = self._node(node.step, inner)
        steps = _TURN + cost_of(node.step)
        if node.macro in ("exists", "all"):
            return closures.quantifier(node.macro, items, slot, step, steps)
        if node.macro == "exists_one":
            return closures.exists_one(items, slot, step, steps)
        if node.macro == "filter":
            return closures.filter_items(items, slot, step, steps)
        guard = None if node.guard is None else self._node(node.guard, inner)
        steps += 0 if node.guard is None else cost_of(node.guard)
        return closures.map_items(items, slot, guard, step, steps)


_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _free(bound: dict[str, int]) -> bool:
    """Whether no variable hides the roots that shortcuts read."""
    return "args" not in bound and "action" not in bound
