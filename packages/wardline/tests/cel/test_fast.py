"""Generated code says nothing that the strict evaluation would not say, to the step."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from expressions import TYPES, arguments, cases, facts
from hypothesis import given
from hypothesis import strategies as st

from wardline.cel import Scope, compile, parse  # noqa: A004
from wardline.cel.fast import Batch
from wardline.cel.fast import batch as fast
from wardline.cel.fast.batch import compile_checked
from wardline.errors import EvaluationError, PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.cel import Program

SCOPE = Scope(dict.fromkeys([*TYPES, "missing"], "dyn"))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make code at once."""
    monkeypatch.setattr(fast, "_COLD", 1)


def programs(texts: Sequence[str]) -> list[Program]:
    return [compile(parse(text), SCOPE) for text in texts]


def warm(batch: Batch, env: Any) -> None:
    """Let the code be made."""
    for _ in range(2):
        env.budget = 10**9
        batch.screen(env)


def strictly(program: Program, env: Any) -> tuple[object, int]:
    """What the strict evaluation says, and the steps it takes."""
    before = env.budget
    try:
        answer: object = program.test(env)
    except EvaluationError as error:
        answer = error
    return answer, before - env.budget


def certain(texts: Sequence[str], env: Any) -> set[int]:
    """Hold the generated code against the strict evaluation; return of what it was certain."""
    compiled = programs(texts)
    batch = Batch(compiled)
    warm(batch, env)
    env.budget = 10**9
    holds, doubts = batch.screen(env)
    spent = 10**9 - env.budget
    assert holds == sorted(set(holds))
    assert doubts == sorted(set(doubts))
    assert not set(holds) & set(doubts)
    expected = 0
    for number, program in enumerate(compiled):
        if number not in doubts:
            answer, steps = strictly(program, env)
            assert answer is (number in holds), (program.text, answer, env.args)
            expected += steps
    assert spent == expected, [program.text for program in compiled]
    return set(range(len(compiled))) - set(doubts)


_PLACES = st.sampled_from(
    ["args.s", "args.n", "args.f", "args.l", "args.m", "args.x", "args.m.a", "args['s']", "action.args.x", "args.x.a.b",
     "action.type", "action.name", "principal.id", "principal.tenant", "session.tool_calls", "run.tokens", "args.gone", "args.m['a']"]
)  # fmt: skip
_LITERALS = st.sampled_from(
    ["'a'", "''", "'ab'", "'drop'", "'bob'", "0", "1", "2", "-1", "1.5", "1.0", "0.0", "-0.0", "true", "false", "null", "9007199254740993",
     "9007199254740992", "9007199254740992.0", "9223372036854775807", "9223372036854775807.0", "b'a'"]
)  # fmt: skip
_ATOMS = st.one_of(
    st.builds("{} {} {}".format, _PLACES, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), _PLACES | _LITERALS),
    st.builds("{} {} {}".format, _LITERALS, st.sampled_from(["==", "!=", "<", ">="]), _PLACES),
    st.builds("size({}) > {}".format, _PLACES, _LITERALS),
    st.builds("{}.size() {} 1".format, _PLACES, st.sampled_from(["==", "!=", "<"])),
    st.builds("{} in [{}, {}]".format, _PLACES, _LITERALS, _LITERALS),
    st.builds("{} in {}".format, _LITERALS, st.sampled_from(["args", "args.m", "args.l", "principal.roles", "tool.effects", "args.x", "action.args"])),
    st.builds("has({})".format, st.sampled_from(["args.x", "args.s", "args.m.a", "args.x.a", "principal.tenant", "run.tokens", "action.type", "args.gone"])),
    st.builds("{}.{}({})".format, _PLACES, st.sampled_from(["startsWith", "endsWith", "contains"]), st.sampled_from(["'a'", "''", "'/srv'"])),
    st.builds("{}.matches({})".format, _PLACES, st.sampled_from(["'a+b'", "'^a.*$'", "'b|c'"])),
    _PLACES, st.sampled_from(["true", "false"]),
)  # fmt: skip
TERMS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.builds("!({})".format, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("(!has(args.x) || {})".format, inner),
    ),
    max_leaves=5,
)
PLAIN = st.lists(TERMS, min_size=1, max_size=4).map(" && ".join)
"""Conditions of the shapes that generated code knows."""


