from __future__ import annotations

import importlib.util
import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline.cel.regex import PatternError, compile  # noqa: A004
from wardline.cel.regex.automaton import Automaton
from wardline.cel.regex.bounded import trim, write
from wardline.cel.regex.syntax import parse
from wardline.errors import EvaluationError

HAS_RE2 = importlib.util.find_spec("re2") is not None


class Budget:
    def __init__(self, budget: int = 10**9) -> None:
        self.budget = budget


def search(pattern: str, text: str) -> bool:
    return compile(pattern).search(text, Budget())


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", "abc", True), ("c$", "abc\n", False), (r"c\z", "abc", True), ("^b", "ab", False),
        (r"^\d+$", "\u0661", False), (r"^\w+$", "é", False), (r"a\sb", "a\u00a0b", False),
        (r"a\sb", "a\vb", False), (r"\bfoo", "éfoo", True), ("[[:alpha:]]", "a", True),
        ("[[:^alpha:]]", "a", False), ("(?m)^b$", "a\nb\nc", True), ("a.c", "a\nc", False),
        ("(?s)a.c", "a\nc", True), ("(?i)STRASSE", "strasse", True), ("(?i)grÖße", "GRÖẞE", True),
        ("(?i)k", "\u212a", True), (r"\x{1F600}", "\U0001f600", True), (r"\Qa.b\E", "axb", False),
        (r"\Qa.b\E", "a.b", True), ("a{2,3}b", "aab", True), ("x{", "x{", True), ("", "", True),
        (r"\B", "", True), ("(?P<n>a)(?<m>b)", "ab", True), ("a(?i)b", "aB", True), ("[]a]", "]", True),
        (r"^(a+)+$", "a" * 5000 + "b", False), (r"rm\s+-[rf]+\s+/", "rm  -rf /x", True), ("(a|b)*c|d$", "abad", True),
        ("[^a]", "\n", True), ("^$", "", True), (r"\101", "A", True),
    ],
)  # fmt: skip
def test_search(pattern: str, text: str, found: bool) -> None:
    assert search(pattern, text) is found


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("(?=a)", "look-ahead"), ("(?!a)", "look-ahead"), ("(?<=a)", "look-behind"), ("(?<!a)", "look-behind"),
        (r"(a)\1", "back-references"), ("(?>a)", "atomic"), ("a++", "two repetitions"), ("a**", "two repetitions"),
        (r"a\Z", r"\z"), ("(?x)a", "flag"), ("(?#c)", "comment"), (r"\pL", "Unicode classes"), (r"\p{Greek}", "Unicode classes"),
        (r"\C", "not an escape"), ("a{1,1001}", "1,000"), ("(?:a{1,500}){1,500}", "1,000"), ("a{3,1}", "backwards"),
        ("(a", "not closed"), ("a)", "closes nothing"), ("[a", "not closed"), ("[z-a]", "backwards"), ("*a", "nothing to repeat"),
        ("[[:foo:]]", "no class"), ("a\\", "backslash"), (r"\x{110000}", "not a character"), ("(?P=n)", "flag"),
        ("(?P<n>a)(?P<n>b)", "two groups"), ("(?i)Ж", "ASCII and Latin-1"), ("(" * 60 + ")" * 60, "nested deeper"),
        ("".join(f"a{{1000}}{c}" for c in "abcdefghijklmnop"), "states"),
    ],
)  # fmt: skip
def test_LANG_3_what_RE2_refuses_or_is_not_supported_does_not_load(pattern: str, word: str) -> None:
    with pytest.raises(PatternError) as raised:
        compile(pattern)
    assert word in f"{raised.value} {raised.value.hint}"


def test_a_lone_surrogate_is_an_evaluation_error() -> None:
    with pytest.raises(EvaluationError, match="surrogate"):
        search("a", "a\ud800")


@pytest.mark.parametrize(
    ("pattern", "engine"),
    [
        ("rm -rf", "re"), (".*foo.*", "re"), ("(a+)+$", "re"), (r"\bfoo\b", "re"),
        ("(x+x+)+y", "re"), ("a(x+x+)+y", "automaton"), ("a.*b.*c", "automaton"), ("a.*b.{14}c.*d", "lazy"),
    ],
)  # fmt: skip
def test_nothing_that_backtracks_without_bound_runs_on_re(pattern: str, engine: str) -> None:
    assert compile(pattern).engine in (engine, "automaton")


