"""What loads and is probably not meant: named with its place, and silent where nothing is certain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline.action import Action, Principal
from wardline.cel import parse
from wardline.decide import decide
from wardline.facts import Facts
from wardline.policy import lint, parse_policies
from wardline.policy.linting.logic import facts_of, follows, impossible

HEAD = "apiVersion: wardline/v1\nname: p\ndefault_action: {default}\n"


def warnings(body: str, default: str = "deny", **options: Any) -> list[str]:
    policies = parse_policies(HEAD.format(default=default) + body, file="p.yaml")
    found = lint(policies, **options)
    assert all(problem.line > 1 and problem.column for problem in found)
    return [problem.message for problem in found]


def of(*lines: str, **options: Any) -> list[str]:
    return warnings("rules:\n" + "".join(f"  - {{{line}}}\n" for line in lines), **options)


@pytest.mark.parametrize(
    "condition",
    [
        "args.n > 10 && args.n < 5", "args.n > 5 && args.n <= 5", "args.n == 3 && args.n > 4", "args.n == 1 && args.n != 1",
        "args.s == 'a' && args.s == 'b'", "args.s == 'a' && args.s in ['b', 'c']", "args.s in ['a'] && !(args.s in ['a', 'b'])",
        "args.s.startsWith('/etc') && args.s.startsWith('/srv')", "args.s == '/x' && args.s.startsWith('/etc')",
        "args.s.startsWith('/etc/x') && !args.s.startsWith('/etc')", "has(args.z) && !has(args.z)",
        "args.b && !args.b", "!(args.b || !args.b)", "args.n > 5 && !(args.n > 3 || args.b)", "false", "1 == 2",
        "args.s == 'a' && (args.s == 'b' || args.s == 'c')", "5 < args.n && 5 > args.n", "args.s == 'a' && 'b' == args.s",
    ],
)  # fmt: skip
def test_LANG_10_a_condition_that_excludes_itself(condition: str) -> None:
    (message,) = of(f'name: r, tool: t, action: deny, condition: "{GUARD}{condition}"')
    assert message == "rule `r` can never match: what its condition asks for excludes itself"


GUARD = "has(args.n) && has(args.s) && has(args.b) && "


@pytest.mark.parametrize(
    "condition",
    [
        "args.n > 5 && args.n < 10", "args.n >= 5 && args.n <= 5", "args.s == 'a' || args.s == 'b'", "args.n == 1 && args.n < 2",
        "args.s.startsWith('/etc') && args.s.startsWith('/etc/x')", "args.s.startsWith('/etc') && !args.s.startsWith('/etc/x')",
        "args.s != 'a' && args.s != 'b'", "args.b && args.n > 1", "args.s in ['a', 'b'] && args.s != 'a'",
        "args.n == 1 && args.s == 'a'", "size(args.s) > 3 && size(args.s) < 9", "args.n == 1.0 && args.n == 1", "args.n == 1u && args.n == 1",
        "args.s < 'b' && args.s > 'a'",
    ],
)  # fmt: skip
def test_a_condition_that_can_hold_is_left_alone(condition: str) -> None:
    assert of(f'name: r, tool: t, action: deny, condition: "{GUARD}({condition})"') == []


@pytest.mark.parametrize(
    "condition", ["true", "has(args.x) || !has(args.x)", "action.name != 'a' || action.name != 'b'"]
)
def test_a_condition_that_always_holds(condition: str) -> None:
    (message,) = of(f'name: r, tool: t, action: deny, condition: "{condition}"')
    assert message == "the condition of rule `r` always holds"


def test_a_term_that_can_never_matter() -> None:
    (message,) = of(
        f"name: r, tool: t, action: deny, condition: \"{GUARD}args.n > 5 && (args.n < 3 || args.s == 'x')\""
    )
    assert "term 1 of a `||` can never matter" in message


DENY = "name: d, tool: t, action: deny"
WIDE = 'name: d, tool: t, action: deny, condition: "has(args.n) && args.n > 5"'


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([DENY, "name: a, tool: t, action: allow"], ["rule `a` allows nothing: `d` on line 5 contradicts it, and deny wins"]),
        ([DENY, "name: a, tool: t, action: allow, condition: has(args.x)"], ["rule `a` allows nothing: `d` on line 5 denies all of it"]),
        ([DENY, "name: a, tool: t, action: require_approval, approvers: [x]"], ["rule `a` adds nothing: `d` on line 5 denies all of it"]),
        ([DENY, "name: a, tool: t, action: redact, paths: [args.x]"], ["rule `a` changes nothing: `d` on line 5 denies all of it"]),
        ([WIDE, 'name: a, tool: t, action: deny, condition: "has(args.n) && args.n > 9"'], ["rule `a` adds nothing: `d` on line 5 denies all of it"]),
        ([WIDE, 'name: a, tool: t, action: allow, condition: "has(args.n) && args.n == 7"'], ["rule `a` allows nothing: `d` on line 5 denies all of it"]),
        ([WIDE, 'name: a, tool: t, action: allow, condition: "has(args.n) && args.n > 3"'], []),
        ([WIDE, 'name: a, tool: u, action: allow, condition: "has(args.n) && args.n > 9"'], []),
        (["name: d, tool: '*', action: deny", "name: a, tool: t, action: allow"], ["rule `a` allows nothing: `d` on line 5 denies all of it"]),
        (["name: d, action: deny", "name: a, tool: t, action: allow"], ["rule `a` allows nothing: `d` on line 5 denies all of it"]),
        (["name: d, tool: 't*', action: deny", "name: a, tool: 'ta*', action: allow"], []),
        (["name: d, action: deny, on: message", "name: a, tool: t, action: allow"], []),
        (["name: d, action: deny, agent: x", "name: a, tool: t, action: allow"], []),
        (["name: q, tool: t, action: require_approval, approvers: [x]", "name: a, tool: t, action: allow"],
         ["rule `a` allows nothing: `q` on line 5 contradicts it, and require_approval wins"]),
        (["name: q, tool: t, action: require_approval, approvers: [x]", "name: a, tool: t, action: require_approval, approvers: [y]"], []),
        (["name: d, tool: t, action: allow", "name: a, tool: t, action: allow, condition: has(args.x)"], ["rule `a` adds nothing: `d` on line 5 allows all of it"]),
        ([DENY, "name: a, tool: t, action: deny"], ["rule `a` repeats `d` on line 5"]),
        ([DENY, "name: a, tool: t, action: audit"], []),
        (["name: d, tool: t, action: deny, mode: audit", "name: a, tool: t, action: allow"], []),
    ],
)  # fmt: skip
def test_LANG_10_rules_that_another_one_covers(lines: list[str], expected: list[str]) -> None:
    assert of(*lines) == expected


def test_rules_of_one_document_cover_those_of_another() -> None:
    one = HEAD.format(default="deny") + "rules: [{name: d, action: deny}]\n"
    two = one.replace("name: p", "name: q").replace(
        "{name: d, action: deny}", "{name: a, action: allow}"
    )
    from wardline.policy.compile import PolicySet

    documents = [
        *parse_policies(one, file="one").documents,
        *parse_policies(two, file="two").documents,
    ]
    for document in documents:
        for rule in document.rules:
            object.__setattr__(rule, "ordinal", -1)
    (problem,) = lint(PolicySet(documents))
    assert (problem.file, problem.line) == ("two", 4)
    assert "`d` on line 4 of one" in problem.message


def test_what_is_allowed_by_default() -> None:
    line = "name: a, tool: t, action: allow"
    assert of(line, default="allow") == ["rule `a` allows what is allowed by default"]
    assert of("name: a, on: model_call, action: allow") == [
        "rule `a` allows what is allowed by default"
    ]
    assert of(line) == []


def test_tools_that_nobody_lists() -> None:
    tools = "unlisted_tools: deny\ntools: {read: {effects: [read]}}\n"
    rule = "rules: [{name: r, tool: rwad, action: allow}]\n"
    (message,) = warnings(tools + rule)
    assert "the catalogue lists no tool that is rwad" in message
    assert warnings(tools + rule.replace("rwad", "'re*'")) == []
    assert warnings(tools.replace("deny", "allow") + rule) == []


def test_agents_that_the_document_is_not_for() -> None:
    body = "applies_to: {agents: ['pay-*']}\nrules: [{name: r, agent: intern, action: %s}]\n"
    assert "applies to no agent" in warnings(body % "allow")[0]
    assert warnings(body % "deny") == []  # it may act for one


def test_limits_that_never_bind() -> None:
    def limits(*lines: str, head: str = "") -> list[str]:
        return warnings(head + "limits:\n" + "".join(f"  - {{{line}}}\n" for line in lines))

    run = "name: a, count: calls, at_most: 9, per: run"
    assert (
        "`a` never binds: `b` stops at 5"
        in limits(run, run.replace("a,", "b,", 1).replace("9", "5"))[0]
    )
    session = "name: b, count: calls, at_most: 5, per: session"
    assert "`a` never binds: `b` stops at 5" in limits(run, session)[0]
    assert limits(run, session.replace("5", "50")) == []
    assert limits(run, session + ", window: 1h") == []
    head = "unlisted_tools: deny\ntools: {read: {effects: [read]}}\n"
    assert (
        "nothing that it counts"
        in limits("name: f, count: files_changed, at_most: 9, per: run", head=head)[0]
    )
    assert "nothing that it counts" in limits(run + ", tool: send", head=head)[0]
    assert limits(run + ", tool: read", head=head) == []
    assert "the document's mode is audit" in limits(run, head="mode: audit\n")[0]


def test_approvers_that_the_configuration_does_not_map() -> None:
    body = (
        "approvers: [security-team]\nrules:\n"
        "  - {name: r, tool: t, action: require_approval, approvers: [ops, 'os:bob']}\n"
    )
    assert warnings(body) == []
    found = warnings(body, approvers={"security-team": ["os:alice"]})
    assert found == ["rule `r`: nobody can answer for the approver `ops`"]
    assert len(warnings(body, approvers={})) == 2
    assert warnings(body, approvers={"security-team": ["os:a"], "ops": ["os:b"]}) == []


# Nothing is claimed that is not so

_ATOMS = st.sampled_from(
    [
        "args.n > 2", "args.n >= 2", "args.n < 2", "args.n <= 1", "args.n == 2", "args.n != 2", "args.n in [1, 2]", "2 < args.n",
        "args.s == 'ab'", "args.s != 'ab'", "args.s in ['a', 'ab']", "args.s.startsWith('a')", "args.s.startsWith('ab')",
        "args.s.startsWith('b')", "args.b", "args.b == true", "has(args.x)", "true", "1 == 1", "args.n == 2.0",
    ]
)  # fmt: skip
_CONDITIONS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        inner.map(lambda a: f"!({a})"),
        st.lists(inner, min_size=2, max_size=3).map(lambda a: " && ".join(f"({x})" for x in a)),
        st.lists(inner, min_size=2, max_size=3).map(lambda a: " || ".join(f"({x})" for x in a)),
    ),
    max_leaves=6,
)
_ARGS = st.fixed_dictionaries(
    {"n": st.sampled_from([0, 1, 2, 3, 2.0, 1.5]), "s": st.sampled_from(["", "a", "ab", "abc", "b"]), "b": st.booleans()},
    optional={"x": st.just(1)},
)  # fmt: skip


def _holds(condition: str, args: dict[str, Any]) -> bool:
    policies = parse_policies(
        HEAD.format(default="deny")
        + f'rules:\n- {{name: r, action: allow, condition: "{GUARD}({condition})"}}\n'
    )
    return decide(policies, Action("tool_call", "t", args), Facts(Principal(), {}, {}, 0)).allowed


@given(condition=_CONDITIONS, args=_ARGS)
@settings(max_examples=300)
def test_what_is_called_impossible_never_holds(condition: str, args: dict[str, Any]) -> None:
    root = parse(condition).root
    if impossible(facts_of(root)):
        assert not _holds(condition, args)
    if impossible(facts_of(root, False)):
        assert _holds(condition, args)


@given(one=_CONDITIONS, other=_CONDITIONS, args=_ARGS)
@settings(max_examples=300)
def test_what_is_said_to_follow_does(one: str, other: str, args: dict[str, Any]) -> None:
    if follows(facts_of(parse(one).root), parse(other).root) and _holds(one, args):
        assert _holds(other, args)


PLANTED = """\
apiVersion: wardline/v1
name: planted
default_action: deny
approvers: [security-team]
unlisted_tools: deny
tools:
  read_file: { effects: [read], args: { path: string } }
  pay: { effects: [write], args: { amount: number } }
