"""The canonical form: RFC 8785 over a tagged tree, the same bytes whoever encodes them."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline import encoder
from wardline.action import Action, Principal
from wardline.canonical import MAX_DEPTH, Opaque, canonical, encode, private_copy
from wardline.errors import CanonicalError
from wardline.fingerprint import fingerprint

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    TEXT,
    st.binary(),
    st.decimals(allow_nan=False),
    st.datetimes(timezones=st.just(UTC)),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(TEXT, TEXT.map(lambda t: "$" + t)), inner, max_size=4),
    ),
    max_leaves=20,
)


def nested(depth: int, kind: type) -> Any:
    """Return `depth` containers, one inside the other."""
    value: Any = kind()
    for _ in range(depth - 1):
        value = [value] if kind is list else {"a": value}
    return value


# RFC 8785


def test_rfc_8785_key_order_example() -> None:
    """The example of §3.2.3, with its order by UTF-16 code units."""
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(canonical(value)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_rfc_8785_string_and_literal_example() -> None:
    """The number-free part of §3.2.2."""
    value = {
        "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    expected = '{"literals":[null,true,false],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    assert canonical(value) == expected.encode()


def test_rfc_8785_sample_french() -> None:
    value = {
        "peach": "This sorting order",
        "péché": "is wrong according to French",
        "pêche": "but canonicalization MUST",
        "sin": "ignore locale",
    }
    assert (
        canonical(value)
        == (
            '{"peach":"This sorting order","péché":"is wrong according to French",'
            '"pêche":"but canonicalization MUST","sin":"ignore locale"}'
        ).encode()
    )


def test_rfc_8785_sample_structures() -> None:
    value = {"1": {"f": {"f": "hi", "F": 5}, "\n": 56}, "10": {}, "": "empty", "a": {}}
    value["111"] = [{"e": "yes", "E": "no"}]
    value["A"] = {}
    assert canonical(value) == (
        b'{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],'
        b'"A":{},"a":{}}'
    )


def test_keys_beyond_the_basic_plane_come_before_the_private_use_area() -> None:
    assert canonical({"\ue000": 1, "\U00010000": 2}) == '{"\U00010000":2,"\ue000":1}'.encode()


# Tags


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, '{"$float":"1.0"}'),
        (-0.0, '{"$float":"-0.0"}'),
        (1e300, '{"$float":"1e+300"}'),
        (float("inf"), '{"$float":"inf"}'),
        (float("nan"), '{"$float":"nan"}'),
        (1, "1"),
        (True, "true"),
        (2**53 - 1, "9007199254740991"),
        (-(2**53) + 1, "-9007199254740991"),
        (2**53, '{"$int":"9007199254740992"}'),
        (-(2**53), '{"$int":"-9007199254740992"}'),
        (b"\xff", '{"$bytes":"/w=="}'),
        (Decimal("1.10"), '{"$decimal":"1.10"}'),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '{"$datetime":"2026-01-02T03:04:05+00:00"}'),
        (
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-5))),
            '{"$datetime":"2026-01-02T00:00:00-05:00"}',
        ),
        ((1, [2]), "[1,[2]]"),
        ({"$float": "1.0"}, '{"$$float":"1.0"}'),
        ({"$$a": 1, "$": 2}, '{"$$":2,"$$$a":1}'),
        ({"a$": 1}, '{"a$":1}'),
    ],
)
def test_tags(value: Any, expected: str) -> None:
    assert canonical(value) == expected.encode()


def test_an_opaque_value_is_its_class() -> None:
    mark = Opaque(json.JSONEncoder())
    assert canonical({"conn": mark}) == b'{"conn":{"$opaque":"json.encoder.JSONEncoder"}}'


@given(TREES, TREES)
def test_two_values_share_a_form_only_if_they_are_one(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == (_typed(one) == _typed(other))


def _typed(value: Any) -> Any:
    """Return a value in which 1, True and 1.0 differ, and a list is a tuple."""
    if isinstance(value, dict):
        return frozenset((key, _typed(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return ("list", *map(_typed, value))
    return type(value).__name__, repr(value)


# Refusals


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Nowhere(tzinfo):
    def utcoffset(self, when: datetime | None) -> None:
        return None


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ({"a": [1, {"b": object()}]}, "args.a[1].b", "builtins.object"),
        ({"a": {1, 2}}, "args.a", "builtins.set"),
        ({"a": bytearray(b"x")}, "args.a", "bytearray"),
        ({"a": Colour.RED}, "args.a", "Colour"),
        ({"a": [Level.LOW]}, "args.a[0]", "Level"),
        ({"a": datetime(2026, 1, 1)}, "args.a", "time zone"),
        ({"a": datetime(2026, 1, 1, tzinfo=Nowhere())}, "args.a", "time zone"),
        ({"a": {1: "x"}}, "args.a", "key 1"),
        ({"a": {"b": {None: 1}}}, "args.a.b", "key None"),
        ({"a": ["ok", "\ud800"]}, "args.a[1]", "surrogate"),
        ({"a": {"\udfff": 1}}, "args.a", "surrogate"),
        ({"a": 1 + 2j}, "args.a", "complex"),
    ],
)
def test_what_has_no_form_is_refused_with_its_path(value: Any, path: str, words: str) -> None:
    with pytest.raises(CanonicalError, match=words) as raised:
        private_copy(value).encode()
    assert raised.value.path == path
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize("kind", [list, dict])
def test_depth_64_is_the_last_that_is_accepted(kind: type) -> None:
    assert canonical(nested(MAX_DEPTH, kind))
    with pytest.raises(CanonicalError, match="deeper than 64"):
        canonical(nested(MAX_DEPTH + 1, kind))


def test_cycles_are_refused_and_named() -> None:
    items: list[Any] = [1]
    items.append({"again": items})
    with pytest.raises(CanonicalError, match="contains itself") as raised:
        private_copy({"a": items})
    assert raised.value.path == "args.a[1].again"
    shared = ["x"]
    assert canonical([shared, shared]) == b'[["x"],["x"]]'


# Accelerators, copies, fingerprints


@given(TREES)
def test_orjson_and_the_standard_library_give_the_same_bytes(tree: Any) -> None:
    pytest.importorskip("orjson", reason="the accelerator is not installed")
    canonical(None)  # the choice falls on first use
    fast = encoder.ordered, encoder.compact
    slow = encoder.standard_library()
    plain = private_copy(tree)
    try:
        encoder.ordered, encoder.compact = slow
        expected = plain.encode()
    finally:
        encoder.ordered, encoder.compact = fast
    assert plain.encode() == expected
    assert encode(plain.tree) == expected  # the way without the promise that it is simple


@given(st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="$")), TEXT))
def test_the_standard_library_sorts_simple_trees_like_orjson(tree: dict[str, str]) -> None:
    pytest.importorskip("orjson", reason="the accelerator is not installed")
    canonical(None)
    ordered, _ = encoder.standard_library()
    assert ordered(tree) == encoder.ordered(tree)


@given(st.text())
def test_any_text_is_encoded_alike_or_refused_alike(text: str) -> None:
    ordered, _ = encoder.standard_library()
    canonical(None)
    try:
        expected = ordered([text])
    except UnicodeEncodeError:
        with pytest.raises((TypeError, UnicodeEncodeError)):
            encoder.ordered([text])
    else:
        assert encoder.ordered([text]) == expected


def containers(value: Any) -> list[Any]:
    found = []
    if isinstance(value, dict | list):
        found.append(value)
    if isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            found += containers(item)
    return found


@given(TREES)
def test_the_private_copy_equals_the_input_and_shares_no_container(tree: Any) -> None:
    copy = private_copy(tree).tree
    assert _typed(copy) == _typed(tree)
    inside = {id(one) for one in containers(tree)}
    assert not inside & {id(one) for one in containers(copy)}


@given(st.dictionaries(TEXT, TREES, max_size=4), st.data())
def test_the_fingerprint_changes_with_any_change(args: dict[str, Any], data: st.DataObject) -> None:
    def of(args: dict[str, Any]) -> str:
        return fingerprint(Action("tool_call", "t", args), Principal("a"), canonical(args))

    other = data.draw(st.dictionaries(TEXT, TREES, max_size=4))
    assert (of(args) == of(other)) == (_typed(args) == _typed(other))


@pytest.mark.parametrize(
    ("action", "principal"),
    [
        (Action("message", "t", {"x": 1}), Principal("a")),
        (Action("tool_call", "T", {"x": 1}), Principal("a")),
        (Action("tool_call", "t", {"x": 1}, stage="after"), Principal("a")),
        (Action("tool_call", "t", {"x": 1}), Principal("b")),
        (Action("tool_call", "t", {"x": 1}), Principal("a", chain=("root",))),
        (Action("tool_call", "t", {"x": 1}), Principal("a", tenant="acme")),
        (Action("tool_call", "t", {"x": 2}), Principal("a")),
        (Action("tool_call", "t", {"x": "1"}), Principal("a")),
        (Action("tool_call", "t", {"x": 1.0}), Principal("a")),
        (Action("tool_call", "t", {"x": True}), Principal("a")),
    ],
)
def test_the_fingerprint_covers_all_it_names(action: Action, principal: Principal) -> None:
    base = Action("tool_call", "t", {"x": 1})
    expected = fingerprint(base, Principal("a"), canonical(base.args))
    assert fingerprint(action, principal, canonical(action.args)) != expected
    again = fingerprint(
        Action("tool_call", "t", {"x": 1}, call_id="c", session="s", run="r", framework="f"),
        Principal("a", name="A", roles=("admin",), environment="prod"),
        canonical({"x": 1}),
    )
    assert again == expected


def test_the_fingerprint_is_over_the_documented_canonical_form() -> None:
    from hashlib import sha256

    principal = Principal("did:x:1", chain=("root",), tenant="acme")
    action = Action("tool_call", "drop", {"b": 1, "a": b"\x00"})
    frame = {
        "args": {"a": {"$bytes": b64encode(b"\x00").decode()}, "b": 1},
        "chain": sha256(b'["root"]').hexdigest(),
        "kind": "tool_call",
        "name": "drop",
        "principal": "did:x:1",
        "stage": "before",
        "tenant": "acme",
        "version": "wardline/v1",
    }
    data = json.dumps(frame, separators=(",", ":"), sort_keys=True).encode()
    assert fingerprint(action, principal, canonical(action.args)) == sha256(data).hexdigest()


def test_a_name_without_utf_8_form_has_no_fingerprint() -> None:
    with pytest.raises(CanonicalError, match="surrogate"):
        fingerprint(Action("tool_call", "\ud800", {}), Principal("a"), b"{}")
