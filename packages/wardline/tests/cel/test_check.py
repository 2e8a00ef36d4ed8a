from __future__ import annotations

import pytest

from wardline.cel import Scope, compile, parse  # noqa: A004
from wardline.errors import PolicyError

TYPES = {
    "amount": "number",
    "path": "string",
    "flag": "boolean",
    "to": "list(string)",
    "opts": "map",
    "start": "date",
}


def load(text: str, scope: Scope | None = None, *, condition: bool = True) -> frozenset[str]:
    return compile(parse(text), scope or Scope(TYPES), condition=condition).reads


def refusal(text: str, scope: Scope | None = None) -> str:
    with pytest.raises(PolicyError) as raised:
        load(text, scope)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("acton.type == 'a'", "Did you mean `action`"), ("action.typ == 'a'", "Did you mean `type`"),
        ("principal.rolls == []", "Did you mean `roles`"), ("path == '/'", "Did you mean `args.path`"),
        ("args.pth == '/'", "Did you mean `path`"), ("foo(1)", "unknown function `foo`"),
        ("args.path.startwith('/')", "Did you mean `startsWith`"), ("contains(args.path, 'a')", "x.contains"),
        ("args.path.size() == '3'", "never equal"), ("args.amount == 'x'", "never equal"), ("args.amount == '5'", "Without quotes: `5`"),
        ("args.flag == 'true'", "Without quotes: `true`"), ("1 == 'a'", "never equal"), ("args.path > 1", "cannot compare"),
        ("args.path < args.amount", "cannot compare"), ("args.path + 1 == 'a'", "cannot join"), ("1 + 1.0 > 0", "cannot join"),
        ("args.path - 'a' == ''", "cannot take a string"), ("1.5 % 2.0 == 0.0", "cannot take a double"), ("-args.path == 'a'", "wants a number"),
        ("args.to < ['a']", "cannot order"), ("args.to == ['a', 1]", "x"), ("1 in args.to", "never in a list"), ("'a' in args.path", "x.contains"),
        ("args.amount in ['1', '2']", "never in a list"), ("args.path", "must be true or false"), ("args.amount", "must be true or false"),
        ("args.path && true", "wants true or false"), ("!args.path", "wants true or false"), ("args.path ? true : false", "wants true or false"),
        ("args.to.exists(x, 1)", "wants true or false"), ("args.amount.exists(x, true)", "wants a list or a map"),
        ("args.to.exists(args, true)", "would hide"), ("args.path.length > 3", "has no fields"), ("args.path.size > 3", "Did you mean `size(…)`"),
        ("args.path.startsWith(1)", "wants a string"), ("args.path.startsWith()", "takes 1 arguments"), ("size(1) > 0", "wants"), ("args.amount[0] == 1", "cannot be indexed"),
        ("args.path.matches('(?=a)')", "look-ahead"), ("args.path.matches(args.path)", "written in the condition"), ("args.path.matches('[')", "not closed"),
        ("path(args.path).unde('/a')", "Did you mean `under`"), ("path(args.path).under('a')", "absolute folder"), ("path(args.path).host == ''", "no field `host`"),
        ("path(args.path) == '/a'", "never equal"), ("url(args.path).hots == ''", "Did you mean `host`"), ("path(args.amount).escapes", "wants a string"),
        ("args.path.under('/a')", "wants a path"), ("principal == null", "is not a value"), ("action.result == 1", "`after` stage only"),
        ("{1: 2} == {}", "keys other than strings"), ("{'a': 1, 'a': 2} == {}", "stands twice"), ("now.day == 1", "has no fields"),
        ("principal.trust > 5", "cannot evaluate it yet"), ("session.cost_usd > 1", "cannot evaluate it yet"), ("session.did('a')", "cannot evaluate it yet"),
        ("origin(args.path) == []", "cannot evaluate it yet"), ("labels(args.path) == []", "cannot evaluate it yet"),
        ("timestamp('2020-01-01T00:00:00Z') < now", "cannot evaluate it yet"), ("now.getHours() > 8", "cannot evaluate it yet"), ("math.abs(1) == 1", "cannot evaluate it yet"),
        ("session.labels == []", "cannot evaluate it yet"), ("type(1) == 1", "cannot evaluate it yet"), ("this", "unknown name `this`"),
    ],
)  # fmt: skip
def test_LANG_3_what_cannot_mean_something_does_not_load(text: str, words: str) -> None:
    if words == "x":
        load(text)  # a list of mixed items may equal anything
    else:
        assert words in refusal(text)


