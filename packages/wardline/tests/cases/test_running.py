"""Cases are judged by the one decider; what they state must be so, and what they leave open may be anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wardline.cases import run_cases
from wardline.policy import parse_policies

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.cases import CaseResult


PASSING = [
    ("{name: sql_query, args: {query: DROP x}}", "", "deny"),
    ("{name: sql_query, args: {query: DROP x}}", "", "{effect: deny, rule: no-drop, document: shop}"),
    (
        "{name: sql_query, args: {query: DROP x}}",
        "",
        "{effect: deny, reason: destructive statements need a migration, matched: [read, shop/no-drop]}",
    ),
    ("{name: sql_query, args: {query: select}}", "", "{effect: allow, matched: [read], failed: []}"),
    ("{name: nothing}", "", "{effect: deny, rule: 'builtin:default', matched: []}"),
    ("{name: nothing}", "registered: false", "{effect: deny, rule: 'builtin:registered'}"),
    (
        "{name: sql_query, args: {query: s}}",
        "switches: [{scope: everything, by: 'os:me', reason: drill}]",
        "{effect: deny, rule: 'builtin:switch', reason: 'everything is frozen by os:me: drill'}",
    ),
    ("{name: sql_query, args: {query: s}}", "exceeded: [calls]", "{effect: deny, rule: 'builtin:limits'}"),
    ("{name: sql_query, args: {query: s}}", "exceeded: [shop/calls]", "deny"),
    ("{name: sql_query, args: {query: s}}", "used: {calls: 19}", "allow"),
    ("{name: sql_query, args: {query: s}}", "used: {calls: 20}", "deny"),
    ("{name: sql_query, args: {query: s}}", "used: {spoken: 90}", "allow"),
    ("{name: sql_query, args: {query: s}}", "used: {spoken: 91}", "deny"),
    ("{name: sql_query, args: {query: s}}", "used: {slow: 59}", "allow"),
    ("{name: sql_query, args: {query: s}}", "used: {slow: 60}", "deny"),
    ("{name: sql_query, args: {query: s}}", "used: {mails: 2}", "allow"),
    (
        "{name: send_email, args: {to: a, body: b}}",
        "used: {mails: 2}",
        "{effect: require_approval, asks: [mail, 'builtin:limits']}",
    ),
    (
        "{name: send_email, args: {to: a, body: b}}",
        "",
        ("{effect: require_approval, rule: mail, asks: [mail], approvers: [lead, security], quorum: 2,"
        " expires_in: 15m, separation_of_duties: true, args: {to: a, body: '[REDACTED]'}}"),
    ),
    (
        "{name: sql_query, args: {query: s}, stage: after, result: {n: 7}, duration_ms: 3}",
        "",
        "{effect: allow, rule: 'builtin:default', result: {n: 0}}",
    ),
    (
        "{name: sql_query, args: {query: s}, stage: after, result: 7}",
        "",
        "{effect: deny, rule: hide, failed: [hide]}",
    ),
    ("{name: sql_query, args: {query: s}}", "modes: {shop: audit}", "allow"),
    (
        "{name: sql_query, args: {query: drop}}",
        "modes: {shop: audit}",
        "{effect: allow, advice: [no-drop]}",
    ),
]  # fmt: skip


def case(action: str, facts: str, expect: str) -> str:
    given = f"    facts: {{{facts}}}\n" if facts else ""
    return f"cases:\n  - name: one\n    action: {action}\n{given}    expect: {expect}\n"


@pytest.mark.parametrize(("action", "facts", "expect"), PASSING)
def test_a_case_that_is_so_passes(
    judge: Callable[[str], list[CaseResult]], action: str, facts: str, expect: str
) -> None:
    (result,) = judge(case(action, facts, expect))
    assert (result.passed, result.differences, result.problem) == (True, (), None)


FAILING = [
    ("{effect: allow}", {"effect": ("allow", "deny")}),
    ("{effect: deny, rule: read}", {"rule": ("read", "no-drop")}),
    ("{effect: deny, document: other}", {"document": ("other", "shop")}),
    ("{effect: deny, reason: because}", {"reason": ("because", "destructive statements need a migration")}),
    ("{effect: deny, matched: [no-drop]}", {"matched": (["no-drop"], ["shop/no-drop", "shop/read"])}),
    ("{effect: deny, matched: [no-drop, read, mail]}",
     {"matched": (["no-drop", "read", "mail"], ["shop/no-drop", "shop/read"])}),
    ("{effect: deny, failed: [read]}", {"failed": (["read"], [])}),
    ("{effect: deny, advice: [read]}", {"advice": (["read"], [])}),
    ("{effect: deny, args: {query: drop, n: 1}}", {"args": ({"query": "drop", "n": 1}, {"query": "drop"})}),
    ("{effect: require_approval, approvers: [lead]}",
     {"effect": ("require_approval", "deny"), "approvers": (["lead"], None)}),
]  # fmt: skip


@pytest.mark.parametrize(("expect", "differences"), FAILING)
def test_a_case_that_is_not_so_fails_and_says_how(
    judge: Callable[[str], list[CaseResult]],
    expect: str,
    differences: dict[str, tuple[object, object]],
) -> None:
    (result,) = judge(case("{name: sql_query, args: {query: drop}}", "", expect))
    assert not result.passed
    found = json.loads(json.dumps(result.as_dict()))["differences"]
    assert {one["key"]: (one["expected"], one["got"]) for one in found} == differences


def test_numbers_of_different_kinds_are_different_values(
    judge: Callable[[str], list[CaseResult]],
) -> None:
    (result,) = judge(
        case("{name: sql_query, args: {query: a, n: 1}}", "", "{effect: allow, args: {query: a, n: 1.0}}")
    )  # fmt: skip
    assert [one.key for one in result.differences] == ["args"]


def test_a_failure_says_what_became_of_the_rule_that_was_expected(
    judge: Callable[[str], list[CaseResult]],
) -> None:
    (result,) = judge(
        case("{name: sql_query, args: {query: s}}", "", "{effect: deny, rule: no-drop}")
    )
    (hint,) = result.hints
    assert hint.startswith("rule no-drop (")
    assert "policy.yaml:14): not matched: `args.query.matches('(?i)drop')` is false" in hint
    (result,) = judge(
        case("{name: sql_query, args: {query: s}}", "", "{effect: deny, rule: no_drop}")
    )
    assert result.hints == ("there is no rule no_drop; did you mean no-drop?",)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ("exceeded: [callls]", "did you mean `calls`?"),
        ("used: {callls: 1}", "did you mean `calls`?"),
        ("modes: {shopp: audit}", "did you mean `shop`?"),
    ],
)
def test_a_case_that_names_what_the_policy_has_not_cannot_be_judged(
    judge: Callable[[str], list[CaseResult]], facts: str, says: str
) -> None:
    (result,) = judge(case("{name: sql_query, args: {query: s}}", facts, "allow"))
    assert not result.passed
    assert result.decision is None
    assert result.problem is not None
    assert (result.problem.line, says in result.problem.hint) == (4, True)


def test_defaults_are_put_together_with_what_a_case_says(
    judge: Callable[[str], list[CaseResult]],
) -> None:
    results = judge(
        """
