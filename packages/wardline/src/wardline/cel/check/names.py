"""Names, fields and elements: what a condition may read, and that it says `has` where it must."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.cel.kinds import TYPE_NAMES
from wardline.cel.scope import argument_of, is_args
from wardline.cel.tree import Name, OptionalIndex, OptionalSelect, Select
from wardline.cel.types import (
    BOOL,
    DYN,
    FUNCTIONS,
    MAP,
    METHODS,
    NOT_YET,
    NUMERIC,
    ROOTS,
    TIMESTAMP,
    TYPE,
    VIEWS,
    Type,
    agree,
    declared,
    describe,
    optional_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wardline.cel.check.checker import Bound, Checker
    from wardline.cel.tree import Has, Index, Node

__all__ = ["has", "index", "key_problem", "name", "nearest", "not_yet", "select"]

_AFTER_ONLY: Final = ("result", "error", "duration_ms")
_VALUES: Final = frozenset(("args", "now"))
_KEYS: Final = frozenset(("string", "bool", "dyn")) | NUMERIC


def nearest(name: str, among: Iterable[str]) -> str:
    """The hint that names what was probably meant, or an empty string."""
    from difflib import get_close_matches  # only mistakes need it

    close = get_close_matches(name, sorted(among), 1, 0.6)
    return f"Did you mean `{close[0]}`?" if close else ""


def not_yet(checker: Checker, name: str, node: Node) -> Type:
    """Complain about a name of the policy language that this version cannot evaluate."""
    return checker.complain(
        f"`{name}` is part of wardline/v1, but this version cannot evaluate it yet", node
    )


def name(checker: Checker, node: Name, bound: Bound) -> Type:
    """The type of a name that stands alone."""
    name = node.name
    if name in bound and not node.rooted:
        return bound[name]
    if name in _VALUES:
        checker.reads.add(name)
        return MAP if name == "args" else TIMESTAMP
    if name in TYPE_NAMES:
        return TYPE
    if name in ROOTS:
        fields = ", ".join(f"{name}.{field}" for field in list(ROOTS[name])[:3])
        return checker.complain(
            f"`{name}` is not a value", node, f"Name one of its fields: {fields}, …"
        )
    return _unknown_root(checker, node, bound)


def _unknown_root(checker: Checker, node: Name, bound: Bound) -> Type:
    name = node.name
    if name in NOT_YET:
        return not_yet(checker, name, node)
    if name in checker.scope.arguments:
        return checker.complain(f"unknown name `{name}`", node, f"Did you mean `args.{name}`?")
    hint = nearest(name, [*ROOTS, *bound])
    return checker.complain(
        f"unknown name `{name}`", node, hint or f"A condition can read {', '.join(ROOTS)}."
    )


def select(
    checker: Checker, node: Select | OptionalSelect, bound: Bound, sure: frozenset[str]
) -> Type:
    """The type of `operand.field` or `operand.?field`."""
    optional = isinstance(node, OptionalSelect)
    argument = None if _hidden(bound) else argument_of(node)
    if argument is not None:
        found = _argument(checker, argument, node, sure, optional=optional)
        return optional_of(found) if optional else found
    operand = node.operand
    if isinstance(operand, Name) and (operand.name not in bound or operand.rooted):
        if operand.name in ROOTS and operand.name != "now":
            found = _root_field(checker, operand.name, node)
            return optional_of(found) if optional else found
        if operand.name not in _VALUES and operand.name not in TYPE_NAMES:
            known = [other for other in FUNCTIONS if other.startswith(f"{operand.name}.")]
            if known:
                return checker.complain(
                    f"`{operand.name}` is not a value",
                    operand,
                    nearest(f"{operand.name}.{node.field}", known) or f"It has {known[0]}(…), ….",
                )
            return _unknown_root(checker, operand, bound)
    over = checker.visit(operand, bound, sure)
    if over.kind == "optional":
        return optional_of(_member(checker, over.item or DYN, node))
    found = _member(checker, over, node)
    if optional and over.kind in VIEWS:
        return checker.complain(f"{describe(over)} has all its fields", node, "Write a plain dot.")
    return optional_of(found) if optional else found


def _hidden(bound: Bound) -> bool:
    """Whether a variable hides the arguments; the check complains about such variables."""
    return "args" in bound or "action" in bound


def _argument(
    checker: Checker, name: str, node: Node, sure: frozenset[str], *, optional: bool
) -> Type:
    checker.reads.add(f"args.{name}")
    kind = checker.scope.arguments.get(name)
    if kind is not None:
        return declared(kind)
    if name not in sure and not optional:
        _missing(checker, name, node)
    return DYN


def _missing(checker: Checker, name: str, node: Node) -> None:
    known = sorted(checker.scope.arguments)
    guard = f"Write `has(args.{name}) && …`."
    if checker.scope.closed:
        listed = ", ".join(known) if known else "none"
        checker.complain(
            f"`args.{name}` is read, but the tools this can meet do not all declare `{name}`; "
            f"they declare: {listed}",
            node,
            nearest(name, known) or guard,
        )
    else:
        checker.complain(
            f"`args.{name}` is read, but not every tool this can meet declares `{name}`",
            node,
            f"{guard} {nearest(name, known)}".rstrip(),
        )


def _root_field(checker: Checker, root: str, node: Select | OptionalSelect | Has) -> Type:
    name = node.field
    fields = ROOTS[root]
    path = f"{root}.{name}"
    if name not in fields:
        if path in NOT_YET:
            return not_yet(checker, path, node)
        hint = nearest(name, fields) or f"`{root}` has {', '.join(fields)}."
        return checker.complain(f"`{root}` has no field `{name}`", node, hint)
    if root == "action" and name in _AFTER_ONLY and not checker.scope.after:
        return checker.complain(
            f"`{path}` exists on the `after` stage only",
            node,
            "State it: for example `on: tool_call.after`.",
        )
    checker.reads.add("args" if path == "action.args" else path)
    return fields[name]


def _member(checker: Checker, kind: Type, node: Select | OptionalSelect | Has) -> Type:
    field = node.field
    if kind.kind in VIEWS:
        fields = VIEWS[kind.kind]
        if field in fields:
            return fields[field]
        hint = nearest(field, fields) or f"It has {', '.join(fields)}."
        return checker.complain(f"{describe(kind)} has no field `{field}`", node, hint)
    if kind.kind not in ("map", "dyn"):
        hint = f"Did you mean `{field}(…)`?" if field in METHODS else ""
        return checker.complain(f"{describe(kind)} has no fields, so no `{field}`", node, hint)
    if kind.key is not None and kind.key.kind not in ("string", "dyn"):
        return checker.complain(f"this map's keys are not strings, so it has no `{field}`", node)
    return kind.item or DYN


def has(checker: Checker, node: Has, bound: Bound, sure: frozenset[str]) -> Type:
    """The type of `has(operand.field)`, and whether it can be looked for at all."""
    operand = node.operand
    if not _hidden(bound) and is_args(operand):
        checker.reads.add(f"args.{node.field}")
        return BOOL
    free = isinstance(operand, Name) and (operand.name not in bound or operand.rooted)
    if free and isinstance(operand, Name) and operand.name in ROOTS and operand.name not in _VALUES:
        _root_field(checker, operand.name, node)
        return BOOL
    over = checker.visit(operand, bound, sure)
    _member(checker, (over.item or DYN) if over.kind == "optional" else over, node)
    return BOOL


def index(
    checker: Checker, node: Index | OptionalIndex, bound: Bound, sure: frozenset[str]
) -> Type:
    """The type of `operand[index]` or `operand[?index]`."""
    optional = isinstance(node, OptionalIndex)
    argument = None if _hidden(bound) else argument_of(node)
    if argument is not None:
        found = _argument(checker, argument, node, sure, optional=optional)
        return optional_of(found) if optional else found
    over = checker.visit(node.operand, bound, sure)
    by = checker.visit(node.index, bound, sure)
    if over.kind == "optional":
        return optional_of(_element(checker, node, over.item or DYN, by))
    found = _element(checker, node, over, by)
    return optional_of(found) if optional else found


def _element(checker: Checker, node: Index | OptionalIndex, over: Type, by: Type) -> Type:
    if over.kind == "list":
        if by.kind not in NUMERIC and by.kind != "dyn":
            checker.complain(f"a list is indexed by an integer, not by {describe(by)}", node.index)
        return over.item or DYN
    if over.kind == "map":
        problem = key_problem(over, by)
        if problem:
            checker.complain(problem, node.index)
        return over.item or DYN
    if over.kind != "dyn":
        checker.complain(f"{describe(over)} cannot be indexed", node)
    return DYN


def key_problem(over: Type, by: Type) -> str:
    """Why a map can have no key of a type, or an empty string."""
    if by.kind not in _KEYS:
        return f"a map's keys are strings, integers and booleans, not {describe(by)}"
    if over.key is not None and not agree(over.key, by):
        return f"no key of this map is {describe(by)}: each is {describe(over.key)}"
    return ""
