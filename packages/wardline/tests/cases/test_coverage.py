"""What no case shows of a policy, down to the terms of its conditions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline import cel
from wardline.action import Action, Principal
from wardline.cases import Coverage, coverage, find_suites
from wardline.cel.terms import conjuncts, terms
from wardline.cel.tree import Node, children
from wardline.decide import look_at
from wardline.errors import EvaluationError
from wardline.explain.findings import out_of_reach
from wardline.facts import Facts
from wardline.policy import parse_policies
from wardline.views import is_for, views

POLICY = """\
apiVersion: wardline/v1
name: p
default_action: deny
unlisted_tools: deny
tools:
  pay: { effects: [write], args: { amount: number, to: string } }
limits:
  - { name: few, count: calls, at_most: 2, per: run }
rules:
  - name: small
    tool: pay
    condition: "args.amount < 100 && (args.to == 'bob' || !args.to.startsWith('x'))"
    action: allow
  - name: broken
    tool: pay
    condition: "args.amount > 1000 && 1 / int(args.amount - args.amount) > 0"
    action: deny
  - name: night
    condition: "action.kind == 'tool_call' ? action.type == 'pay' : false"
    action: audit
"""

CASE = "  - {{name: {0}, action: {{name: {1}, args: {{amount: {2}, to: {3}}}}}, expect: {4}}}\n"


def shown(place: Path, *cases: str, policy: str = POLICY) -> tuple[Coverage, list[str]]:
    (place / "cases").mkdir(exist_ok=True)
    (place / "policy.yaml").write_text(policy)
    (place / "cases" / "a.yaml").write_text("cases:\n" + "".join(cases))
    (suite,) = find_suites([place])
    found = coverage(suite.policies(), suite.cases)
    return found, [f"{line}: {message}" for _, line, message in found.missing()]


@pytest.fixture
def small() -> str:
    return POLICY.split("  - name: broken")[0]


def test_what_no_case_shows_is_said(tmp_path: Path, small: str) -> None:
    found, missing = shown(tmp_path, CASE.format("a", "pay", 5, "bob", "allow"), policy=small)
    assert (found.rules_percent, found.terms_percent) == (0, 50)
    assert missing == [
        "10: rule small matches in every case",
        "10: rule small: `args.amount < 100` is never false",
        "10: rule small: `args.to == 'bob'` is never false",
        "10: rule small: `args.to.startsWith('x')` is never true",
        "8: limit few is never exceeded",
        "0: document p: no case comes to `default_action: deny`",
        "0: document p: no case is refused by `unlisted_tools: deny`",
    ]


def test_all_is_shown(tmp_path: Path, small: str) -> None:
    found, missing = shown(
        tmp_path,
        CASE.format("a", "pay", 5, "bob", "allow"),
        CASE.format("b", "pay", 500, "xavier", "deny"),
        CASE.format("c", "other", 500, "alice", "deny"),
        CASE.format("d", "pay", 5, "alice", "deny").replace("expect", "facts: {used: {few: 2}}, expect"),
        policy=small,
    )  # fmt: skip
    assert missing == []
    assert (found.rules_percent, found.terms_percent) == (100, 100)
    assert found.as_dict()["by_rule"][0]["matched"] == 2


def test_a_rule_that_only_fails_is_said_to(tmp_path: Path) -> None:
    found, missing = shown(tmp_path, CASE.format("a", "pay", 5000, "bob", "deny"))
    assert "14: rule broken fails whenever it is looked at" in missing
    assert next(one for one in found.rules if one.rule.name == "broken").failed == 1


def test_a_case_that_is_decided_before_any_rule_shows_none(tmp_path: Path, small: str) -> None:
    case = CASE.format("a", "pay", 5, "bob", "deny").replace(
        "expect", "facts: {registered: false}, expect"
    )
    found, _ = shown(tmp_path, case, policy=small)
    (rule,) = found.rules
    assert (rule.matched, rule.not_matched, rule.terms[0].true) == (0, 0, 0)


def test_a_case_that_cannot_be_judged_shows_nothing(tmp_path: Path, small: str) -> None:
    case = CASE.format("a", "pay", 5, "bob", "deny").replace(
        "expect", "facts: {exceeded: [x]}, expect"
    )
    found, _ = shown(tmp_path, case, policy=small)
    assert (found.rules_percent, found.terms_percent) == (0, 0)


def test_of_a_policy_without_rules_all_is_shown(tmp_path: Path) -> None:
    text = "apiVersion: wardline/v1\nname: p\n"
    found, _ = shown(tmp_path, CASE.format("a", "pay", 5, "bob", "deny"), policy=text)
    assert (found.rules_percent, found.terms_percent) == (100, 100)


# Terms

WHOLE = [
    ("a && (b || !c.d) && x.exists(v, v == 1 && true)", ["a", "b", "c.d", "x.exists(v, v == 1 && true)"]),
    ("has(args.x) ? has(args.y) : args.z[0] == {'a': [1]}['a'][0]",
     ["has(args.x)", "has(args.y)", "args.z[0] == {'a': [1]}['a'][0]"]),
    ("(args.x + 1) > 2 && ((a) || (b)) && x.lowerAscii() == 'a'",
     ["(args.x + 1) > 2", "a", "b", "x.lowerAscii() == 'a'"]),
    ("((has(a.b))) && true && [] == args.y && -z < 3 && (q == 'a && b')",
     ["has(a.b)", "[] == args.y", "-z < 3", "q == 'a && b'"]),
    ("!(!(a)) || a.`b c` == 1 // c", ["a", "a.`b c` == 1"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), WHOLE)
def test_a_condition_is_taken_apart(text: str, wanted: list[str]) -> None:
    assert [term.text for term in terms(cel.parse(text))] == wanted


def shape(node: Node) -> object:
    """The tree without its offsets."""
    fields = [
        getattr(node, name)
        for name in node.__slots__
        if name != "at" and isinstance(getattr(node, name), str | bool | int | None)
    ]
    return type(node).__name__, fields, [shape(child) for child in children(node)]


ATOMS = st.sampled_from(
    ["a", "a.b", "has(a.b)", "a == 1", "x.size() > (1)", "f in ['&&', \")\"]", "-a < 3", "[][0]",
     "(a)", "a[b[0]]", "{'k': a}.k", "l.all(i, i && has(i.c))", "l.map(i, i > 0, i * 2) == []", "!a",
     "optional.none()", "a == optional.none()", "a.?b.orValue(1u)[?0] == [?a]", "{?'a': b} == {1u: 2}", "math.abs(a) > 0", "type(a) == google.protobuf.Timestamp",
     "google.protobuf.Duration == b", "cel.bind(v, a, v)", "l.exists(i, v, i == v)", ".a.b", "c == .a", "a.optMap(v, v).value()"]
)  # fmt: skip
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" && ", "||"]), inner).map("".join),
        inner.map("({})".format),
        inner.map("!({})".format),
        st.tuples(inner, inner, inner).map(lambda parts: "({}) ? ({}) : ({})".format(*parts)),
    ),
    max_leaves=6,
)


@given(CONDITIONS)
def test_the_text_of_a_term_is_that_term(text: str) -> None:
    expr = cel.parse(text)
    for term in (*terms(expr), *conjuncts(expr)):
        assert shape(cel.parse(term.text).root) == shape(term.node)


# One rule's view of an action

RULES = """\
apiVersion: wardline/v1
name: p
tools:
  "verb*": {{ type_from: action, effects: [write] }}
  plain: {{ effects: [read] }}
