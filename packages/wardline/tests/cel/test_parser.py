from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline.cel import Scope, anchors, compile, parse  # noqa: A004
from wardline.cel.kinds import UInt
from wardline.cel.tree import Literal, Logic
from wardline.errors import PolicyError, Problem

VALID = [
    "action.type in ['drop', 'delete'] && args.a.b[0] >= -1.5e3",
    "has(args.x) ? args.x.exists(v, v == 'a' || v.matches('^a+$')) : !true",
    r"""args.s == "it's" || args.s == r'a\b' || args.s == '''x'y''' || b'\xff' == args.s""",
    "path(args.p).under('/srv') && !url(args.u).is_private",
    "args.?x.y[?0].optMap(v, v + 1u).orValue(2u) == {1: 2u, ?true: optional.none()}[1] && [?args.?p] != []",
    "args.a.exists(i, v, i == v) && cel.bind(t, now, t - duration('1h') < .now) && math.greatest(1, 2.0, 3u) == 3",
    "{'a': [1, 2, 0x10,], 'b': null}.a.map(v, v * 2).filter(v, v % 2 == 0).size() > 0 // why",
]


def problem(text: str) -> Problem:
    with pytest.raises(PolicyError) as raised:
        compile(parse(text), Scope())
    return raised.value.problems[0]


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("a and b", 3, "&&"),
        ("a or b", 3, "||"),
        ("not a", 1, "!(…)"),
        ("not(true)", 1, "!(…)"),
        ("a not in ['b']", 3, "!(x in […])"),
        ("a = 1", 3, "=="),
        ("a & b", 3, "&&"),
        ("a | b", 3, "||"),
        ("a contains 'b'", 3, "x.contains"),
        ("a ? b", 3, "test ? yes : no"),
        ("[1, 2", 1, "]"),
        ("(1", 1, ")"),
        ("'abc", 1, ""),
        ("'a\nb'", 1, ""),
        ("args.café", 9, "ASCII"),
        ("a\u00a0b", 2, "ASCII"),
        ("\u0661", 1, "ASCII"),
        (r"'\s'", 2, "r'…'"),
        (r"'\ud83d'", 2, ""),
        ("18446744073709551616u", 1, ""),
        ("1a", 1, ""),
        ("1.", 2, ""),
        ("9223372036854775808", 1, ""),
        ("-9223372036854775809", 1, ""),
        ("0x8000000000000000", 1, ""),
        ("package == 1", 1, ""),
        ("x.in", 3, ""),
        ("", 1, ""),
        ("   ", 1, ""),
        ("a.?b()", 3, "x.?y"),
        ("a.?", 3, ""),
        ("[?]", 3, ""),
        ("f(?1)", 3, ""),
        ("a{b: 1}", 2, ""),
        (".1a", 1, ""),
        (".[1]", 2, ""),
        (".true", 2, ""),
        ("has(a.?b)", 1, "has(args.path)"),
        ("[1].exists(.x, true)", 13, "items.exists(item, …)"),
        ("[1].exists(x, x, true)", 15, ""),
        ("[1].transformList(x, x)", 5, "items.transformList(key, value, …)"),
        ("[1].map(i, v, i, v)", 5, ""),
        ("cel.bind(x, 1)", 1, "cel.bind(v, value, …)"),
        ("cel.bind(1, 1, 1)", 10, "cel.bind(v, value, …)"),
        ("optional.of(1).optMap(x)", 16, "x.optMap(v, …)"),
        ("f(1,)", 5, ""),
        ("has(args)", 1, "has(args.path)"),
        ("[1].exists(x.y, true)", 14, ""),
        ("[1].all(x)", 5, ""),
    ],
)
def test_LANG_1_a_mistake_is_a_load_error_with_its_place(text: str, column: int, hint: str) -> None:
    found = problem(text)
    assert (found.line, found.column) == (1, column)
    assert hint in found.hint


