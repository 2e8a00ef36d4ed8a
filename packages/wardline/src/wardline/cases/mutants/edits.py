"""Small changes to the text of a document, at the places where its nodes stand."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from wardline.policy.places import locate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wardline.policy.reader import Node
    from wardline.policy.source import Source

__all__ = [
    "Edit",
    "applied",
    "inserted",
    "item_removed",
    "key_removed",
    "replaced",
    "rewritten",
    "start_of",
]

_PLAIN_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*|-?[0-9]{1,15}[smhd]?")
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_ .<>=&|()+*/-]")
_BRACKETS: Final = ("{", "[")


class Edit(NamedTuple):
    """The characters between two offsets are replaced by `text`."""

    start: int
    end: int
    text: str


def applied(edits: Iterable[Edit], text: str) -> str:
    """Return the text after all edits; those that take away may overlap."""
    end = len(text)
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[max(min(edit.end, end), edit.start) :]
        end = edit.start
    return text


def start_of(source: Source, node: Node) -> int:
    """Return the offset at which a node begins."""
    return source.offset(node.line, node.column)


def _key_start(source: Source, above: Node, key: str) -> int:
    return source.offset(*above.keys[key])


def _end_of(source: Source, node: Node) -> int:
    """Return the offset behind the last character that belongs to a node."""
    if node.kind in ("list", "map") and source.text[start_of(source, node)] not in _BRACKETS:
        below = node.value if node.kind == "list" else list(node.value.values())
        return _end_of(source, below[-1])
    return len(source.text[: node.end].rstrip())


def replaced(source: Source, node: Node, value: str) -> Edit:
    """Put another scalar in the place of one."""
    plain = node.style == "" and _PLAIN_WORD.fullmatch(value) is not None
    text = value if plain else json.dumps(value, ensure_ascii=False)
    return Edit(start_of(source, node), _end_of(source, node), text)


def key_removed(source: Source, above: Node, key: str) -> Edit:
    """Take a key and its value out of a map that has others."""
    keys = list(above.value)
    at = keys.index(key)
    start = _key_start(source, above, key)
    if at + 1 < len(keys):
        return Edit(start, _key_start(source, above, keys[at + 1]), "")
    if at:
        start = _end_of(source, above.value[keys[at - 1]])
    return Edit(start, max(_end_of(source, above.value[key]), start), "")


def item_removed(source: Source, above: Node, at: int) -> Edit:
    """Take an item out of a list."""
    items = above.value
    start = start_of(source, items[at])
    if at + 1 < len(items):
        return Edit(start, start_of(source, items[at + 1]), "")
    if at:
        return Edit(_end_of(source, items[at - 1]), _end_of(source, items[at]), "")
    whole = start_of(source, above)
    if source.text[whole] == "[":
        return Edit(whole, above.end, "[]")
    dash = source.text.rfind("-", 0, start)
    # One further in, so that it is inside of the key above.
    return Edit(dash, _end_of(source, items[at]), " []")


def inserted(source: Source, above: Node, key: str, value: str) -> Edit:
    """Put a key in front of the others of a map."""
    first = _key_start(source, above, next(iter(above.value)))
    if source.text[start_of(source, above)] in _BRACKETS:
        return Edit(first, first, f"{json.dumps(key)}: {json.dumps(value)}, ")
    return Edit(first, first, f"{key}: {value}\n" + " " * (source.place(first)[1] - 1))


def rewritten(source: Source, node: Node, start: int, end: int, text: str) -> Edit:
    """Replace the characters `start` to `end` of a string's value; in place where that is safe."""
    value: str = node.value
    at = source.offset(*locate(source, node, start))
    if _is_safe(source, node, at, value[start:end], text):
        return Edit(at, at + end - start, text)
    whole = value[:start] + text + value[end:]
    return Edit(
        start_of(source, node), _end_of(source, node), json.dumps(whole, ensure_ascii=False)
    )


def _is_safe(source: Source, node: Node, at: int, old: str, new: str) -> bool:
    """Whether YAML reads `new` as it stands where `old` stands now."""
    if not old or "\n" in old or source.text[at : at + len(old)] != old:
        return False
    if (node.style == "'" and "'" in old) or (node.style == '"' and "\\" in old):
        return False
    if not all(char in old or _HARMLESS.match(char) for char in new):
        return False
    # What begins a line or a plain scalar says how the rest is read, and blanks that end one are lost.
    first, rest = source.text.rfind("\n", 0, at) + 1, at + len(old)
    line = source.text[first:at] + new
    return (
        bool(source.text[first:at].strip())
        and (node.style != "" or at > start_of(source, node))
        and (not line[-1].isspace() or not source.text[rest : rest + 1].isspace())
    )
