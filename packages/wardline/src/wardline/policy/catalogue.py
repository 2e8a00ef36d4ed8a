"""The catalogue: what a document says about tools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline.action import type_of
from wardline.changes import parse_path
from wardline.policy.fields import Fields
from wardline.policy.keys import ARGUMENT_KEYS, EFFECTS, TOOL_KEYS
from wardline.policy.model import CLEARANCES, ArgumentEntry, Catalogue, ToolEntry
from wardline.policy.source import suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.policy.fields import Report
    from wardline.policy.model import Document
    from wardline.policy.reader import Node

__all__ = ["TYPES", "read_catalogue"]

TYPES: Final = ("string", "number", "boolean", "date", "map", "list")
_LIST: Final = re.compile(r"list\((.*)\)", re.DOTALL)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEEPEST_LIST: Final = 8


def read_catalogue(top: Fields, document: str, parents: Sequence[Document]) -> Catalogue:
    """Return the document's own entries, narrowed where a parent has them too, then its parents'."""
    inherited: dict[str, ToolEntry] = {}
    for parent in parents:
        for entry in parent.tools.entries:
            inherited.setdefault(type_of(entry.name), entry)
    own: dict[str, ToolEntry] = {}
    for name, node in top.entries("tools").items():
        place = top.key_place("tools", name)
        type_ = type_of(name)
        if not type_:
            top.report.at(place, "a tool has an empty name", "name the tool as it is registered")
            continue
        if "[" in name or "]" in name:
            top.report.at(place, f"`{name}` is no pattern", "use `*` and `?`")
            continue
        if type_ in own:
            top.report.at(
                place,
                f"`{name}` and `{own[type_].name}` are the same tool: letter case, width and outer "
                "spaces do not count",
                "keep one entry",
            )
            continue
        own[type_] = _entry(top.report, name, node, place, document, inherited.get(type_))
    rest = (entry for type_, entry in inherited.items() if type_ not in own)
    return Catalogue((*own.values(), *rest))


def _entry(
    report: Report,
    name: str,
    node: Node,
    place: tuple[int, int],
    document: str,
    parent: ToolEntry | None,
) -> ToolEntry:
    fields = Fields(report, node, "tool", f"tool `{name}`", TOOL_KEYS)
    opaque = fields.texts("opaque")
    args = _arguments(fields)
    for argument in opaque:
        if argument in args:
            fields.complain(
                "opaque",
                f"`{argument}` is opaque, so no condition can read it, and it is under `args` too",
                "keep it in one of the two",
            )
    entry = ToolEntry(
        name=name,
        effects=frozenset(fields.choices("effects", EFFECTS)),
        args=args,
        returns=_labels(fields),
        clearance=fields.choice("clearance", CLEARANCES, ""),
        changes=_changes(fields),
        type_from=fields.choice("type_from", ("action",), ""),
        idempotent=fields.boolean("idempotent"),
        opaque=opaque,
        ring=fields.integer("ring", 0, 3),
        document=document,
        line=place[0],
        column=place[1],
    )
    return entry if parent is None else _narrowed(fields, entry, parent)


def _labels(fields: Fields) -> frozenset[str] | None:
    if "returns" not in fields.values:
        return None
    labels = fields.texts("returns", empty=True)
    return frozenset(labels)


def _changes(fields: Fields) -> str:
    text = fields.text("changes")
    if not text:
        return ""
    try:
        root, path = parse_path(text)
    except ValueError:
        root, path = "", ()
    if root != "args" or len(path) != 1:
        fields.complain("changes", f"`{text}` does not name an argument", "write `args.<name>`")
        return ""
    return str(path[0])


def _arguments(fields: Fields) -> dict[str, ArgumentEntry]:
    arguments: dict[str, ArgumentEntry] = {}
    for name, node in fields.entries("args").items():
        place = fields.key_place("args", name)
        if not _IDENTIFIER.fullmatch(name):
            fields.report.at(place, f"`{name}` is no name of an argument", "use A-Z, 0-9 and _")
            continue
        if node.kind == "map":
            inner = Fields(fields.report, node, "argument", f"argument `{name}`", ARGUMENT_KEYS)
            text, where = inner.text("type"), inner.values.get("type", node)
        elif node.kind == "string":
            text, where = str(node.value), node
        else:
            fields.report.at(
                node,
                f"argument `{name}` has no type",
                "write `name: string`, or a map with `type:`",
            )
            continue
        type_ = _type(text)
        if text and not type_:
            word = _LIST.sub(r"\1", text.replace(" ", ""))
            hint = suggestion(word, TYPES) or "write string, number, boolean, date, list(…) or map"
            fields.report.at(where, f"`{text}` is no type of an argument", hint)
        arguments[name] = ArgumentEntry(
            name=name, type=type_ or "dyn", line=place[0], column=place[1]
        )
    return arguments


def _type(text: str) -> str:
    """Return the type in one spelling, or "" for what is none."""
    word = text.replace(" ", "")
    depth = 0
    while (found := _LIST.fullmatch(word)) and depth < _DEEPEST_LIST:
        word, depth = found[1], depth + 1
    if word not in TYPES:
        return ""
    return "list(" * depth + ("list(dyn)" if word == "list" else word) + ")" * depth


def _narrowed(fields: Fields, entry: ToolEntry, parent: ToolEntry) -> ToolEntry:
    """Return the parent's entry with what the child may change; report the rest."""
    clearance, returns = parent.clearance, parent.returns
    for key in fields.values:
        if key == "clearance" and entry.clearance:
            if parent.clearance and _rank(entry.clearance) > _rank(parent.clearance):
                _refuse(fields, key, parent, f"at most `{parent.clearance}`")
            else:
                clearance = entry.clearance
        elif key == "returns" and entry.returns is not None:
            # A parent that says nothing has an untrusted result.
            least = frozenset({"untrusted"}) if parent.returns is None else parent.returns
            if least <= entry.returns:
                returns = entry.returns
            else:
                _refuse(fields, key, parent, "at least " + ", ".join(sorted(least)))
        elif key in TOOL_KEYS and not _same(getattr(entry, key), getattr(parent, key)):
            _refuse(fields, key, parent, "exactly as it is there, or not at all")
    return ToolEntry(
        name=parent.name,
        effects=parent.effects,
        args=parent.args,
        returns=returns,
        clearance=clearance,
        changes=parent.changes,
        type_from=parent.type_from,
        idempotent=parent.idempotent,
        opaque=parent.opaque,
        ring=parent.ring,
        document=entry.document,
        line=entry.line,
        column=entry.column,
    )


def _rank(clearance: str) -> int:
    return CLEARANCES.index(clearance)


def _same(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return {k: v.type for k, v in one.items()} == {k: v.type for k, v in other.items()}
    return one == other


def _refuse(fields: Fields, key: str, parent: ToolEntry, bound: str) -> None:
    fields.complain(
        key,
        f"`{key}` of tool `{parent.name}` loosens what the parent `{parent.document}` declares",
        f"a child may only narrow it: {bound}",
    )
