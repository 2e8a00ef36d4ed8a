"""The closures that read: constants, the facts of the decision, and the variables of macros."""

# ruff: noqa: ARG001 - every closure has the same two parameters
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.cel.kinds import ABSENT, Optional
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from wardline.cel.activation import Activation, Frame, Run

__all__ = [
    "action_field",
    "argument",
    "constant",
    "failing",
    "has_argument",
    "has_root_field",
    "now",
    "optional_root_field",
    "root_field",
    "variable",
    "whole_args",
]


def failing(message: str) -> Run:
    """What nobody knows, in an expression that was not checked."""

    def failing(env: Activation, frame: Frame) -> Any:
        raise EvaluationError(message)

    return failing


def constant(value: Any) -> Run:
    """A literal."""

    def constant(env: Activation, frame: Frame) -> Any:
        return value

    return constant


def whole_args(env: Activation, frame: Frame) -> Any:
    """All arguments."""
    return env.args


def now(env: Activation, frame: Frame) -> Any:
    """The time of the decision."""
    return env.now


def argument(name: str) -> Run:
    """`args.name`."""

    def argument(env: Activation, frame: Frame) -> Any:
        args = env.args
        if name in args:
            return args[name]
        raise EvaluationError(f"no such argument: {name}")

    return argument


def action_field(field: str) -> Run:
    """`action.field`."""
    if field == "args":
        return whole_args

    def action(env: Activation, frame: Frame) -> Any:
        return getattr(env, field)

    return action


def root_field(root: str, field: str) -> Run:
    """`root.field` of a root that is a map."""
    path = f"{root}.{field}"

    def root_field(env: Activation, frame: Frame) -> Any:
        over = getattr(env, root)
        if field in over:
            return over[field]
        raise EvaluationError(f"`{path}` is not known for this action")

    return root_field


def optional_root_field(root: str, field: str) -> Run:
    """`root.?field` of a root that is a map."""

    def optional_root_field(env: Activation, frame: Frame) -> Optional:
        over = getattr(env, root)
        return Optional(over[field]) if field in over else ABSENT

    return optional_root_field


def has_root_field(root: str, field: str) -> Run:
    """`has(root.field)`."""

    def has_root_field(env: Activation, frame: Frame) -> bool:
        return field in getattr(env, root)

    return has_root_field


def has_argument(field: str) -> Run:
    """`has(args.field)`."""

    def has_argument(env: Activation, frame: Frame) -> Any:
        return field in env.args

    return has_argument


def variable(slot: int) -> Run:
    """The variable of a macro."""

    def variable(env: Activation, frame: Frame) -> Any:
        return frame[slot]

    return variable