def test_every_mistake_is_told_with_the_rule() -> None:
    with pytest.raises(PolicyError) as raised:
        load("acton.type == 'a' &&\n args.amount == 'x'", Scope(TYPES, subject="rule `r`"))
    problems = raised.value.problems
    assert [(found.line, found.column) for found in problems] == [(1, 1), (2, 14)]
    assert all(found.message.startswith("rule `r`: ") for found in problems)


@pytest.mark.parametrize(
    "text",
    [
        "has(args.x) && args.x == 1", "has(args.x) && true && args.x == 1", "has(args.x) ? args.x == 1 : true",
        "!has(args.x) || args.x == 1", "!has(args.x) ? true : args.x == 1", "!(!has(args.x)) && args.x == 1",
        "(has(args.x) && has(args.y)) && args.x == args.y", "!has(args.x) || !has(args.y) || args.x == args.y",
        "!(has(args.x) && has(args.y)) || args.x == args.y", "has(args.x) && args.x.a.b == 1", "has(args.x) && has(args.x.a)",
        "has(args.x) && [1].exists(e, e == args.x)", "'x' in args && args.x == 1", "has(action.args.x) && args['x'] == 1",
        "(has(args.x) || has(args.x)) && args.x == 1", "has(args.x) && (args.amount > 1 || args.x == 1)",
        "args.to.map(t, has(args.x), args.x) == []",
    ],
)  # fmt: skip
def test_guarded_arguments_load(text: str) -> None:
    load(text)
    load(text, Scope(TYPES, closed=True))


@pytest.mark.parametrize(
    "text",
    [
        "args.x == 1", "args.x == 1 && has(args.x)", "has(args.x) || args.x == 1", "!has(args.x) && args.x == 1",
        "has(args.x) ? true : args.x == 1", "(has(args.x) || has(args.y)) && args.x == 1", "has(args.y) && args.x == 1",
        "has(args.x.a)", "args['x'] == 1", "action.args.x == 1", "!(has(args.x) || has(args.y)) || args.x == 1",
        "[1].exists(e, e == args.x)", "has(principal.x) && true", "(has(args.x) && true) || args.x == 1", "args.x.a == 1",
        "[1].exists(e, has(args.x)) && args.x == 1",
    ],
)  # fmt: skip
def test_unguarded_arguments_do_not_load(text: str) -> None:
    refusal(text)


def test_a_closed_scope_lists_what_is_declared() -> None:
    message = refusal("args.pathh == ''", Scope(TYPES, closed=True))
    assert "amount, flag, opts, path, start, to" in message
    assert "Did you mean `path`" in message
    assert "has(args.pathh)" in refusal("args.pathh == ''")


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("action.type == 'a' && args.path == 'b'", {"action.type", "args.path"}), ("size(args) > 1", {"args"}),
        ("args[action.type] == 1", {"args", "action.type"}), ("has(args.q)", {"args.q"}), ("args.opts.a.b == 1", {"args.opts"}),
        ("action.args.path == ''", {"args.path"}), ("'x' in action.args", {"args"}), ("session.tool_calls > 1 && now == now", {"session.tool_calls", "now"}),
        ("has(principal.tenant) || 'a' in tool.effects", {"principal.tenant", "tool.effects"}), ("[1].all(x, x > 0)", set()),
    ],
)  # fmt: skip
def test_reads(text: str, reads: set[str]) -> None:
    assert load(text) == reads


def test_a_value_need_not_be_a_boolean() -> None:
    assert load("args.path + '/x'", condition=False) == {"args.path"}
    assert "must be true or false" in refusal("args.path + '/x'")
