"""The syntax tree of a condition: immutable nodes, each with the offset of its first character.

`&&` and `||` are flattened: `a && b && c` is one `Logic` with three terms. Parentheses leave no node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.cel.kinds import UInt
    from wardline.cel.source import Source

__all__ = [
    "Binary",
    "Bind",
    "Call",
    "Choice",
    "Comprehension",
    "Expr",
    "Has",
    "Index",
    "ListOf",
    "Literal",
    "Logic",
    "MapOf",
    "Method",
    "Name",
    "Node",
    "OptionalIndex",
    "OptionalItem",
    "OptionalMap",
    "OptionalSelect",
    "PairComprehension",
    "Select",
    "Unary",
    "children",
    "dotted",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, boolean, null or bytes written in the text."""

    at: int
    value: str | bool | int | float | UInt | bytes | None


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier: a root such as `args`, the variable of a macro, or the name of a type.

    `rooted` is for one that begins with a dot, which no variable of a macro hides.
    """

    at: int
    name: str
    rooted: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`; `at` is where the field stands."""

    at: int
    operand: Node
    field: str


@dataclass(frozen=True, slots=True)
class OptionalSelect:
    """`operand.?field`."""

    at: int
    operand: Node
    field: str


@dataclass(frozen=True, slots=True)
class Has:
    """`has(operand.field)`."""

    at: int
    operand: Node
    field: str


@dataclass(frozen=True, slots=True)
class Index:
    """`operand[index]`."""

    at: int
    operand: Node
    index: Node


@dataclass(frozen=True, slots=True)
class OptionalIndex:
    """`operand[?index]`."""

    at: int
    operand: Node
    index: Node


@dataclass(frozen=True, slots=True)
class OptionalItem:
    """`?x` in a list, or the value of `?k: x` in a map: an optional that is left out if it is missing."""

    at: int
    operand: Node


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    at: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{'a': 1}`."""

    at: int
    entries: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Call:
    """`size(x)` or `math.abs(x)`, whose function is `math.abs`."""

    at: int
    function: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """`target.startsWith(x)`; `at` is where the method's name stands."""

    at: int
    target: Node
    function: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`!x` or `-x`."""

    at: int
    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, a comparison or `in`; `at` is where the operator stands."""

    at: int
    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """Two or more terms joined by `&&` or by `||`; `at` is where the first operator stands."""

    at: int
    op: str
    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`test ? yes : no`."""

    at: int
    test: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Comprehension:
    """A macro over a list or the keys of a map: `exists`, `all`, `exists_one`, `filter` or `map`.

    `step` is the predicate, or for `map` the result; `guard` is the predicate of a three-argument
    `map`.
    """

    at: int
    macro: str
    items: Node
    variable: str
    guard: Node | None
    step: Node


@dataclass(frozen=True, slots=True)
class PairComprehension:
    """A macro with two variables: the index and element of a list, or the key and value of a map.

    `macro` is `exists`, `all`, `exists_one`, `transformList`, `transformMap` or `transformMapEntry`;
    `step` and `guard` are as in `Comprehension`.
    """

    at: int
    macro: str
    items: Node
    key: str
    variable: str
    guard: Node | None
    step: Node


@dataclass(frozen=True, slots=True)
class OptionalMap:
    """`operand.optMap(variable, step)`, or with `flat` `operand.optFlatMap(variable, step)`."""

    at: int
    operand: Node
    variable: str
    step: Node
    flat: bool


@dataclass(frozen=True, slots=True)
class Bind:
    """`cel.bind(variable, value, step)`."""

    at: int
    variable: str
    value: Node
    step: Node


Node: TypeAlias = (
    Literal
    | Name
    | Select
    | OptionalSelect
    | Has
    | Index
    | OptionalIndex
    | OptionalItem
    | ListOf
    | MapOf
    | Call
    | Method
    | Unary
    | Binary
    | Logic
    | Choice
    | Comprehension
    | PairComprehension
    | OptionalMap
    | Bind
)


class Expr:
    """A condition that was parsed: its tree and its source."""

    __slots__ = ("root", "source")

    def __init__(self, root: Node, source: Source) -> None:
        self.root = root
        self.source = source

    @property
    def text(self) -> str:
        """The condition as written."""
        return self.source.text

    def __repr__(self) -> str:
        return f"Expr({self.text!r})"


_Below: TypeAlias = Callable[[Any], tuple[Node, ...]]


def _under_macro(node: Comprehension | PairComprehension) -> tuple[Node, ...]:
    if node.guard is None:
        return (node.items, node.step)
    return (node.items, node.guard, node.step)


def _operand(node: Any) -> tuple[Node, ...]:
    return (node.operand,)


def _operand_and_index(node: Any) -> tuple[Node, ...]:
    return (node.operand, node.index)


# A table, since every node of every condition passes here while policies load.
_BELOW: dict[type, _Below] = {
    Literal: lambda node: (),  # noqa: ARG005
    Name: lambda node: (),  # noqa: ARG005
    Select: _operand,
    OptionalSelect: _operand,
    Has: _operand,
    Unary: _operand,
    OptionalItem: _operand,
    Index: _operand_and_index,
    OptionalIndex: _operand_and_index,
    ListOf: lambda node: node.items,
    MapOf: lambda node: tuple(part for entry in node.entries for part in entry),
    Call: lambda node: node.args,
    Method: lambda node: (node.target, *node.args),
    Binary: lambda node: (node.left, node.right),
    Logic: lambda node: node.terms,
    Choice: lambda node: (node.test, node.yes, node.no),
    Comprehension: _under_macro,
    PairComprehension: _under_macro,
    OptionalMap: lambda node: (node.operand, node.step),
    Bind: lambda node: (node.value, node.step),
}


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below a node, in the order of the text."""
    return _BELOW[type(node)](node)


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Every node with its depth (the root has 1), without recursion."""
    stack = [(root, 1)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack.extend((child, depth + 1) for child in children(node))


def dotted(node: Node) -> str | None:
    """`a.b.c` for a chain of selections that begins with a name, else None."""
    parts: list[str] = []
    while isinstance(node, Select):
        parts.append(node.field)
        node = node.operand
    if not isinstance(node, Name):
        return None
    parts.append(node.name)
    return ".".join(reversed(parts))
