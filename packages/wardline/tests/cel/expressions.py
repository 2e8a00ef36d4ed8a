"""Conditions and what they meet, made up by Hypothesis, for the tests that hold two evaluators
against each other.

`cases()` is what such a test takes: a well-formed, mostly well-typed condition together with the
arguments of the action. The conditions of `cases()` load under `Scope(TYPES)`; what they give may
be a value or an EvaluationError. `facts()` makes the rest of an activation.

A condition is grown from a string of bytes: each byte decides one thing, and where they run out the
simplest choice is taken. So a failing example shrinks by shrinking its bytes, and a case costs one
draw.

The language is a table: `TEMPLATES` maps each kind of value to the texts that give one, where
`{kind}` stands for an expression of that kind. To extend the language, add a row.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st

from wardline.cel import Scope, parse
from wardline.cel.check import check
from wardline.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "KINDS",
    "OURS",
    "TEMPLATES",
    "TYPES",
    "Case",
    "arguments",
    "cases",
    "expressions",
    "facts",
    "grow",
    "held",
    "loads",
]

TYPES: dict[str, str] = {
    "s": "string", "t": "string", "n": "number", "k": "number", "f": "boolean", "l": "list(string)",
    "q": "list(number)", "m": "map", "x": "dyn", "y": "dyn", "when": "dyn", "gone": "dyn",
}  # fmt: skip
"""The arguments that conditions read, with their declared types: the `arguments` of a Scope.

