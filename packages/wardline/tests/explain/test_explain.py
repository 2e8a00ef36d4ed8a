"""Why a decision is what it is: what each rule lacked, what the gates say, and what would change it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline import explain, parse_policies
from wardline.cases import parse_given
from wardline.decide import decide
from wardline.explain import Explanation
from wardline.explain.changes import ABSENT, State

HEAD = "apiVersion: wardline/v1\nname: p\ndefault_action: {default}\napprovers: [lead]\n"


def explained(body: str, action: str, facts: str = "{}", default: str = "deny") -> Explanation:
    policies = parse_policies(HEAD.format(default=default) + body, file="p.yaml")
    given = parse_given(action, facts)
    return explain(policies, given.action, given.facts(policies))


def rule(condition: str, more: str = "action: allow") -> str:
    quoted = condition.replace("\\", "\\\\").replace('"', '\\"')
    return f'rules:\n  - {{ name: r, condition: "{quoted}", {more} }}\n'


# What a rule lacked

MISSES = [
    ("has(args.n) && args.n > 5", "{name: x, args: {n: 3}}", "{}", "args.n > 5", {"args.n": "3"}),
    ("has(args.n) && args.n > 5", "{name: x}", "{}", None, {}),
    ("has(args.n)", "{name: x}", "{}", "has(args.n)", {"args.n": "not there"}),
    ("action.type == 'y' && run.tool_calls < 3", "{name: x}", "{}", "action.type == 'y'", {"action.type": '"x"'}),
    ("!('a' in principal.roles) && principal.environment == 'prod'", "{name: x}", "principal: {roles: [a], environment: prod}",
     "!('a' in principal.roles)", {"principal.roles": '["a"]'}),
    ("principal.chain.exists(c, c == 'b') && action.kind == 'tool_call'", "{name: x}", "{}",
     "principal.chain.exists(c, c == 'b')", {"principal.chain": "[]"}),
    ("action.name == 'y' && action.kind == 'run'", "{name: x}", "{}", None, {}),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "action", "facts", "term", "saw"), MISSES)
def test_a_rule_that_nearly_matches_says_which_term_it_lacks_and_what_it_saw(
    condition: str, action: str, facts: str, term: str | None, saw: dict[str, str]
) -> None:
    (finding,) = explained(rule(condition), action, facts).findings
    assert finding.status == "not matched"
    if term is None:
        assert finding.miss is None
        assert finding.why == f"its condition is false: {condition}"
        assert "nearly" not in finding.as_dict()
    else:
        assert finding.miss is not None
        assert finding.as_dict()["nearly"] == {"term": term, "saw": saw}
        assert finding.why.startswith(f"`{term}` is false: ")


def test_a_long_value_is_cut() -> None:
    (finding,) = explained(
        rule("has(args.s) && args.s == 'y'"), f"{{name: x, args: {{s: {'x' * 500}}}}}"
    ).findings
    assert finding.miss is not None
    assert len(finding.miss.saw[0][1]) == 120


@pytest.mark.parametrize(
    ("more", "facts", "why"),
    [
        ("tool: other, action: allow", "{}", "it is for the tools other"),
        ("agent: 'intern-*', action: allow", "{}", "it is for the agents intern-*"),
        ("on: output, action: allow", "{}", "it is on output"),
    ],
)
def test_a_rule_that_is_out_of_reach_says_so(more: str, facts: str, why: str) -> None:
    (finding,) = explained(f"rules: [{{name: r, {more}}}]\n", "{name: x}", facts).findings
    assert (finding.status, finding.why, finding.miss) == ("not matched", why, None)


def test_what_matched_and_what_failed_is_said() -> None:
    (finding,) = explained("rules: [{name: r, action: allow}]\n", "{name: x}").findings
    assert (finding.status, finding.why) == ("matched", "it has no condition")
    (finding,) = explained(
        rule("has(args.n) && args.n > 5"), "{name: x, args: {n: a}}", default="allow"
    ).findings
    assert finding.status == "failed"


# The gates

LIMIT = "limits: [{name: few, count: calls, at_most: 2, per: run, on_exceed: require_approval}]\n"
GATES = [
    ("", "{}", ["deny", "allow", "allow"]),
    ("rules: [{name: r, action: allow}]\n", "{}", ["allow", "allow", "allow"]),
    ("rules: [{name: r, action: allow}]\n", "registered: false", ["allow", "deny", "allow"]),
    ("rules: [{name: r, action: allow}]\n", "switches: [{scope: tool, value: x}]", ["allow", "allow", "deny"]),
    (LIMIT + "rules: [{name: r, action: allow}]\n", "used: {few: 2}", ["allow", "allow", "require_approval"]),
    (LIMIT, "{used: {few: 2}, modes: {p: audit}}", ["allow", "allow", "allow"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "facts", "effects"), GATES)
def test_each_gate_says_what_it_would_do_alone(body: str, facts: str, effects: list[str]) -> None:
    found = explained(body, "{name: x}", facts)
    assert [gate.effect for gate in found.gates] == effects
    assert [gate["gate"] for gate in found.as_dict()["gates"]] == ["governance", "trust", "reliability"]  # fmt: skip
    strictest = max(effects, key=["allow", "require_approval", "deny"].index)
    assert found.decision.effect == strictest
    assert all(gate.why for gate in found.gates)


# What would change the decision

FLIPS: list[tuple[str, str, str, str, list[tuple[str, Any]]]] = [
    (rule("has(args.n) && args.n < 100"), "{name: x, args: {n: 500}}", "{}", "allow", [("args.n", 99)]),
    (rule("has(args.n) && args.n <= 100"), "{name: x, args: {n: 101}}", "{}", "allow", [("args.n", 100)]),
    (rule("has(args.n) && args.n < 1.5"), "{name: x, args: {n: 2.5}}", "{}", "allow", [("args.n", 0.5)]),
    (rule("has(args.s) && args.s in ['a', 'b']"), "{name: x, args: {s: z}}", "{}", "allow", [("args.s", "a")]),
    (rule("has(args.s) && args.s.startsWith('/srv/')"), "{name: x, args: {s: z}}", "{}", "allow", [("args.s", "/srv/")]),
    (rule("has(args.s) && path(args.s).under('/srv')"), "{name: x, args: {s: /etc}}", "{}", "allow", [("args.s", "/srv/x")]),
    (rule("has(args.b) && args.b"), "{name: x, args: {b: false}}", "{}", "allow", [("args.b", True)]),
    (rule("has(args.n)"), "{name: x}", "{}", "allow", [("args.n", "x")]),
    (rule("!has(args.n)"), "{name: x, args: {n: 1}}", "{}", "allow", [("args.n", ABSENT)]),
    (rule("'admin' in principal.roles"), "{name: x}", "{}", "allow", [("principal.roles", ["admin"])]),
    (rule("principal.roles.exists(r, r == 'admin')"), "{name: x}", "principal: {roles: [a]}", "allow",
     [("principal.roles", ["admin"])]),
    (rule("principal.environment == 'dev'"), "{name: x}", "principal: {environment: prod}", "allow",
     [("principal.environment", "dev")]),
    (rule("run.tool_calls < 3"), "{name: x}", "run: {tool_calls: 9}", "allow", [("run.tool_calls", 2)]),
    (rule("action.type == 'y'"), "{name: x}", "{}", "allow", [("name", "y")]),
    ("rules: [{name: r, tool: 'y*', action: allow}]\n", "{name: x}", "{}", "allow", [("name", "y")]),
    ("rules: [{name: r, agent: boss, action: allow}]\n", "{name: x}", "{}", "allow", [("principal.id", "boss")]),
    ("applies_to: {environments: [prod]}\nrules: [{name: r, action: allow}]\n", "{name: x}", "{}", "allow",
     [("principal.environment", "prod")]),
    ("rules: [{name: r, action: allow}]\n", "{name: x}", "switches: [{}]", "allow", [("switches", [])]),
    ("rules: [{name: r, action: allow}]\n", "{name: x}", "registered: false", "allow", [("registered", True)]),
    (LIMIT + "rules: [{name: r, action: allow}]\n", "{name: x}", "exceeded: [few]", "allow", [("limits", [])]),
    (rule("has(args.n) && args.n < 100 && principal.tenant == 'acme'"), "{name: x, args: {n: 500}}", "{}", "allow",
     [("args.n", 99), ("principal.tenant", "acme")]),
    (rule("has(args.a) && has(args.b) && args.a == args.b"), "{name: x, args: {a: 1, b: 2}}", "{}", "allow", [("args.a", 2)]),
    ("rules: [{name: r, tool: [x, y], action: allow}, {name: d, tool: x, action: deny}]\n", "{name: x}", "{}", "allow",
     [("name", "y")]),
    ("rules: [{name: r, on: [tool_call, message], action: allow}, {name: d, action: deny}]\n", "{name: x}", "{}", "allow",
     [("kind", "message")]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "action", "facts", "effect", "wanted"), FLIPS)
def test_the_smallest_change_that_flips_is_found(
    body: str, action: str, facts: str, effect: str, wanted: list[tuple[str, Any]]
) -> None:
    found = explained(body, action, facts)
    flip = next(flip for flip in found.flips or () if flip.effect == effect)
    assert [(path, new) for path, _, new in flip.changes] == wanted


def test_an_allowed_action_says_what_would_refuse_it() -> None:
    body = rule("has(args.n) && args.n > 100", "action: deny")
    found = explained(body, "{name: x, args: {n: 7}}", default="allow")
    (flip,) = found.flips
    assert flip.as_dict() == {
        "effect": "deny",
        "rule": "r",
        "changes": [{"what": "args.n", "from": 7, "to": 101}],
    }


def test_one_change_to_ask_and_two_to_allow_are_both_said() -> None:
    body = (
        "rules:\n"
        "  - {name: a, condition: \"has(args.n) && args.n < 9 && principal.tenant == 't'\", action: allow}\n"
        "  - {name: q, condition: \"'admin' in principal.roles\", action: require_approval}\n"
    )
    found = explained(body, "{name: x, args: {n: 50}}")
    assert [(flip.effect, len(flip.changes)) for flip in found.flips] == [
        ("require_approval", 1),
        ("allow", 2),
    ]


@pytest.mark.parametrize(
    ("body", "action"),
    [
        ("rules: [{name: d, on: [tool_call], action: deny}]\n", "{name: x}"),
        (rule("has(args.s) && args.s.matches('^[a-z]{3}-[0-9]+$')"), "{name: x, args: {s: z}}"),
        (rule("has(args.a) && has(args.b) && has(args.c) && args.a == 1 && args.b == 1 && args.c == 1"), "{name: x}"),
    ],
)  # fmt: skip
def test_where_nothing_small_is_found_nothing_is_said(body: str, action: str) -> None:
    assert explained(body, action).flips == ()


def test_an_absent_argument_has_no_value() -> None:
    found = explained(rule("has(args.n)"), "{name: x}")
    assert found.flips[0].as_dict()["changes"] == [{"what": "args.n", "to": "x"}]
    found = explained(rule("!has(args.n)"), "{name: x, args: {n: 1}}")
    assert found.flips[0].as_dict()["changes"] == [{"what": "args.n", "from": 1}]


def test_values_that_json_lacks_are_told_in_canonical_form() -> None:
    body = rule("has(args.at) && has(args.n) && args.n < 3 && string(args.at).size() > 0")
    action = '{name: x, args: {n: 5, at: {$datetime: "2026-01-01T00:00:00Z"}}}'
    found = explained(body, action, default="allow")
    made = json.loads(json.dumps(found.as_dict()))
    assert made["flips"] == []
    found = explained(rule("!has(args.at)", "action: deny"), action, default="allow")
    made = json.loads(json.dumps(found.as_dict()))
    assert made["flips"][0]["changes"] == [
        {"what": "args.at", "from": {"$datetime": "2026-01-01T00:00:00+00:00"}}
    ]


def test_the_search_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def counted(*args: Any) -> Any:
        tried.append(1)
        return decide(*args)

    monkeypatch.setattr(sys.modules["wardline.explain.flips"], "decide", counted)
    names = [f"args.a{i} == 's{i}'" for i in range(60)]
    guards = " && ".join(f"has(args.a{i})" for i in range(60))
    body = rule(f"{guards} && " + " && ".join(names))
    args = ", ".join(f"a{i}: z" for i in range(60))
    assert explained(body, f"{{name: x, args: {{{args}}}}}").flips == ()
    assert 1000 < len(tried) <= 2000


CONDITIONS = st.lists(
    st.sampled_from(
        [
            "has(args.n) && args.n < 3", "has(args.s) && args.s == 'a'", "principal.tenant == 't'", "run.tokens > 5",
            "'r' in principal.roles", "action.type == 'x'", "!has(args.s)", "has(args.l) && args.l.all(i, i > 1)",
        ]
    ),
    min_size=1, max_size=3,
).map(" && ".join)  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(
    conditions=st.lists(st.tuples(CONDITIONS, st.sampled_from(["allow", "deny", "require_approval"])), min_size=1, max_size=3),
    default=st.sampled_from(["allow", "deny"]),
    args=st.fixed_dictionaries({}, optional={"n": st.sampled_from([1, 5]), "s": st.sampled_from(["a", "b"]), "l": st.just([1, 2])}),
    tokens=st.sampled_from([0, 9]),
)  # fmt: skip
def test_every_flip_is_so_and_the_answer_is_always_the_same(
    conditions: list[tuple[str, str]], default: str, args: dict[str, Any], tokens: int
) -> None:
    lines = [
        f'  - {{name: r{i}, condition: "{text}", action: {action}}}\n'
        for i, (text, action) in enumerate(conditions)
    ]
    body = "rules:\n" + "".join(lines)
    action = f"{{name: x, args: {args!r}}}".replace("'", '"')
    facts = f"run: {{tokens: {tokens}}}"
    found, again = (explained(body, action, facts, default) for _ in range(2))
    assert found.as_dict() == again.as_dict()
    policies = parse_policies(HEAD.format(default=default) + body, file="p.yaml")
    given_ = parse_given(action, facts)
    state = State(given_.action, given_.facts(policies))
    for flip in found.flips:
        after = state.put({path: new for path, _, new in flip.changes})
        assert decide(policies, after.action, after.facts).effect == flip.effect
        assert flip.effect != found.decision.effect
        for path, now, _ in flip.changes:
            assert state.get(path) is now or state.get(path) == now
        if len(flip.changes) == 2:  # neither of the two would do alone
            for path, _, new in flip.changes:
                one = state.put({path: new})
                assert decide(policies, one.action, one.facts).effect != flip.effect
