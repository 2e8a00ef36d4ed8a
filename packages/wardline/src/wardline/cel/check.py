"""Checks a condition before it is ever evaluated: names, functions, types, guards, patterns.

Everything that can be known to fail is an error here, with its place and, where there is one, the
name that was probably meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.cel import nets, regex
from wardline.cel.scope import Scope, argument_of, is_args, proves
from wardline.cel.tree import (
    Binary,
    Call,
    Choice,
    Comprehension,
    Expr,
    Has,
    Index,
    ListOf,
    Literal,
    Logic,
    MapOf,
    Method,
    Name,
    Node,
    Select,
    Unary,
    dotted,
)
from wardline.cel.types import (
    BOOL,
    BROUGHT,
    BYTES,
    DOUBLE,
    DYN,
    FUNCTIONS,
    INT,
    LIST,
    MAP,
    METHODS,
    NOT_YET,
    NULL,
    NUMBER,
    NUMERIC,
    ROOTS,
    STRING,
    TIMESTAMP,
    VIEWS,
    Signature,
    Type,
    agree,
    declared,
    describe,
    list_of,
)
from wardline.errors import PolicyError, Problem
from wardline.plugins import missing, plugin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Checked", "check"]

_NOTHING: frozenset[str] = frozenset()
_AFTER_ONLY = ("result", "error", "duration_ms")
_VALUES = frozenset(("args", "now"))
_ORDERED = frozenset(("bool", "string", "bytes", "timestamp", "dyn")) | NUMERIC
_ADDABLE = frozenset(("string", "bytes", "list", "dyn")) | NUMERIC
_LITERALS: dict[type, Type] = {
    str: STRING,
    bool: BOOL,
    int: INT,
    float: DOUBLE,
    bytes: BYTES,
    type(None): NULL,
}


class Checked:
    """What the check found out: the type of the whole, what it reads, and the variables left open."""

    __slots__ = ("reads", "type")

    def __init__(self, kind: Type, reads: frozenset[str]) -> None:
        self.type = kind
        self.reads = reads


def check(
    expr: Expr,
    scope: Scope,
    *,
    condition: bool = True,
    variables: Iterable[str] = (),
    typed: bool = True,
) -> Checked:
    """Check a whole expression.

    `variables` are names that are bound from outside; `typed=False` leaves the types of literals to
    the evaluation.

    Raises PolicyError with every mistake that was found.
    """
    checker = _Checker(expr, scope, typed=typed)
    kind = checker.visit(expr.root, dict.fromkeys(variables, DYN), _NOTHING)
    if condition and kind.kind not in ("bool", "dyn"):
        checker.complain(f"a condition must be true or false; this is {describe(kind)}", expr.root)
    if checker.problems:
        raise PolicyError(checker.problems)
    return Checked(kind, frozenset(checker.reads))


def _nearest(name: str, among: Iterable[str]) -> str:
    from difflib import get_close_matches  # only mistakes need it

    close = get_close_matches(name, sorted(among), 1, 0.6)
    return f"Did you mean `{close[0]}`?" if close else ""


_Bound = dict[str, Type]


class _Checker:
    """Walks the tree once; `bound` are the variables in sight, `sure` the arguments known to be there."""

    def __init__(self, expr: Expr, scope: Scope, *, typed: bool) -> None:
        self.source = expr.source
        self.typed = typed
        self.scope = scope
        self.problems: list[Problem] = []
        self.reads: set[str] = set()

    def complain(self, message: str, node: Node, hint: str = "") -> Type:
        if self.scope.subject:
            message = f"{self.scope.subject}: {message}"
        self.problems.append(self.source.problem(message, node.at, hint))
        return DYN

    def visit(self, node: Node, bound: _Bound, sure: frozenset[str]) -> Type:
        """The type of a node; DYN where it is unknown or wrong."""
        match node:
            case Literal(value=value):
                return _LITERALS[type(value)] if self.typed else DYN
            case Name():
                return self.name(node, bound)
            case Select():
                return self.select(node, bound, sure)
            case Has():
                return self.has(node, bound, sure)
            case Index():
                return self.index(node, bound, sure)
            case ListOf(items=items):
                return self.list_of(items, bound, sure)
            case MapOf():
                return self.map_of(node, bound, sure)
            case Call():
                return self.call(node, bound, sure)
            case Method():
                return self.method(node, bound, sure)
            case Unary():
                return self.unary(node, bound, sure)
            case Binary():
                return self.binary(node, bound, sure)
            case Logic():
                return self.logic(node, bound, sure)
            case Choice():
                return self.choice(node, bound, sure)
            case Comprehension():
                return self.comprehension(node, bound, sure)

    # Names and fields

    def name(self, node: Name, bound: _Bound) -> Type:
        name = node.name
        if name in bound:
            return bound[name]
        if name in _VALUES:
            self.reads.add(name)
            return MAP if name == "args" else TIMESTAMP
        if name in ROOTS:
            fields = ", ".join(f"{name}.{field}" for field in list(ROOTS[name])[:3])
            return self.complain(
                f"`{name}` is not a value", node, f"Name one of its fields: {fields}, …"
            )
        return self.unknown_root(node, bound)

    def unknown_root(self, node: Name, bound: _Bound) -> Type:
        name = node.name
        if name in NOT_YET:
            return self.not_yet(name, node)
        if name in self.scope.arguments:
            return self.complain(f"unknown name `{name}`", node, f"Did you mean `args.{name}`?")
        hint = _nearest(name, [*ROOTS, *bound])
        return self.complain(
            f"unknown name `{name}`", node, hint or f"A condition can read {', '.join(ROOTS)}."
        )

    def not_yet(self, name: str, node: Node) -> Type:
        return self.complain(
            f"`{name}` is part of wardline/v1, but this version cannot evaluate it yet", node
        )

    def select(self, node: Select, bound: _Bound, sure: frozenset[str]) -> Type:
        argument = None if "args" in bound or "action" in bound else argument_of(node)
        if argument is not None:
            return self.argument(argument, node, sure)
        operand = node.operand
        if isinstance(operand, Name) and operand.name not in bound:
            if operand.name in ROOTS and operand.name != "now":
                return self.field(operand.name, node)
            if operand.name not in _VALUES:
                return self.unknown_root(operand, bound)
        return self.member(self.visit(operand, bound, sure), node)

    def argument(self, name: str, node: Node, sure: frozenset[str]) -> Type:
        self.reads.add(f"args.{name}")
        kind = self.scope.arguments.get(name)
        if kind is not None:
            return declared(kind)
        if name not in sure:
            self.missing(name, node)
        return DYN

    def missing(self, name: str, node: Node) -> None:
        known = sorted(self.scope.arguments)
        guard = f"Write `has(args.{name}) && …`."
        if self.scope.closed:
            listed = ", ".join(known) if known else "none"
            self.complain(
                f"`args.{name}` is read, but the tools this can meet do not all declare `{name}`; "
                f"they declare: {listed}",
                node,
                _nearest(name, known) or guard,
            )
        else:
            self.complain(
                f"`args.{name}` is read, but not every tool this can meet declares `{name}`",
                node,
                f"{guard} {_nearest(name, known)}".rstrip(),
            )

    def field(self, root: str, node: Select | Has) -> Type:
        name = node.field
        fields = ROOTS[root]
        path = f"{root}.{name}"
        if name not in fields:
            if path in NOT_YET:
                return self.not_yet(path, node)
            hint = _nearest(name, fields) or f"`{root}` has {', '.join(fields)}."
            return self.complain(f"`{root}` has no field `{name}`", node, hint)
        if root == "action" and name in _AFTER_ONLY and not self.scope.after:
            return self.complain(
                f"`{path}` exists on the `after` stage only",
                node,
                "State it: for example `on: tool_call.after`.",
            )
        self.reads.add("args" if path == "action.args" else path)
        return fields[name]

    def member(self, kind: Type, node: Select | Has) -> Type:
        if kind.kind in VIEWS:
            fields = VIEWS[kind.kind]
            if node.field in fields:
                return fields[node.field]
            hint = _nearest(node.field, fields) or f"It has {', '.join(fields)}."
            return self.complain(f"{describe(kind)} has no field `{node.field}`", node, hint)
        if kind.kind not in ("map", "dyn"):
            return self.complain(
                f"{describe(kind)} has no fields, so no `{node.field}`", node, _call(node.field)
            )
        return DYN

    def has(self, node: Has, bound: _Bound, sure: frozenset[str]) -> Type:
        operand = node.operand
        if "args" not in bound and "action" not in bound and is_args(operand):
            self.reads.add(f"args.{node.field}")
        elif isinstance(operand, Name) and operand.name not in bound:
            if operand.name in ROOTS and operand.name not in _VALUES:
                self.field(operand.name, node)
            else:
                self.member(self.visit(operand, bound, sure), node)
        else:
            self.member(self.visit(operand, bound, sure), node)
        return BOOL

    def index(self, node: Index, bound: _Bound, sure: frozenset[str]) -> Type:
        argument = None if "args" in bound or "action" in bound else argument_of(node)
        if argument is not None:
            return self.argument(argument, node, sure)
        over = self.visit(node.operand, bound, sure)
        by = self.visit(node.index, bound, sure)
        if over.kind == "list":
            if by.kind not in NUMERIC and by.kind != "dyn":
                self.complain(f"a list is indexed by an integer, not by {describe(by)}", node.index)
            return over.item or DYN
        if over.kind == "map":
            if by.kind not in ("string", "dyn"):
                self.complain(f"this map's keys are strings; this is {describe(by)}", node.index)
        elif over.kind != "dyn":
            self.complain(f"{describe(over)} cannot be indexed", node)
        return DYN

    # Literals that hold others

    def list_of(self, items: tuple[Node, ...], bound: _Bound, sure: frozenset[str]) -> Type:
        kinds = [self.visit(item, bound, sure) for item in items]
        if not kinds:
            return LIST
        first = kinds[0]
        if all(kind == first for kind in kinds):
            return list_of(first)
        if all(kind.kind in NUMERIC for kind in kinds):
            return list_of(NUMBER)
        return list_of(DYN)

    def map_of(self, node: MapOf, bound: _Bound, sure: frozenset[str]) -> Type:
        seen: set[object] = set()
        for key, value in node.entries:
            kind = self.visit(key, bound, sure)
            text = not isinstance(key, Literal) or isinstance(key.value, str)
            if kind.kind not in ("string", "dyn") or not text:
                self.complain(
                    "maps with keys other than strings are part of CEL, "
                    "but this version cannot evaluate them yet",
                    key,
                )
            if isinstance(key, Literal):
                if key.value in seen:
                    self.complain(f"the key {key.value!r} stands twice in this map", key)
                seen.add(key.value)
            self.visit(value, bound, sure)
        return MAP

    # Functions

    def call(self, node: Call, bound: _Bound, sure: frozenset[str]) -> Type:
        signature = FUNCTIONS.get(node.function)
        kinds = [self.visit(arg, bound, sure) for arg in node.args]
        if signature is None:
            return self.unknown_function(node, FUNCTIONS, METHODS)
        if node.function in BROUGHT and plugin(BROUGHT[node.function], node.function) is None:
            message, hint = missing(BROUGHT[node.function], f"`{node.function}`")
            self.complain(message, node, hint)
        return self.apply(node, signature, list(node.args), kinds)

    def method(self, node: Method, bound: _Bound, sure: frozenset[str]) -> Type:
        path = dotted(node.target)
        if path is not None and path not in bound:
            if f"{path}.{node.function}" in NOT_YET:
                return self.not_yet(f"{path}.{node.function}", node)
            if path in NOT_YET:
                return self.not_yet(f"{path}.{node.function}", node)
        target = self.visit(node.target, bound, sure)
        kinds = [target, *(self.visit(arg, bound, sure) for arg in node.args)]
        signature = METHODS.get(node.function)
        if signature is None:
            return self.unknown_function(node, METHODS, FUNCTIONS)
        result = self.apply(node, signature, [node.target, *node.args], kinds)
        if node.function == "matches" and node.args:
            self.pattern(node.args[0])
        if node.function == "under" and node.args:
            self.folder(node.args[0])
        return result

    def unknown_function(
        self, node: Call | Method, same: Mapping[str, Signature], other: Mapping[str, Signature]
    ) -> Type:
        name = node.function
        if name in NOT_YET:
            return self.not_yet(name, node)
        if name in other:
            shape = f"x.{name}(…)" if isinstance(node, Call) else f"{name}(x)"
            return self.complain(f"`{name}` is called in another way", node, f"Write `{shape}`.")
        if name in ("not", "NOT"):
            return self.complain(f"unknown function `{name}`", node, "Write `!(…)`.")
        return self.complain(f"unknown function `{name}`", node, _nearest(name, same))

    def apply(
        self, node: Call | Method, signature: Signature, args: list[Node], kinds: list[Type]
    ) -> Type:
        most = len(signature.params)
        if not most - signature.optional <= len(args) <= most:
            less = 1 if isinstance(node, Method) else 0
            wanted = f"{most - signature.optional - less}"
            if signature.optional:
                wanted += f" to {most - less}"
            self.complain(
                f"`{node.function}` takes {wanted} arguments, not {len(args) - less}", node
            )
            return signature.result
        for arg, kind, accepted in zip(args, kinds, signature.params, strict=False):
            if kind.kind not in accepted and kind.kind != "dyn" and "any" not in accepted:
                wanted = " or ".join(
                    describe(Type(word)) for word in sorted(accepted) if word != "number"
                )
                self.complain(f"`{node.function}` wants {wanted}, not {describe(kind)}", arg)
        return signature.result

    def pattern(self, node: Node) -> None:
        if not isinstance(node, Literal):
            self.complain(
                "`matches` takes a pattern written in the condition, so that it can be checked "
                "when the policy loads",
                node,
            )
        elif isinstance(node.value, str):
            try:
                regex.compile(node.value)
            except regex.PatternError as error:
                self.complain(f"the pattern is not valid: {error}", node, error.hint)

    def folder(self, node: Node) -> None:
        if isinstance(node, Literal) and isinstance(node.value, str):
            reason = nets.folder_problem(node.value)
            if reason:
                self.complain(
                    f"`under` {reason}", node, "Write an absolute folder: `under('/srv/data')`."
                )

    # Operators

    def unary(self, node: Unary, bound: _Bound, sure: frozenset[str]) -> Type:
        kind = self.visit(node.operand, bound, sure)
        if node.op == "!":
            if kind.kind not in ("bool", "dyn"):
                self.complain(f"`!` wants true or false, not {describe(kind)}", node)
            return BOOL
        if kind.kind not in NUMERIC and kind.kind != "dyn":
            self.complain(f"`-` wants a number, not {describe(kind)}", node)
        return kind if kind.kind in NUMERIC else DYN

    def binary(self, node: Binary, bound: _Bound, sure: frozenset[str]) -> Type:
        left = self.visit(node.left, bound, sure)
        right = self.visit(node.right, bound, sure)
        op = node.op
        if op in ("==", "!="):
            if not agree(left, right):
                self.complain(
                    f"{describe(left)} is never equal to {describe(right)}", node, _quotes(node)
                )
            return BOOL
        if op == "in":
            return self.membership(node, left, right)
        if op in ("<", "<=", ">", ">="):
            for kind, side in ((left, node.left), (right, node.right)):
                if kind.kind not in _ORDERED:
                    self.complain(f"`{op}` cannot order {describe(kind)}", side)
                    return BOOL
            if not agree(left, right):
                self.complain(
                    f"`{op}` cannot compare {describe(left)} with {describe(right)}",
                    node,
                    _quotes(node),
                )
            return BOOL
        return self.arithmetic(node, left, right)

    def membership(self, node: Binary, left: Type, right: Type) -> Type:
        if right.kind == "list":
            if right.item is not None and not agree(left, right.item):
                self.complain(
                    f"{describe(left)} is never in a list whose items are each "
                    f"{describe(right.item)}",
                    node,
                )
        elif right.kind == "map":
            if left.kind not in ("string", "dyn"):
                self.complain(f"this map's keys are strings, not {describe(left)}", node)
        elif right.kind != "dyn":
            hint = "For part of a text write `x.contains('…')`." if right.kind == "string" else ""
            self.complain(f"`in` wants a list or a map, not {describe(right)}", node, hint)
        return BOOL

    def arithmetic(self, node: Binary, left: Type, right: Type) -> Type:
        op = node.op
        allowed = _ADDABLE if op == "+" else NUMERIC | {"dyn"}
        for kind, side in ((left, node.left), (right, node.right)):
            if kind.kind not in allowed or (op == "%" and kind.kind == "double"):
                return self.complain(f"`{op}` cannot take {describe(kind)}", side)
        if "dyn" in (left.kind, right.kind):
            return DYN
        kinds = {left.kind, right.kind}
        if kinds == {"int", "double"} or not (len(kinds) == 1 or kinds <= NUMERIC):
            return self.complain(
                f"`{op}` cannot join {describe(left)} and {describe(right)}",
                node,
                "Convert one of them with int(…) or double(…)." if kinds <= NUMERIC else "",
            )
        if len(kinds) == 1:
            return left if left == right else Type(left.kind)
        return Type((kinds - {"number"}).pop())

    def logic(self, node: Logic, bound: _Bound, sure: frozenset[str]) -> Type:
        for term in node.terms:
            kind = self.visit(term, bound, sure)
            if kind.kind not in ("bool", "dyn"):
                self.complain(f"`{node.op}` wants true or false, not {describe(kind)}", term)
            sure |= proves(term, node.op == "&&")
        return BOOL

    def choice(self, node: Choice, bound: _Bound, sure: frozenset[str]) -> Type:
        test = self.visit(node.test, bound, sure)
        if test.kind not in ("bool", "dyn"):
            self.complain(f"`? :` wants true or false, not {describe(test)}", node.test)
        yes = self.visit(node.yes, bound, sure | proves(node.test, True))
        no = self.visit(node.no, bound, sure | proves(node.test, False))
        return yes if yes == no else DYN

    def comprehension(self, node: Comprehension, bound: _Bound, sure: frozenset[str]) -> Type:
        over = self.visit(node.items, bound, sure)
        if over.kind not in ("list", "map", "dyn"):
            self.complain(f"`{node.macro}` wants a list or a map, not {describe(over)}", node)
        if node.variable in ROOTS:
            self.complain(
                f"the variable `{node.variable}` would hide `{node.variable}`",
                node,
                "Give it another name.",
            )
        item = STRING if over.kind == "map" else (over.item or DYN)
        inner = {**bound, node.variable: item}
        guard_sure = sure
        if node.guard is not None:
            self.predicate(node, self.visit(node.guard, inner, sure), node.guard)
            guard_sure = sure | proves(node.guard, True)
        step = self.visit(node.step, inner, guard_sure)
        if node.macro == "map":
            return list_of(step)
        self.predicate(node, step, node.step)
        if node.macro == "filter":
            return list_of(item) if over.kind != "dyn" else LIST
        return BOOL

    def predicate(self, node: Comprehension, kind: Type, at: Node) -> None:
        if kind.kind not in ("bool", "dyn"):
            self.complain(f"`{node.macro}` wants true or false, not {describe(kind)}", at)


def _call(name: str) -> str:
    return f"Did you mean `{name}(…)`?" if name in METHODS else ""


def _quotes(node: Binary) -> str:
    """A hint for a number or boolean that was quoted, or a text that was not."""
    for side in (node.left, node.right):
        if isinstance(side, Literal) and isinstance(side.value, str):
            text = side.value
            if text in ("true", "false", "null") or text.lstrip("-").replace(".", "", 1).isdigit():
                return f"Without quotes: `{text}`."
    return ""
