"""One closure for each shape that policies are full of.

Each shortcut answers only where the value has the very type it was built for, and hands everything
else to the general operator in `values.py`, so that a shortcut never has a meaning of its own.
"""

# ruff: noqa: ARG001 - every closure has the same two parameters
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from wardline.cel import values
from wardline.cel.scope import argument_of
from wardline.cel.tree import ListOf, Literal, Name, Node, Select
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from datetime import datetime

    from wardline.facts import Links

__all__ = [
    "ACTION_TEXT",
    "Activation",
    "Frame",
    "Run",
    "comparison",
    "membership",
    "missing",
    "read_argument",
]


class Activation(Protocol):
    """What a condition reads: the attributes of one decision.

    All but `budget` are only read. Fields of the maps that are not known are absent.
    """

    budget: int

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def stage(self) -> str: ...  # noqa: D102
    @property
    def type(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def framework(self) -> str: ...  # noqa: D102
    @property
    def call_id(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def args(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def result(self) -> Any: ...  # noqa: D102
    @property
    def error(self) -> Any: ...  # noqa: D102
    @property
    def duration_ms(self) -> Any: ...  # noqa: D102
    @property
    def principal(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def session(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def run(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def tool(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def now(self) -> datetime: ...  # noqa: D102
    @property
    def facets(self) -> dict[tuple[str, str, str], dict[str, Any]]: ...  # noqa: D102
    @property
    def links(self) -> Links | None: ...  # noqa: D102


Frame: TypeAlias = list[Any]
Run: TypeAlias = Callable[[Any, Frame], Any]


def missing(name: str) -> EvaluationError:
    """The error of an argument that the action does not carry."""
    return EvaluationError(f"no such argument: {name}")


def read_argument(name: str) -> Run:
    """`args.name`."""

    def argument(env: Activation, frame: Frame) -> Any:
        args = env.args
        if name in args:
            return args[name]
        raise missing(name)

    return argument


def _kind(env: Activation, frame: Frame) -> Any:
    return env.kind


def _stage(env: Activation, frame: Frame) -> Any:
    return env.stage


def _type(env: Activation, frame: Frame) -> Any:
    return env.type


def _name(env: Activation, frame: Frame) -> Any:
    return env.name


def _framework(env: Activation, frame: Frame) -> Any:
    return env.framework


def _call_id(env: Activation, frame: Frame) -> Any:
    return env.call_id


def _fingerprint(env: Activation, frame: Frame) -> Any:
    return env.fingerprint


ACTION_TEXT: dict[str, Run] = {
    "kind": _kind,
    "stage": _stage,
    "type": _type,
    "name": _name,
    "framework": _framework,
    "call_id": _call_id,
    "fingerprint": _fingerprint,
}
"""Readers of the fields of `action` that are always strings."""


def _action_field(node: Node) -> str | None:
    """The name of the field if the node is one of the always-string fields of `action`."""
    if not isinstance(node, Select) or not isinstance(node.operand, Name):
        return None
    return node.field if node.operand.name == "action" and node.field in ACTION_TEXT else None


# Membership in a list of texts


def membership(left: Node, right: ListOf, read: Run) -> Run | None:
    """`left in [literals]`, or None where the list holds anything but strings."""
    texts = [item.value for item in right.items if isinstance(item, Literal)]
    if len(texts) != len(right.items) or not all(type(text) is str for text in texts):
        return None
    wanted = frozenset(texts)
    listed = list(texts)
    field = _action_field(left)
    if field == "type":

        def type_in(env: Activation, frame: Frame) -> bool:
            return env.type in wanted

        return type_in
    if field == "name":

        def name_in(env: Activation, frame: Frame) -> bool:
            return env.name in wanted

        return name_in

    def value_in(env: Activation, frame: Frame) -> bool:
        value = read(env, frame)
        if type(value) is str:
            return value in wanted
        return values.contains(value, listed, env)

    return value_in


# Comparisons with a literal


def comparison(op: str, left: Node, literal: Any, read: Run) -> Run | None:
    """`left op literal` for strings, integers and booleans, or None for other literals."""
    if op in ("==", "!="):
        if type(literal) is str:
            return _text_equality(op, left, literal, read)
        if type(literal) is bool or literal is None:
            return _constant_equality(op, literal, read)
        return None
    if type(literal) is int and argument_of(left) is not None:
        return _threshold(op, str(argument_of(left)), literal)
    return None


def _text_equality(op: str, left: Node, literal: str, read: Run) -> Run:
    field = _action_field(left)
    same = op == "=="
    if field == "type" and same:

        def type_is(env: Activation, frame: Frame) -> bool:
            return env.type == literal

        return type_is
    if field == "name" and same:

        def name_is(env: Activation, frame: Frame) -> bool:
            return env.name == literal

        return name_is
    argument = argument_of(left)
    if argument is not None and same:

        def argument_is(env: Activation, frame: Frame) -> bool:
            args = env.args
            if argument not in args:
                raise missing(argument)
            value = args[argument]
            return value == literal if type(value) is str else values.equal(value, literal, env)

        return argument_is

    def text_equality(env: Activation, frame: Frame) -> bool:
        value = read(env, frame)
        found = value == literal if type(value) is str else values.equal(value, literal, env)
        return found is same

    return text_equality


def _constant_equality(op: str, literal: bool | None, read: Run) -> Run:
    same = op == "=="

    def constant_equality(env: Activation, frame: Frame) -> bool:
        value = read(env, frame)
        if value is literal:
            return same
        return values.equal(value, literal, env) is same

    return constant_equality


def _threshold(op: str, argument: str, literal: int) -> Run:
    """`args.x op literal`; an integer beyond 64 bits goes to the general operator, which refuses."""
    low, high = values.INT_MIN, values.INT_MAX
    limit, above, strict = literal, op in (">", ">="), op in (">", "<")

    def threshold(env: Activation, frame: Frame) -> bool:
        args = env.args
        if argument not in args:
            raise missing(argument)
        value = args[argument]
        if type(value) is int and low <= value <= high:
            if above:
                return value > limit if strict else value >= limit
            return value < limit if strict else value <= limit
        first, second = (limit, value) if above else (value, limit)
        compare = values.less if strict else values.less_or_equal
        return compare(first, second, env)

    return threshold