def loaded(texts: Sequence[str]) -> list[str]:
    """Those of the texts that load."""
    found = []
    for text in texts:
        try:
            compile(parse(text), SCOPE)
        except PolicyError:
            continue
        found.append(text)
    return found


@given(texts=st.lists(PLAIN, min_size=1, max_size=6), args=arguments(), rest=facts())
def test_it_agrees_on_the_shapes_it_knows(
    make_env: Any, texts: list[str], args: dict[str, Any], rest: dict[str, Any]
) -> None:
    env = make_env(**args)
    vars(env).update(rest)
    certain(loaded(texts), env)


@given(some=st.lists(cases(), min_size=1, max_size=4), rest=facts())
def test_it_agrees_on_the_whole_language(
    make_env: Any, some: list[Any], rest: dict[str, Any]
) -> None:
    env = make_env(**some[0].args)
    vars(env).update(rest)
    certain([case.text for case in some], env)


# What Python would get wrong: each condition with arguments, and whether generated code answers it.
# Where it does, `certain` has held the answer against the strict evaluation.
BIG = 2**53 + 1
TRAPS: list[tuple[str, dict[str, Any], bool]] = [
    # true is not 1
    ("args.x == 1", {"x": True}, True), ("args.x != 1", {"x": True}, True), ("args.x == 0", {"x": False}, True), ("args.x == 1.0", {"x": True}, True),
    ("args.x == true", {"x": 1}, True), ("args.x == false", {"x": 0}, True), ("args.x in [1, 2]", {"x": True}, False), ("args.x in [0.0]", {"x": False}, False),
    ("1 in args.l", {"l": [True]}, False), ("args.x < 1", {"x": True}, False), ("args.x < 1", {"x": None}, False), ("args.x", {"x": 1}, False),
    # integers beside doubles
    ("args.x < 9007199254740992.0", {"x": BIG}, False), ("args.x == 9007199254740992.0", {"x": BIG}, False), ("args.x == 9007199254740993", {"x": 2.0**53}, False),
    ("args.x == 9007199254740992", {"x": 2.0**53}, True), ("args.x < 9223372036854775807", {"x": 9.2e18}, False), ("args.x in [9007199254740993]", {"x": 2.0**53}, False),
    ("args.x > 5", {"x": 2**63}, False), ("args.x == 5", {"x": 2**63}, False), ("args.x == 'a'", {"x": 2**63}, False), ("args.x > 5", {"x": float("nan")}, True),
    ("args.x != 5", {"x": float("nan")}, True), ("args.x in [1.0, 2.0]", {"x": float("nan")}, True), ("args.x == -0.0", {"x": 0}, True),
    # containers and texts
    ("'a' in args.x", {"x": "abc"}, False), ("'a' in args.x", {"x": ["a"]}, False), ("'a' in args.x", {"x": {"a": 1}}, True), ("'x' in args", {"x": None}, True),
    ("args.x[-1] == 1", {"x": [1]}, False), ("args.x['a'] == 1", {"x": {"a": 1}}, True), ("args.x['a'] == 1", {"x": [1]}, False), ("args.x.a == 1", {"x": {}}, False),
    ("args.x == 'a'", {"x": ["a"]}, True), ("args.x == 'a'", {"x": b"a"}, True), ("args.x in ['a', 'b']", {"x": ["a"]}, False), ("args.x in ['a', 'b']", {"x": 1}, True),
    ("args.x > 'a'", {"x": "b"}, True), ("args.x > 'a'", {"x": 1}, False), ("size(args.x) > 1", {"x": "\u00e9\u00e9"}, True), ("size(args.x) > 1", {"x": 5}, False),
    ("args.x + 1 > 5", {"x": 2**63 - 1}, False), ("-args.x == 5", {"x": -(2**63)}, False), ("args.x / 2 == -3", {"x": -7}, False), ("args.x % 2 == -1", {"x": -7}, False),
    # errors are absorbed, and what is no boolean is an error
    ("args.x > 5 && false", {"x": "a"}, False), ("args.x > 5 || true", {"x": "a"}, False), ("true || args.x > 5", {"x": "a"}, False), ("false && args.x > 5", {"x": "a"}, True),
    ("args.x && true", {"x": 5}, False), ("!args.x", {"x": 5}, False), ("args.x ? true : false", {"x": 5}, False), ("args.x ? true : false", {"x": True}, True),
    # what may be missing
    ("args.x == 'a'", {}, False), ("args.x != 'a'", {}, False), ("has(args.x) && args.x > 5", {}, True), ("!has(args.x) || args.x > 5", {}, True),
    ("!has(args.x) || args.x > 5", {"x": "a"}, False), ("has(args.x) ? args.x > 5 : true", {}, True), ("has(args.x) || args.x > 5", {}, False), ("has(args.x.a)", {}, False),
    ("has(args.x.a)", {"x": {"a": None}}, True), ("has(args.x.a)", {"x": 5}, False), ("has(args.x)", {"x": None}, True), ("'x' in args && args.x == 1", {}, True),
    ("principal.tenant == 'a'", {}, False), ("has(principal.tenant)", {}, True), ("run.tokens < 5", {}, False), ("session.tool_calls < 5", {}, True),
    # foreign objects are never asked anything
    ("args.x == 'a'", {"x": object()}, False), ("args.x != 'a'", {"x": Decimal(1)}, False), ("args.x in ['a']", {"x": object()}, False), ("has(args.x)", {"x": object()}, True),
    # texts and patterns
    ("args.x.matches('rm\\\\s+-[rf]+') && args.s > 2", {"x": "rm  -rf /", "s": "a"}, False), ("args.x.matches('rm\\\\s+-[rf]+') && args.s > 2", {"x": "rm  -rf /", "s": 3}, True),
    ("args.x.matches('^a+$')", {"x": "aaa"}, True), ("args.x == 'b' || args.x.matches('a.*b')", {"x": "acb"}, True),
    ("args.x.startsWith('ab')", {"x": "abc"}, True), ("args.x.startsWith('')", {"x": "abc"}, False), ("args.x.endsWith('bc')", {"x": "bc"}, True), ("args.x.endsWith('bc')", {"x": "c"}, True),
    ("args.x.startsWith('a')", {"x": 5}, False), ("args.x.contains('b')", {"x": "a" * 200 + "b"}, True), ("args.x.contains('b')", {"x": "a" * 300}, False), ("args.x.contains('')", {"x": ""}, True),
    ("args.x.matches('^ab$')", {"x": "ab\n"}, True), ("args.x.matches('c$')", {"x": "abc"}, True), ("args.x.matches('a')", {"x": "\u00e9"}, False), ("args.x.matches('a')", {"x": "\ud800"}, False),
    ("args.x == 'it\\'s \"q\" \\n \\\\ {}'", {"x": "it's \"q\" \n \\ {}"}, True), ("args.x == '__import__(\"os\")'", {"x": "a"}, True), ("has(args.__class__) && args['__class__'] == 'a'", {"__class__": "a"}, True),
    ("args.x == args.s", {"x": "a", "s": "a"}, True), ("args.x == args.s", {"x": "a", "s": True}, True), ("args.x == args.s", {"x": 1, "s": 1}, False), ("args.x < args.s", {"x": 1, "s": 2.5}, True),
    ("args.x < args.s", {"x": "a", "s": "b"}, False), ("'ops' in principal.roles", {}, True), ("'no' in principal.roles", {}, True), ("!('ops' in principal.roles)", {}, True),
    ("action.type in ['drop', 'x'] && args.x > 5", {"x": "a"}, False), ("args.x > 1 && action.type in ['drop'] && args.s > 2", {"x": 2, "s": "a"}, False), ("args.x > 1 && !(action.type in ['x']) && args.s > 2", {"x": 2, "s": 3}, True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "args", "answered"), TRAPS)
