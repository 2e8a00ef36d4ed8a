"""The ways in which the values of keys are changed, and which key is changed in which way."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wardline.cases.mutants.conditions import of_condition, of_toolkit_condition
from wardline.cases.mutants.edits import Edit, item_removed, key_removed, replaced, rewritten
from wardline.policy.globs import is_glob
from wardline.policy.keys import ASKING_KEYS, MODES, SCOPES
from wardline.policy.model import CLEARANCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wardline.policy.reader import Node
    from wardline.policy.source import Source

__all__ = ["FILES", "INERT", "MADE", "Change", "of_section"]

Change = tuple[str, str, tuple[Edit, ...]]
"""What it is in words, what tells it from others of the same key, and the edits themselves."""


class _Place:
    """A key of a map in the document: `above` is the map, `node` the value."""

    __slots__ = ("above", "key", "node", "reads", "source", "toolkit")

    def __init__(
        self, source: Source, above: Node, key: str, reads: frozenset[str], *, toolkit: bool
    ) -> None:
        self.source = source
        self.above = above
        self.key = key
        self.node: Node = above.value[key]
        self.reads = reads
        self.toolkit = toolkit

    def gone(self) -> Change:
        """Drop the key."""
        edit = key_removed(self.source, self.above, self.key)
        return f"`{self.key}` is dropped", "", (edit,)

    def put(self, node: Node, value: str) -> Change:
        """Replace a scalar."""
        what = f"`{self.key}`: {node.value!s} becomes {value}"
        return what, f"{node.value}>{value}", (replaced(self.source, node, value),)


# Ways to change the value of a key


def _other(*options: str) -> Callable[[_Place], Iterator[Change]]:
    """Return a way to replace one of some words by each other one."""

    def changes(place: _Place) -> Iterator[Change]:
        for option in options:
            if place.node.kind == "string" and option != place.node.value:
                yield place.put(place.node, option)

    return changes


def _next(options: Sequence[str]) -> Callable[[_Place], Iterator[Change]]:
    """Return a way to replace a word by the one behind it in a list."""

    def changes(place: _Place) -> Iterator[Change]:
        if place.node.value in options:
            at = options.index(place.node.value)
            yield place.put(place.node, options[(at + 1) % len(options)])

    return changes


def _effect(place: _Place) -> Iterator[Change]:
    """Change what a rule does; what belongs to asking goes with it."""
    asking = [key for key in place.above.value if key in ASKING_KEYS and not place.toolkit]
    for other in _EFFECTS.get(place.node.value, ()):
        what, tells, edits = place.put(place.node, other)
        gone = (key_removed(place.source, place.above, key) for key in asking)
        yield what, tells, (*edits, *gone)


def _counted(place: _Place) -> Iterator[Change]:
    if place.node.value in _COUNTS:
        yield place.put(place.node, _COUNTS[place.node.value])


def _dropped(place: _Place) -> Iterator[Change]:
    yield place.gone()


def _by_one(place: _Place) -> Iterator[Change]:
    if place.node.kind == "integer":
        for step in (1, -1):
            yield place.put(place.node, str(place.node.value + step))


def _flipped(place: _Place) -> Iterator[Change]:
    if place.node.kind == "boolean":
        yield place.put(place.node, "false" if place.node.value else "true")


def _longer(place: _Place) -> Iterator[Change]:
    """Change the number in a duration or a rate."""
    found = re.match(r"[0-9]+", str(place.node.value))
    if found:
        for step in (1, -1):
            text = f"{int(found[0]) + step}{place.node.value[found.end() :]}"
            yield place.put(place.node, text)


def _items(place: _Place) -> Iterator[Change]:
    """Take single items away; another name takes the place of the only one."""
    node = place.node
    if node.kind == "list" and len(node.value) > 1:
        for number, item in enumerate(node.value):
            what = f"{item.value} is taken out of `{place.key}`"
            yield what, str(item.value), (item_removed(place.source, node, number),)
    else:
        (item,) = node.value if node.kind == "list" else (node,)
        yield place.put(item, "nobody")


def _paths(place: _Place) -> Iterator[Change]:
    """Take single places away; another one stands for the only one."""
    items = place.node.value if place.node.kind == "list" else [place.node]
    if len(items) > 1:
        yield from _items(place)
    else:
        yield place.put(items[0], items[0].value + (".x" if items[0].value[-1] == "]" else "x"))


def _fewer(place: _Place) -> Iterator[Change]:
    """Take single items away, the last one with its key."""
    node = place.node
    if node.kind == "list" and len(node.value) > 1:
        yield from _items(place)
    else:
        yield place.gone()


def _patterns(place: _Place) -> Iterator[Change]:
    """Take patterns away, and let those with a wildcard match a little more."""
    node = place.node
    items = node.value if node.kind == "list" else [node]
    if len(items) > 1:
        yield from _items(place)
    yield place.gone()
    for item in items:
        text = str(item.value)
        # That an exact name means no other name is for nobody to show with a case.
        if is_glob(text) and (wider := re.sub(r"[^*]\*", "*", text, count=1)) != text:
            yield place.put(item, wider)


def _condition(place: _Place) -> Iterator[Change]:
    if not place.toolkit:
        yield place.gone()
    yield from _rewritten(place, place.node, condition=True)


def _assigned(place: _Place) -> Iterator[Change]:
    """Change what a transform sets."""
    node = place.node
    for path, value in node.value.items() if node.kind == "map" else ():
        if len(node.value) > 1:
            yield f"{path} is not set", path, (key_removed(place.source, node, path),)
        if value.kind == "string":
            for what, tells, edits in _rewritten(place, value, condition=False):
                yield f"{path}: {what}", f"{path}:{tells}", edits


def _rewritten(place: _Place, node: Node, *, condition: bool) -> Iterator[Change]:
    text = node.value if node.kind == "string" else ""
    changes = (
        of_toolkit_condition(text) if place.toolkit else of_condition(text, condition=condition)
    )
    for start, end, new, what in changes:
        tells = f"{text}>{text[:start]}{new}{text[end:]}"
        yield what, tells, (rewritten(place.source, node, start, end, new),)


def _nested(section: str) -> Callable[[_Place], Iterator[Change]]:
    """Return a way to change the keys of the map that a key holds."""

    def changes(place: _Place) -> Iterator[Change]:
        if place.node.kind == "map":
            made = of_section(section, place.source, place.node, place.reads, toolkit=place.toolkit)
            for key, (what, tells, edits) in made:
                yield what, f"{key}:{tells}", edits

    return changes


def _read_as(field: str, way: Callable[[_Place], Iterator[Change]]) -> Any:
    """Return a way that is taken only where a condition reads a field of the catalogue."""

    def changes(place: _Place) -> Iterator[Change]:
        if field in place.reads:
            yield from way(place)

    return changes


_EFFECTS: Final = {
    "allow": ("deny",),
    "deny": ("allow", "require_approval"),
    "require_approval": ("allow", "deny"),
    "audit": ("deny",),
    "warn": ("deny",),
    "log": ("deny",),
}
_COUNTS: Final = {
    "tool_calls": "model_calls",
    "model_calls": "tool_calls",
    "calls": "denials",
    "denials": "calls",
    "tokens": "seconds",
    "seconds": "tokens",
    "files_changed": "tool_calls",
}
FILES: Final = "files"
"""Stands among what is read where a limit counts files, which depends on the catalogue."""

MADE: Final[dict[tuple[str, str], Callable[[_Place], Iterator[Change]]]] = {
    ("document", "default_action"): _other("allow", "deny", "require_approval"),
    ("document", "mode"): _other(*MODES),
    ("document", "unlisted_tools"): _other("allow", "deny"),
    ("document", "approvers"): _items,
    ("document", "applies_to"): _nested("applies_to"),
    ("applies_to", "agents"): _patterns,
    ("applies_to", "environments"): _patterns,
    ("applies_to", "tenants"): _patterns,
    ("rule", "on"): _fewer,
    ("rule", "tool"): _patterns,
    ("rule", "agent"): _patterns,
    ("rule", "condition"): _condition,
    ("rule", "action"): _effect,
    ("rule", "mode"): _dropped,
    ("rule", "approvers"): _items,
    ("rule", "quorum"): _by_one,
    ("rule", "expires_in"): _longer,
    ("rule", "separation_of_duties"): _flipped,
    ("rule", "paths"): _paths,
    ("rule", "detectors"): _fewer,
    ("rule", "set"): _assigned,
    ("limit", "count"): _counted,
    ("limit", "at_most"): _by_one,
    ("limit", "per"): _next(SCOPES),
    ("limit", "tool"): _patterns,
    ("limit", "on_exceed"): _other("deny", "require_approval"),
    ("limit", "estimate"): _by_one,
    ("tool", "effects"): _read_as("tool.effects", _fewer),
    ("tool", "returns"): _read_as("tool.returns", _dropped),
    ("tool", "clearance"): _read_as("tool.clearance", _next(CLEARANCES)),
    ("tool", "ring"): _read_as("tool.ring", _by_one),
    ("tool", "changes"): _read_as(FILES, _dropped),
    ("tool", "type_from"): _dropped,
    ("engine document", "mode"): _other("strict", "audit"),
    ("engine document", "approvers"): _items,
    ("engine document", "applies_to"): _nested("applies_to"),
    ("toolkit document", "default_action"): _other("allow", "deny"),
    ("toolkit document", "agent"): _patterns,
    ("toolkit document", "agents"): _patterns,
    ("toolkit rule", "stage"): _next(("pre_tool", "post_tool", "pre_input", "pre_output")),
    ("toolkit rule", "condition"): _condition,
    ("toolkit rule", "action"): _effect,
    ("toolkit rule", "limit"): _longer,
    ("toolkit rule", "approvers"): _items,
    ("toolkit rule", "enabled"): _flipped,
}
"""The way to change each key, by the kind of map it stands in."""

INERT: Final = {
    "document": {"apiVersion", "name", "description", "extends", "tools", "limits", "rules"},
    "rule": {"name", "description", "reason"},
    "limit": {"name", "window", "calendar", "rule"},
    "tool": {"args", "idempotent", "opaque"},
    "engine document": {"apiVersion", "name", "description", "engine", "with", "deadline"},
    "toolkit document": {
        "apiVersion", "name", "version", "description", "extends", "scope", "rules",
    },
    "toolkit rule": {"name", "description", "priority"},
}  # fmt: skip
"""The keys that are not changed: no case can tell, or each of their items is changed by itself."""


def of_section(
    section: str, source: Source, node: Node, reads: frozenset[str], *, toolkit: bool
) -> Iterator[tuple[str, Change]]:
    """Yield the changes of the keys of one map, each with its key; `reads` is what conditions read."""
    for key in node.value:
        way = MADE.get((section, key))
        if way is not None:
            for change in way(_Place(source, node, key, reads, toolkit=toolkit)):
                yield key, change
