"""The static types of expressions, and the closed tables of what a condition can read and call.

A function has a row here, which says what it takes and gives, and one in `functions.py`, which does
it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wardline.plugins import Group

__all__ = [
    "BOOL",
    "BROUGHT",
    "BYTES",
    "CIDR",
    "DOUBLE",
    "DURATION",
    "DYN",
    "FUNCTIONS",
    "INT",
    "IP",
    "LIST",
    "MAP",
    "METHODS",
    "NOT_YET",
    "NULL",
    "NUMBER",
    "NUMERIC",
    "OPTIONAL",
    "PATH",
    "ROOTS",
    "SHELL",
    "SQL",
    "STRING",
    "TIMESTAMP",
    "TYPE",
    "UINT",
    "URL",
    "VIEWS",
    "Signature",
    "Type",
    "agree",
    "declared",
    "describe",
    "list_of",
    "map_of",
    "optional_of",
]


class Type(NamedTuple):
    """A static type.

    `item` is the type of a list's elements, a map's values or what an optional holds, and `key` that
    of a map's keys, where they are known.
    """

    kind: str
    item: Type | None = None
    key: Type | None = None


DYN = Type("dyn")
BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
NUMBER = Type("number")  # an integer or a double: what a catalogue calls a number
STRING = Type("string")
BYTES = Type("bytes")
NULL = Type("null")
LIST = Type("list")
MAP = Type("map", key=STRING)
TIMESTAMP = Type("timestamp")
DURATION = Type("duration")
TYPE = Type("type")
OPTIONAL = Type("optional")
IP = Type("ip")
CIDR = Type("cidr")
PATH = Type("path")
URL = Type("url")
SQL = Type("sql")
SHELL = Type("shell")
NUMERIC = frozenset(("int", "uint", "double", "number"))

_WORDS = {
    "bool": "a boolean", "int": "an integer", "uint": "an unsigned integer", "double": "a double",
    "number": "a number", "string": "a string", "bytes": "bytes", "null": "null", "list": "a list",
    "map": "a map", "timestamp": "a point in time", "duration": "a duration", "type": "a type",
    "optional": "an optional value", "ip": "an IP address", "cidr": "a network", "path": "a path",
    "url": "a URL", "sql": "a view of SQL", "shell": "a view of a command", "dyn": "any value",
}  # fmt: skip
_PLURALS = {
    "bool": "booleans", "int": "integers", "uint": "unsigned integers", "double": "doubles",
    "number": "numbers", "string": "strings", "list": "lists", "map": "maps", "timestamp": "points in time",
    "duration": "durations", "type": "types", "optional": "optional values",
}  # fmt: skip


def describe(kind: Type) -> str:
    """The type as English."""
    if kind.kind == "list" and kind.item is not None and kind.item.kind in _PLURALS:
        return f"a list of {_PLURALS[kind.item.kind]}"
    if kind.kind == "optional" and kind.item is not None and kind.item.kind != "dyn":
        return f"an optional value that holds {describe(kind.item)}"
    return _WORDS[kind.kind]


def list_of(item: Type) -> Type:
    """The type of lists of `item`."""
    return Type("list", item)


def map_of(key: Type, value: Type) -> Type:
    """The type of maps from `key` to `value`."""
    return Type("map", value, key)


def optional_of(item: Type) -> Type:
    """The type of optionals that hold `item`."""
    return Type("optional", item)


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
    return _parts_agree(left.item, right.item) and _parts_agree(left.key, right.key)


def _parts_agree(left: Type | None, right: Type | None) -> bool:
    return left is None or right is None or agree(left, right)


_Result = Callable[[Sequence[Type]], Type]


class Signature(NamedTuple):
    """What a function takes and gives: each parameter is the set of kinds it accepts.

    `result` is a type, or a function of the types of the arguments. The last `optional` parameters
    may be left out; with `repeats` the last one may come any number of times. `charge` are the steps
    beside those of the node itself.
    """

    params: tuple[frozenset[str], ...]
    result: Type | _Result
    optional: int = 0
    charge: int = 0
    repeats: bool = False

    def count_problem(self, given: int, target: int) -> str:
        """How many arguments it takes, if not `given`; `target` of them stand before the dot."""
        most = len(self.params)
        least = most - self.optional
        if least <= given and (given <= most or self.repeats):
            return ""
        wanted = f"{least - target}"
        if self.repeats:
            wanted += " or more"
        elif self.optional:
            wanted += f" to {most - target}"
        return f"{wanted} argument{'' if wanted == '1' else 's'}, not {given - target}"

    def gives(self, args: Sequence[Type]) -> Type:
        """The type of the result for arguments of these types."""
        return self.result if isinstance(self.result, Type) else self.result(args)


def _kinds(words: str) -> frozenset[str]:
    return frozenset(words.split("|"))


def _sign(
    params: str,
    result: Type | _Result,
    optional: int = 0,
    charge: int = 0,
    *,
    repeats: bool = False,
) -> Signature:
    return Signature(tuple(map(_kinds, params.split())), result, optional, charge, repeats)


def _first(args: Sequence[Type]) -> Type:
    return args[0]


def _wrapped(args: Sequence[Type]) -> Type:
    return optional_of(args[0])


def _best(args: Sequence[Type]) -> Type:
    """The type of all numbers, where they have one."""
    first = args[0] if args[0].kind != "list" else args[0].item or DYN
    return first if all(arg == first for arg in args[1:]) else DYN


def _held(args: Sequence[Type]) -> Type:
    return args[0].item or DYN


def _either(args: Sequence[Type]) -> Type:
    """Of what an optional holds and what stands for it, the type if they have one."""
    held = _held(args)
    return held if held == args[1] else DYN


def _one_of(args: Sequence[Type]) -> Type:
    return args[0] if args[0] == args[1] else OPTIONAL


_NUMBER = "int|uint|double|number"
_INTEGER = "int|uint|number"
_REAL = "double|number"
_PLAIN = "string|bool|bytes|null|list|map|timestamp|" + _NUMBER
_CONVERTIBLE = "string|bool|bytes|timestamp|duration|ip|cidr|" + _NUMBER

FUNCTIONS = {
    "size": _sign("string|bytes|list|map", INT),
    "int": _sign(f"string|timestamp|{_NUMBER}", INT, charge=4),
    "uint": _sign(f"string|{_NUMBER}", UINT, charge=8),
    "double": _sign(f"string|{_NUMBER}", DOUBLE, charge=4),
    "string": _sign(_CONVERTIBLE, STRING, charge=4),
    "bool": _sign("bool|string", BOOL, charge=2),
    "bytes": _sign("bytes|string", BYTES, charge=2),
    "timestamp": _sign("string|timestamp|int|number", TIMESTAMP, charge=50),
    "duration": _sign("string|duration", DURATION, charge=30),
    "type": _sign(f"list|map|null|optional|type|{_CONVERTIBLE}", TYPE, charge=4),
    "dyn": _sign("any", DYN),
    "path": _sign("string", PATH, charge=20),
    "url": _sign("string", URL, charge=110),
    "sql": _sign("string string", SQL, 1, charge=40),
    "shell": _sign("string", SHELL, charge=40),
    "pii": _sign(_PLAIN, list_of(STRING), charge=40),
    "secrets": _sign(_PLAIN, list_of(STRING), charge=40),
    "optional.none": Signature((), OPTIONAL),
    "optional.of": _sign("any", _wrapped, charge=2),
    "optional.ofNonZeroValue": _sign("any", _wrapped, charge=2),
    "strings.quote": _sign("string", STRING, charge=4),
    "base64.encode": _sign("bytes", STRING, charge=4),
    "base64.decode": _sign("string", BYTES, charge=4),
    "ip": _sign("string", IP, charge=60),
    "cidr": _sign("string", CIDR, charge=60),
    "isIP": _sign("string", BOOL, charge=80),
    "isCIDR": _sign("string", BOOL, charge=80),
    "ip.isCanonical": _sign("string", BOOL, charge=80),
    "math.greatest": _sign(f"list|{_NUMBER} {_NUMBER}", _best, 1, charge=8, repeats=True),
    "math.least": _sign(f"list|{_NUMBER} {_NUMBER}", _best, 1, charge=8, repeats=True),
    "math.ceil": _sign(_REAL, DOUBLE, charge=4),
    "math.floor": _sign(_REAL, DOUBLE, charge=4),
    "math.round": _sign(_REAL, DOUBLE, charge=4),
    "math.trunc": _sign(_REAL, DOUBLE, charge=4),
    "math.isNaN": _sign(_REAL, BOOL, charge=2),
    "math.isInf": _sign(_REAL, BOOL, charge=2),
    "math.isFinite": _sign(_REAL, BOOL, charge=2),
    "math.sqrt": _sign(_NUMBER, DOUBLE, charge=4),
    "math.abs": _sign(_NUMBER, _first, charge=4),
    "math.sign": _sign(_NUMBER, _first, charge=4),
    "math.bitAnd": _sign(f"{_INTEGER} {_INTEGER}", _first, charge=4),
    "math.bitOr": _sign(f"{_INTEGER} {_INTEGER}", _first, charge=4),
    "math.bitXor": _sign(f"{_INTEGER} {_INTEGER}", _first, charge=4),
    "math.bitNot": _sign(_INTEGER, _first, charge=4),
    "math.bitShiftLeft": _sign(f"{_INTEGER} int|number", _first, charge=6),
    "math.bitShiftRight": _sign(f"{_INTEGER} int|number", _first, charge=6),
}
"""Functions called as `size(x)` or `math.abs(x)`."""

_DATE = _sign("timestamp string", INT, 1, charge=20)
_CLOCK = _sign("timestamp|duration string", INT, 1, charge=20)

METHODS = {
    "size": _sign("string|bytes|list|map", INT),
    "contains": _sign("string string", BOOL, charge=1),
    "startsWith": _sign("string string", BOOL, charge=1),
    "endsWith": _sign("string string", BOOL, charge=1),
    "matches": _sign("string string", BOOL, charge=4),
    "lowerAscii": _sign("string", STRING, charge=4),
    "upperAscii": _sign("string", STRING, charge=4),
    "trim": _sign("string", STRING, charge=2),
    "reverse": _sign("string", STRING, charge=2),
    "charAt": _sign("string int|number", STRING, charge=2),
    "indexOf": _sign("string string int|number", INT, 1, charge=2),
    "lastIndexOf": _sign("string string int|number", INT, 1, charge=2),
    "substring": _sign("string int|number int|number", STRING, 1, charge=2),
    "replace": _sign("string string string int|number", STRING, 1, charge=4),
    "split": _sign("string string int|number", list_of(STRING), 1, charge=4),
    "join": _sign("list string", STRING, 1, charge=4),
    "format": _sign("string list", STRING, charge=10),
    "under": _sign("path string", BOOL, charge=4),
    "hasValue": _sign("optional", BOOL),
    "value": _sign("optional", _held),
    "or": _sign("optional optional", _one_of),
    "orValue": _sign("optional any", _either),
    "getFullYear": _DATE,
    "getMonth": _DATE,
    "getDate": _DATE,
    "getDayOfMonth": _DATE,
    "getDayOfWeek": _DATE,
    "getDayOfYear": _DATE,
    "getHours": _CLOCK,
    "getMinutes": _CLOCK,
    "getSeconds": _CLOCK,
    "getMilliseconds": _CLOCK,
    "family": _sign("ip", INT, charge=2),
    "isLoopback": _sign("ip", BOOL, charge=10),
    "isUnspecified": _sign("ip", BOOL, charge=10),
    "isGlobalUnicast": _sign("ip", BOOL, charge=40),
    "isLinkLocalUnicast": _sign("ip", BOOL, charge=10),
    "isLinkLocalMulticast": _sign("ip", BOOL, charge=10),
    "ip": _sign("cidr", IP),
    "masked": _sign("cidr", CIDR, charge=20),
    "prefixLength": _sign("cidr", INT),
    "containsIP": _sign("cidr ip|string", BOOL, charge=60),
    "containsCIDR": _sign("cidr cidr|string", BOOL, charge=60),
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
    ]
)
"""Names of the policy language that this version cannot evaluate."""
