"""What a condition becomes: steps of Python that are certain, as far as they go."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from wardline.cel import regex
from wardline.cel.fast.values import argument_place, place_of
from wardline.cel.scope import is_args, proves
from wardline.cel.tree import (
    Binary,
    Call,
    Choice,
    Has,
    ListOf,
    Literal,
    Logic,
    Method,
    Name,
    Node,
    Unary,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.cel.fast.values import Place, Values

__all__ = ["CALLS", "INLINE", "Outline", "Step", "outline"]

_MOST_STEPS: Final = 24  # each may indent once, and Python indents no deeper than 100
_LONGEST_EQUAL: Final = 1024
_LONGEST_ORDERED: Final = 255
_LONGEST_PART: Final = 64
_EXACT: Final = 2**53
_ORDER: Final = ("<", "<=", ">", ">=")


INLINE: Final = "inline"
CALLS: Final = "calls"


class Step(NamedTuple):
    """One step of a condition.

    `need` says that the condition is in doubt where `code` is false; else it is false there. `spends`
    is the code of the steps that evaluating it takes beside those of its nodes, "" for none, INLINE
    where `code` adds them itself, and CALLS where what it calls takes them from the budget.
    """

    code: str
    need: bool = False
    spends: str = ""


class Outline(NamedTuple):
    """A condition as steps; where it passes all of them it holds, or with `open_end` is in doubt.

    `upfront` is what it always takes beside the steps of its nodes.
    """

    steps: tuple[Step, ...]
    open_end: bool
    upfront: int


class _UnknownError(Exception):
    """A part of a condition that only the strict evaluation knows."""


def outline(root: Node, values: Values, constants: dict[str, object]) -> Outline:
    """The steps of a condition; those behind a part that is not known here are left out.

    Functions that the code calls are added to `constants`.
    """
    steps: list[Step] = []
    present: frozenset[str] = frozenset()
    upfront = 0
    for term in _conjuncts(root):
        lowered = _Term(values, constants, present)
        try:
            code = lowered.truth(term, present)
        except _UnknownError:
            return Outline(tuple(steps), True, upfront)
        fresh = [Step(need, need=True) for need in lowered.needs]
        steps += [step for step in fresh if step not in steps]
        spends = lowered.spends
        if spends.isdigit() and all(step.need for step in steps):  # it is always evaluated
            upfront, spends = int(spends), ""
        steps.append(Step(code, spends=spends))
        if len(steps) > _MOST_STEPS:
            return Outline(tuple(steps), True, upfront)
        present |= proves(term, True)
    return Outline(tuple(steps), False, upfront)


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, Logic) and node.op == "&&":
        for term in node.terms:
            yield from _conjuncts(term)
    else:
        yield node


class _Term:
    """One term of the top-level `&&` as one Python expression.

    `needs` are the tests without which the expression means nothing; they stand before it, so the
    expression itself cannot fail and its order of evaluation is that of the text.
    """

    def __init__(
        self, values: Values, constants: dict[str, object], present: frozenset[str]
    ) -> None:
        self.needs: list[str] = []
        self.spends = ""
        self._values = values
        self._constants = constants
        self._present = present
        self._depth = 0

    # Conditions

    def truth(self, node: Node, known: frozenset[str]) -> str:
        """The code of a boolean; `known` are the arguments that are there where it is evaluated."""
        self._depth += 1
        try:
            return self._truth(node, known)
        finally:
            self._depth -= 1

    def _truth(self, node: Node, known: frozenset[str]) -> str:
        match node:
            case Literal(value=bool(value)):
                return repr(value)
            case Has(operand=operand, field=field):
                return self._has(operand, field)
            case Unary(op="!", operand=operand):
                return f"not ({self.truth(operand, known)})"
            case Logic(op=op, terms=terms):
                parts = []
                for term in terms:
                    parts.append(f"({self.truth(term, known)})")
                    known |= proves(term, op == "&&")
                return (" and " if op == "&&" else " or ").join(parts)
            case Choice(test=test, yes=yes, no=no):
                first = self.truth(test, known)
                positive = self.truth(yes, known | proves(test, True))
                negative = self.truth(no, known | proves(test, False))
                return f"({positive}) if ({first}) else ({negative})"
            case Binary(op="==" | "!=" as op, left=left, right=right):
                return self._equality(op, left, right, known)
            case Binary(op="in", left=left, right=right):
                return self._membership(left, right, known)
            case Binary(op=op, left=left, right=right) if op in _ORDER:
                return self._order(op, left, right, known)
            case Method(target=target, function=function, args=(Literal(value=str(text)),)):
                return self._text_method(target, function, text, known)
        return self._value(node, "truth", known)

    def _has(self, operand: Node, field: str) -> str:
        if isinstance(operand, Name) and operand.name == "action":
            return "True"
        place = argument_place(operand, field)
        if place is None:
            raise _UnknownError
        if len(place) > 2:
            self._need(self._values.test(place[:-1], "map"), place, frozenset())
        return f"{self._values.value(place)} is not MISSING"

    def _equality(self, op: str, left: Node, right: Node, known: frozenset[str]) -> str:
        if isinstance(left, Literal):
            left, right = right, left
        size = self._size(left, known)
        if isinstance(right, Literal):
            literal = _scalar(right)
            if size:
                if type(literal) is not int:
                    raise _UnknownError
                return f"{size} {op} {literal!r}"
            value = self._value(left, "plain", known)
            if literal is None or type(literal) is bool:
                return f"{value} {'is' if op == '==' else 'is not'} {literal!r}"
            if type(literal) is not str and literal in (0, 1):  # which are True and False to Python
                kind = "t" + value[1:]
                if op == "==":
                    return f"{value} == {literal!r} and {kind} is not bool"
                return f"{value} != {literal!r} or {kind} is bool"
            return f"{value} {op} {literal!r}"
        return f"{self._value(left, 'short', known)} {op} {self._value(right, 'plain', known)}"

    def _order(self, op: str, left: Node, right: Node, known: frozenset[str]) -> str:
        literals = [_scalar(node) for node in (left, right) if isinstance(node, Literal)]
        if len(literals) == 2:
            raise _UnknownError
        test = "number"
        if literals:
            (literal,) = literals
            if type(literal) is str and len(literal) <= _LONGEST_ORDERED:
                test = "text"
            elif type(literal) not in (int, float):
                raise _UnknownError
        sides = [
            repr(node.value)
            if isinstance(node, Literal)
            else (test == "number" and self._size(node, known)) or self._value(node, test, known)
            for node in (left, right)
        ]
        return f" {op} ".join(sides)

    def _membership(self, left: Node, right: Node, known: frozenset[str]) -> str:
        if isinstance(right, ListOf):
            items = [_scalar(item) for item in right.items]
            if not items or not all(type(item) in (str, int, float) for item in items):
                raise _UnknownError
            value = self._value(left, "key", known)
            # Every item is written anew: a set of constants is one constant to Python.
            return self._spend(
                str(len(items)), f"{value} in {{{', '.join(repr(item) for item in items)}}}"
            )
        literal = _scalar(left)
        if type(literal) is not str:
            raise _UnknownError
        if is_args(right):
            self.needs.append(self._values.arguments_are_a_map())
            return f"{self._values.value(('args', literal))} is not MISSING"
        place = place_of(right)
        if (
            place is not None and place[0] != "args"
        ):  # what callers send is too long to look through
            words = self._value(right, "words", known)
            return self._spend(f"len({words})", f"{literal!r} in {words}")
        return f"{literal!r} in {self._value(right, 'map', known)}"

    def _text_method(self, target: Node, function: str, text: str, known: frozenset[str]) -> str:
        place = place_of(target)
        if place is None:
            raise _UnknownError
        if function in ("startsWith", "endsWith") and 0 < len(text) <= _LONGEST_ORDERED:
            self._value(target, "text", known)
            length = len(text) if function == "startsWith" else -len(text)
            return f"{self._values.end(place, length)} == {text!r}"
        if function == "contains" and len(text) <= _LONGEST_PART:
            value = self._value(target, "short", known)
            return self._spend(self._values.search(place, len(text)), f"{text!r} in {value}")
        if function == "matches":
            pattern = regex.compile(text)
            if pattern.engine != "lazy":  # which can spend much before it looks at the budget
                value = self._value(target, "ascii", known)
                name = f"k{len(self._constants)}"
                self._constants[name] = pattern.search
                self.spends = CALLS
                return f"{name}({value}, e)"
        raise _UnknownError

    # Values

    def _size(self, node: Node, known: frozenset[str]) -> str:
        match node:
            case (
                Call(function="size", args=(target,))
                | Method(function="size", target=target, args=())
            ):
                return f"len({self._value(target, 'sized', known)})"
        return ""

    def _value(self, node: Node, test: str, known: frozenset[str]) -> str:
        place = place_of(node)
        if place is None:
            raise _UnknownError
        self._need(self._values.test(place, test), place, known)
        return self._values.value(place)

    def _need(self, test: str, place: Place, known: frozenset[str]) -> None:
        """Note a need. Where another part of the term sees to the argument, it may be absent."""
        if place[0] == "args" and len(place) == 2 and place[1] in known - self._present:
            test = f"({test} or {self._values.value(place)} is MISSING)"
        if test not in self.needs:
            self.needs.append(test)

    def _spend(self, steps: str, code: str) -> str:
        """Note steps that the whole term takes, or take them where the part is evaluated."""
        if self._depth == 1:
            self.spends = steps
            return code
        self.spends = self.spends or INLINE
        return f"(b := b + {steps}) and {code}"  # `b` is never 0


def _scalar(node: Node) -> str | bool | int | float | None:
    """The value of a literal that Python's operators compare as CEL does."""
    if isinstance(node, Literal):
        value = node.value
        if value is None or type(value) is bool:
            return value
        if type(value) is str and len(value) <= _LONGEST_EQUAL:
            return value
        if type(value) is int and -_EXACT <= value <= _EXACT:
            return value
        if type(value) is float and math.isfinite(value):
            return value
    raise _UnknownError
