"""YAML 1.2, core schema: what is read, what is refused, and where."""

from __future__ import annotations

import math

import pytest
import yaml

from wardline.errors import PolicyError
from wardline.policy import reader
from wardline.policy.places import locate
from wardline.policy.reader import read
from wardline.policy.source import LARGEST, Source


@pytest.fixture(params=["C", "Python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds with and without PyYAML's C parser."""
    if request.param == "Python":
        monkeypatch.setattr(reader, "_LOADER", yaml.SafeLoader)


def load(text: str) -> object:
    return read(Source(text, "f.yaml")).plain()


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("y", "y"),
        ("1:30", "1:30"),
        ("190:20:30", "190:20:30"),
        ("2026-01-01", "2026-01-01"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("tRue", "tRue"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'null'", "null"),
        ("=", "="),
    ],
)
def test_core_schema_scalars(scalar: str, value: object) -> None:
    found = load(f"a: {scalar}")
    assert found == {"a": value}
    assert type(found["a"]) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(load("a: .nan")["a"])  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, 1, "twice"),
        ("a: {x: 1, x: 2}", 1, 11, "twice"),
        ("a: &anchor 1", 1, 4, "anchors"),
        ("a: &anchor {x: 1}", 1, 4, "anchors"),
        ("a: *alias", 1, 4, "aliases"),
        ("a: 1\n<<: {b: 1}", 2, 1, "merge keys"),
        ("a: !custom b", 1, 4, "tags"),
        ("a: !!python/object:os.system x", 1, 4, "tags"),
        ("a: !!str 1", 1, 4, "tags"),
        ("a: 1\n---\nb: 2", 2, 1, "one document"),
        ("%TAG ! tag:x,2000:\n---\na: 1", 1, 1, "%TAG"),
        ("%YAML 1.1\n---\na: 1", 1, 1, "YAML 1.2"),
        ("1: a", 1, 1, "a key is a string, and this is an integer"),
        ("true: a", 1, 1, "a key is a string, and this is a boolean"),
        ("? [a]\n: b", 1, 3, "a key is a string, and this is a list"),
        ("a:\n\tb: 1", 2, 1, "a tab"),
        ("a:\tb", 1, 3, "a tab"),
        ("a: b\x07", 1, 5, "U+0007"),
        ("a: 'b\u2028c'", 1, 6, "U+2028"),
        ("a: \ufeffb", 1, 4, "U+FEFF"),
        ("a: 'b\x85'", 1, 6, "U+0085"),
        ("[" * 65, 1, 65, "64 deep"),
        ("a: " + "9" * 5000, 1, 4, "too long"),
        ("a: b: c", 1, 5, "not YAML"),
        ("a: 'b", 1, None, "not YAML"),
        ("a: [1, 2", None, None, "not YAML"),
        ('a: "\\q"', 1, None, "not YAML"),
        ('a: "\\ud800"', 1, None, ""),
        ('a: "\\Uffffffff"', None, None, "not YAML"),
        ("a: @b", 1, 4, "not YAML"),
    ],
)
def test_LANG_1_what_is_refused_says_where(
    text: str, line: int | None, column: int | None, words: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        load(text)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.file == "f.yaml"
    if line is not None:
        assert problem.line == line
    if column is not None:
        assert problem.column == column
        if problem.source:
            assert str(problem).splitlines()[2].index("^") == column + 1


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_empty_documents_are_errors(text: str) -> None:
    with pytest.raises(PolicyError, match="empty"):
        load(text)


def test_a_billion_laughs_is_refused_at_the_first_anchor() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 30)]
    with pytest.raises(PolicyError, match="anchors"):
        load("\n".join(lines))


def test_deep_nesting_is_refused_before_it_costs_anything() -> None:
    for text in ("[" * 1_000_000, "{a: " * 200_000, "- " * 100_000):
        with pytest.raises(PolicyError):
            load(text)


def test_a_large_document_is_refused() -> None:
    with pytest.raises(PolicyError, match="at most 16,777,216"):
        Source("#" * (LARGEST + 1), "f.yaml")


def test_half_a_surrogate_pair_in_text_is_a_policy_error() -> None:
    with pytest.raises(PolicyError) as caught:
        load("a: 1\nb: \ud800")
    assert (caught.value.problems[0].line, caught.value.problems[0].column) == (2, 4)


def test_json_documents_load_with_tabs_and_surrogate_pairs() -> None:
    text = '{\n\t"a":\t[1,\t2.5, true, null],\r\n\t"b": "\\ud83d\\ude00 \\\\ud83d\\tx\\/"\n}'
    assert load(text) == {"a": [1, 2.5, True, None], "b": "😀 \\ud83d\tx/"}


def test_a_tab_in_a_comment_is_harmless() -> None:
    assert load("# a\tb\n   #\tc\na: 1\n") == {"a": 1}


def test_every_node_knows_its_place() -> None:
    root = read(Source("a: 1\nlist:\n  - x: y\n", "f"))
    assert root.keys == {"a": (1, 1), "list": (2, 1)}
    item = root.value["list"].value[0]
    assert (item.line, item.column) == (3, 5)
    assert (item.value["x"].line, item.value["x"].column) == (3, 8)


@pytest.mark.parametrize(
    ("text", "word", "place"),
    [
        ("c: one two", "two", (1, 8)),
        ("c: 'it''s two'", "two", (1, 11)),
        ('c: "a\\tb\\u0041 two"', "two", (1, 16)),
        ("c: |\n  one\n    two", "two", (3, 5)),
        ("c: >-\n  one\n\n  two", "two", (4, 3)),
        ("c: one\n  two", "two", (2, 3)),
        ('c: "one\n  two"', "two", (2, 3)),
    ],
)
def test_characters_of_a_value_are_found_in_the_file(
    text: str, word: str, place: tuple[int, int]
) -> None:
    source = Source(text, "f")
    node = read(source).value["c"]
    assert locate(source, node, node.value.index(word)) == place
