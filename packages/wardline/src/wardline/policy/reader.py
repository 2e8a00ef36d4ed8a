"""YAML 1.2, core schema, on top of PyYAML's events: a tree of nodes that know where they stand.

What the YAML 1.2 core schema says about scalars holds: `on`, `no` and `off` are strings, there are no
timestamps and no sexagesimal numbers. Refused, each with line and column: duplicate keys, anchors and
aliases, merge keys, tags, several documents, tabs between tokens, keys that are not strings. JSON is
read too. The answer never depends on whether PyYAML has its C parser.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml

from wardline.errors import PolicyError, Problem

if TYPE_CHECKING:
    from wardline.policy.source import Source

__all__ = ["A_KIND", "DEEPEST", "Kind", "Node", "read"]

Kind = Literal["string", "integer", "number", "boolean", "null", "list", "map"]

A_KIND: Final[dict[Kind, str]] = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "a boolean",
    "null": "nothing",
    "list": "a list",
    "map": "a map",
}
"""What each kind is called in a message."""

DEEPEST: Final = 64
"""How deep lists and maps may be nested."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_PLAIN_START: Final = frozenset("-+.0123456789~nNtTfF")
_INTEGER: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"([-+])?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LONGEST_NUMBER: Final = 40

# Line ends that YAML 1.1 knew and 1.2 does not, byte order marks, and what is not printable.
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_COMMENT: Final = re.compile(r"[ \t]*#")
_JSON_TOKEN: Final = re.compile(r'"((?:\\.|[^"\\])*)"|\t', re.DOTALL)
_SURROGATES: Final = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)


class Node:
    """One value and where it stands.

    `value` is a plain scalar, a list of nodes, or a dict from keys to nodes; `keys` has the line and
    column of each key of a map. `style` is that of YAML: "" for plain, `'`, `"`, `|`, `>`. `end` is the
    offset behind it; lists and maps without brackets reach to what comes next.
    """

    __slots__ = ("column", "end", "keys", "kind", "line", "style", "value")

    def __init__(self, kind: Kind, value: Any, line: int, column: int, style: str = "") -> None:
        self.kind = kind
        self.value = value
        self.line = line
        self.column = column
        self.style = style
        self.end = 0
        self.keys: dict[str, tuple[int, int]] = {}

    def plain(self) -> Any:
        """Return the value alone: scalars, lists and dicts, without their places."""
        if self.kind == "map":
            return {key: node.plain() for key, node in self.value.items()}
        if self.kind == "list":
            return [node.plain() for node in self.value]
        return self.value


def read(source: Source) -> Node:
    """Return the root of the one document in `source`; raises `PolicyError`."""
    text = _checked(source)
    builder = _Builder(source)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except PolicyError:
        raise
    except yaml.YAMLError as error:
        raise PolicyError(_syntax(source, error)) from None
    except (ValueError, OverflowError) as error:
        # The pure Python scanner lets these through for escapes and directives out of range.
        raise PolicyError(Problem(f"this is not YAML: {error}", source.file)) from None
    if builder.root is None:
        raise PolicyError(
            Problem(
                "the document is empty",
                source.file,
                hint="a policy begins with `apiVersion: wardline/v1`, a file of cases with `cases:`",
            )
        )
    return builder.root