def test_places_follow_the_file() -> None:
    with pytest.raises(PolicyError) as raised:
        parse("true &&\nfalse ||| true", line=7, column=16, file="p.yaml", columns=[16, 9])
    found = raised.value.problems[0]
    assert (found.file, found.line, found.column) == ("p.yaml", 8, 17)
    assert found.source[found.column - 1] == "|"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615u", UInt(2**64 - 1)), ("0xFFU", UInt(255)), (".5", 0.5), ("1e3", 1000.0), ("0x1F", 31), ("-9223372036854775808", -(2**63)),
        ("-0x8000000000000000", -(2**63)), (r"'\u00fc\x41\101\n'", "üAA\n"), (r"b'\xff\377ü'", b"\xff\xff\xc3\xbc"),
        (r"r'\n'", r"\n"), ('"""a"b\nc"""', 'a"b\nc'), ("null", None), ("true", True), ("'\U0001f600'", "\U0001f600"),
    ],
)  # fmt: skip
def test_literals(text: str, value: object) -> None:
    root = parse(text).root
    assert isinstance(root, Literal)
    assert (root.value, type(root.value)) == (value, type(value))


def test_LANG_9_bounds() -> None:
    for text in ("(" * 2000 + "1" + ")" * 2000, "!" * 2000 + "true", "-" * 2000 + "1", "[" * 2000):
        assert "nested deeper than 64" in problem(text).message
    for text in (
        "+".join(["1"] * 80),
        "a" + ".b" * 80,
        "a" + "[0]" * 80,
        "true ? true : " * 80 + "true",
    ):
        assert "nested deeper than 64" in problem(text).message
    assert "nodes" in problem(f"[{','.join(['1'] * 2100)}]").message
    assert "8,192 bytes" in problem("'" + "a" * 10_000 + "'").message
    assert "8,192 bytes" in problem("'" + "ü" * 5_000 + "'").message


def test_long_chains_are_flat() -> None:
    root = parse(" || ".join(["true"] * 900)).root
    assert isinstance(root, Logic)
    assert len(root.terms) == 900


def test_the_least_that_cel_requires_is_accepted() -> None:
    for text in (
        "(" * 32 + "true" + ")" * 32,
        "true ? true : " * 24 + "true",
        " + ".join(["1"] * 25) + " > 0",
        "[" * 12 + "1" + "]" * 12 + " == []",
    ):
        parse(text)


@pytest.mark.parametrize(
    ("text", "types", "names"),
    [
        ("action.type == 'a'", {"a"}, None),
        ("'a' == action.type && true", {"a"}, None),
        ("action.type in ['a', 'b'] && action.type in ['b', 'c']", {"b"}, None),
        ("(action.name == 'n' && (action.type == 'a' && true)) && now == now", {"a"}, {"n"}),
        ("action.type == 'a' || action.type == 'b'", None, None),
        ("!(action.type == 'a')", None, None),
        ("action.type != 'a'", None, None),
        ("action.type in ['a', action.name]", None, None),
        ("action.kind == 'a'", None, None),
    ],
)
def test_anchors(text: str, types: set[str] | None, names: set[str] | None) -> None:
    found = anchors(parse(text))
    assert (found.types, found.names) == (types, names)


_PIECES = st.sampled_from(
    [
        "args",
        "action",
        ".",
        "type",
        "x",
        "==",
        "!=",
        "in",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ",",
        ":",
        "?",
        "!",
        "-",
        "1",
        "2.5",
        "'a'",
        '"b"',
        "&&",
        "||",
        "and",
        "not",
        "has",
        "exists",
        "'",
        "\\",
        "`",
        "r'",
        "b'",
        "'''",
        "+",
        "%",
        "é",
        "\n",
        "0x",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.text() | st.lists(_PIECES, max_size=30).map(" ".join) | st.lists(_PIECES).map("".join))
def test_any_text_parses_or_is_a_policy_error(text: str) -> None:
    check_only_policy_errors(text)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_mutated_conditions_parse_or_are_policy_errors(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        text = text[:at] + data.draw(_PIECES | st.characters()) + text[at + cut :]
    check_only_policy_errors(text)


def check_only_policy_errors(text: str) -> None:
    try:
        compile(parse(text), Scope({"a": "number", "s": "string"}))
    except PolicyError as error:
        for found in error.problems:
            assert found.line >= 1
            assert found.column >= 1
            assert str(found)


@pytest.mark.parametrize("text", VALID)
def test_valid_conditions_load(text: str) -> None:
    compile(parse(text), Scope({"a": "dyn", "s": "dyn", "p": "string", "u": "string"}))
