"""The boolean terms that a condition is made of, each with its text and a way to ask it alone.

The terms are what stands between `&&`, `||`, `!` and `?:` outside of macros.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from wardline.cel.evaluate import Builder
from wardline.cel.lexer import tokenize
from wardline.cel.tree import (
    Bind,
    Call,
    Choice,
    Comprehension,
    Expr,
    Has,
    Literal,
    Logic,
    Name,
    Node,
    OptionalMap,
    PairComprehension,
    Select,
    Unary,
    children,
    dotted,
    walk,
)
from wardline.cel.types import ROOTS
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wardline.activation import Activation
    from wardline.cel.lexer import Token

__all__ = ["Term", "conjuncts", "outside", "readings", "span", "terms"]

_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")


class Term:
    """One term of a condition: its node, and the text at the offsets `start` to `end`."""

    __slots__ = ("_run", "_slots", "end", "expr", "node", "start", "text")

    def __init__(self, expr: Expr, node: Node, tokens: Sequence[Token]) -> None:
        self.expr = expr
        self.node = node
        self.start, self.end = span(node, tokens)
        self.text = expr.text[self.start : self.end]
        builder = Builder(Expr(node, expr.source))
        self._run = builder.build()
        self._slots = builder.slots

    def value(self, env: Activation) -> bool | None:
        """Return whether the term is true, None where it fails or is no boolean."""
        found = self.anything(env)
        return found[0] if found is not None and isinstance(found[0], bool) else None

    def anything(self, env: Activation) -> tuple[Any] | None:
        """Return the value of the term, whatever it is, None where it fails."""
        try:
            return (self._run(env, [None] * self._slots),)
        except EvaluationError:
            return None


def terms(expr: Expr) -> tuple[Term, ...]:
    """Return the terms of a condition in the order of the text; those that are constant are left out."""
    tokens = tokenize(expr.source)
    return tuple(
        Term(expr, node, tokens) for node in _leaves(expr.root) if not isinstance(node, Literal)
    )


def conjuncts(expr: Expr) -> tuple[Term, ...]:
    """Return what has to be true at once: the terms of the outermost `&&`, or the whole."""
    tokens = tokenize(expr.source)
    root = expr.root
    nodes = root.terms if isinstance(root, Logic) and root.op == "&&" else (root,)
    return tuple(Term(expr, node, tokens) for node in nodes)


def readings(term: Term) -> tuple[Term, ...]:
    """Return the facts that a term reads outside of macros, such as `args.path`, each once."""
    tokens = tokenize(term.expr.source)
    found: dict[str, Term] = {}
    for node in _paths(term.node):
        one = Term(term.expr, node, tokens)
        found.setdefault(one.text, one)
    return tuple(found.values())


def _paths(node: Node) -> Iterator[Node]:
    path = dotted(node)
    if path is not None:
        if path.split(".")[0] in ROOTS:
            yield node
    elif isinstance(node, Has):
        yield Select(node.at, node.operand, node.field)
    else:
        for child in outside(node):
            yield from _paths(child)


def outside(node: Node) -> tuple[Node, ...]:
    """Return the nodes directly below one that no variable of a macro is bound in."""
    match node:
        case Comprehension(items=items) | PairComprehension(items=items):
            return (items,)
        case OptionalMap(operand=operand):
            return (operand,)
        case Bind(value=value):
            return (value,)
        case _:
            return children(node)


def _leaves(node: Node) -> Iterator[Node]:
    match node:
        case Logic(terms=parts):
            below: tuple[Node, ...] = parts
        case Unary(op="!", operand=operand):
            below = (operand,)
        case Choice(test=test, yes=yes, no=no):
            below = (test, yes, no)
        case _:
            yield node
            return
    for part in below:
        yield from _leaves(part)


def span(node: Node, tokens: Sequence[Token]) -> tuple[int, int]:
    """Return the offsets between which the text of a node stands, without parentheses around it."""
    starts = [token.at for token in tokens]
    places = [bisect_left(starts, part.at) for part, _ in walk(node)]
    # `has` itself leaves no node: the nearest one before what it asks for.
    for part, _ in walk(node):
        if isinstance(part, Has):
            first = min(bisect_left(starts, below.at) for below, _ in walk(part))
            places.append(max(i for i in range(first) if tokens[i].text == "has"))
        elif isinstance(part, Call):  # `math.abs(x)` begins where its first name stands
            places.append(bisect_left(starts, part.at) + 2 * part.function.count("."))
        elif isinstance(part, Name):  # and the name of a type ends where its last part stands
            places.append(bisect_left(starts, part.at) - 2 * part.name.count(".") - part.rooted)
    low, high = min(places), max(places)
    if tokens[high].kind == "name" and tokens[high + 1].text == "(":
        high += 1  # a call without arguments
    depth = least = 0
    for token in tokens[low : high + 1]:
        depth += _turn(token)
        least = min(least, depth)
    # What closes in here has been opened before, what opens in here is closed behind.
    for _ in range(-least):
        low -= 1
    depth -= least
    while depth > 0:
        high += 1
        depth += _turn(tokens[high])
    last = tokens[high]
    return tokens[low].at, last.at + len(last.text) + 2 * (last.kind == "quoted")


def _turn(token: Token) -> int:
    if token.kind != "op":
        return 0
    return (token.text in _OPENING) - (token.text in _CLOSING)