class _Builder:
    """Turns events into nodes without recursion."""

    __slots__ = ("_documents", "_key", "_source", "_stack", "root")

    def __init__(self, source: Source) -> None:
        self.root: Node | None = None
        self._source = source
        self._stack: list[Node] = []
        self._key: Node | None = None
        self._documents = 0

    def take(self, event: Any) -> None:
        """Add one event."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            if event.anchor is not None or event.tag is not None:
                self._refuse_properties(event)
            mark = event.start_mark
            text = event.value
            if event.implicit[0] and (not text or text[0] in _PLAIN_START):
                node = self._plain(text, mark.line + 1, mark.column + 1)
            else:
                node = Node("string", text, mark.line + 1, mark.column + 1, event.style or "")
                if not text.isascii():
                    self._refuse_surrogates(node)
            node.end = event.end_mark.index
            self._add(node)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._stack.pop().end = event.end_mark.index
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._refuse_properties(event)
            mapping = kind is yaml.MappingStartEvent
            mark = event.start_mark
            self._open(
                Node(
                    "map" if mapping else "list",
                    {} if mapping else [],
                    mark.line + 1,
                    mark.column + 1,
                )
            )
        elif kind is yaml.AliasEvent:
            self._fail(
                event.start_mark,
                f"aliases (`*{event.anchor}`) are not part of this format",
                "write the value out where it is used",
            )
        elif kind is yaml.DocumentStartEvent:
            self._start(event)

    def _start(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self._fail(
                event.start_mark,
                "a file holds one document, and a second one begins here",
                "put it into a file of its own",
            )
        if event.tags:
            self._fail(
                event.start_mark, "`%TAG` directives are not part of this format", "remove it"
            )
        if event.version not in (None, (1, 2)):
            self._fail(
                event.start_mark, "policies are YAML 1.2", "remove the `%YAML` line or write 1.2"
            )

    def _open(self, node: Node) -> None:
        if len(self._stack) >= DEEPEST:
            self._fail_at(node, f"this is nested more than {DEEPEST} deep", "make it flatter")
        self._add(node)
        self._stack.append(node)

    def _add(self, node: Node) -> None:
        """Put `node` into the open list or map."""
        if not self._stack:
            self.root = node
            return
        above = self._stack[-1]
        if above.kind == "list":
            above.value.append(node)
            return
        key = self._key
        if key is None:
            if node.kind != "string" or node.value in above.value or node.value == "<<":
                self._refuse_key(above, node)
            self._key = node
        else:
            above.value[key.value] = node
            above.keys[key.value] = (key.line, key.column)
            self._key = None

    def _refuse_key(self, above: Node, key: Node) -> None:
        if key.kind != "string":
            shown = "" if key.kind in ("list", "map") else " such as this"
            self._fail_at(
                key, f"a key is a string, and this is {A_KIND[key.kind]}", f"quote a key{shown}"
            )
        if key.value == "<<" and not key.style:
            self._fail_at(
                key,
                "merge keys (`<<`) are not part of YAML 1.2",
                "write the keys out; use `extends` to build on another document",
            )
        if key.value in above.value:
            first = above.keys[key.value][0]
            self._fail_at(
                key,
                f"the key `{_short(key.value)}` is here twice; the first is on line {first}",
                "keep one of them",
            )

    def _plain(self, text: str, line: int, column: int) -> Node:
        """Resolve a plain scalar by the core schema."""
        if text in _WORDS:
            word = _WORDS[text]
            return Node("null" if word is None else "boolean", word, line, column)
        if _INTEGER.fullmatch(text):
            if len(text) > _LONGEST_NUMBER:
                self._fail_at(Node("integer", 0, line, column), "this number is too long", "")
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            return Node("integer", int(text[2:] if base != 10 else text, base), line, column)
        if _NUMBER.fullmatch(text):
            return Node("number", float(text), line, column)
        special = _SPECIAL.fullmatch(text)
        if special:
            value = "nan" if text[-1] in "nN" else f"{special[1] or ''}inf"
            return Node("number", float(value), line, column)
        node = Node("string", text, line, column)
        if not text.isascii():
            self._refuse_surrogates(node)
        return node

    def _refuse_properties(self, event: Any) -> None:
        if event.anchor is not None:
            self._fail(
                event.start_mark,
                f"anchors (`&{event.anchor}`) are not part of this format",
                "write the value out where it is used",
            )
        if event.tag is not None:
            self._fail(
                event.start_mark,
                "tags (`!…`) are not part of this format",
                "put a value in quotes to make it a string",
            )

    def _refuse_surrogates(self, node: Node) -> None:
        if any("\ud800" <= char <= "\udfff" for char in node.value):
            self._fail_at(node, "half a surrogate pair is no character", "write the character")

    def _fail(self, mark: Any, message: str, hint: str) -> None:
        raise PolicyError(self._source.problem(message, mark.line + 1, mark.column + 1, hint))

    def _fail_at(self, node: Node, message: str, hint: str) -> None:
        raise PolicyError(self._source.problem(message, node.line, node.column, hint))


def _checked(source: Source) -> str:
    """Return the text to parse, after what the parser would misread is refused or rewritten."""
    text = source.text
    found = _FORBIDDEN.search(text)
    if found:
        raise PolicyError(
            source.problem(
                f"the character U+{ord(found[0]):04X} cannot stand here",
                *source.place(found.start()),
                "in double quotes, write it as an escape such as `\\u2028`",
            )
        )
    if "\t" in text or "\\u" in text:
        if _is_json(text):
            return _JSON_TOKEN.sub(_json_token, text)
        _refuse_tabs(source)
    return text


def _refuse_tabs(source: Source) -> None:
    at = source.text.find("\t")
    while at >= 0:
        line, column = source.place(at)
        if not _COMMENT.match(source.line(line)):
            raise PolicyError(
                Problem(
                    "there is a tab here",
                    source.file,
                    line,
                    column,
                    hint="indent and separate with spaces; in double quotes, write a tab as `\\t`",
                )
            )
        at = source.text.find("\t", at + 1)


def _is_json(text: str) -> bool:
    if not text.lstrip(" \t\r\n").startswith("{"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _json_token(found: re.Match[str]) -> str:
    if found[1] is None:
        return " "
    return _SURROGATES.sub(_joined, found[0])


def _joined(found: re.Match[str]) -> str:
    """Write a pair of escaped surrogates, which is JSON only, as one escape of YAML."""
    high, low = int(found[2], 16), int(found[3], 16)
    return f"{found[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _syntax(source: Source, error: yaml.YAMLError) -> Problem:
    """Return PyYAML's error in our words and at its place."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    message = f"this is not YAML: {what}"
    hint = "put a value that holds `: `, ` #`, quotes or brackets into quotes"
    if mark is None:
        return Problem(message, source.file, hint=hint)
    return source.problem(message, mark.line + 1, mark.column + 1, hint)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
