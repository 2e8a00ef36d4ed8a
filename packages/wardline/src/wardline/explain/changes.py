"""Small changes of an action and its facts that a policy could mind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wardline.action import AFTER_KINDS, KINDS, Action, Principal
from wardline.canonical import canonical
from wardline.cel.scope import argument_of
from wardline.cel.terms import outside
from wardline.cel.tree import (
    Binary,
    Comprehension,
    Has,
    ListOf,
    Literal,
    Method,
    Node,
    Select,
    dotted,
    walk,
)
from wardline.errors import CanonicalError
from wardline.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wardline.policy.compile import PolicySet
    from wardline.policy.globs import Globs

__all__ = ["ABSENT", "Change", "State", "changes"]

ABSENT: Final = object()
"""Stands for an argument that is not there."""

_ORDER: Final = {
    "args": 0, "run": 2, "session": 2, "limits": 3, "switches": 3, "registered": 3, "principal": 4, "name": 5,
    "kind": 6, "stage": 6,
}  # fmt: skip
_FIELDS: Final = ("id", "name", "tenant", "environment", "assurance")


class State(NamedTuple):
    """An action with its facts, in a form in which single things are easily changed."""

    action: Action
    facts: Facts

    def get(self, path: str) -> Any:
        """Return what stands at a path such as `args.amount` or `run.tool_calls`."""
        root, _, field = path.partition(".")
        match root:
            case "args":
                return self.action.args.get(field, ABSENT)
            case "run" | "session":
                return getattr(self.facts, root).get(field, 0)
            case "principal":
                return getattr(self.facts.principal, field)
            case "limits":
                return [limit.name for limit in self.facts.exceeded]
            case "switches":
                return [switch.scope for switch in self.facts.switches]
            case "registered":
                return self.facts.registered
            case _:
                return getattr(self.action, root)

    def put(self, values: Mapping[str, Any]) -> State:
        """Return the same with other values at some paths."""
        action, facts = self.action, self.facts
        args = dict(action.args)
        who = {field: getattr(facts.principal, field) for field in (*_FIELDS, "chain", "roles")}
        places = {"run": dict(facts.run), "session": dict(facts.session)}
        rest: dict[str, Any] = {}
        for path, value in values.items():
            root, _, field = path.partition(".")
            if root == "args" and value is ABSENT:
                args.pop(field, None)
            elif root == "args":
                args[field] = value
            elif root in places:
                places[root][field] = value
            elif root == "principal":
                who[field] = tuple(value) if field in ("roles", "chain") else value
            else:
                rest[root] = value
        principal = Principal(**who)
        made = Action(
            rest.get("kind", action.kind),
            rest.get("name", action.name),
            args,
            stage=rest.get("stage", action.stage),
            principal=principal,
            framework=action.framework,
            call_id=action.call_id,
        )
        return State(
            made,
            Facts(
                principal,
                places["session"],
                places["run"],
                facts.now,
                () if "switches" in rest else facts.switches,
                () if "limits" in rest else facts.exceeded,
                registered=rest.get("registered", facts.registered),
                modes=facts.modes,
                links=facts.links,
                result=facts.result,
                error=facts.error,
                duration_ms=facts.duration_ms,
            ),
        )


class Change(NamedTuple):
    """Another value at one path."""

    path: str
    value: Any

    @property
    def root(self) -> str:
        """The first step of the path."""
        return self.path.partition(".")[0]


def changes(policies: PolicySet, state: State) -> list[Change]:
    """Return what could matter, the smallest first, always in the same order."""
    found: dict[tuple[str, bytes], Change] = {}
    made = [*_standing(state), *_anchors(policies, state), *_conditions(policies, state)]
    for path, value in made:
        now = state.get(path)
        if value is ABSENT or now is ABSENT:
            same = value is now
        else:
            try:
                same = canonical(value) == canonical(_listed(now))
            except CanonicalError:
                continue  # a value that no action can have
        if not same:
            key = b"" if value is ABSENT else canonical(value)
            found.setdefault((path, key), Change(path, value))
    return sorted(found.values(), key=lambda change: _size(state, change))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _size(state: State, change: Change) -> tuple[Any, ...]:
    """Return how large a change is: what kind of thing, then how far away."""
    now = state.get(change.path)
    new = change.value
    far = 1.0
    if _is_number(now) and _is_number(new):
        far = abs(float(now) - float(new)) / (1 + abs(float(now)) + abs(float(new)))
    added = now is ABSENT or new is ABSENT
    text = "" if new is ABSENT else canonical(new).decode()
    return _ORDER[change.root], added, far, change.path, len(text), text


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


# Where changes come from


def _standing(state: State) -> Iterator[tuple[str, Any]]:
    if state.facts.switches:
        yield "switches", []
    if state.facts.exceeded:
        yield "limits", []
    if not state.facts.registered:
        yield "registered", True
    for name in state.action.args:
        yield f"args.{name}", ABSENT


def _anchors(policies: PolicySet, state: State) -> Iterator[tuple[str, Any]]:
    """Yield what documents and rules are for."""
    for document in policies.documents:
        meant = document.applies_to
        if meant is not None:
            for field, globs in (
                ("id", meant.agents),
                ("environment", meant.environments),
                ("tenant", meant.tenants),
            ):
                yield from ((f"principal.{field}", name) for name in _names(globs))
        for name, _ in document.tools.exact():
            yield "name", name
        for rule in document.rules:
            if rule.tool is not None:
                yield from (("name", name) for name in _names(rule.tool))
            if rule.agent is not None:
                yield from (("principal.id", name) for name in _names(rule.agent))
            yield from (("name", name) for name in sorted(rule.types or rule.names or ()))
            if state.action.verb:
                yield from (("args.action", name) for name in sorted(rule.types or ()))
            for kind, stage in sorted(rule.on):
                if stage == state.action.stage:
                    yield "kind", kind


def _names(globs: Globs) -> list[str]:
    """Return a name for each pattern."""
    return [pattern.replace("*", "").replace("?", "x") or "x" for pattern in globs.patterns]


def _conditions(policies: PolicySet, state: State) -> Iterator[tuple[str, Any]]:
    for rule in policies.rules:
        if rule.program is not None:
            yield from _of(rule.program.expr.root, state)


def _of(root: Node, state: State) -> Iterator[tuple[str, Any]]:
    """Yield values that one condition compares facts with, and values beside them."""
    stack = [root]
    while stack:
        node = stack.pop()
        match node:
            case Binary(op=op, left=left, right=right):
                yield from _compared(op, left, right, state)
                yield from _compared(op, right, left, state)
            case Method(target=target, args=args) if args and isinstance(args[0], Literal):
                yield from _called(target, node.function, args[0].value)
            case Has(operand=operand, field=field):
                path = _path(Select(node.at, operand, field))
                if path.startswith("args.") and state.get(path) is ABSENT:
                    yield path, "x"
            case Comprehension(items=items, step=step):
                yield from _quantified(items, step, state)
            case _:
                pass
        path = _path(node)
        if path.startswith("args.") and type(state.get(path)) is bool:
            yield path, not state.get(path)
        stack += outside(node)


def _path(node: Node) -> str:
    """Return the path that a node reads, if it is one that can be changed, else nothing."""
    argument = argument_of(node)
    if argument is not None:
        return f"args.{argument}"
    path = dotted(node) or ""
    root, _, field = path.partition(".")
    if root in ("run", "session"):
        return path if field and "." not in field else ""
    if root == "principal":
        return path if field in (*_FIELDS, "roles", "chain") else ""
    return {"action.name": "name", "action.type": "name", "action.kind": "kind"}.get(path, "")


def _compared(op: str, one: Node, other: Node, state: State) -> Iterator[tuple[str, Any]]:
    path = _path(one)
    if not path:
        return
    if isinstance(other, Literal):
        yield from _around(path, other.value, state)
    elif op == "in" and isinstance(other, ListOf):
        for item in other.items:
            if isinstance(item, Literal):
                yield from _around(path, item.value, state)
    elif op != "in" and (second := _path(other)):
        value = state.get(second)
        if value is not ABSENT:
            yield path, _listed(value)


def _around(path: str, literal: Any, state: State) -> Iterator[tuple[str, Any]]:
    """Yield a literal and what lies directly beside it, for a path that may hold such a value."""
    now = state.get(path)
    if isinstance(now, list | tuple):
        # `'admin' in principal.roles`: what is looked for goes into the list, or out of it.
        yield path, [*now, literal]
        yield path, [item for item in now if item != literal]
        return
    if path == "kind" and literal not in (KINDS if state.action.stage == "before" else AFTER_KINDS):
        return
    if path in ("name", "principal.id") and not (isinstance(literal, str) and literal):
        return
    counter = path.startswith(("run.", "session."))
    if counter and not (type(literal) is int and literal >= 0):
        return
    if path.startswith("principal.") and not isinstance(literal, str):
        return
    yield path, literal
    if type(literal) is int:
        yield path, literal + 1
        if literal > 0 or not counter:
            yield path, literal - 1
    elif type(literal) is float:
        yield path, literal + 1.0
        yield path, literal - 1.0
    elif type(literal) is bool:
        yield path, not literal
    elif isinstance(literal, str) and path != "kind":
        yield path, "something-else"


def _called(target: Node, function: str, literal: Any) -> Iterator[tuple[str, Any]]:
    """Yield texts that begin, end or lie as a function asks."""
    if not isinstance(literal, str):
        return
    paths = [path for node, _ in walk(target) if (path := _path(node)).startswith("args.")]
    for path in dict.fromkeys(paths):
        if function == "under":
            yield path, f"{literal.rstrip('/')}/x"
        elif function in ("startsWith", "endsWith", "contains"):
            yield path, literal
        yield path, "something-else"


def _quantified(items: Node, step: Node, state: State) -> Iterator[tuple[str, Any]]:
    """Yield lists with and without what a macro asks of an element."""
    path = _path(items)
    now = state.get(path) if path else ABSENT
    if not isinstance(now, list | tuple):
        return
    yield path, []
    for node, _ in walk(step):
        if isinstance(node, Literal) and type(node.value) in (str, int, float, bool):
            yield path, [*now, node.value]
            yield path, [item for item in now if item != node.value]
            yield path, [node.value]
