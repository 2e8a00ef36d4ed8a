"""Rules of wardline/v1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.action import KINDS, type_of
from wardline.changes import EVERY, Path, format_path, overlap, parse_path
from wardline.detectors import detectors_of, groups_of
from wardline.plugins import installed, missing
from wardline.policy.conditions import Condition, Conditions, Written
from wardline.policy.fields import Fields
from wardline.policy.keys import ACTIONS, BELONGS, PLACES, RULE_KEYS, carries
from wardline.policy.model import Rule
from wardline.policy.reader import A_KIND
from wardline.policy.source import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.cel import Program
    from wardline.detectors import Detectors
    from wardline.policy.globs import Globs
    from wardline.policy.reader import Node

__all__ = ["read_rule", "read_rules"]

_DEFAULT_ON: Final = frozenset({("tool_call", "before")})
_MOST_APPROVERS: Final = 1000


def read_rules(
    top: Fields,
    document: str,
    conditions: Conditions,
    approvers: Sequence[str],
    taken: dict[str, str],
) -> tuple[Rule, ...]:
    """Return the rules of one document; `taken` has the names of rules of its parents."""
    rules: dict[str, Rule] = {}
    for node in top.maps("rules"):
        rule = read_rule(top, node, document, conditions)
        if rule is None:
            continue
        place = (rule.line, rule.column)
        if rule.name in rules:
            top.report.at(
                place,
                f"there are two rules named `{rule.name}`; the first is on line "
                f"{rules[rule.name].line}",
                "give one of them another name",
            )
            continue
        if rule.name in taken:
            top.report.at(
                place,
                f"the parent `{taken[rule.name]}` has a rule named `{rule.name}` already",
                "give this one another name; both will hold, the strictest wins",
            )
        if rule.action == "require_approval" and not rule.approvers and not approvers:
            top.report.at(
                place,
                f"rule `{rule.name}` asks for approval, and nobody is named who could give it",
                "add `approvers: [...]` to the rule or to the document",
            )
        rules[rule.name] = rule
    return tuple(rules.values())


def read_rule(top: Fields, node: Node, document: str, conditions: Conditions) -> Rule | None:
    """Return one rule, None where it is too broken to be named."""
    label = _label(node)
    fields = Fields(top.report, node, "rule", label, RULE_KEYS)
    name = fields.text("name", required=True)
    action = fields.choice("action", ACTIONS, "")
    if "action" not in fields.values and node.kind == "map":
        top.report.at(
            node, f"{label} has no `action`", "add `action:` (" + ", ".join(ACTIONS) + ")"
        )
    on = _on(fields, action)
    tool = fields.globs("tool", type_of)
    for key in fields.values:
        if action and key in BELONGS and BELONGS[key] != action:
            top.report.at(
                fields.keys[key],
                f"`{key}` belongs to `action: {BELONGS[key]}`, and {label} has `action: {action}`",
                f"remove `{key}`, or change the action",
            )
    condition, program = _condition(fields, label, on, tool, conditions)
    line, column = fields.place("name")
    rule = Rule(
        document=document,
        name=name,
        action=action or "deny",
        on=on,
        description=fields.text("description"),
        tool=tool,
        agent=fields.globs("agent"),
        condition=condition.written.text if condition else "",
        program=program,
        reason=fields.text("reason"),
        mode=fields.choice("mode", ("audit",), ""),
        approvers=fields.texts("approvers"),
        quorum=fields.integer("quorum", 1, _MOST_APPROVERS) or 1,
        expires_in=fields.duration("expires_in"),
        separation_of_duties=fields.boolean("separation_of_duties"),
        paths=_redacted(fields, label, action, on),
        detectors=_detectors(fields, action),
        set=_assigned(fields, label, action, on, tool, conditions, condition),
        file=top.report.source.file,
        line=line,
        column=column,
        types=condition.types if condition else None,
        names=condition.names if condition else None,
    )
    return rule if name else None


def _label(node: Node) -> str:
    name = node.value.get("name") if node.kind == "map" else None
    return f"rule `{name.value}`" if name is not None and name.kind == "string" else "a rule"


def _on(fields: Fields, action: str) -> frozenset[tuple[str, str]]:
    """Return the kinds and stages of a rule, and check that they carry its effect."""
    places = set()
    for text, node in fields.items("on"):
        kind, _, stage = text.partition(".")
        if text not in PLACES:
            hint = suggestion(text, PLACES)
            if stage == "after" and kind in KINDS:
                hint = f"nothing comes back from `{kind}`; write `on: {kind}`"
            elif stage == "before" and kind in KINDS:
                hint = f"write `on: {kind}`"
            fields.report.at(node, f"`{text}` is no kind of action", hint)
            continue
        place = (kind, stage or "before")
        if action and not carries(*place, action):
            fields.report.at(
                node,
                f"`{text}` cannot carry `{action}`: there is nothing to change",
                "use `input`, `output` or the action that carries the content",
            )
        places.add(place)
    if action in ("redact", "transform") and len({stage for _, stage in places}) > 1:
        fields.complain(
            "on",
            f"one `{action}` rule cannot change arguments and results",
            "write one rule for `before` and one for `after`",
        )
        places = {place for place in places if place[1] == "before"}
    return frozenset(places) or _DEFAULT_ON


def _condition(
    fields: Fields,
    label: str,
    on: frozenset[tuple[str, str]],
    tool: Globs | None,
    conditions: Conditions,
) -> tuple[Condition | None, Program | None]:
    node = fields.values.get("condition")
    if node is None:
        return None, None
    if node.kind != "string":
        hint = "put it in quotes" if node.kind in ("list", "map") else "leave it out for always"
        fields.report.at(
            node, f"a condition is CEL in a string, and this is {A_KIND[node.kind]}", hint
        )
        return None, None
    if not fields.text("condition"):
        return None, None
    condition = conditions.parse(Written(node))
    if condition is None:
        return None, None
    return condition, conditions.compile(condition, label, on, tool)


def _root(on: frozenset[tuple[str, str]]) -> str:
    return "result" if any(stage == "after" for _, stage in on) else "args"


def _path(
    fields: Fields, text: str, place: Node | tuple[int, int], root: str, *, every: bool
) -> Path | None:
    """Return the steps of a path below `root`, None after reporting what is wrong."""
    try:
        found, path = parse_path(text)
    except ValueError as error:
        fields.report.at(place, str(error), f"write `{root}.<name>`, `[0]` for an item")
        return None
    if found != root:
        stage = "before" if root == "args" else "after"
        fields.report.at(
            place,
            f"`{text}` is not there on `{stage}`",
            f"paths begin with `{root}` here" + (", or use `on: <kind>.after`" * (root == "args")),
        )
        return None
    if not every and EVERY in path:
        fields.report.at(
            place, f"`{text}` names many places, and `set` fills one", "write an index, as in `[0]`"
        )
        return None
    return path


def _apart(
    fields: Fields, label: str, place: Node | tuple[int, int], path: Path, others: Sequence[Path]
) -> bool:
    root = _root(frozenset())
    for other in others:
        if overlap(path, other):
            fields.report.at(
                place,
                f"{label} changes one place twice: this path overlaps `{format_path(root, other)}`",
                "keep one of them",
            )
            return False
    return True


def _redacted(
    fields: Fields, label: str, action: str, on: frozenset[tuple[str, str]]
) -> tuple[Path, ...]:
    if action != "redact":
        return ()
    if "paths" not in fields.values and "detectors" not in fields.values:
        fields.report.at(
            fields.node,
            f"{label} does not say what to redact",
            "add `paths: [args.<name>]`, or `detectors: [pii]`",
        )
    paths: list[Path] = []
    for text, node in fields.items("paths"):
        path = _path(fields, text, node, _root(on), every=True)
        if path is not None and _apart(fields, label, node, path, paths):
            paths.append(path)
    return tuple(paths)


def _detectors(fields: Fields, action: str) -> Detectors:
    """Return what to look for, after reporting names that nobody knows."""
    if action != "redact" or "detectors" not in fields.values:
        return {}
    written = fields.items("detectors")
    wanted, unknown = groups_of(text for text, _ in written)
    groups = installed("wardline.detectors")
    for text, node in written:
        if text not in unknown:
            continue
        if not groups:
            fields.report.at(node, *missing("wardline.detectors", f"the detector `{text}`"))
            continue
        known = (*groups, *(name for group in groups for name in detectors_of(group)))
        fields.report.at(
            node,
            f"there is no detector `{text}`",
            suggestion(text, known) or f"the groups are {', '.join(groups)}",
        )
    return wanted


def _assigned(
    fields: Fields,
    label: str,
    action: str,
    on: frozenset[tuple[str, str]],
    tool: Globs | None,
    conditions: Conditions,
    gate: Condition | None,
) -> tuple[tuple[Path, Program], ...]:
    if action != "transform":
        return ()
    entries = fields.entries("set")
    if not entries and ("set" not in fields.values or fields.values["set"].kind == "map"):
        fields.report.at(
            fields.values.get("set", fields.node),
            f"{label} does not say what to set",
            'add `set: {args.<name>: "<CEL>"}`',
        )
    assigned: dict[Path, Program] = {}
    for text, node in entries.items():
        place = fields.key_place("set", text)
        path = _path(fields, text, place, _root(on), every=False)
        if node.kind != "string":
            fields.report.at(
                node,
                f"a new value is CEL in a string, and this is {A_KIND[node.kind]}",
                "put it in quotes; a text needs quotes of its own, as in \"'text'\"",
            )
            continue
        parsed = conditions.parse(Written(node))
        if parsed is None:
            continue
        program = conditions.compile(parsed, label, on, tool, gate, value=True)
        if path is None or program is None:
            continue
        if _apart(fields, label, place, path, list(assigned)):
            assigned[path] = program
    return tuple(assigned.items())
