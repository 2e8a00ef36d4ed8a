from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

import pytest

from wardline.cel import Scope, compile, parse  # noqa: A004
from wardline.errors import EvaluationError, PolicyError

ERR = "ERR"


class Touchy:
    """An object of a class that CEL does not know; it fails when it is asked for anything."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("called")

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        raise AssertionError("called")

    def __bool__(self) -> bool:
        raise AssertionError("called")


class Zone(tzinfo):
    def tzname(self, dt: datetime | None) -> str:
        raise AssertionError("called")

    def dst(self, dt: datetime | None) -> timedelta:
        raise AssertionError("called")

    def utcoffset(self, dt: datetime | None) -> timedelta:
        raise AssertionError("called")


ARGS: dict[str, Any] = {
    "i": 7, "big": 2**63 - 1, "huge": 2**63, "neg": -7, "f": 1.5, "s": "abc", "t": True, "n": None,
    "l": [0, 1], "m": {"a": 1, "b": None}, "b": b"ab", "o": Touchy(), "d": Decimal(1), "tup": (1, "a"),
    "lo": [Touchy(), "a"], "when": datetime(2026, 1, 1, tzinfo=UTC), "naive": datetime(2026, 1, 1),
    "odd": datetime(2026, 1, 1, tzinfo=Zone()), "nan": float("nan"), "sur": "a\ud800", "e": [],
}  # fmt: skip


def run(make_env: Any, text: str, *, after: bool = False) -> Any:
    scope = Scope({**dict.fromkeys(ARGS, "dyn"), "gone": "dyn"}, after=after)
    try:
        program = compile(parse(text), scope, condition=False)
    except PolicyError:
        return "x"
    try:
        return program.value(make_env(**ARGS))
    except EvaluationError:
        return ERR


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Where Python and CEL differ
        ("args.t == 1", False), ("1 == args.t", False), ("1 in [args.t]", False), ("args.t in [1]", False),
        ("args.big < 9223372036854775808.0", False), ("args.big == 9223372036854775808.0", True),
        ("dyn(9007199254740993) == 9007199254740992.0", True), ("'a' in args.s", ERR), ("args.n < 1", ERR),
        ("args.t < 1", ERR), ("args.i + args.f", ERR), ("args.s * 2", ERR), ("args.big + 1", ERR),
        ("-args.big - 2", ERR), ("-(-9223372036854775808)", ERR), ("args.neg / 2", -3), ("args.neg % 2", -1),
        ("args.i % -2", 1), ("args.i % -1", 0), ("-9223372036854775808 % dyn(-1)", ERR), ("args.f % args.f", ERR), ("args.f / 0.0", float("inf")), ("args.i / 0", ERR),
        ("args.i % 0", ERR), ("args.l[-1]", ERR), ("args.s[1]", ERR), ("args.l[1.0]", 1), ("args.l[2]", ERR),
        ("args.i / 0 == 1 && false", False), ("args.i / 0 == 1 || true", True), ("args.i / 0 == 1 && true", ERR),
        ("dyn(5) && false", False), ("false && dyn(5)", False), ("dyn(5) && true", ERR), ("true && dyn(5)", ERR),
        ("dyn(5) || true", True), ("dyn(5) || false", ERR), ("!dyn(5)", ERR), ("dyn(5) ? 1 : 2", ERR),
        ("false && args.i / 0 == 1", False), ("args.i/0 == 1 && args.i/0 == 2 && false", False),
        ("true && args.i/0 == 1 && dyn(1) && false", False), ("args.i/0 == 1 || dyn(1) || false", ERR),
        ("[0, 1].exists(e, 10 / e > 5)", True), ("[0, 1].all(e, 10 / e > 100)", False),
        ("[0, 1].exists(e, 10 / e > 50)", ERR), ("[0, 1].all(e, 10 / e > 5)", ERR), ("[0].exists_one(e, 1 / e > 0)", ERR),
        ("[0, 1].filter(e, 1 / e > 0)", ERR), ("[0, 1].map(e, 1 / e)", ERR), ("[1, 2].exists(e, dyn(1))", ERR),
        ("[1, 2].exists(e, e == 2 ? true : dyn(1))", True), ("args.nan == args.nan", False), ("args.nan != args.nan", True),
        ("has(args.m.a)", True), ("has(args.m.b)", True), ("has(args.m.c)", False), ("has(args.i.x)", ERR),
        ("args.m.c", ERR), ("args.m['a']", 1), ("args.m['c']", ERR), ("args.m[1]", ERR), ("'a' in args.m", True),
        ("size('é😀')", 2), ("args.s.size()", 3), ("size(args.i)", ERR), ("'\\U0001F600' > '\\uffff'", True),
        ("string(1.0)", "1"), ("int(dyn('1_000'))", ERR), ("int(dyn('٣'))", ERR), ("int(dyn(' 5'))", ERR), ("int('-5')", -5),
        ("bool(dyn('yes'))", ERR), ("bool('True')", True), ("double('1e3')", 1000.0), ("int(args.nan)", ERR),
        ("int(dyn(1e19))", ERR), ("int(-1.9)", -1), ("string(args.b)", "ab"), ("bytes('ü')", b"\xc3\xbc"),
        # Other types
        ("args.n == null", True), ("args.s == null", False), ("args.s != 1", True), ("args.i == '7'", False),
        ("args.i == 7.0", True), ("args.i in [7.0]", True), ("args.b == b'ab'", True), ("args.l == [0.0, 1]", True),
        ("args.m == {'a': 1.0, 'b': null}", True), ("args.m == {'a': 1}", False), ("args.l + args.l", [0, 1, 0, 1]),
        ("args.tup == [1, 'a']", True), ("'a' in args.tup", True), ("args.tup.exists(x, x == 'a')", True),
        ("args.m.exists(k, k == 'b')", True), ("args.e.all(x, false)", True), ("args.s.exists(x, true)", ERR),
        ("args.i > 6 && args.i >= 7 && args.i < 8 && args.i <= 7 && 6 < args.i", True), ("args.f > 1", True),
        ("args.s < 'abd'", True), ("false < args.t", True), ("args.l < args.l", ERR), ("args.s > 1", ERR),
        ("args.when < now", True), ("args.when == args.when", True), ("args.naive < now", ERR), ("args.naive == now", ERR),
        ("args.odd == now", ERR), ("args.odd < now", ERR),
        # Beyond 64 bits
        ("args.huge == 1", ERR), ("args.huge > 1", ERR), ("1 < args.huge", ERR), ("args.huge == 'a'", ERR), ("args.huge + 0", ERR),
        ("args.huge == 1.0", ERR), ("-args.huge", ERR), ("args.huge in [1]", ERR), ("has(args.huge)", True),
        # Foreign values
        ("args.o == 1", ERR), ("1 == args.o", ERR), ("args.o == 'a'", ERR), ("args.o == true", ERR), ("args.o == null", ERR),
        ("args.o != 'a'", ERR), ("args.o in ['a']", ERR), ("args.o in args.l", ERR), ("args.d == 1", ERR), ("args.d > 1", ERR),
        ("args.o.x", ERR), ("has(args.o.x)", ERR), ("size(args.o)", ERR), ("args.o && true", ERR), ("args.o && false", False),
        ("args.o ? 1 : 2", ERR), ("args.o.exists(x, true)", ERR), ("has(args.o)", True), ("'a' in args.lo", True),
        ("'b' in args.lo", ERR), ("args.lo == args.lo", ERR), ("args.o.contains('a')", ERR), ("args.o.matches('a')", ERR),
        ("path(args.o).escapes", ERR), ("url(args.i).host", ERR), ("args.sur.matches('a')", ERR), ("args.sur == 'a'", False),
        # Functions on strings
        ("args.s.contains('b') && args.s.startsWith('a') && args.s.endsWith('c')", True), ("args.s.contains(args.i)", ERR),
        ("'ÄB'.lowerAscii()", "Äb"), ("'äb'.upperAscii()", "äB"), ("' a\\t'.trim()", "a"), ("args.s.charAt(3)", ""),
        ("args.s.charAt(4)", ERR), ("args.s.indexOf('c')", 2), ("args.s.lastIndexOf('z')", -1), ("args.s.substring(1)", "bc"),
        ("args.s.substring(2, 1)", ERR), ("args.s.substring(1, args.n)", ERR), ("args.s.lastIndexOf('c', args.n)", ERR), ("args.s.indexOf('c', args.n)", ERR), ("now.getHours(args.n)", ERR), ("duration('1h').getHours(dyn('UTC'))", ERR), ("'aaa'.replace('a', 'b', 2)", "bba"), ("'a,b'.split(',')", ["a", "b"]),
        ("['a', 'b'].join('-')", "a-b"), ("[1].join()", ERR), ("[1, 2, 3].filter(x, x > 1).map(x, x * 2)", [4, 6]),
        ("[1, 2].map(x, x > 1, x)", [2]), ("[1, 2].exists_one(x, x > 1)", True),
        # Unsigned integers
        ("1u + 2u", 3), ("2u - 3u", ERR), ("18446744073709551615u + 1u", ERR), ("18446744073709551615u * 2u", ERR), ("7u / 2u", 3), ("7u % 2u", 1), ("7u / 0u", ERR), ("7u % 0u", ERR),
        ("dyn(1u) + 1", ERR), ("-dyn(1u)", ERR), ("args.i == 7u", True), ("args.i < 8u && 6u < args.i", True), ("args.neg < 0u", True), ("args.f > 1u", True), ("args.l[1u]", 1),
        ("18446744073709551615u > args.big", True), ("uint(args.neg)", ERR), ("uint(args.f)", 1), ("uint(args.nan)", ERR), ("int(dyn(18446744073709551615u))", ERR), ("args.huge == 1u", ERR),
        ("1u in args.l", True), ("args.m == {'a': 1u, 'b': null}", True), ("type(1u) == uint && type(1) == int && type(args.i) != uint", True),
        # Times
        ("args.when < timestamp('2026-01-01T00:00:00.000000001Z')", True), ("now - args.when == duration('24h')", True), ("args.when + duration('24h') == now", True),
        ("duration('24h') + args.when == now", True), ("now - duration('1ns') > args.when", True), ("timestamp('9999-12-31T23:59:59Z') + duration('1s')", ERR),
        ("timestamp('9999-12-31T23:59:59Z') - timestamp('0001-01-01T00:00:00Z') > duration('0')", ERR), ("args.when", datetime(2026, 1, 1, tzinfo=UTC)),
        ("timestamp('2026-01-01T02:00:00+02:00')", datetime(2026, 1, 1, tzinfo=UTC)), ("timestamp('2026-01-01T00:00:00.000001Z')", datetime(2026, 1, 1, 0, 0, 0, 1, UTC)),
        ("timestamp('2026-01-01T00:00:00.000000001Z')", ERR), ("now - args.when", ERR), ("args.naive - now == duration('0')", ERR), ("timestamp(args.naive) < now", ERR), ("args.odd.getHours()", ERR),
        ("timestamp(args.s)", ERR), ("duration(args.s) > duration('0')", ERR), ("timestamp(args.big)", ERR), ("int(args.when)", 1767225600), ("string(args.when)", "2026-01-01T00:00:00Z"),
        ("args.when.getHours('+02:00')", 2), ("args.when.getHours('America/New_York')", 19), ("args.when.getDayOfWeek()", 4), ("args.when.getHours(args.s)", ERR), ("args.when.getDayOfYear('-00:01')", 364),
        ("timestamp('2026-07-01T12:00:00Z').getHours('Europe/Berlin')", 14), ("timestamp('2026-01-01T12:00:00Z').getHours('Europe/Berlin')", 13), ("args.i.getHours()", ERR), ("duration('90m').getHours()", 1),
        ("duration('-1.5s').getMilliseconds()", -500), ("duration('-90s').getMinutes()", -1), ("string(duration('-1h0.5s'))", "-3600.5s"), ("timestamp('0001-01-01T00:00:00Z').getFullYear('-01:00')", 0),
        ("timestamp('9999-12-31T23:00:00Z').getFullYear('Asia/Tokyo')", 10000), ("timestamp('9999-12-31T23:00:00Z').getDayOfWeek('Asia/Tokyo')", 6), ("timestamp('0001-01-01T00:00:00Z').getDayOfYear('America/New_York')", 365), ("type(now) == google.protobuf.Timestamp && type(args.when) == type(now)", True), ("args.when in [now, args.when]", True),
        # Optionals
        ("args.?m.a.orValue(5)", 1), ("args.?m.c.orValue(5)", 5), ("args.?gone.a.b[3].orValue(5)", 5), ("args.m[?'b'].hasValue()", True), ("args.m[?'c'].hasValue()", False), ("args.?i.a.orValue(5)", ERR),
        ("args.l[?1].value()", 1), ("args.l[?5].value()", ERR), ("args.l[?-1].orValue(3)", 3), ("args.l[?'a'].orValue(3)", ERR), ("optional.none().value()", ERR), ("args.?gone.or(optional.of(1)).value()", 1),
        ("args.?i.orValue(1 / 0)", 7), ("args.?gone.orValue(args.i / 0)", ERR), ("args.?i.or(optional.of(args.i / 0)).value()", 7), ("args.?gone.or(dyn(1)).hasValue()", ERR), ("dyn(1).or(optional.of(1)).hasValue()", ERR), ("dyn(1).orValue(1)", ERR), ("dyn(1).value()", ERR),
        ("[1, ?args.?i, ?args.?gone]", [1, 7]), ("{'a': 1, ?'b': args.?gone, ?'c': args.?i}", {"a": 1, "c": 7}), ("[?dyn(1)]", ERR), ("{?'a': dyn(1)}", ERR), ("{?'a': args.?i, 'a': 1}", ERR),
        ("args.?i.optMap(v, v + 1).value()", 8), ("args.?gone.optMap(v, v / 0).hasValue()", False), ("args.?m.optFlatMap(m, m.?a).value()", 1), ("args.?i.optFlatMap(v, dyn(v)).hasValue()", ERR), ("dyn(1).optMap(v, v) == optional.none()", ERR),
        ("optional.ofNonZeroValue(args.e) == optional.none() && optional.ofNonZeroValue(dyn(0u)) == optional.ofNonZeroValue(duration('0s'))", True), ("optional.of(args.i) == optional.of(7.0)", True), ("optional.ofNonZeroValue(optional.none()).hasValue()", True), ("optional.of(dyn(args.?m)).?a.hasValue()", ERR), ("optional.of(dyn(args.?l))[?0].hasValue()", ERR), ("optional.of(1) == dyn(1)", False),
        ("principal.?tenant.orValue('none')", "none"), ("principal.?id.orValue('none')", "bob"), ("has(args.?m.a) && !has(args.?m.z) && !has(args.?gone.z)", True), ("action.?type.value()", "drop"),
        ("[args.?o == optional.of(1)] == []", ERR), ("args.?o.hasValue()", True), ("args.o.?x.hasValue()", ERR), ("args.o[?1].hasValue()", ERR), ("args.?i", "x"),
        # Maps with other keys
        ("{1: 'a'}[1u] + {1u: 'b'}[1.0]", "ab"), ("{true: 1}[dyn(1)]", ERR), ("{1: 1}[dyn(true)]", ERR), ("true in {true: 1} && !(dyn(1) in {true: 1}) && 1.0 in {1: 2} && !(1.5 in {1: 2})", True),
        ("{1: 1, 2: 2}.map(k, k)", [1, 2]), ("{1: 1, dyn(1u): 2}.size()", ERR), ("{dyn(1.0): 1}.size()", ERR), ("{args.o: 1}.size()", ERR), ("{args.huge: 1}.size()", ERR), ("{1: 1}", ERR), ("dyn({1: 1}).a", ERR),
        ("{1: 1, 'a': 2} == {'a': 2.0, 1u: 1u}", True), ("{1: 1} == {2: 1}", False), ("args.m[dyn(1.5)]", ERR), ("dyn(null) in args.m", ERR), ("dyn(b'a') in args.m", ERR),
        # Macros with two variables, bind, names with a dot
        ("args.l.exists(i, v, i == v && v == 1)", True), ("args.m.all(k, v, k == 'a' || v == null)", True), ("args.l.transformList(i, v, i + v)", [0, 2]), ("args.l.transformMap(i, v, v == 1, i)", ERR),
        ("args.m.transformMap(k, v, k + '!')", {"a": "a!", "b": "b!"}), ("args.m.transformMapEntry(k, v, v == 1, {k + k: v})", {"aa": 1}), ("args.m.transformMapEntry(k, v, {'a': v})", ERR), ("args.m.transformMapEntry(k, v, dyn(1))", ERR),
        ("args.l.existsOne(i, v, v == 0)", True), ("args.i.exists(i, v, true)", ERR), ("args.l.exists(i, v, 1 / v == 1)", True), ("args.l.all(i, v, dyn(1))", ERR), ("args.l.transformList(i, v, dyn(1), v)", ERR),
        ("cel.bind(x, args.i, x + x)", 14), ("cel.bind(x, args.i / 0, true)", True), ("cel.bind(x, args.i / 0, [1, 2].map(y, x == y))", ERR), ("cel.bind(x, args.i / 0, [1, 2].exists(y, x == y || y == 2) || x == 1)", True),
        ("[1, 2].map(i, cel.bind(x, i + 1, cel.bind(y, x + x, y)))", [4, 6]), ("cel.bind(x, [1, 2].map(i, i * 2), x + x)", [2, 4, 2, 4]), ("[1, 2].map(t, .args.i + t)", [8, 9]), ("[1].exists(int, int == 1)", True), ("[2].map(int, type(int) == .int)", [True]),
        # Mathematics, formats and the rest
        ("math.greatest(args.l)", 1), ("math.greatest(args.i, args.f, 9u)", 9), ("math.least(args.e)", ERR), ("math.greatest(args.s)", ERR), ("math.greatest(args.huge, 1)", ERR), ("math.abs(args.neg)", 7), ("math.sign(args.f)", 1.0),
        ("math.bitAnd(args.i, 3)", 3), ("math.bitOr(args.i, dyn(1u))", ERR), ("math.bitShiftLeft(1, 63)", -(2**63)), ("math.bitShiftRight(args.neg, 60)", 15), ("math.bitShiftLeft(1, -1 * args.i)", ERR), ("math.bitNot(args.huge)", ERR),
        ("math.round(2.5) + math.ceil(args.f) + math.floor(-0.5) + math.trunc(args.f)", 5.0), ("math.round(0.49999999999999994)", 0.0), ("math.isNaN(args.nan) && math.isInf(1.0 / 0.0) && math.isFinite(args.f)", True), ("math.sqrt(args.i) > 2.6", True), ("math.ceil(args.i)", ERR),
        ("'%s|%d|%.2f|%x|%%'.format([args.m, args.i, args.f, args.s])", "{a: 1, b: null}|7|1.50|616263|%"), ("args.s.format([])", "abc"), ("'%d'.format([args.s])", ERR), ("'%s'.format([args.o])", ERR), ("'%s'.format([args.sur])", "a\ud800"), ("'%x'.format([args.sur])", ERR),
        ("'%s'.format(args.l)", "0"), ("'%s %s %s'.format(args.l)", ERR), ("'%s'.format([args.when])", "2026-01-01T00:00:00Z"), ("'%.1001f'.format(args.l.map(x, x))", "x"), ("'%s'.format([1e21])", "1000000000000000000000"), ("'%d'.format([args.huge])", ERR),
        ("string(1e6) + string(-2.5e-7) + string(123456.5)", "1e+06-2.5e-07123456.5"), ("'aé😀'.reverse()", "😀éa"), ("strings.quote('a\"\\n')", '"a\\"\\n"'), ("base64.encode(args.b)", "YWI="), ("base64.decode('YWI') == args.b", True), ("base64.decode(args.s + '=')", b"i\xb7"), ("base64.decode(args.s + '==')", ERR),
        ("ip(args.s).family()", ERR), ("isIP(args.s)", False), ("isIP('::1') && isCIDR('::1/64') && !isCIDR('::1/129') && !isCIDR('1.1.1.1/08')", True), ("cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && string(cidr('10.0.0.0/8').ip()) == '10.0.0.0'", True),
        ("cidr('10.0.0.0/8').containsIP(args.s)", ERR), ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')", True), ("ip('127.0.0.1').isLoopback() && !ip('10.0.0.1').isLoopback() && ip('10.0.0.1').isGlobalUnicast()", True),
        ("dyn(args.s).family()", ERR), ("dyn(args.s).masked() == cidr('1.1.1.1/8')", ERR), ("dyn(ip('1.1.1.1')) == '1.1.1.1'", False), ("string(ip('2001:DB8::1'))", "2001:db8::1"), ("ip('010.0.0.1')", "x"),
        ("type(args.o) == type(1)", ERR), ("'%s %s %s'.format([type(args.e), type(args.n), type(type(1))])", "list null_type type"), ("string(dyn(type(1)))", ERR), ("type(optional.none()) == optional_type && type(args.l) == list && type({1: 1}) == map", True),
        # Facts
        ("principal.id", "bob"), ("principal.tenant", ERR), ("has(principal.tenant)", False), ("session.tool_calls > 2", True),
        ("run.tool_calls", ERR), ("'read' in tool.effects", True), ("action.kind + action.stage + action.type + action.name", "tool_callbeforedropsql"),
        ("action.args.i", 7), ("args['i']", 7), ("action.args['i']", 7), ("size(args) > 3", True), ("has(action.type)", True),
    ],
)  # fmt: skip
def test_LANG_5_and_LANG_6(make_env: Any, text: str, expected: Any) -> None:
    found = run(make_env, text)
    assert found == expected
    assert type(found) is type(expected)


def test_the_after_stage_has_a_result(make_env: Any) -> None:
    assert (
        run(make_env, "action.result.rows[1] == 2 && action.duration_ms < 20", after=True) is True
    )
    assert run(make_env, "action.error == null", after=True) is True


def test_a_result_that_is_not_a_boolean_is_an_error(make_env: Any) -> None:
    program = compile(parse("args.x"), Scope({"x": "dyn"}))
    assert program.test(make_env(x=True)) is True
    values: list[Any] = [1, None, "true", [], Touchy()]
    for value in values:
        with pytest.raises(EvaluationError, match="true or false"):
            program.test(make_env(x=value))
