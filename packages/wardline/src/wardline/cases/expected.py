"""What a case expects of a decision, and where the decision differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wardline.action import STAGES
from wardline.canonical import canonical, private_copy
from wardline.cases.plain import value_of
from wardline.decision import ASK, EFFECTS
from wardline.errors import CanonicalError
from wardline.policy.fields import Fields
from wardline.policy.reader import A_KIND, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wardline.action import Action
    from wardline.decision import Decision
    from wardline.facts import Facts
    from wardline.policy.fields import Report

__all__ = ["EXPECT_KEYS", "Difference", "Expected", "read_expected"]

_ASKING: Final = ("asks", "approvers", "quorum", "expires_in", "separation_of_duties")
EXPECT_KEYS: Final[tuple[str, ...]] = (
    "effect",
    "rule",
    "document",
    "reason",
    "matched",
    "failed",
    "advice",
    *_ASKING,
    "args",
    "result",
)
_MOST_APPROVERS: Final = 1000


class Difference(NamedTuple):
    """One thing that a case expects and that the decision has otherwise."""

    key: str
    expected: Any
    got: Any


class Expected:
    """What a case states about the decision; what it does not state may be anything."""

    __slots__ = ("stated",)

    def __init__(self, stated: Mapping[str, Any]) -> None:
        self.stated = dict(stated)

    def differences(
        self, decision: Decision, action: Action, facts: Facts
    ) -> tuple[Difference, ...]:
        """Return where the decision is not what is expected."""
        found = []
        for key, wanted in self.stated.items():
            got = _GOT[key](decision, action, facts)
            if not _SAME.get(key, _equal)(wanted, got):
                found.append(Difference(key, wanted, got))
        return tuple(found)


# What a decision says about each key. Rules are listed as `document/rule`.


def _asked(field: str) -> Callable[[Decision, Action, Facts], Any]:
    """Return a getter of a field of the ask that decided, None where nothing asks."""

    def got(decision: Decision, _action: Action, _facts: Facts) -> Any:
        return getattr(decision.asks[0], field) if decision.asks else None

    return got


def _rules(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{document}/{rule}" for document, rule in pairs))


_GOT: Final[dict[str, Callable[[Decision, Action, Facts], Any]]] = {
    "effect": lambda decision, _action, _facts: decision.effect,
    "rule": lambda decision, _action, _facts: decision.rule,
    "document": lambda decision, _action, _facts: decision.document,
    "reason": lambda decision, _action, _facts: decision.reason,
    "matched": lambda decision, _action, _facts: _rules(
        (rule.document, rule.name) for rule in decision.matched
    ),
    "failed": lambda decision, _action, _facts: _rules(
        (failure.rule.document, failure.rule.name) for failure in decision.failed
    ),
    "advice": lambda decision, _action, _facts: _rules(
        (advice.document, advice.rule) for advice in decision.advice
    ),
    "asks": lambda decision, _action, _facts: _rules(
        (ask.document, ask.rule) for ask in decision.asks
    ),
    "approvers": _asked("approvers"),
    "quorum": _asked("quorum"),
    "expires_in": _asked("expires_in"),
    "separation_of_duties": _asked("separation_of_duties"),
    "args": lambda decision, action, _facts: (
        dict(action.args) if decision.replacement is None else decision.replacement.tree
    ),
    "result": lambda decision, _action, facts: (
        facts.result if decision.replacement is None else decision.replacement.tree
    ),
}


def _equal(wanted: Any, got: Any) -> bool:
    return bool(wanted == got)


def _same_rules(wanted: tuple[str, ...], got: tuple[str, ...]) -> bool:
    """Whether the same rules are named; the document may be left out."""

    def named(name: str, full: str) -> bool:
        return name == full or name == full.partition("/")[2]

    return all(any(named(name, full) for full in got) for name in wanted) and all(
        any(named(name, full) for name in wanted) for full in got
    )


def _same_set(wanted: tuple[str, ...], got: tuple[str, ...] | None) -> bool:
    return got is not None and set(wanted) == set(got)


def _same_value(wanted: Any, got: Any) -> bool:
    # 1, 1.0 and true are equal in Python and three different values to a tool.
    return canonical(wanted) == canonical(got)


_SAME: Final[dict[str, Callable[[Any, Any], bool]]] = {
    **dict.fromkeys(("matched", "failed", "advice", "asks"), _same_rules),
    "approvers": _same_set,
    **dict.fromkeys(("args", "result"), _same_value),
}


def read_expected(node: Node, report: Report, stage: str) -> Expected:
    """Return what the node states; `expect: deny` is short for `expect: {effect: deny}`."""
    if node.kind == "string":
        whole = _wrapped(node)
        fields = Fields(report, whole, "expect", "`expect`", EXPECT_KEYS)
        return Expected({"effect": fields.choice("effect", EFFECTS, "")})
    if node.kind != "map":
        report.at(
            node,
            f"`expect` is an effect or a map, and this is {A_KIND[node.kind]}",
            "write `expect: deny`, or `expect: {effect: deny, rule: …}`",
        )
        return Expected({})
    fields = Fields(report, node, "expect", "`expect`", EXPECT_KEYS)
    effect = fields.choice("effect", EFFECTS, "")
    if "effect" not in fields.values:
        report.at(node, "`expect` has no `effect`", "add `effect:` (" + ", ".join(EFFECTS) + ")")
    for key in fields.values:
        if key in _ASKING and effect and effect != ASK:
            report.at(
                fields.keys[key],
                f"`{key}` belongs to `effect: require_approval`, and this case expects `{effect}`",
                f"remove `{key}`, or change the effect",
            )
        elif key in _CARRIED and stage in STAGES and stage != _CARRIED[key]:
            report.at(
                fields.keys[key],
                f"on `{stage}` nothing changes `{key}`",
                "write `args` on `before`, `result` on `after`",
            )
    stated = {key: _READ[key](fields, key) for key in EXPECT_KEYS if key in fields.values}
    return Expected(stated)


def _wrapped(node: Node) -> Node:
    whole = Node("map", {"effect": node}, node.line, node.column)
    whole.keys["effect"] = (node.line, node.column)
    return whole


_CARRIED: Final = {"args": "before", "result": "after"}


def _value(fields: Fields, key: str) -> Any:
    node = fields.values[key]
    value = value_of(node, fields.report)
    try:
        plain = private_copy(value, root=key)
        plain.encode()
    except CanonicalError as error:
        fields.report.at(node, f"nothing that runs looks like this: {error}")
        return None
    return plain.tree


_READ: Final[dict[str, Callable[[Fields, str], Any]]] = {
    "effect": lambda fields, key: fields.choice(key, EFFECTS, ""),
    **dict.fromkeys(("rule", "document", "reason"), lambda fields, key: fields.text(key)),
    **dict.fromkeys(
        ("matched", "failed", "advice", "asks"),
        lambda fields, key: fields.texts(key, empty=True),
    ),
    "approvers": lambda fields, key: fields.texts(key),
    "quorum": lambda fields, key: fields.integer(key, 1, _MOST_APPROVERS),
    "expires_in": lambda fields, key: fields.duration(key),
    "separation_of_duties": lambda fields, key: fields.boolean(key),
    **dict.fromkeys(("args", "result"), _value),
}