defaults:
  action: { name: send_email, args: { to: a, body: b } }
  facts: { principal: { id: clerk, roles: [sales] }, run: { tool_calls: 3 } }
cases:
  - name: as it is
    expect: { effect: require_approval, args: { to: a, body: "[REDACTED]" } }
  - name: one argument more
    action: { args: { body: c, cc: d } }
    expect: { effect: require_approval, args: { to: a, body: "[REDACTED]", cc: d } }
  - name: another tool, another role
    action: { name: other }
    facts: { principal: { roles: [] } }
    expect: deny
"""
    )
    assert [result.passed for result in results] == [True, True, True]
    facts = results[2].case.given.facts(parse_policies("apiVersion: wardline/v1\nname: x\n"))
    assert (facts.principal.id, facts.principal.roles, facts.run["tool_calls"]) == ("clerk", (), 3)


def test_what_yaml_cannot_write_has_a_notation(judge: Callable[[str], list[CaseResult]]) -> None:
    (result,) = judge(
        case(
            '{name: sql_query, args: {query: a, at: {$datetime: "2026-01-01T12:00:00+02:00"},'
            ' raw: {$bytes: aGk=}, price: {$decimal: "1.50"}, big: {$int: "9007199254740993"},'
            " $$x: {$float: 1}}}",
            "",
            "allow",
        )
    )
    args = result.case.given.action.args
    assert args["at"].isoformat() == "2026-01-01T12:00:00+02:00"
    assert (args["raw"], str(args["price"]), args["big"], args["$x"]) == (
        b"hi", "1.50", 9007199254740993, 1.0,
    )  # fmt: skip
    assert type(args["$x"]) is float


def test_a_limit_of_one_rule_breaks_where_the_rule_matches() -> None:
    policies = parse_policies(
        """\
apiVersion: governance.toolkit/v1
name: kit
default_action: allow
rules:
- {name: few, condition: "action.type == 'send'", action: allow, limit: 3/hour}
"""
    )
    from wardline.cases import parse_given

    for name, used, exceeded in (("send", 2, []), ("send", 3, ["few"]), ("other", 3, [])):
        facts = parse_given(f"name: {name}", f"used: {{few: {used}}}").facts(policies)
        assert [limit.name for limit in facts.exceeded] == exceeded


def test_ENG_7_judging_twice_gives_the_same_results(
    judge: Callable[[str], list[CaseResult]],
) -> None:
    text = case("{name: sql_query, args: {query: drop}}", "used: {calls: 20}", "allow")
    (once,), (again,) = judge(text), judge(text)
    assert once.as_dict() == again.as_dict()


def test_run_cases_takes_any_set() -> None:
    assert run_cases(parse_policies("apiVersion: wardline/v1\nname: x\n"), ()) == ()