def test_it_is_certain_only_where_python_means_what_cel_means(
    make_env: Any, text: str, args: dict[str, Any], answered: bool
) -> None:
    assert certain([text], make_env(**args)) == ({0} if answered else set())


def test_conditions_do_not_disturb_one_another(make_env: Any) -> None:
    texts = [text for text, _, _ in TRAPS]
    for _, args, _ in TRAPS:
        certain(texts, make_env(**args))


def test_a_subclass_of_a_plain_type_is_in_doubt(make_env: Any) -> None:
    class Text(str):
        def __eq__(self, other: object) -> bool:
            raise AssertionError("nobody asks a foreign object")

        __hash__ = str.__hash__

    texts = ["args.x == 'a'", "args.x in ['a', 'b']", "args.x.startsWith('a')", "size(args.x) > 0"]
    assert certain(texts, make_env(x=Text("a"))) == set()


def test_long_chains_and_deep_nests_are_answered_or_in_doubt(make_env: Any) -> None:
    chain = " && ".join(f"args.n{i} > {i}" for i in range(300))
    either = " || ".join(f"args.x == {i}" for i in range(450))
    deep = "!" * 40 + "(args.x == 1)"
    nest = "args.x == 1"
    for _ in range(20):
        nest = f"(args.x == 2 || ({nest}))"
    env = make_env(x=1, **{f"n{i}": i + 1 for i in range(300)})
    scope = Scope({"x": "dyn", **{f"n{i}": "dyn" for i in range(300)}})
    batch = Batch([compile(parse(text), scope) for text in (chain, either, deep, nest)])
    warm(batch, env)
    assert batch.screen(env) == ([1, 2, 3], [0])  # a chain is followed as far as one can indent