Nothing keeps a value to its declared type, and any argument may be absent.
"""

ROOTS: dict[str, tuple[str, ...]] = {
    "bool": ("has(principal.tenant)", "has(run.tokens)", "has(args.x)", "has(args.gone)", "('x' in args)", "(action.type == 'drop')",
             "(action.type in ['drop', 'read'])", "(action.name != 'sql')", "('read' in tool.effects)", "principal.roles.exists(r, r == 'ops')"),
    "int": ("session.tool_calls", "run.tokens", "session.depth", "size(args)", "now.getFullYear()"),
    "string": ("action.type", "action.name", "action.kind", "principal.id", "principal.tenant", "action.framework"),
    "list": ("principal.roles", "tool.effects"),
    "map": ("args",),
}  # fmt: skip
"""Readers of the facts beside `args.…`; left out where there is nothing but arguments."""

# The first texts of each kind have no parts: they end the growth.
TEMPLATES: dict[str, tuple[str, ...]] = {
    "bool": (
        "true", "false", "args.f", "args.x", "args.gone",
        "({bool} && {bool})", "({bool} || {bool})", "({bool} && {bool} && {bool} && {bool})", "({bool} || {bool} || {bool})",
        "!({bool})", "({bool} ? {bool} : {bool})", "({dyn} == {dyn})", "({dyn} != {dyn})",
        "({int} == {int})", "({int} < {int})", "({int} <= {double})", "({double} > {int})", "({double} >= {double})", "({int} != {double})",
        "({string} == {string})", "({string} != {string})", "({string} < {string})", "({string} >= {string})",
        "({dyn} < {dyn})", "({dyn} <= {int})", "({string} > {dyn})", "({bytes} == {bytes})", "({bytes} < {bytes})", "({bool} == {bool})", "({bool} < {bool})",
        "({list} == {list})", "({map} == {map})", "({string} in {list})", "({dyn} in {list})", "({int} in [{int}, {int}, {double}])",
        "({string} in [{string}, {string}])", "({string} in {map})", "({dyn} in {dyn})", "({dyn} == null)", "(null != {dyn})",
        "{string}.startsWith({string})", "{string}.endsWith({string})", "{string}.contains({string})",
        "{string}.matches('^a+b?$')", "{string}.matches('b|[^a]c')", "{dyn}.matches('a.*b')",
        "has({map}.a)", "has({dyn}.b)", "has(args.x.a)", "bool({dyn})", "bool({string})", "dyn({bool})",
        "{list}.exists(+, {bool})", "{list}.all(+, {bool})", "{list}.exists_one(+, {bool})", "{map}.exists(+, {bool})", "{map}.all(+, {bool})",
        "{dyn}.all(+, {bool})", "[{int}, {int}, {int}].exists(+, {bool})",
        "({uint} == {uint})", "({uint} < {int})", "({double} >= {uint})", "({uint} in [{uint}, {int}])", "({timestamp} < {timestamp})", "({timestamp} == {timestamp})", "({duration} >= {duration})",
        "({duration} == {duration})", "({type} == {type})", "(type({dyn}) == {type})", "({optional} == {optional})", "({optional} != optional.none())", "{optional}.hasValue()", "has({dyn}.?a.b)",
        "({int} in {{int}: {dyn}})", "({dyn} in {true: {dyn}, 1: {dyn}})", "math.isNaN({double})", "math.isInf({double})", "math.isFinite({double})", "cel.bind(=, {dyn}, {bool})", "({dyn} > {uint})",
        "({bool} ? {bool} : {dyn})", "{optional}.optMap(+, {bool}).orValue({bool})",
    ),
    "int": (
        "0", "1", "-1", "2", "7", "0x10", "9223372036854775807", "-9223372036854775808", "9007199254740993", "args.x",
        "({int} + {int})", "({int} - {int})", "({int} * {int})", "({int} / {int})", "({int} % {int})", "(-{int})",
        "({dyn} + {int})", "({bool} ? {int} : {int})", "size({string})", "size({list})", "{map}.size()", "{bytes}.size()",
        "int({double})", "int(dyn({string}))", "int({dyn})", "{string}.indexOf({string})", "{string}.lastIndexOf({string}, {int})",
        "[{int}, {int}][{int}]", "dyn({int})",
        "{timestamp}.getHours()", "{timestamp}.getDayOfWeek('Europe/Berlin')", "{timestamp}.getMonth(dyn({string}))", "{timestamp}.getDayOfYear('-02:30')", "{timestamp}.getMilliseconds()", "{duration}.getMinutes()", "{duration}.getSeconds()",
        "int({uint})", "int({timestamp})", "math.greatest({int}, {int})", "math.least({int}, {int}, {int})", "math.abs({int})", "math.sign({int})", "math.bitAnd({int}, {int})", "math.bitOr({int}, {int})",
        "math.bitXor({int}, {int})", "math.bitNot({int})", "math.bitShiftLeft({int}, {int})", "math.bitShiftRight({int}, {int})", "{1: {int}, 2: {int}}[{int}]", "cel.bind(=, {int}, {int})",
    ),
    "double": (
        "0.0", "-0.0", "1.0", "1.5", "-2.5e-3", "1e308", "9223372036854775807.0", "9007199254740992.0", ".5", "args.n", "args.k", "args.x",
        "({double} + {double})", "({double} - {double})", "({double} * {double})", "({double} / {double})", "(-{double})",
        "double({int})", "double(dyn({string}))", "double({dyn})", "({bool} ? {double} : {double})", "(0.0 / {double})",
        "double({uint})", "math.ceil({double})", "math.floor({double})", "math.round({double})", "math.trunc({double})", "math.sqrt({double})", "math.abs({double})", "math.sign({double})", "math.greatest({double}, {double})",
    ),
    "string": (
        "''", "'a'", "'ab'", "'b\u00e9\U0001f600'", "'10'", "'-1.5'", "'true'", "r'a\\b'", "'''a'b\n'''", "'/srv/data/x'", "'https://example.com/a'", "'http://127.0.0.1'",
        "args.s", "args.t", "args.x", "args['s']", "action.args.t",
        "({string} + {string})", "string({int})", "string({double})", "string({bool})", "string({bytes})", "string({dyn})",
        "{string}.lowerAscii()", "{string}.upperAscii()", "{string}.trim()", "{string}.charAt({int})", "{string}.substring({int})", "{string}.substring({int}, {int})",
        "{string}.replace({string}, {string})", "{string}.replace({string}, {string}, {int})", "{list}.join({string})", "({bool} ? {string} : {string})",
        "{list}[{int}]", "{map}.a", "{map}[{string}]",
        "string({uint})", "string({timestamp})", "string({duration})", "'%s'.format([{dyn}])", "'%d %s'.format([{int}, {string}])", "'%.2f|%e'.format([{double}, {double}])", "'%x %b %o %X'.format([{int}, {uint}, {int}, {string}])",
        "{string}.format({list})", "strings.quote({string})", "{string}.reverse()", "base64.encode({bytes})", "{optional}.optMap(+, {string}).orValue({string})",
    ),
    "bytes": ("b''", "b'ab'", "b'\\xff\\000'", "b'\u00e9'", "args.x", "bytes({string})", "({bytes} + {bytes})", "({bool} ? {bytes} : {bytes})", "base64.decode(dyn({string}))"),
    "list": (
        "[]", "['a', 'b']", "args.l", "args.q", "args.x", "[{dyn}, {dyn}]", "[{string}]", "[{int}, {double}, {string}]", "({list} + {list})",
        "{list}.map(+, {dyn})", "{list}.map(+, {bool}, {dyn})", "{list}.filter(+, {bool})", "{map}.filter(+, {bool})", "{string}.split({string})", "{string}.split({string}, {int})",
        "({bool} ? {list} : {list})", "[{list}, {list}]",
        "[?{optional}, {dyn}]", "[{uint}, {timestamp}, {duration}]", "{{int}: {dyn}}.map(+, {dyn})",
    ),
    "map": ("{}", "{'a': 1}", "args.m", "args.x", "{'a': {dyn}, 'b': {dyn}}", "{{string}: {dyn}}", "{'a': {map}}", "({bool} ? {map} : {map})", "{?'a': {optional}, 'b': {dyn}}", "{{int}: {dyn}, {uint}: {dyn}}", "{{bool}: {dyn}}", "{true: {dyn}, 1: {dyn}, 'a': {dyn}}"),
    "dyn": (
        "args.x", "args.y", "dyn(args.n)", "args.gone", "dyn(1)", "args.when", "dyn(true)", "dyn({int})", "dyn({double})", "dyn({string})", "dyn({bool})", "dyn({bytes})", "dyn({list})", "dyn({map})",
        "dyn(null)", "{map}.a", "{map}.b.a", "{map}['a']", "dyn({list}[{int}])", "{dyn}.a", "{dyn}[{dyn}]", "dyn({list}[0])", "dyn({dyn}.size())",
        "dyn({uint})", "dyn({timestamp})", "dyn({duration})", "dyn({type})", "dyn({optional})", "{optional}.value()", "{optional}.orValue({dyn})", "{{int}: {dyn}}[{dyn}]", "{{dyn}: {dyn}}[{dyn}]", "math.greatest({dyn}, {dyn})", "math.least({list})",
        "cel.bind(=, {dyn}, {dyn})",
    ),
    "uint": (
        "0u", "1u", "7u", "0xFFu", "18446744073709551615u", "9007199254740993u", "args.x",
        "({uint} + {uint})", "({uint} - {uint})", "({uint} * {uint})", "({uint} / {uint})", "({uint} % {uint})", "uint({int})", "uint({double})", "uint(dyn({string}))", "uint({dyn})",
        "math.bitNot({uint})", "math.bitShiftRight({uint}, {int})", "math.greatest({uint}, {uint})", "({bool} ? {uint} : {uint})", "({dyn} + {uint})",
    ),
    "timestamp": (
        "timestamp('2026-01-02T03:04:05.678Z')", "timestamp('0001-01-01T00:00:00Z')", "timestamp('9999-12-31T23:59:59.999999999Z')", "timestamp('1969-12-31T23:59:59.5-05:00')", "args.when", "args.x",
        "({timestamp} + {duration})", "({duration} + {timestamp})", "({timestamp} - {duration})", "timestamp({int})", "timestamp(dyn({string}))", "timestamp({dyn})",
    ),
    "duration": (
        "duration('0')", "duration('1h30m')", "duration('-1.5s')", "duration('1ns')", "duration('2562047h')", "args.x",
        "({duration} + {duration})", "({duration} - {duration})", "({timestamp} - {timestamp})", "duration(dyn({string}))", "duration({dyn})",
    ),
    "type": ("int", "uint", "string", "list", "null_type", "google.protobuf.Timestamp", "optional_type", "type({dyn})", "type({int})", "type({list})", "type({optional})", "type({type})"),
    "optional": (
        "optional.none()", "args.?x", "args.?gone", "args[?'m']", "optional.of({dyn})", "optional.ofNonZeroValue({dyn})", "optional.of({int})", "{map}.?a", "{dyn}.?b", "{list}[?{int}]", "{dyn}[?{dyn}]",
        "{optional}.?a", "{optional}[?{int}]", "{optional}.or({optional})", "{optional}.optMap(+, {dyn})", "{optional}.optFlatMap(+, {optional})", "{optional}.a", "{optional}[{int}]", "dyn({optional})",
    ),
}  # fmt: skip
"""How to write a value of each kind, in what every whole implementation of CEL has."""

OURS: dict[str, tuple[str, ...]] = {
    "bool": (
        "path({string}).under('/srv/data')", "path({string}).escapes", "url({string}).is_private", "{list}.exists(+, +, {bool})", "{map}.all(+, +, {bool})", "{dyn}.existsOne(+, +, {bool})",
        "isIP({string})", "isCIDR({string})", "ip(dyn({string})).isLoopback()", "cidr('10.0.0.0/8').containsIP({string})", "cidr(dyn({string})).containsCIDR('127.0.0.0/16')",
    ),
    "string": ("url({string}).host", "string(ip(dyn({string})))", "string(cidr(dyn({string})).masked())"),
    "int": ("cidr(dyn({string})).prefixLength()", "ip(dyn({string})).family()"),
    "list": ("{list}.transformList(+, +, {dyn})", "{map}.transformList(+, +, {bool}, {dyn})"),
    "map": ("{map}.transformMap(+, +, {dyn})", "{map}.transformMap(+, +, {bool}, {dyn})", "{list}.transformMapEntry(+, +, {map})"),
}  # fmt: skip
"""More rows, for what we have beyond: left out where there is nothing but arguments."""

KINDS = tuple(TEMPLATES)

_PART = re.compile(r"\{([a-z]+)\}")
_PIECE = re.compile(r"(\{[a-z]+\}|(?<=[( ])[+=],)")
_MOST = 900  # characters; beyond only the ends of growth are chosen


class Case(NamedTuple):
    """One condition with the arguments it meets."""

    text: str
    args: dict[str, Any]


def cases(*, roots: bool = True, plain: bool = False) -> st.SearchStrategy[Case]:
    """Conditions that load under `Scope(TYPES)`, each with the arguments of an action.

    Without `roots` a condition reads nothing but `args`, and says nothing that only we have. With `plain` the arguments hold only what
    every implementation of CEL takes: no `datetime`s, no foreign objects, no integers beyond 64 bits.
    """
    return st.builds(Case, expressions("bool", roots=roots), arguments(plain=plain))


def expressions(kind: str = "bool", *, roots: bool = True) -> st.SearchStrategy[str]:
    """Texts of expressions that mostly give a value of `kind`, one of `KINDS`."""
    grown = st.binary(min_size=16, max_size=96).map(lambda data: grow(data, kind, roots=roots))
    return grown.filter(loads)


def loads(text: str) -> bool:
    """Whether the text loads; a few that are grown do not, such as a string's variable plus 1."""
    try:
        check(parse(text), Scope(TYPES), condition=False)
    except PolicyError:
        return False
    return True


