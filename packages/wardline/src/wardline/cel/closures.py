"""The closures that conditions are made of: functions of the activation and the frame.

`env` is what one decision lets a condition read; `frame` holds the values of macro variables by slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.cel import members, nets, sorts, values
from wardline.cel.kinds import Optional
from wardline.cel.sorts import kind_of
from wardline.cel.values import BudgetError, charge
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.cel import regex
    from wardline.cel.activation import Activation, Frame, Run

__all__ = [
    "ABSORBED",
    "apply",
    "binary",
    "choice",
    "has_field",
    "index",
    "list_of",
    "list_with_optionals",
    "logic",
    "map_of",
    "matches",
    "negation",
    "negative",
    "not_bool",
    "optional_index",
    "optional_select",
    "otherwise",
    "present",
    "select",
    "under",
]

ABSORBED = 12  # steps for an error that an operator absorbs
_OPERATORS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "+": values.add,
    "-": values.subtract,
    "*": values.multiply,
    "/": values.divide,
    "%": values.modulo,
    "<": values.less,
    "<=": values.less_or_equal,
    "==": values.equal,
    "in": values.contains,
}


def not_bool(what: str, value: object) -> EvaluationError:
    """The error of a `what` that is neither true nor false."""
    return EvaluationError(f"{what} wants true or false, not {kind_of(value)}")


# Values out of values


def select(inner: Run, field: str) -> Run:
    """`inner.field` of a map, or of what `path()` and `url()` give."""

    def select(env: Activation, frame: Frame) -> Any:
        over = inner(env, frame)
        if type(over) is dict and field in over:
            return over[field]
        if type(over) is nets.PathView or type(over) is nets.UrlView:
            return nets.view_field(over, field)
        if type(over) is Optional:
            charge(env, 4)
        return members.select(over, field)

    return select


def has_field(inner: Run, field: str) -> Run:
    """`has(inner.field)`."""

    def has_field(env: Activation, frame: Frame) -> bool:
        over = inner(env, frame)
        if type(over) is nets.PathView or type(over) is nets.UrlView:
            return True
        return members.has(over, field)

    return has_field


def optional_select(inner: Run, field: str) -> Run:
    """`inner.?field`."""

    def optional_select(env: Activation, frame: Frame) -> Optional:
        return members.optional_select(inner(env, frame), field)

    return optional_select


def optional_index(over: Run, by: Run) -> Run:
    """`over[?by]`."""

    def optional_index(env: Activation, frame: Frame) -> Optional:
        return members.optional_index(over(env, frame), by(env, frame), env)

    return optional_index


def present(inner: Run) -> Run:
    """A value that is always there, as an optional."""

    def present(env: Activation, frame: Frame) -> Optional:
        return Optional(inner(env, frame))

    return present


def otherwise(name: str, target: Run, other: Run) -> Run:
    """`target.or(other)` and `target.orValue(other)`: the other is evaluated only if it is needed."""
    whole = name == "or"

    def otherwise(env: Activation, frame: Frame) -> Any:
        value = target(env, frame)
        if type(value) is not Optional:
            raise sorts.no_overload(name, value)
        if value.present:
            return value if whole else value.value
        result = other(env, frame)
        if whole and type(result) is not Optional:
            raise sorts.no_overload(name, value, result)
        return result

    return otherwise


def index(over: Run, by: Run) -> Run:
    """`over[by]`."""

    def index(env: Activation, frame: Frame) -> Any:
        return members.index(over(env, frame), by(env, frame), env)

    return index


def list_of(items: list[Run]) -> Run:
    """`[a, b]`."""

    def list_of(env: Activation, frame: Frame) -> list[Any]:
        return [item(env, frame) for item in items]

    return list_of


def list_with_optionals(items: list[tuple[Run, bool]]) -> Run:
    """`[a, ?b]`: each item, and whether it is an optional that is left out if it is missing."""

    def list_with_optionals(env: Activation, frame: Frame) -> list[Any]:
        results: list[Any] = []
        for item, optional in items:
            value = item(env, frame)
            if not optional:
                results.append(value)
            elif _entry(value).present:
                results.append(value.value)
        return results

    return list_with_optionals


def _entry(value: Any) -> Optional:
    if type(value) is Optional:
        return value
    raise EvaluationError(f"`?` here wants an optional value, not {kind_of(value)}")


def map_of(entries: list[tuple[Run, Run, bool]]) -> Run:
    """`{k: a, ?k: b}`: each key, its value, and whether that is an optional."""

    def map_of(env: Activation, frame: Frame) -> Any:
        charge(env, 3 * len(entries))
        pairs: list[tuple[Any, Any]] = []
        for key, item, optional in entries:
            name, value = key(env, frame), item(env, frame)
            if not optional:
                pairs.append((name, value))
            elif _entry(value).present:
                pairs.append((name, value.value))
        return members.keyed(pairs)

    return map_of


# Functions


def apply(function: Callable[..., Any], args: list[Run]) -> Run:
    """A call of a function that gets the budget and its values."""
    if len(args) == 1:
        (only,) = args

        def apply_one(env: Activation, frame: Frame) -> Any:
            return function(env, only(env, frame))

        return apply_one
    if len(args) == 2:
        first, second = args

        def apply_two(env: Activation, frame: Frame) -> Any:
            return function(env, first(env, frame), second(env, frame))

        return apply_two

    def apply(env: Activation, frame: Frame) -> Any:
        return function(env, *[arg(env, frame) for arg in args])

    return apply


def matches(target: Run, pattern: regex.Regex) -> Run:
    """`target.matches(pattern)`."""
    search = pattern.search

    def matches(env: Activation, frame: Frame) -> bool:
        text = target(env, frame)
        if type(text) is str:
            return search(text, env)
        raise EvaluationError(f"`matches` is not defined for {kind_of(text)}")

    return matches


def under(target: Run, folder: Run) -> Run:
    """`target.under(folder)`."""

    def under(env: Activation, frame: Frame) -> bool:
        path, above = target(env, frame), folder(env, frame)
        if type(path) is nets.PathView and type(above) is str:
            charge(env, len(above) >> 2)
            return path.under(nets.linked_path(above, env.links))
        raise EvaluationError(f"`under` is not defined for {kind_of(path)}, {kind_of(above)}")

    return under


# Operators


def binary(op: str, left: Run, right: Run) -> Run:
    """Arithmetic, a comparison or `in`, in general."""
    if op in (">", ">="):
        op, left, right = ("<" if op == ">" else "<="), right, left
    if op == "!=":

        def unequal(env: Activation, frame: Frame) -> bool:
            return not values.equal(left(env, frame), right(env, frame), env)

        return unequal
    operator = _OPERATORS[op]

    def binary(env: Activation, frame: Frame) -> Any:
        return operator(left(env, frame), right(env, frame), env)

    return binary


def negation(inner: Run) -> Run:
    """`!inner`."""

    def negation(env: Activation, frame: Frame) -> bool:
        value = inner(env, frame)
        if value is True:
            return False
        if value is False:
            return True
        raise not_bool("`!`", value)

    return negation


def negative(inner: Run) -> Run:
    """`-inner`."""

    def negate(env: Activation, frame: Frame) -> Any:
        return values.negate(inner(env, frame))

    return negate


def choice(test: Run, yes: Run, no: Run) -> Run:
    """`test ? yes : no`."""

    def choice(env: Activation, frame: Frame) -> Any:
        value = test(env, frame)
        if value is True:
            return yes(env, frame)
        if value is False:
            return no(env, frame)
        raise not_bool("`? :`", value)

    return choice


def logic(terms: list[Run], *, decides: bool, op: str) -> Run:
    """`&&` is decided by a false term, `||` by a true one; errors count only if no term decides."""
    if len(terms) == 2:
        return _logic_two(terms[0], terms[1], decides, op)

    def logic(env: Activation, frame: Frame) -> Any:
        at = 0
        try:
            for term in terms:
                value = term(env, frame)
                if value is decides:
                    return decides
                if type(value) is not bool:
                    raise not_bool(f"`{op}`", value)
                at += 1
        except EvaluationError as error:
            return _settle(terms[at + 1 :], decides, error, env, frame)
        return not decides

    return logic


def _logic_two(first: Run, second: Run, decides: bool, op: str) -> Run:
    rest = [second]

    def logic_two(env: Activation, frame: Frame) -> Any:
        try:
            value = first(env, frame)
        except EvaluationError as error:
            return _settle(rest, decides, error, env, frame)
        if value is decides:
            return decides
        if type(value) is not bool:
            return _settle(rest, decides, not_bool(f"`{op}`", value), env, frame)
        value = second(env, frame)
        if type(value) is bool:
            return value
        raise not_bool(f"`{op}`", value)

    return logic_two


def _settle(
    rest: list[Run],
    decides: bool,
    error: EvaluationError,
    env: Activation,
    frame: Frame,
) -> Any:
    """A term failed: one of the rest may still decide."""
    if isinstance(error, BudgetError):
        raise error
    charge(env, ABSORBED)
    for term in rest:
        try:
            if term(env, frame) is decides:
                return decides
        except BudgetError:
            raise
        except EvaluationError:
            charge(env, ABSORBED)
    raise error