limits:
  - { name: calls, count: calls, at_most: 5, per: run }
  - { name: many-calls, count: calls, at_most: 50, per: run }
  - { name: mails, count: calls, tool: send_mail, at_most: 5, per: run }
rules:
  - { name: typo, tool: read_flie, action: allow }
  - { name: never, tool: pay, action: deny, condition: "args.amount > 10 && args.amount < 5" }
  - { name: always, tool: pay, action: audit, condition: "args.amount > 1 || !(args.amount > 1)" }
  - { name: no-etc, tool: read_file, action: deny, condition: "args.path.startsWith('/etc')" }
  - { name: no-shadow, tool: read_file, action: deny, condition: "args.path == '/etc/shadow'" }
  - { name: etc, tool: read_file, action: allow, condition: "args.path.startsWith('/etc')" }
  - { name: apart, tool: pay, action: allow, condition: "action.type == 'read_file'" }
  - { name: ask, tool: pay, action: require_approval, approvers: [treasury] }
  - { name: look, tool: read_file, action: audit }
  - { name: look-again, tool: read_file, action: redact, paths: [args.path], condition: "args.path.startsWith('/etc/ssl')" }
"""


def test_ten_planted_mistakes_are_named_with_their_lines() -> None:
    policies = parse_policies(PLANTED, file="planted.yaml")
    found = lint(policies, approvers={"security-team": ["os:alice"]})
    assert {problem.line: problem.message.split(":")[0] for problem in found} == {
        11: "limit `many-calls` never binds",
        12: "limit `mails` never binds",
        14: "rule `typo` can never match",
        15: "rule `never` can never match",
        16: "the condition of rule `always` always holds",
        18: "rule `no-shadow` adds nothing",
        19: "rule `etc` allows nothing",
        20: "rule `apart` can never match",
        21: "rule `ask`",
        23: "rule `look-again` changes nothing",
    }
    assert all(problem.column and problem.source and problem.hint for problem in found)
