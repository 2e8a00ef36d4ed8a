"""Limits: counted bounds, and how a child may narrow those of its parents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.action import type_of
from wardline.policy.fields import Fields, is_duration
from wardline.policy.keys import COUNTS, LIMIT_KEYS, PERIODS, SCOPES
from wardline.policy.model import Limit
from wardline.policy.source import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.policy.globs import Globs
    from wardline.policy.model import Document, Rule
    from wardline.policy.reader import Node

__all__ = ["check_rules", "read_limits"]

_ESTIMATED: Final = ("tokens", "seconds")
"""Counts whose amount is known only after the call."""

_BY_TOOL: Final = ("tool_calls", "calls", "files_changed", "seconds", "denials")


def read_limits(
    top: Fields, document: str, mode: str, parents: Sequence[Document]
) -> tuple[Limit, ...]:
    """Return the limits of one document."""
    # The nearest parent comes first and has the last word: it can only have narrowed the others.
    inherited = {limit.name: limit for parent in reversed(parents) for limit in parent.limits}
    limits: dict[str, Limit] = {}
    for node in top.maps("limits"):
        limit = _limit(top, node, document, mode, inherited)
        if limit is None:
            continue
        if limit.name in limits:
            top.report.at(
                (limit.line, limit.column),
                f"there are two limits named `{limit.name}`; the first is on line "
                f"{limits[limit.name].line}",
                "give one of them another name",
            )
            continue
        limits[limit.name] = limit
    return tuple(limits.values())


def _limit(
    top: Fields, node: Node, document: str, mode: str, inherited: dict[str, Limit]
) -> Limit | None:
    name = node.value.get("name") if node.kind == "map" else None
    label = f"limit `{name.value}`" if name is not None and name.kind == "string" else "a limit"
    fields = Fields(top.report, node, "limit", label, LIMIT_KEYS)
    text = fields.text("name", required=True)
    if not text:
        return None
    parent = inherited.get(text)
    count = fields.choice("count", COUNTS, "")
    per = fields.choice("per", SCOPES, "")
    at_most = fields.integer("at_most", 0)
    if parent is None:
        _require(fields, count=COUNTS, per=SCOPES, at_most=("a whole number",))
    line, column = fields.place("name")
    limit = Limit(
        document=document,
        name=text,
        count=count,
        at_most=at_most or 0,
        per=per,
        window=fields.duration("window"),
        calendar=_calendar(fields),
        tool=_tool(fields, count),
        rule=_rule(fields, count),
        on_exceed=fields.choice("on_exceed", ("deny", "require_approval"), "deny"),
        estimate=_estimate(fields, count),
        binding=mode == "strict",
        file=top.report.source.file,
        line=line,
        column=column,
    )
    if "window" in fields.values and "calendar" in fields.values:
        fields.complain(
            "calendar", f"{label} has both `window` and `calendar`", "keep one of the two"
        )
    return limit if parent is None else _narrowed(fields, limit, parent, at_most)


def _require(fields: Fields, **keys: Sequence[str]) -> None:
    for key, options in keys.items():
        if key not in fields.values and fields.node.kind == "map":
            fields.report.at(
                fields.node,
                f"{fields.subject} has no `{key}`",
                f"add `{key}:` ({', '.join(options)})",
            )


def _tool(fields: Fields, count: str) -> Globs | None:
    tool = fields.globs("tool", type_of)
    if tool is not None and count and count not in _BY_TOOL:
        fields.complain(
            "tool",
            f"`{count}` are not counted by tool",
            "leave `tool` out, or count " + ", ".join(_BY_TOOL),
        )
    return tool


def _rule(fields: Fields, count: str) -> str:
    """Return the rule whose matches alone are counted, "" for every action."""
    rule = fields.text("rule")
    if rule and count and count != "calls":
        fields.complain("rule", f"the matches of a rule are `calls`, not `{count}`", "count calls")
    if rule and "tool" in fields.values:
        fields.complain(
            "tool",
            "a limit counts the calls of a tool or the matches of a rule",
            "keep one of the two",
        )
    return rule


def check_rules(top: Fields, limits: Sequence[Limit], rules: Sequence[Rule]) -> None:
    """Report limits that count the matches of a rule that is not there, or that refuses anyway."""
    known = {rule.name: rule for rule in rules}
    for limit in limits:
        place = (limit.line, limit.column)
        if limit.rule and limit.rule not in known:
            top.report.at(
                place,
                f"limit `{limit.name}` counts the matches of `{limit.rule}`, and this document has no "
                "such rule",
                suggestion(limit.rule, known),
            )
        elif limit.rule and known[limit.rule].action == "deny":
            top.report.at(
                place,
                f"limit `{limit.name}` counts the matches of `{limit.rule}`, which denies each of them",
                "remove the limit, or let the rule allow up to it",
            )


def _estimate(fields: Fields, count: str) -> int:
    estimate = fields.integer("estimate", 0)
    if estimate is not None and count and count not in _ESTIMATED:
        fields.complain(
            "estimate",
            f"`estimate` means nothing for `{count}`: it is known before the call",
            "leave it out; it is for " + " and ".join(_ESTIMATED),
        )
    return estimate or 0


def _calendar(fields: Fields) -> tuple[str, str] | None:
    text = fields.text("calendar")
    if not text:
        return None
    unit, _, zone = text.partition(" ")
    zone = zone.strip() or "UTC"
    if unit not in PERIODS:
        hint = suggestion(unit, PERIODS)
        if is_duration(unit):
            hint = "a length of time goes under `window`"
        fields.complain("calendar", f"`{unit}` is no period of a calendar", hint)
        return None
    if not _zone_exists(zone):
        fields.complain(
            "calendar", f"`{zone}` is no time zone", "write a name such as Europe/Berlin or UTC"
        )
        return None
    return unit, zone


def _zone_exists(zone: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        # Unknown names are a KeyError; names of directories and with odd characters are the others.
        return False
    return True


def _narrowed(fields: Fields, limit: Limit, parent: Limit, at_most: int | None) -> Limit:
    """Return the parent's limit with a lower bound; report any other change."""
    if at_most is not None and at_most > parent.at_most:
        fields.complain(
            "at_most",
            f"limit `{parent.name}` loosens that of the parent `{parent.document}`",
            f"a child may only lower it: at most {parent.at_most:,}",
        )
    for key in ("count", "per", "window", "calendar", "on_exceed", "estimate", "tool", "rule"):
        stated, theirs = getattr(limit, key), getattr(parent, key)
        if key == "tool":
            stated, theirs = (
                frozenset(globs.patterns) if globs is not None else None
                for globs in (stated, theirs)
            )
        if key in fields.values and stated != theirs:
            fields.complain(
                key,
                f"limit `{parent.name}` changes `{key}` of that of the parent `{parent.document}`",
                "a child may only lower `at_most`; leave this out or use another name",
            )
    return Limit(
        document=limit.document,
        name=limit.name,
        count=parent.count,
        at_most=parent.at_most if at_most is None else at_most,
        per=parent.per,
        window=parent.window,
        calendar=parent.calendar,
        tool=parent.tool,
        on_exceed=parent.on_exceed,
        estimate=parent.estimate,
        rule=parent.rule,
        binding=limit.binding,
        file=limit.file,
        line=limit.line,
        column=limit.column,
    )
