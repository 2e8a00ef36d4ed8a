"""Turns a checked tree into Python closures that evaluate it with CEL's exact meaning.

Every node becomes a function of the activation (`env`) and the frame (`frame`, the values of macro
variables by slot). This is the one meaning of the language: what is generated for many conditions
at once (`cel/fast`) answers nothing that it would not answer the same way, to the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cel import closures, loops, readers, regex, times
from wardline.cel.functions import CALLS, METHODS
from wardline.cel.kinds import TYPE_NAMES
from wardline.cel.scope import argument_of
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
    children,
)
from wardline.cel.types import FUNCTIONS as CALL_SIGNATURES
from wardline.cel.types import METHODS as METHOD_SIGNATURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.cel.activation import Run

__all__ = ["Builder", "cost_of"]

_TURN = 5  # steps for each turn of a macro beside those of its body
_COSTLY = (OptionalSelect, OptionalIndex, OptionalItem, OptionalMap, Bind)
_MAP_ROOTS = ("principal", "session", "run", "tool")


def cost_of(node: Node) -> int:
    """The steps that one evaluation of this tree takes: its nodes, and more for costly functions."""
    total = 0
    stack = [node]
    while stack:
        part = stack.pop()
        total += 1
        stack += children(part)
        if type(part) is Call:
            signature = CALL_SIGNATURES.get(part.function)
            total += signature.charge if signature else 0
        elif type(part) is Method:
            signature = METHOD_SIGNATURES.get(part.function)
            total += signature.charge if signature else 0
        elif isinstance(part, _COSTLY):
            total += 3
    return total


class Builder:
    """Builds the closures of one condition. `variables` are names bound from outside, by slot."""

    def __init__(self, expr: Expr, variables: Sequence[str] = ()) -> None:
        self.expr = expr
        self.slots = len(variables)
        self.outer = {name: slot for slot, name in enumerate(variables)}
        self.bound: dict[int, Run] = {}  # readers of the variables of `cel.bind`

    def build(self) -> Run:
        """The closure of the whole condition; afterwards `slots` says how long a frame must be."""
        return self._node(self.expr.root, self.outer)

    def _node(self, node: Node, bound: dict[str, int]) -> Run:  # noqa: C901
        match node:
            case Literal(value=value):
                return readers.constant(value)
            case Name():
                return self._name(node, bound)
            case Select():
                return self._select(node, bound)
            case OptionalSelect():
                return self._optional_select(node, bound)
            case Has():
                return self._has(node, bound)
            case Index():
                return self._index(node, bound)
            case OptionalIndex(operand=operand, index=index):
                return closures.optional_index(self._node(operand, bound), self._node(index, bound))
            case ListOf(items=items):
                if any(isinstance(item, OptionalItem) for item in items):
                    return closures.list_with_optionals(
                        [(self._node(item, bound), _is_optional(item)) for item in items]
                    )
                return closures.list_of([self._node(item, bound) for item in items])
            case MapOf(entries=entries):
                return closures.map_of(
                    [
                        (self._node(key, bound), self._node(item, bound), _is_optional(item))
                        for key, item in entries
                    ]
                )
            case OptionalItem(operand=operand):
                return self._node(operand, bound)
            case Call():
                return self._call(node, bound)
            case Method():
                return self._method(node, bound)
            case Unary(op=op, operand=operand):
                inner = self._node(operand, bound)
                return closures.negation(inner) if op == "!" else closures.negative(inner)
            case Binary(op=op, left=left, right=right):
                return closures.binary(op, self._node(left, bound), self._node(right, bound))
            case Logic(op=op, terms=terms):
                built = [self._node(term, bound) for term in terms]
                return closures.logic(built, decides=op == "||", op=op)
            case Choice(test=test, yes=yes, no=no):
                return closures.choice(*(self._node(part, bound) for part in (test, yes, no)))
            case Comprehension() | PairComprehension():
                return self._comprehension(node, bound)
            case OptionalMap(operand=operand, variable=name, step=step, flat=flat):
                over, slot = self._node(operand, bound), self._slot()
                run = self._node(step, {**bound, name: slot})
                return loops.optional_map(over, slot, run, flat=flat)
            case Bind(variable=name, value=value, step=step):
                held, slot = self._node(value, bound), self._slot()
                self.bound[slot] = loops.bound(slot, held)
                return loops.bind(slot, self._node(step, {**bound, name: slot}))

    def _slot(self) -> int:
        """A place in the frame for one more variable."""
        self.slots += 1
        return self.slots - 1

    # Names and fields

    def _name(self, node: Name, bound: dict[str, int]) -> Run:
        name = node.name
        if name in bound and not node.rooted:
            slot = bound[name]
            return self.bound.get(slot) or readers.variable(slot)
        if name in TYPE_NAMES:
            return readers.constant(TYPE_NAMES[name])
        if name in ("args", "now"):
            return readers.whole_args if name == "args" else readers.now
        return readers.failing(f"unknown name `{name}`")

    def _select(self, node: Select, bound: dict[str, int]) -> Run:
        argument = argument_of(node)
        if argument is not None and _free(bound):
            return readers.argument(argument)
        root = _root(node.operand, bound)
        if root == "action":
            return readers.action_field(node.field)
        if root in _MAP_ROOTS:
            return readers.root_field(root, node.field)
        return closures.select(self._node(node.operand, bound), node.field)

    def _optional_select(self, node: OptionalSelect, bound: dict[str, int]) -> Run:
        root = _root(node.operand, bound)
        if root == "action":
            return closures.present(readers.action_field(node.field))
        if root in _MAP_ROOTS:
            return readers.optional_root_field(root, node.field)
        return closures.optional_select(self._node(node.operand, bound), node.field)

    def _has(self, node: Has, bound: dict[str, int]) -> Run:
        root = _root(node.operand, bound)
        if root == "action":
            return readers.constant(True)
        if root == "args":
            return readers.has_argument(node.field)
        if root in _MAP_ROOTS:
            return readers.has_root_field(root, node.field)
        return closures.has_field(self._node(node.operand, bound), node.field)

    def _index(self, node: Index, bound: dict[str, int]) -> Run:
        argument = argument_of(node)
        if argument is not None and _free(bound):
            return readers.argument(argument)
        return closures.index(self._node(node.operand, bound), self._node(node.index, bound))

    # Functions and operators

    def _call(self, node: Call, bound: dict[str, int]) -> Run:
        signature = CALL_SIGNATURES.get(node.function)
        if signature is None or signature.count_problem(len(node.args), 0):
            return readers.failing(f"unknown function `{node.function}` of {len(node.args)}")
        return closures.apply(CALLS[node.function], [self._node(arg, bound) for arg in node.args])

    def _method(self, node: Method, bound: dict[str, int]) -> Run:
        name = node.function
        signature = METHOD_SIGNATURES.get(name)
        if signature is None or signature.count_problem(len(node.args) + 1, 1):
            return readers.failing(f"unknown function `{name}` of {len(node.args)}")
        target = self._node(node.target, bound)
        first = node.args[0] if node.args else None
        args = [self._node(arg, bound) for arg in node.args]
        if name == "matches":
            if not isinstance(first, Literal) or not isinstance(first.value, str):
                return readers.failing("`matches` takes a pattern written in the condition")
            return closures.matches(target, regex.compile(first.value))
        if name == "under":
            return closures.under(target, args[0])
        if name in ("or", "orValue"):
            return closures.otherwise(name, target, args[0])
        if name in times.PARTS and isinstance(first, Literal) and isinstance(first.value, str):
            args = [readers.constant(times.zone(first.value))]  # found once, while loading
        return closures.apply(METHODS[name], [target, *args])

    def _comprehension(self, node: Comprehension | PairComprehension, bound: dict[str, int]) -> Run:
        items = self._node(node.items, bound)
        if isinstance(node, PairComprehension):
            key, slot = self._slot(), self._slot()
            turns, turn = loops.two_variables(key, slot), 2 * _TURN
            inner = {**bound, node.key: key, node.variable: slot}
        else:
            slot = self._slot()
            turns, turn = loops.one_variable(slot), _TURN
            inner = {**bound, node.variable: slot}
        step = self._node(node.step, inner)
        guard = None if node.guard is None else self._node(node.guard, inner)
        steps = turn + cost_of(node.step) + (cost_of(node.guard) if node.guard else 0)
        match node.macro:
            case "exists" | "all":
                return loops.quantifier(node.macro, items, turns, step, steps)
            case "exists_one":
                return loops.exists_one(items, turns, step, steps)
            case "filter":
                return loops.filter_items(items, turns, step, steps)
            case "transformMap":
                return loops.transform_map(items, turns, guard, step, steps)
            case "transformMapEntry":
                return loops.transform_entries(items, turns, guard, step, steps)
            case macro:  # map, transformList
                return loops.map_items(macro, items, turns, guard, step, steps)


def _free(bound: dict[str, int]) -> bool:
    """Whether no variable hides the roots of an argument."""
    return "args" not in bound and "action" not in bound


def _is_optional(node: Node) -> bool:
    return isinstance(node, OptionalItem)


def _root(node: Node, bound: dict[str, int]) -> str:
    """The root that a node names, or an empty string."""
    if isinstance(node, Name) and (node.rooted or node.name not in bound):
        return node.name
    return ""
