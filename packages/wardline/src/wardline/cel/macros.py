"""What the parser makes of a macro: a call whose arguments are not all values.

`items.exists(item, test)` and its kind, their forms with two variables, `optional.optMap(x, …)` and
`cel.bind(x, value, …)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cel.tree import Bind, Comprehension, Name, OptionalMap, PairComprehension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.cel.source import Source
    from wardline.cel.tree import Node

__all__ = ["BIND", "MACROS", "bind", "expand"]

BIND = "cel.bind"

# How many arguments come after the variable, or after both of them.
_ONE = {"all": (1,), "exists": (1,), "exists_one": (1,), "filter": (1,), "map": (1, 2)}
_TWO = {
    "all": (1,), "exists": (1,), "exists_one": (1,),
    "transformList": (1, 2), "transformMap": (1, 2), "transformMapEntry": (1, 2),
}  # fmt: skip
_OPTIONAL = {"optMap": False, "optFlatMap": True}
_OTHER_NAMES = {"existsOne": "exists_one"}

MACROS = frozenset((*_ONE, *_TWO, *_OPTIONAL, *_OTHER_NAMES))
"""The names that are macros wherever they are called on something."""


def expand(source: Source, at: int, name: str, target: Node, args: Sequence[Node]) -> Node:
    """The node of `target.name(args)`; PolicyError where the arguments do not fit the macro."""
    name = _OTHER_NAMES.get(name, name)
    if name in _OPTIONAL:
        if len(args) != 2:
            raise source.error(
                f"`{name}` takes a variable and an expression", at, f"Write `x.{name}(v, …)`."
            )
        variable = _variable(source, name, args[0])
        return OptionalMap(at, target, variable, args[1], _OPTIONAL[name])
    pairs = name in _TWO and (name not in _ONE or len(args) == 3)
    variables = 2 if pairs else 1
    allowed = (_TWO if pairs else _ONE)[name]
    if len(args) - variables not in allowed:
        raise source.error(
            f"`{name}` takes {'two variables' if name not in _ONE else 'a variable'} "
            "and an expression",
            at,
            f"Write `{_example(name)}`.",
        )
    names = [_variable(source, name, arg) for arg in args[:variables]]
    if len(set(names)) != len(names):
        raise source.error(f"`{name}` wants two different variables", args[1].at)
    guard = args[variables] if len(args) - variables == 2 else None
    if pairs:
        return PairComprehension(at, name, target, names[0], names[1], guard, args[-1])
    return Comprehension(at, name, target, names[0], guard, args[-1])


def bind(source: Source, at: int, args: Sequence[Node]) -> Node:
    """The node of `cel.bind(args)`."""
    if len(args) != 3:
        raise source.error(
            "`cel.bind` takes a variable, its value and an expression",
            at,
            "Write `cel.bind(v, value, …)`.",
        )
    return Bind(at, _variable(source, BIND, args[0]), args[1], args[2])


def _variable(source: Source, name: str, node: Node) -> str:
    if isinstance(node, Name) and not node.rooted:
        return node.name
    raise source.error(
        f"the first argument of `{name}` is the name of a variable",
        node.at,
        f"Write `{_example(name)}`.",
    )


def _example(name: str) -> str:
    if name == BIND:
        return "cel.bind(v, value, …)"
    if name in _OPTIONAL:
        return f"x.{name}(v, …)"
    return f"items.{name}(item, …)" if name in _ONE else f"items.{name}(key, value, …)"
