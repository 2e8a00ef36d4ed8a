from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.cel import Scope, compile, parse  # noqa: A004
from wardline.errors import EvaluationError

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
    program = compile(parse(text), Scope(dict.fromkeys(ARGS, "dyn"), after=after), condition=False)
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
        ("args.i % -2", 1), ("args.f % args.f", ERR), ("args.f / 0.0", float("inf")), ("args.i / 0", ERR),
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
        ("string(1.0)", "1"), ("int('1_000')", ERR), ("int('٣')", ERR), ("int(' 5')", ERR), ("int('-5')", -5),
        ("bool('yes')", ERR), ("bool('True')", True), ("double('1e3')", 1000.0), ("int(args.nan)", ERR),
        ("int(1e19)", ERR), ("int(-1.9)", -1), ("string(args.b)", "ab"), ("bytes('ü')", b"\xc3\xbc"),
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
        ("args.s.substring(2, 1)", ERR), ("'aaa'.replace('a', 'b', 2)", "bba"), ("'a,b'.split(',')", ["a", "b"]),
        ("['a', 'b'].join('-')", "a-b"), ("[1].join()", ERR), ("[1, 2, 3].filter(x, x > 1).map(x, x * 2)", [4, 6]),
        ("[1, 2].map(x, x > 1, x)", [2]), ("[1, 2].exists_one(x, x > 1)", True),
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


_NUMBERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.text(max_size=2)
)


@given(
    _NUMBERS,
    st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)]),
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
)
def test_shortcuts_mean_what_the_general_operators_mean(
    make_env: Any, value: Any, literal: int, op: str
) -> None:
    def outcome(text: str) -> Any:
        try:
            return compile(parse(text), Scope({"x": "dyn"})).test(make_env(x=value))
        except EvaluationError:
            return ERR

    general = outcome(f"dyn(args.x) {op} dyn({literal})")
    assert outcome(f"args.x {op} {literal}") == general
    mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(op, op)
    assert outcome(f"{literal} {mirrored} args.x") == general


@given(st.none() | _NUMBERS | st.lists(st.text(max_size=1), max_size=2))
def test_shortcuts_for_texts_mean_the_same(make_env: Any, value: Any) -> None:
    for literal in ("'a'", "true", "null", "''"):
        for op in ("==", "!="):
            results = [
                compile(parse(text), Scope({"x": "dyn"})).test(make_env(x=value))
                for text in (
                    f"args.x {op} {literal}",
                    f"dyn(args.x) {op} dyn({literal})",
                    f"[args.x][0] {op} {literal}",
                )
            ]
            assert len(set(results)) == 1
    assert compile(parse("args.x in ['a', '']"), Scope({"x": "dyn"})).test(
        make_env(x=value)
    ) is compile(parse("args.x in [dyn('a'), '']"), Scope({"x": "dyn"})).test(make_env(x=value))
