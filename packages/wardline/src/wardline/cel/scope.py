"""What a condition can meet, and which arguments it makes sure of before it reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cel.tree import (
    Binary,
    Has,
    Index,
    Literal,
    Logic,
    Name,
    Node,
    OptionalIndex,
    OptionalSelect,
    Select,
    Unary,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Scope", "argument_of", "is_args", "proves"]

_NOTHING: frozenset[str] = frozenset()


class Scope:
    """What the conditions of one rule can meet.

    `arguments` maps the names that every tool the rule can meet declares to their declared types
    (`string`, `number`, `boolean`, `date`, `list(…)`, `map`, `dyn`). `closed` says that all these
    tools are known. `after` says that the rule stands on the `after` stage, where `action.result`,
    `action.error` and `action.duration_ms` exist. `subject` names the rule in messages.
    """

    __slots__ = ("after", "arguments", "closed", "subject")

    def __init__(
        self,
        arguments: Mapping[str, str] | None = None,
        *,
        closed: bool = False,
        after: bool = False,
        subject: str = "",
    ) -> None:
        self.arguments: Mapping[str, str] = dict(arguments or {})
        self.closed = closed
        self.after = after
        self.subject = subject


def argument_of(node: Node) -> str | None:
    """The name of the argument that `args.x`, `action.args.x` or `args['x']` reads, else None.

    So do `args.?x` and `args[?'x']`, which need no guard.
    """
    if isinstance(node, Select | OptionalSelect):
        return node.field if is_args(node.operand) else None
    if isinstance(node, Index | OptionalIndex) and is_args(node.operand):
        index = node.index
        if isinstance(index, Literal) and isinstance(index.value, str):
            return index.value
    return None


def is_args(node: Node) -> bool:
    """Whether the node is `args` or `action.args`."""
    if isinstance(node, Name):
        return node.name == "args"
    return (
        isinstance(node, Select)
        and node.field == "args"
        and isinstance(node.operand, Name)
        and node.operand.name == "action"
    )


def proves(node: Node, outcome: bool) -> frozenset[str]:
    """The arguments that are certainly there once `node` came out as `outcome`."""
    match node:
        case Has(operand=operand, field=field):
            return frozenset((field,)) if outcome and is_args(operand) else _NOTHING
        case Binary(op="in", left=Literal(value=str(name)), right=right):
            return frozenset((name,)) if outcome and is_args(right) else _NOTHING
        case Unary(op="!", operand=operand):
            return proves(operand, not outcome)
        case Logic(op=op, terms=terms):
            found = [proves(term, outcome) for term in terms]
            together = (op == "&&") == outcome
            return frozenset.union(*found) if together else frozenset.intersection(*found)
        case _:
            return _NOTHING