def test_what_python_cannot_compile_stays_with_the_strict_evaluation(
    make_env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (SyntaxError, RecursionError, MemoryError, OverflowError):

        def fails(*_: Any, error: type[Exception] = error) -> Any:
            raise error("too much")

        monkeypatch.setattr("wardline.cel.fast.batch.compile_checked", fails)
        assert certain(["args.x == 1", "has(args.x)"], make_env(x=1)) == set()


def test_a_budget_that_does_not_suffice_is_negative_afterwards(make_env: Any) -> None:
    (program,) = programs(["args.x in ['a', 'b', 'c']"])
    batch = Batch([program])
    env = make_env(x="z")
    warm(batch, env)
    _, needed = strictly(program, env)
    for left in range(needed + 3):
        env.budget = left
        batch.screen(env)
        assert (env.budget >= 0) == (left >= needed)


def test_no_call_makes_more_than_one_piece_of_code(
    make_env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counting(source: str, constants: dict[str, object]) -> Any:
        made.append(source)
        return compile_checked(source, constants)

    monkeypatch.setattr("wardline.cel.fast.batch.compile_checked", counting)
    batch = Batch(programs([f"args.x == {i}" for i in range(2_000)]))
    env = make_env(x=1_999)
    most = 0
    for _ in range(100):
        before = len(made)
        env.budget = 10**9
        holds, doubts = batch.screen(env)
        most = max(most, len(made) - before)
    assert most == 1
    assert (holds, doubts) == ([1_999], [])
    assert len(made) == 8  # as many as there are pieces, and none twice


@pytest.mark.parametrize(
    "line",
    [
        " open('x')", " e.args.clear()", " e.__class__", " import os", " h.append", " return lambda: 1", " return [i for i in (1,)]", " eval", " global b",
    ],
)  # fmt: skip
def test_generated_code_names_nothing_beyond_its_list(line: str) -> None:
    source = f"def screen(e, h, d):\n b = 1\n{line}\n return b\n"
    if line == " global b":
        source = "def screen(e, h, d):\n global b\n b = 1\n return b\n"
    with pytest.raises(RuntimeError, match="generated code"):
        compile_checked(source, {})
    with pytest.raises(RuntimeError, match="generated code"):
        compile_checked(source.replace("def screen", "print('x')\ndef screen"), {})


def test_generated_code_has_no_builtins() -> None:
    run = compile_checked("def screen(e, h, d):\n return len(e)\n", {})
    assert run("abc", [], []) == 3  # type: ignore[arg-type]
    assert run.__globals__["__builtins__"] == {}  # type: ignore[attr-defined]


@given(text=st.text(), name=st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,8}\Z"))
def test_what_a_policy_says_enters_the_code_as_constants_alone(
    make_env: Any, text: str, name: str
) -> None:
    literal = "".join(f"\\U{ord(char):08x}" for char in text if not "\ud800" <= char <= "\udfff")
    value = "".join(char for char in text if not "\ud800" <= char <= "\udfff")
    scope = Scope({name: "dyn"})
    try:
        program = compile(parse(f"args['{name}'] == '{literal}'"), scope)
    except PolicyError:
        return
    batch = Batch([program])
    env = make_env(**{name: value})
    warm(batch, env)
    assert batch.screen(env) == ([0], [])
    env.args = {name: value + "x"}
    assert batch.screen(env) == ([], [])
