"""The static types of expressions, and the closed table of what a condition can read and call."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wardline.plugins import Group

__all__ = [
    "BOOL",
    "BROUGHT",
    "BYTES",
    "DOUBLE",
    "DYN",
    "FUNCTIONS",
    "INT",
    "LIST",
    "MAP",
    "METHODS",
    "NOT_YET",
    "NULL",
    "NUMBER",
    "NUMERIC",
    "PATH",
    "ROOTS",
    "SHELL",
    "SQL",
    "STRING",
    "TIMESTAMP",
    "URL",
    "VIEWS",
    "Signature",
    "Type",
    "agree",
    "declared",
    "describe",
    "list_of",
]


class Type(NamedTuple):
    """A static type; `item` is the type of a list's elements where it is known."""

    kind: str
    item: Type | None = None


DYN = Type("dyn")
BOOL = Type("bool")
INT = Type("int")
DOUBLE = Type("double")
NUMBER = Type("number")
STRING = Type("string")
BYTES = Type("bytes")
NULL = Type("null")
LIST = Type("list")
MAP = Type("map")
TIMESTAMP = Type("timestamp")
PATH = Type("path")
URL = Type("url")
SQL = Type("sql")
SHELL = Type("shell")
NUMERIC = frozenset(("int", "double", "number"))

_WORDS = {
    "bool": "a boolean", "int": "an integer", "double": "a double", "number": "a number",
    "string": "a string", "bytes": "bytes", "null": "null", "list": "a list", "map": "a map",
    "timestamp": "a point in time", "path": "a path", "url": "a URL",
    "sql": "a view of SQL", "shell": "a view of a command", "dyn": "any value",
}  # fmt: skip


def describe(kind: Type) -> str:
    """The type as English: `a list of strings` is said as `a list`."""
    return _WORDS[kind.kind]


def list_of(item: Type) -> Type:
    """The type of lists of `item`."""
    return Type("list", item)


def declared(text: str) -> Type:
    """The type that a catalogue's word stands for; what is not known is DYN.

    A `date` may arrive as text or as a point in time, so it is DYN.
    """
    text = text.strip()
    if text.startswith("list(") and text.endswith(")"):
        return list_of(declared(text[5:-1]))
    return {"string": STRING, "number": NUMBER, "boolean": BOOL, "map": MAP, "list": LIST}.get(
        text, DYN
    )


def agree(left: Type, right: Type) -> bool:
    """Whether two values of these types could be equal. Null is a possible value everywhere."""
    a, b = left.kind, right.kind
    if "dyn" in (a, b) or "null" in (a, b):
        return True
    if a in NUMERIC and b in NUMERIC:
        return True
    if a != b:
        return False
    return left.item is None or right.item is None or agree(left.item, right.item)


class Signature(NamedTuple):
    """What a function takes and gives: each parameter is the set of kinds it accepts."""

    params: tuple[frozenset[str], ...]
    result: Type
    optional: int = 0  # how many of the last parameters may be left out
    charge: int = 0  # steps beside those of the node itself


def _kinds(words: str) -> frozenset[str]:
    return frozenset(words.split("|"))


def _sign(params: str, result: Type, optional: int = 0, charge: int = 0) -> Signature:
    return Signature(tuple(map(_kinds, params.split())), result, optional, charge)


FUNCTIONS = {
    "size": _sign("string|bytes|list|map", INT),
    "int": _sign("int|double|number|string", INT, charge=4),
    "double": _sign("int|double|number|string", DOUBLE, charge=4),
    "string": _sign("string|int|double|number|bool|bytes", STRING, charge=8),
    "bool": _sign("bool|string", BOOL, charge=2),
    "bytes": _sign("bytes|string", BYTES, charge=2),
    "dyn": _sign("any", DYN),
    "path": _sign("string", PATH, charge=20),
    "url": _sign("string", URL, charge=110),
    "sql": _sign("string string", SQL, 1, charge=40),
    "shell": _sign("string", SHELL, charge=40),
    "pii": _sign("any", list_of(STRING), charge=40),
    "secrets": _sign("any", list_of(STRING), charge=40),
}
"""Functions called as `size(x)`."""

