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
        ("args.path.startsWith(1)", "wants a string"), ("args.path.startsWith()", "takes 1 argument, not 0"), ("size(1) > 0", "wants"), ("args.amount[0] == 1", "cannot be indexed"),
        ("args.path.matches('(?=a)')", "look-ahead"), ("args.path.matches(args.path)", "written in the condition"), ("args.path.matches('[')", "not closed"),
        ("path(args.path).unde('/a')", "Did you mean `under`"), ("path(args.path).under('a')", "absolute folder"), ("path(args.path).host == ''", "no field `host`"),
        ("path(args.path) == '/a'", "never equal"), ("url(args.path).hots == ''", "Did you mean `host`"), ("path(args.amount).escapes", "wants a string"),
        ("args.path.under('/a')", "wants a path"), ("principal == null", "is not a value"), ("action.result == 1", "`after` stage only"),
        ("{1.5: 2} == {}", "not a double"), ("{null: 2} == {}", "not null"), ("{'a': 1, 'a': 2} == {}", "stands twice"), ("{1: 1, 1u: 2} == {}", "stands twice"), ("now.day == 1", "has no fields"),
        ("principal.trust > 5", "cannot evaluate it yet"), ("session.cost_usd > 1", "cannot evaluate it yet"), ("session.did('a')", "cannot evaluate it yet"),
        ("origin(args.path) == []", "cannot evaluate it yet"), ("labels(args.path) == []", "cannot evaluate it yet"),
        ("session.labels == []", "cannot evaluate it yet"), ("this", "unknown name `this`"),
        # Unsigned integers, times, types
        ("args.amount + 1u == 2u", "cannot join"), ("1 + 1u == 2", "uint(…)"), ("-1u == 1", "a number with a sign"), ("1u % 1 == 1u", "cannot join"),
        ("args.path == 1u", "never equal"), ("now + 1 == now", "cannot join"), ("now + now == now", "cannot join"), ("now * 2 == now", "cannot take a point in time"),
        ("now - duration('1h') == duration('1h')", "a point in time is never equal to a duration"), ("now > 5", "cannot compare a point in time"),
        ("now > '2026-01-01'", "cannot compare"), ("timestamp('2026-01-01') < now", "such as 2026-01-31T12:00:00Z"), ("duration('1d') > duration('1h')", "such as 1h30m"),
        ("timestamp('2026-02-30T00:00:00Z') < now", "a day that no calendar has"), ("now.getHours('Europe/Berln') > 8", "no time zone of that name"),
        ("now.getHours(1) > 8", "wants a string, not an integer"), ("args.path.getHours() > 8", "wants a duration or a point in time"), ("duration('1h').getMonth() == 1", "wants a point in time"),
        ("now.hours > 8", "has no fields"), ("int('x') == 1", "the text is not an integer"), ("uint(-1) == 1u", "does not fit"), ("bool('yes')", "fails here"),
        ("type(1) == 1", "a type is never equal to an integer"), ("type(1) == itn", "unknown name `itn`"), ("int > 1", "cannot order a type"), ("string(type(1)) == 'int'", "not a type"), ("type(path(args.path)) == string", "not a path"),
        # Maps and their keys
        ("{1: 2}['a'] == 2", "no key of this map is a string: each is an integer"), ("'a' in {1: 2}", "no key of this map is a string"), ("{1: 2}.a == 2", "are not strings"),
        ("args.opts[1.0] == 2", "no key of this map is a double"), ("args.opts[null] == 2", "not null"), ("{'a': 1} == {1: 1}", "never equal"), ("['a'] == [1]", "a list of strings is never equal to a list of integers"),
        # Optionals
        ("args.?x.orValue(1) == 'a' && args.?path == 'a'", "an optional value that holds a string is never equal to a string"), ("args.?path.orValue(1) == 1 && args.path.value() == 1", "wants an optional value"),
        ("[?args.path] == []", "`?` here wants an optional value"), ("{?'a': 1} == {}", "optional.of"), ("args.path.optMap(v, v) == args.?x", "wants an optional value, not a string"),
        ("args.?x.optFlatMap(v, 1).hasValue()", "wants an optional value, not an integer"), ("args.?x.hasvalue()", "Did you mean `hasValue`"), ("optional.off(1) == optional.none()", "Did you mean `optional.of`"),
        ("principal.?rolls.hasValue()", "Did you mean `roles`"), ("args.?x", "must be true or false; this is an optional value"), ("args.?x && true", "wants true or false, not an optional value"),
        # Functions of libraries
        ("math.max(1, 2) == 2", "unknown function `math.max`"), ("math.greatst(1, 2) == 2", "Did you mean `math.greatest`"), ("greatest(1, 2) == 2", "Write `math.greatest(…)`"), ("math.pi > 3.0", "Did you mean"),
        ("math.ceil(1) == 1.0", "wants a double, not an integer"), ("math.greatest() == 1", "takes 1 or more arguments, not 0"), ("math.greatest(1, 'a') == 1", "not a string"), ("math.bitAnd(1.0, 1) == 1", "not a double"),
        ("'%q'.format([1]) == ''", "no clause `%q`"), ("'a%'.format([1]) == ''", "no clause `%`"), ("'%s %d'.format([1]) == ''", "wants 2 values, and the list has 1"), ("'a'.format(1) == ''", "wants a list"), ("ip('1.2.3') == ip('1.2.3.4')", "not an IP address"), ("cidr('10.0.0.0/33').containsIP('1.1.1.1')", "out of range"),
        ("cidr('10.0.0.0/8').containsIp('1.1.1.1')", "Did you mean `containsIP`"), ("ip(args.path) == args.path", "an IP address is never equal to a string"),
        # Macros with two variables, and bind
        ("args.to.exists(a, b, 1)", "wants true or false"), ("args.to.exists(now, b, true)", "would hide"), ("args.to.transformMapEntry(i, v, i) == {}", "wants a map, not an integer"),
        ("cel.bind(now, 1, now == 1)", "would hide"), ("cel.bind(x, 1, x == 'a')", "never equal"), ("args.to.map(i, i == 1, i) == []", "never equal"),
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
        "args.?x.orValue(1) == 1", "args[?'x'].hasValue()", "has(args.?x.y)", "action.args.?x.optMap(v, v == 1).orValue(false)", ".args.?x == optional.none()",
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
        ("args.?q.hasValue() || args[?'r'].hasValue() || session.?seconds.hasValue()", {"args.q", "args.r", "session.seconds"}), (".args.path == ''", {"args.path"}),
        ("cel.bind(t, now, t == t)", {"now"}), ("type(args.path) == string", {"args.path"}),
        ("has(principal.tenant) || 'a' in tool.effects", {"principal.tenant", "tool.effects"}), ("[1].all(x, x > 0)", set()),
    ],
)  # fmt: skip
def test_reads(text: str, reads: set[str]) -> None:
    assert load(text) == reads


def test_a_value_need_not_be_a_boolean() -> None:
    assert load("args.path + '/x'", condition=False) == {"args.path"}
    assert "must be true or false" in refusal("args.path + '/x'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("now - now", "a duration cannot be an argument"), ("type(1)", "Compare it"), ("args.?path", "End with `.orValue(…)`"),
        ("path(args.path)", "a path cannot be an argument"), ("ip('1.1.1.1')", "Write `string(…)`"),
    ],
)  # fmt: skip
def test_what_has_no_plain_form_is_no_value_of_an_argument(text: str, words: str) -> None:
    with pytest.raises(PolicyError) as raised:
        load(text, condition=False)
    assert words in str(raised.value)