rules:
  - {{ name: r, on: [tool_call, tool_call.after], {more} condition: "{condition}", action: {action} }}
"""


@given(
    condition=st.sampled_from(
        ["action.type == 'drop'", "action.type != 'drop'", "'unknown' in tool.effects", "action.name == 'verbs'",
         "has(args.n) && args.n > 1", "tool.effects == ['read'] || action.type in ['drop', 'plain']"]
    ),
    action=st.sampled_from(["allow", "deny", "audit"]),
    more=st.sampled_from(["", "agent: 'int*',", "tool: [plain, 'v*'],"]),
    name=st.sampled_from(["plain", "verbs", "drop", "other"]),
    args=st.fixed_dictionaries({}, optional={"action": st.sampled_from(["drop", "x", 1]), "n": st.sampled_from([1, 2, "a"])}),
    principal=st.sampled_from([Principal("intern"), Principal("x", chain=("intern",)), Principal("x")]),
    stage=st.sampled_from(["before", "after"]),
    error=st.sampled_from([None, "ValueError: x"]),
)  # fmt: skip
def test_the_views_of_a_rule_are_those_of_the_decider(
    condition: str,
    action: str,
    more: str,
    name: str,
    args: dict[str, object],
    principal: Principal,
    stage: str,
    error: str | None,
) -> None:
    policies = parse_policies(RULES.format(condition=condition, action=action, more=more))
    (document,), (rule,) = policies.documents, policies.rules
    made = Action("tool_call", name, args, stage=stage, principal=principal)
    facts = Facts(principal, {}, {}, 0, error=error if stage == "after" else None)
    if out_of_reach(rule, document, {document: True}, made):
        return
    matched, failed = look_at(rule, document, made, facts, acting=True)
    assert rule.program is not None
    answers = []
    for env in views(rule, document, made, facts) if is_for(rule, principal) else ():
        try:
            answers.append(rule.program.test(env))
        except EvaluationError as failure:
            answers.append(str(failure))
    assert (True in answers) == bool(matched)
    assert [one.message for one in failed] == (
        [] if matched else [one for one in answers if isinstance(one, str)]
    )