def grow(data: bytes, kind: str = "bool", *, roots: bool = True) -> str:
    """The text that `data` stands for; it may not load."""
    return _Growth(data, roots).grow(kind, 5)


class _Choices:
    """Decisions, one for each byte; where they run out, the first choice is taken."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        """Whether nothing is left to decide."""
        return self._at >= len(self._data)

    def below(self, limit: int) -> int:
        """A number from 0 on."""
        if self.ended:
            return 0
        self._at += 1
        return self._data[self._at - 1] % limit

    def pick(self, options: Sequence[Any]) -> Any:
        """One of these."""
        return options[self.below(len(options))]


class _Growth(_Choices):
    """Grows one text; `data` decides."""

    def __init__(self, data: bytes, roots: bool) -> None:
        super().__init__(data)
        self._roots = ROOTS if roots else {}
        self._more = OURS if roots else {}
        self._variables: list[str] = []
        self._length = 0

    def grow(self, kind: str, depth: int) -> str:
        options = (*TEMPLATES[kind], *self._more.get(kind, ()))
        ended = depth <= 0 or self.ended or self._length > _MOST
        if ended:
            options = tuple(text for text in options if not _PART.search(text))
        # Variables of macros are of any kind.
        options = (*options, *self._roots.get(kind, ()), *self._variables)
        if not self._roots:
            options = tuple(text for text in options if "action." not in text)
        return self._fill(self.pick(options), depth - 1)

    def _fill(self, text: str, depth: int) -> str:
        """Put expressions where the template has `{kind}`, and fresh variables where it has `+`.

        The variable of `=` is in sight only after the expression that follows, its value.
        """
        parts: list[str] = []
        variables: list[str] = []
        waiting = ""
        for piece in _PIECE.split(text):
            if piece in ("+,", "=,"):
                name = f"v{len(self._variables)}"
                if piece == "+,":
                    variables.append(name)
                    self._variables.append(name)
                else:
                    waiting = name
                piece = f"{name},"
            elif found := _PART.fullmatch(piece):
                piece = self.grow(found[1], depth)
                if waiting:
                    variables.append(waiting)
                    self._variables.append(waiting)
                    waiting = ""
            self._length += len(piece)
            parts.append(piece)
        del self._variables[len(self._variables) - len(variables) :]
        return "".join(parts)


# What conditions meet

_INTS = [0, 1, -1, 2, 7, 2**53 + 1, 2**63 - 1, -(2**63), 1000, -3]
_FLOATS = [0.0, -0.0, 1.0, 1.5, -2.5, 1e308, 9.223372036854775807e18, 1e-7, 123456789.0, float("inf"), float("-inf"), float("nan")]  # fmt: skip
_TEXTS = ["", "a", "ab", "b", "10", "-1.5", "true", "/srv/data/x", "../x", "https://example.com", "http://10.0.0.1/", "10.0.0.1", "10.0.0.0/8", "2026-01-02T03:04:05Z", "1h", "%s", "YWI=", "\u00e9\U0001f600", "A\tb "]  # fmt: skip
_TIMES = [
    datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]
_SIMPLE: list[Any] = [None, True, False, b"", b"ab", b"\xff", *_INTS, *_FLOATS, *_TEXTS]
_STRANGE: list[Any] = [*_TIMES, 2**63, -(2**70), Decimal(1), datetime(2026, 1, 1), object(), {1: 2}, "a\ud800"]  # fmt: skip


def arguments(*, plain: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """The arguments of an action: mostly as `TYPES` declares, some absent, some of another type."""
    return st.binary(min_size=8, max_size=48).map(lambda data: held(data, plain=plain))


def held(data: bytes, *, plain: bool = False) -> dict[str, Any]:
    """The arguments that `data` stands for."""
    return _Arguments(data, plain).all()


class _Arguments(_Choices):
    """Makes up arguments; `data` decides."""

    def __init__(self, data: bytes, plain: bool) -> None:
        super().__init__(data)
        self._leaves = _SIMPLE if plain else [*_SIMPLE, *_STRANGE]
        self._times: list[Any] = [None] if plain else _TIMES

    def all(self) -> dict[str, Any]:
        """Every argument but `gone`, one in eight absent and one in eight of any type."""
        found: dict[str, Any] = {}
        for name in TYPES:
            fate = self.below(8)
            if fate != 1 and (name != "gone" or fate == 2):
                found[name] = self.anything(3) if fate == 2 else self.usual(name)
        return found

    def usual(self, name: str) -> Any:
        """A value of the declared type."""
        match name:
            case "s" | "t":
                return self.pick(_TEXTS)
            case "n" | "k":
                return self.pick([*_INTS, *_FLOATS])
            case "f":
                return self.pick([True, False])
            case "l":
                return [self.pick(_TEXTS) for _ in range(self.below(4))]
            case "q":
                return [self.pick([*_INTS, *_FLOATS]) for _ in range(self.below(4))]
            case "m":
                return {key: self.anything(2) for key in "abc"[: self.below(4)]}
            case "when":
                return self.pick(self._times)
        return self.anything(3)

    def anything(self, depth: int) -> Any:
        """A value of any type."""
        shape = self.below(8) if depth else 0
        if shape == 1:
            return [self.anything(depth - 1) for _ in range(self.below(4))]
        if shape == 2:
            return {key: self.anything(depth - 1) for key in ("a", "b", "\u00e9")[: self.below(4)]}
        return self.pick(self._leaves)


def facts() -> st.SearchStrategy[dict[str, Any]]:
    """What an activation holds beside its arguments, by attribute; some facts are unknown."""
    return st.fixed_dictionaries(
        {
            "type": st.sampled_from(["drop", "read", "sql"]),
            "name": st.sampled_from(["sql", "read"]),
            "principal": st.fixed_dictionaries(
                {
                    "id": st.just("bob"),
                    "roles": st.lists(st.sampled_from(["ops", "x"]), max_size=2),
                },
                optional={"tenant": st.just("acme")},
            ),
            "session": st.fixed_dictionaries({"tool_calls": st.integers(0, 5)}),
            "run": st.fixed_dictionaries({}, optional={"tokens": st.integers(0, 5)}),
            "tool": st.fixed_dictionaries({"effects": st.just(["read"])}),
            "now": st.sampled_from(_TIMES),
        }
    )
