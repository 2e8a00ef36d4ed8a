"""Calls: known functions, the number and types of their arguments, and arguments that always fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.cel import formats, nets, regex, times
from wardline.cel.check.names import nearest, not_yet
from wardline.cel.conversions import CONVERSIONS
from wardline.cel.maths import MATH_FUNCTIONS
from wardline.cel.strings import STRING_FUNCTIONS, STRING_METHODS
from wardline.cel.tree import Call, ListOf, Literal, Method, Name, OptionalItem, dotted
from wardline.cel.types import BROUGHT, FUNCTIONS, METHODS, NOT_YET, Signature, Type, describe
from wardline.errors import EvaluationError
from wardline.plugins import missing, plugin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline.cel.check.checker import Bound, Checker
    from wardline.cel.tree import Node

__all__ = ["call", "method"]


def call(checker: Checker, node: Call, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `f(x)`."""
    kinds = [checker.visit(arg, bound, sure) for arg in node.args]
    signature = FUNCTIONS.get(node.function)
    if signature is None:
        return _unknown(checker, node, FUNCTIONS, METHODS)
    group = BROUGHT.get(node.function)
    if group is not None and plugin(group, node.function) is None:
        message, hint = missing(group, f"`{node.function}`")
        checker.complain(message, node, hint)
    return _apply(checker, node, signature, list(node.args), kinds)


def method(checker: Checker, node: Method, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `x.f(y)`."""
    path = dotted(node.target)
    if path is not None and path not in bound:
        full = f"{path}.{node.function}"
        if full in NOT_YET or path in NOT_YET:
            return not_yet(checker, full, node)
        # `math.max(…)` is an unknown function, not one called on an unknown name.
        space = [name for name in FUNCTIONS if name.startswith(f"{path}.")]
        if space and isinstance(node.target, Name):
            for arg in node.args:
                checker.visit(arg, bound, sure)
            hint = nearest(full, space) or f"There are {', '.join(space)}."
            return checker.complain(f"unknown function `{full}`", node, hint)
    target = checker.visit(node.target, bound, sure)
    kinds = [target, *(checker.visit(arg, bound, sure) for arg in node.args)]
    signature = METHODS.get(node.function)
    if signature is None:
        return _unknown(checker, node, METHODS, FUNCTIONS)
    result = _apply(checker, node, signature, [node.target, *node.args], kinds)
    if node.function == "format" and node.args:
        _format(checker, node)
    elif node.args:
        _literal_argument(checker, node)
    return result


def _unknown(
    checker: Checker,
    node: Call | Method,
    same: Mapping[str, Signature],
    other: Mapping[str, Signature],
) -> Type:
    name = node.function
    if name in NOT_YET:
        return not_yet(checker, name, node)
    if name in other:
        shape = f"x.{name}(…)" if isinstance(node, Call) else f"{name}(x)"
        return checker.complain(f"`{name}` is called in another way", node, f"Write `{shape}`.")
    if name in ("not", "NOT"):
        return checker.complain(f"unknown function `{name}`", node, "Write `!(…)`.")
    ends = [full for full in same if full.endswith(f".{name}")]
    hint = f"Write `{ends[0]}(…)`." if ends else nearest(name, same)
    return checker.complain(f"unknown function `{name}`", node, hint)


def _apply(
    checker: Checker,
    node: Call | Method,
    signature: Signature,
    args: list[Node],
    kinds: list[Type],
) -> Type:
    reason = signature.count_problem(len(args), 1 if isinstance(node, Method) else 0)
    if reason:
        return checker.complain(f"`{node.function}` takes {reason}", node)
    before = len(checker.problems)
    for place, (arg, kind) in enumerate(zip(args, kinds, strict=True)):
        accepted = signature.params[min(place, len(signature.params) - 1)]
        if kind.kind not in accepted and kind.kind != "dyn" and "any" not in accepted:
            words = sorted(accepted - {"number"} or accepted)
            wanted = " or ".join(describe(Type(word)) for word in words)
            checker.complain(f"`{node.function}` wants {wanted}, not {describe(kind)}", arg)
    if len(checker.problems) > before:
        return signature.gives(kinds)
    if checker.typed and args and all(isinstance(arg, Literal) for arg in args):
        _try(checker, node, args)
    return signature.gives(kinds)


# Functions of their arguments alone.
_CONSTANT: Final = {**CONVERSIONS, **MATH_FUNCTIONS, **STRING_FUNCTIONS}


class _Plenty:
    """A budget for what is tried once, while the policy loads."""

    def __init__(self) -> None:
        self.budget = 1_000_000


def _try(checker: Checker, node: Call | Method, args: list[Node]) -> None:
    """A call of literals alone gives the same every time: it must not fail."""
    function = (STRING_METHODS if isinstance(node, Method) else _CONSTANT).get(node.function)
    if function is None:
        return
    try:
        function(_Plenty(), *[arg.value for arg in args if isinstance(arg, Literal)])
    except EvaluationError as error:
        checker.complain(f"`{node.function}` fails here: {error}", node)


# Arguments that must be right before anything runs


def _literal_argument(checker: Checker, node: Method) -> None:
    first = node.args[0]
    if node.function == "matches":
        _pattern(checker, first)
    elif isinstance(first, Literal) and isinstance(first.value, str):
        if node.function == "under":
            reason = nets.folder_problem(first.value)
            if reason:
                checker.complain(
                    f"`under` {reason}", first, "Write an absolute folder: `under('/srv/data')`."
                )
        elif node.function in times.PARTS:
            try:
                times.zone(first.value)
            except EvaluationError as error:
                checker.complain(str(error), first, _ZONE_HINT)


def _format(checker: Checker, node: Method) -> None:
    """A format that is written out must be one, and wants a value for each of its clauses."""
    text, given = node.target, node.args[0]
    if not isinstance(text, Literal) or not isinstance(text.value, str):
        return
    try:
        wanted = formats.clauses(text.value)
    except EvaluationError as error:
        checker.complain(str(error), text, "There are %s %d %f %e %b %o %x %X %%.")
        return
    if not isinstance(given, ListOf) or any(isinstance(one, OptionalItem) for one in given.items):
        return
    if len(given.items) < wanted:
        checker.complain(
            f"the format wants {wanted} values, and the list has {len(given.items)}", given
        )


_ZONE_HINT: Final = "Write a name such as 'Europe/Berlin', or an offset such as '+02:00'."


def _pattern(checker: Checker, node: Node) -> None:
    if not isinstance(node, Literal):
        checker.complain(
            "`matches` takes a pattern written in the condition, so that it can be checked "
            "when the policy loads",
            node,
        )
    elif isinstance(node.value, str):
        try:
            regex.compile(node.value)
        except regex.PatternError as error:
            checker.complain(f"the pattern is not valid: {error}", node, error.hint)
