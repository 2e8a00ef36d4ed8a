"""What the terms of a condition say together: that they exclude one another, or that one follows.

It knows equality, order, membership, prefixes and the truth of whole terms. What it does not know it
takes for possible, so it never claims what is not certain.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

from wardline.cel.kinds import UInt
from wardline.cel.tree import Binary, ListOf, Literal, Logic, Method, Node, Unary

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

__all__ = ["Fact", "facts_of", "follows", "impossible", "shape"]

_ORDER: Final = {"<": ("<", False), "<=": ("<", True), ">": (">", False), ">=": (">", True)}
_MIRROR: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_NEGATED: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_MOST_FACTS: Final = 64

Fact = tuple[Node, bool]
"""A term, and whether it is true."""


def shape(part: Any) -> Hashable:
    """Return what a piece of a tree is, wherever it stands."""
    if is_dataclass(part) and not isinstance(part, type):
        own = (shape(getattr(part, one.name)) for one in fields(part) if one.name != "at")
        return (type(part).__name__, *own)
    if isinstance(part, tuple):
        return tuple(map(shape, part))
    return (type(part).__name__, part)


def facts_of(node: Node, truth: bool = True) -> list[Fact]:
    """Return what is certain once `node` came out as `truth`."""
    found: list[Fact] = []
    todo: list[Fact] = [(node, truth)]
    while todo:
        term, value = todo.pop()
        if isinstance(term, Unary) and term.op == "!":
            todo.append((term.operand, not value))
        elif isinstance(term, Logic) and (term.op == "&&") is value:
            todo.extend((one, value) for one in reversed(term.terms))
        else:
            found.append((term, value))
    return found


def impossible(facts: Iterable[Fact]) -> bool:
    """Return whether these facts can certainly not hold together."""
    known = _Known()
    facts = list(facts)[:_MOST_FACTS]
    if any(not known.add(term, truth) for term, truth in facts):
        return True
    return any(
        isinstance(term, Logic) and all(_excluded(facts, one, truth) for one in term.terms)
        for term, truth in facts
    )


def _excluded(facts: list[Fact], term: Node, truth: bool) -> bool:
    """Return whether one way for a choice of terms to come out cannot go with the rest."""
    known = _Known()
    rest = [fact for fact in facts if not isinstance(fact[0], Logic)]
    return any(not known.add(*fact) for fact in (*rest, *facts_of(term, truth)))


def follows(facts: list[Fact], term: Node, truth: bool = True) -> bool:
    """Return whether `term` is certainly `truth` where the facts hold."""
    return all(
        impossible([*facts, *facts_of(one, not value)]) for one, value in facts_of(term, truth)
    )


class _Known:
    """What is known of each operand; `add` is False once something cannot be."""

    def __init__(self) -> None:
        self._truths: dict[Hashable, bool] = {}
        self._ranges: dict[Hashable, _Range] = {}

    def add(self, term: Node, truth: bool) -> bool:
        """Take a fact in, and return whether all of them can still hold."""
        if isinstance(term, Literal):
            return not isinstance(term.value, bool) or term.value is truth
        own = shape(term)
        if self._truths.setdefault(own, truth) is not truth:
            return False
        if isinstance(term, Binary):
            return self._compare(term, truth)
        if isinstance(term, Method) and term.function == "startsWith" and len(term.args) == 1:
            prefix = term.args[0]
            if isinstance(prefix, Literal) and isinstance(prefix.value, str):
                return self._range(term.target).starts(prefix.value, truth)
        return True

    def _range(self, node: Node) -> _Range:
        return self._ranges.setdefault(shape(node), _Range())

    def _compare(self, term: Binary, truth: bool) -> bool:
        op, left, right = term.op, term.left, term.right
        if op == "in":
            values = _literals(right)
            if values is None or isinstance(left, Literal):
                return True
            return self._range(left).among(values, truth)
        if op not in _MIRROR:
            return True
        if isinstance(left, Literal):
            if isinstance(right, Literal):
                return _constant(op, left.value, right.value, truth)
            op, left, right = _MIRROR[op], right, left
        if not isinstance(right, Literal):
            return True
        if not truth:
            op = _NEGATED[op]
        known = self._range(left)
        if op in ("==", "!="):
            return known.among([_value(right.value)], op == "==")
        direction, inclusive = _ORDER[op]
        return known.bound(direction, inclusive, right.value)


def _literals(node: Node) -> list[Hashable] | None:
    if not isinstance(node, ListOf):
        return None
    values = [_value(item.value) for item in node.items if isinstance(item, Literal)]
    return values if len(values) == len(node.items) else None


def _value(value: object) -> Hashable:
    """Return a literal so that equal ones are equal and others are not: true is not 1, 1u is."""
    if isinstance(value, UInt):
        return ("number", value.value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (type(value).__name__, value)
    return ("number", value)


def _constant(op: str, left: object, right: object, truth: bool) -> bool:
    if op not in ("==", "!="):
        return True
    return ((_value(left) == _value(right)) is (op == "==")) is truth


class _Range:
    """What one operand can be."""

    __slots__ = ("_allowed", "_high", "_low", "_prefixes", "_refused")

    def __init__(self) -> None:
        self._allowed: set[Hashable] | None = None
        self._refused: set[Hashable] = set()
        self._prefixes: list[tuple[str, bool]] = []
        self._low: tuple[float, bool] | None = None
        self._high: tuple[float, bool] | None = None

    def among(self, values: list[Hashable], truth: bool) -> bool:
        """Keep only these values, or none of them."""
        if truth:
            self._allowed = set(values) if self._allowed is None else self._allowed & set(values)
        else:
            self._refused |= set(values)
        return self._possible()

    def starts(self, prefix: str, truth: bool) -> bool:
        """Keep texts that begin with `prefix`, or those that do not."""
        self._prefixes.append((prefix, truth))
        return self._possible()

    def bound(self, direction: str, inclusive: bool, value: object) -> bool:
        """Keep numbers on one side of `value`; texts and times are not compared here."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        if direction == ">":
            self._low = max(self._low or (value, inclusive), (value, inclusive), key=_tight_low)
        else:
            self._high = min(self._high or (value, inclusive), (value, inclusive), key=_tight_high)
        return self._possible()

    def _possible(self) -> bool:
        if self._low is not None and self._high is not None:
            (low, with_low), (high, with_high) = self._low, self._high
            if low > high or (low == high and not (with_low and with_high)):
                return False
        wanted = [prefix for prefix, truth in self._prefixes if truth]
        longest = max(wanted, key=len, default="")
        if not all(longest.startswith(prefix) for prefix in wanted):
            return False
        if any(not truth and longest.startswith(prefix) for prefix, truth in self._prefixes):
            return False
        return self._allowed is None or any(map(self._fits, self._allowed - self._refused))

    def _fits(self, value: Any) -> bool:
        kind, held = value
        if kind == "number":
            low, high = self._low, self._high
            if low is not None and not (held > low[0] or (low[1] and held == low[0])):
                return False
            if high is not None and not (held < high[0] or (high[1] and held == high[0])):
                return False
        if kind == "str":
            return all(held.startswith(prefix) is truth for prefix, truth in self._prefixes)
        return True


def _tight_low(bound: tuple[float, bool]) -> tuple[float, bool]:
    return bound[0], not bound[1]


def _tight_high(bound: tuple[float, bool]) -> tuple[float, bool]:
    return bound[0], bound[1]