@pytest.mark.parametrize("pattern", ["a(x+x+)+y", "a.*b.*c", "a.*b.{14}c.*d", "b[^a]*c"])
def test_a_search_costs_the_same_every_time(pattern: str) -> None:
    text = "axbxx" * 400
    costs = set()
    for _ in range(3):
        budget = Budget()
        compile(pattern).search(text, budget)
        costs.add(10**9 - budget.budget)
    assert len(costs) == 1


def test_a_lazy_automaton_is_right_and_keeps_nothing() -> None:
    automaton = Automaton(parse("a.{14}b.*c"))
    assert not automaton.whole
    chance = random.Random(3)
    for _ in range(10):
        text = "".join(chance.choice("ab") for _ in range(3000))
        assert not automaton.search(text, Budget())
        expected = re.search("a.{14}b.*c", text + "c", re.ASCII) is not None
        assert automaton.search(text + "c", Budget()) is expected
    assert not automaton._states


_ATOM = st.sampled_from(
    [
        *"abkKsS01_ .", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", "[a-c]", "[^a]", "[a-]", r"[\d_-]", r"\.",
        r"\n", "^", "$", r"\b", r"\A", "()", "é", "ß", "[à-ü]",
    ]
)  # fmt: skip
_RE2_ONLY = st.sampled_from(
    ["[[:alpha:]]", "[[:^digit:]]", "[]a]", "[^]a]", r"[\W]", r"\x{e9}", r"\Qa.b\E", r"\z", "[k]", "[A-z]", "\n", "\u017f", r"\012"]
)  # fmt: skip
_COUNT = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "{0}"])


def _patterns(atoms: st.SearchStrategy[str], groups: list[str]) -> st.SearchStrategy[str]:
    def extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        group = st.tuples(st.sampled_from(groups), inner, _COUNT).map(
            lambda p: f"{p[0]}{p[1]}){p[2]}"
        )
        several = st.lists(group | inner, min_size=1, max_size=4)
        return several.map("".join) | several.map("|".join)

    return st.recursive(st.tuples(atoms, _COUNT).map("".join), extend, max_leaves=8)


_TEXT = st.text("abckKsS\u017f\u212aAZ01_- .\n\téßẞÀà\U0001f600", max_size=12)


def _all_engines(pattern: str, text: str) -> set[bool]:
    tree = parse(pattern)
    lazy = Automaton(tree)
    lazy.whole = False
    return {
        search(pattern, text),
        Automaton(trim(tree)).search(text, Budget()),
        lazy.search(text, Budget()),
        re.search(write(tree), text, re.ASCII) is not None,
    }


def _refusal(pattern: str) -> str:
    try:
        parse(pattern)
    except PatternError as error:
        return str(error)
    return ""


@pytest.mark.skipif(not HAS_RE2, reason="google-re2 is not installed")
@settings(max_examples=600, deadline=None)
@given(
    _patterns(_ATOM | _RE2_ONLY, ["(", "(?:", "(?i:", "(?s:", "(?m:", "(?-i:", "(?im)("]),
    st.lists(_TEXT, min_size=1, max_size=5),
)
def test_agrees_with_RE2(pattern: str, texts: list[str]) -> None:
    re2: Any = pytest.importorskip("re2")
    options = re2.Options()
    options.log_errors = False
    try:
        theirs = re2.compile(pattern, options)
    except re2.error:
        theirs = None
    refused = _refusal(pattern)
    if refused:
        assert theirs is None or "(?i)" in refused
        return
    assert theirs is not None, f"RE2 refuses {pattern!r}"
    for text in texts:
        assert _all_engines(pattern, text) == {theirs.search(text) is not None}


@settings(max_examples=400, deadline=None)
@given(_patterns(_ATOM.filter(lambda atom: atom != "$"), ["(", "(?:", "(?s:"]), _TEXT)
def test_agrees_with_re_where_the_two_mean_the_same(pattern: str, text: str) -> None:
    # `\s` of `re` has the vertical tab, which is not in the texts.
    try:
        theirs = re.compile(pattern, re.ASCII)
        parse(pattern)
    except (re.error, PatternError):
        return
    assert _all_engines(pattern, text) == {theirs.search(text) is not None}


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text("()[]{}|*+?\\^$.,-:<>=!PimsUQEdwxb019"))
def test_any_pattern_loads_or_is_a_pattern_error(pattern: str) -> None:
    try:
        compile(pattern)
    except PatternError:
        return
    search(pattern, "some text")
