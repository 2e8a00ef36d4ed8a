"""A condition that is ready to run, and what its top-level conjuncts say about the action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.cel.check import check
from wardline.cel.closures import not_bool
from wardline.cel.evaluate import Builder, cost_of
from wardline.cel.plain import plain
from wardline.cel.scope import Scope
from wardline.cel.tree import Binary, Expr, ListOf, Literal, Logic, Node, dotted
from wardline.cel.values import charge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wardline.cel.activation import Activation, Run

__all__ = ["Anchors", "Program", "anchors", "compile", "compile_open"]


class Program:
    """A compiled condition.

    `reads` are the facts it may look at, dotted (`args.path`, `args` for all of them,
    `session.tool_calls`, `now`). `cost` is what one evaluation takes from `env.budget` at least.

    `test(env)` is whether the condition holds; `value(env)` is the plain value of any expression. Both
    raise EvaluationError where the evaluation fails, `test` also where the result is not a boolean.
    """

    __slots__ = ("cost", "expr", "reads", "test", "text", "value")

    def __init__(self, expr: Expr, reads: frozenset[str]) -> None:
        self.text = expr.text
        self.expr = expr
        self.reads = reads
        self.cost = cost_of(expr.root)
        # Attributes instead of methods, so that the first call can put what it built in its place:
        # most conditions of a large policy are never evaluated one by one.
        self.test: Callable[[Activation], bool] = self._first_test
        self.value: Callable[[Activation], Any] = self._first_value

    def _first_value(self, env: Activation) -> Any:
        builder = Builder(self.expr)
        self.value = _value(builder.build(), self.cost, builder.slots)
        return self.value(env)

    def _first_test(self, env: Activation) -> bool:
        builder = Builder(self.expr)
        self.test = _test(builder.build(), self.cost, builder.slots)
        return self.test(env)

    def __repr__(self) -> str:
        return f"Program({self.text!r})"


def _value(run: Run, cost: int, slots: int) -> Callable[[Activation], Any]:
    def value(env: Activation) -> Any:
        charge(env, cost)
        return plain(run(env, [None] * slots), env)

    return value


def _test(run: Run, cost: int, slots: int) -> Callable[[Activation], bool]:
    def test(env: Activation) -> bool:
        charge(env, cost)
        result = run(env, [None] * slots)
        if result is True or result is False:
            return result
        raise not_bool("a condition", result)

    return test


def compile(expr: Expr, scope: Scope, *, condition: bool = True) -> Program:
    """Check an expression against what it can meet, and make it ready to run.

    `condition=False` is for expressions whose value is used, as in `set:`; the others must be true
    or false. Raises PolicyError with every mistake that was found.
    """
    found = check(expr, scope, condition=condition)
    return Program(expr, found.reads)


def compile_open(
    expr: Expr, variables: Sequence[str], *, checked: bool = True
) -> Callable[[Activation, Mapping[str, Any]], Any]:
    """A function of an activation and the values of free variables, for testing the language itself.

    Names and functions are checked, the types of literals are left to the evaluation. What is not
    checked fails when it is evaluated. The values are those of the language, not plain ones.
    """
    if checked:
        check(expr, Scope(), condition=False, variables=variables, typed=False)
    builder = Builder(expr, variables)
    run = builder.build()

    def value(env: Activation, bindings: Mapping[str, Any]) -> Any:
        frame = [bindings[name] for name in variables]
        return run(env, frame + [None] * (builder.slots - len(frame)))

    return value


class Anchors:
    """The action types and names outside which a condition cannot hold; None means any."""

    __slots__ = ("names", "types")

    def __init__(self, types: frozenset[str] | None, names: frozenset[str] | None) -> None:
        self.types = types
        self.names = names

    def __repr__(self) -> str:
        return f"Anchors(types={self.types}, names={self.names})"


def anchors(expr: Expr) -> Anchors:
    """What the conjuncts of the top-level `&&` say about `action.type` and `action.name`.

    Where the action's type or name is not in the set, the condition is false whatever the rest says:
    in CEL `false && error` is false, and these two fields are always there.
    """
    found: dict[str, frozenset[str]] = {}
    terms = [expr.root]
    while terms:
        term = terms.pop()
        if isinstance(term, Logic) and term.op == "&&":
            terms.extend(term.terms)
            continue
        path, wanted = _anchor(term)
        if path:
            found[path] = found[path] & wanted if path in found else wanted
    return Anchors(found.get("action.type"), found.get("action.name"))


_NOT_AN_ANCHOR: tuple[str, frozenset[str]] = ("", frozenset())


def _anchor(term: Node) -> tuple[str, frozenset[str]]:
    if not isinstance(term, Binary):
        return _NOT_AN_ANCHOR
    left, right = term.left, term.right
    if term.op == "==":
        if isinstance(left, Literal):
            left, right = right, left
        items: tuple[Node, ...] = (right,)
    elif term.op == "in" and isinstance(right, ListOf):
        items = right.items
    else:
        return _NOT_AN_ANCHOR
    path = dotted(left)
    if path not in ("action.type", "action.name"):
        return _NOT_AN_ANCHOR
    texts = [item.value for item in items if isinstance(item, Literal)]
    wanted = frozenset(text for text in texts if isinstance(text, str))
    # Other literals never equal a string, but a computed item might.
    return (path, wanted) if len(texts) == len(items) else _NOT_AN_ANCHOR