METHODS = {
    "size": _sign("string|bytes|list|map", INT),
    "contains": _sign("string string", BOOL, charge=1),
    "startsWith": _sign("string string", BOOL, charge=1),
    "endsWith": _sign("string string", BOOL, charge=1),
    "matches": _sign("string string", BOOL, charge=4),
    "lowerAscii": _sign("string", STRING, charge=4),
    "upperAscii": _sign("string", STRING, charge=4),
    "trim": _sign("string", STRING, charge=2),
    "charAt": _sign("string int|number", STRING, charge=2),
    "indexOf": _sign("string string int|number", INT, 1, charge=2),
    "lastIndexOf": _sign("string string int|number", INT, 1, charge=2),
    "substring": _sign("string int|number int|number", STRING, 1, charge=2),
    "replace": _sign("string string string int|number", STRING, 1, charge=4),
    "split": _sign("string string int|number", list_of(STRING), 1, charge=4),
    "join": _sign("list string", STRING, 1, charge=4),
    "under": _sign("path string", BOOL, charge=4),
}
"""Functions called as `x.contains(y)`; the first parameter is `x`."""

VIEWS = {
    "path": {"escapes": BOOL},
    "url": {"host": STRING, "scheme": STRING, "is_private": BOOL},
    "sql": {
        "statements": list_of(STRING), "writes": BOOL, "verbs": list_of(STRING),
        "tables": list_of(STRING), "opaque": BOOL,
    },
    "shell": {
        "programs": list_of(STRING), "writes": BOOL, "network": BOOL, "opaque": BOOL,
    },
}  # fmt: skip
"""The fields of the views that functions give."""

BROUGHT: dict[str, Group] = {
    "sql": "wardline.facets",
    "shell": "wardline.facets",
    "pii": "wardline.detectors",
    "secrets": "wardline.detectors",
}
"""Functions that other distributions bring, and the group of entry points in which they do."""

_COUNTERS = {
    "id": STRING, "depth": INT, "tool_calls": INT, "model_calls": INT, "tokens": INT,
    "files_changed": INT, "seconds": NUMBER, "denials": INT,
}  # fmt: skip

ROOTS: dict[str, dict[str, Type]] = {
    "action": {
        "kind": STRING, "stage": STRING, "type": STRING, "name": STRING, "framework": STRING,
        "call_id": STRING, "fingerprint": STRING, "args": MAP, "result": DYN, "error": DYN,
        "duration_ms": NUMBER,
    },
    "principal": {
        "id": STRING, "name": STRING, "roles": list_of(STRING), "environment": STRING,
        "tenant": STRING, "assurance": STRING, "chain": LIST,
    },
    "session": _COUNTERS,
    "run": _COUNTERS,
    "tool": {
        "effects": list_of(STRING), "clearance": STRING, "returns": list_of(STRING), "ring": INT,
    },
    "args": {},
    "now": {},
}  # fmt: skip
"""Every root with its fields. `args` holds what the caller passes; `now` has no fields."""

NOT_YET = frozenset(
    [
        "principal.trust",
        "principal.tier",
        "principal.ring",
        "session.cost_usd",
        "run.cost_usd",
        "session.labels",
        "run.labels",
        "session.did",
        "session.succeeded",
        "session.count",
        "run.did",
        "run.succeeded",
        "run.count",
        "origin",
        "from_untrusted",
        "labels",
        "flows_to",
        "timestamp",
        "duration",
        "type",
        "uint",
        "math",
        "optional",
        "strings",
        "lists",
        "sets",
        "base64",
        "cel",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getFullYear",
        "getHours",
        "getMilliseconds",
        "getMinutes",
        "getMonth",
        "getSeconds",
        "format",
        "quote",
        "reverse",
        "orValue",
        "or",
        "value",
        "hasValue",
        "optMap",
        "optFlatMap",
        "flatten",
        "distinct",
        "sort",
        "sortBy",
        "slice",
        "first",
        "last",
        "transformList",
        "transformMap",
        "ip",
        "cidr",
        "isIP",
        "isCIDR",
    ]
)
"""Names of the policy language, and of CEL's libraries, that this version cannot evaluate."""
