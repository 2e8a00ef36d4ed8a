"""The one decider, on its own: no guard, no store, no clock."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardline.action import AFTER_KINDS, DEFAULT_KINDS, KINDS, Action, Principal
from wardline.decide import decide
from wardline.errors import PolicyError
from wardline.explain import explain
from wardline.facts import Facts
from wardline.policy import load_policies, parse_policies
from wardline.store import Switch

if TYPE_CHECKING:
    from pathlib import Path

    from wardline.decision import Decision
    from wardline.policy import PolicySet

AGENT = Principal("agent")


def policy(body: str, *, name: str = "p", default: str = "allow", **keys: str) -> PolicySet:
    return parse_policies(document(body, name=name, default=default, **keys), file="policy.yaml")


def document(body: str, *, name: str = "p", default: str = "allow", **keys: str) -> str:
    lines = ["apiVersion: wardline/v1", f"name: {name}"]
    if default:
        lines.append(f"default_action: {default}")
    lines += [f"{key}: {value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n" + body


def ask(
    policies: PolicySet,
    name: str = "tool",
    args: dict[str, Any] | None = None,
    *,
    kind: str = "tool_call",
    stage: str = "before",
    principal: Principal = AGENT,
    **facts: Any,
) -> Decision:
    facts = {"session": {"id": "s", "depth": 0}, "run": {"id": "s", "depth": 0}, "now": 0, **facts}
    action = Action(kind, name, args or {}, stage=stage, principal=principal)
    return decide(policies, action, Facts(principal, **facts))


ERRING = "has(args.n) && args.n < 10"  # fails where `n` is a string
DENY_ERRING = f"""
rules:
  - {{name: r, condition: "{ERRING}", action: deny}}
"""


# ENG-1 … ENG-9


def test_ENG_1_no_document_that_applies_is_a_denial() -> None:
    decision = ask(policy("applies_to: {agents: [other]}\n"))
    assert (decision.effect, decision.rule) == ("deny", "builtin:no-policy")


def test_ENG_1_no_policy_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no policy"):
        load_policies()
    with pytest.raises(PolicyError, match="no policy in it"):
        load_policies(tmp_path)
    with pytest.raises(PolicyError, match="mode"):
        policy("", mode="lenient")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (f"action: deny, condition: '{ERRING}'", "r"),
        (f"action: require_approval, approvers: [a], condition: '{ERRING}'", "r"),
        (f"action: redact, paths: [args.x], condition: '{ERRING}'", "r"),
        (f"action: transform, set: {{args.x: '1'}}, condition: '{ERRING}'", "r"),
        ("action: transform, set: {args.n: 'has(args.n) ? args.n + 1 : 0'}", "r"),
        ("action: transform, set: {args.n.deeper: '1'}", "r"),
    ],
)
def test_ENG_2_an_erring_restricting_rule_denies(rule: str, why: str) -> None:
    policies = policy(f"rules:\n  - {{name: other, action: allow}}\n  - {{name: r, {rule}}}\n")
    decision = ask(policies, args={"n": "text"})
    assert (decision.effect, decision.rule) == ("deny", why)
    assert decision.reason.startswith("error: ")
    assert [failure.rule.name for failure in decision.failed] == ["r"]
    assert decision.as_dict()["failed"][0]["rule"] == "p/r"
    assert decision.as_dict()["failed"][0]["error"]


def test_ENG_2_an_erring_allow_rule_does_not_match() -> None:
    policies = policy(
        f"rules:\n  - {{name: r, condition: '{ERRING}', action: allow}}\n", default="deny"
    )
    assert ask(policies, args={"n": 1}).effect == "allow"
    decision = ask(policies, args={"n": "text"})
    assert (decision.effect, decision.rule) == ("deny", "builtin:default")
    assert [failure.rule.name for failure in decision.failed] == ["r"]


def test_ENG_2_the_record_names_the_change_that_erred() -> None:
    policies = policy(
        """
rules:
  - {name: fine, action: redact, paths: [args.secret]}
  - {name: broken, action: transform, set: {args.n.deeper: '1'}}
  - {name: worse, action: transform, set: {args.m: 'has(args.n) ? args.n + 1 : 0'}}
"""
    )
    decision = ask(policies, args={"n": "text", "secret": "s"})
    assert decision.effect == "deny"
    assert decision.rule in {"broken", "worse"}
    assert "fine" not in [failure.rule.name for failure in decision.failed]


DOCUMENTS = {
    "a.yaml": document(
        "rules:\n  - {name: a1, tool: x, action: allow}\n", name="a", default="deny"
    ),
    "b.yaml": document(
        "approvers: [o]\nrules:\n  - {name: b1, tool: y, action: require_approval}\n",
        name="b",
        default="allow",
    ),
    "c.yaml": document(
        "approvers: [o]\nrules:\n  - {name: c1, tool: x, action: deny}\n"
        "  - {name: c2, tool: x, action: allow}\n",
        name="c",
        default="require_approval",
    ),
    "d.yaml": document(
        "rules: [{name: d1, tool: [x, y], action: audit}]\n", name="d", mode="audit"
    ),
    "e.yaml": document(
        "rules:\n  - {name: e1, tool: z, action: redact, paths: [args.s]}\n", name="e"
    ),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    order=st.permutations(sorted(DOCUMENTS)),
    few=st.integers(1, len(DOCUMENTS)),
    tool=st.sampled_from(["x", "y", "z", "w"]),
)
def test_ENG_3_the_order_of_loading_decides_nothing(
    tmp_path: Path, order: list[str], few: int, tool: str
) -> None:
    for name, text in DOCUMENTS.items():
        (tmp_path / name).write_text(text)
    chosen = order[:few]
    one = load_policies(*(tmp_path / name for name in chosen))
    other = load_policies(*(tmp_path / name for name in sorted(chosen)))
    args = {"s": "secret"}
    assert one.digest == other.digest
    assert ask(one, tool, args).as_dict() == ask(other, tool, args).as_dict()


@pytest.mark.parametrize(
    "defaults", list(itertools.product(["allow", "deny", "require_approval"], repeat=2))
)
def test_ENG_3_the_strictest_default_wins(tmp_path: Path, defaults: tuple[str, str]) -> None:
    for number, default in enumerate(defaults):
        (tmp_path / f"{number}.yaml").write_text(
            document("approvers: [o]\n", name=f"d{number}", default=default)
        )
    strictest = max(defaults, key=["allow", "require_approval", "deny"].index)
    assert ask(load_policies(tmp_path)).effect == strictest


def test_ENG_6_a_decision_says_where_it_comes_from() -> None:
    policies = policy(
        "rules:\n  - name: r\n    tool: tool\n    action: deny\n    reason: because\n"
    )
    decision = ask(policies)
    assert (decision.document, decision.rule, decision.reason) == ("p", "r", "because")
    assert (decision.file, decision.line) == ("policy.yaml", 5)
    assert decision.policy == policies.digest


def test_ENG_7_equal_input_gives_equal_bytes() -> None:
    def fresh() -> Decision:
        return ask(policy(DENY_ERRING), args={"n": "text"}, now=123)

    assert json.dumps(fresh().as_dict()) == json.dumps(fresh().as_dict())
    policies = policy(DENY_ERRING)
    results = {json.dumps(ask(policies, args={"n": n}).as_dict()) for n in ("a", "a", "a")}
    assert len(results) == 1


@pytest.mark.parametrize(
    "order", list(itertools.permutations(["deny", "require_approval", "allow"]))
)
def test_ENG_9_deny_over_require_approval_over_allow(order: tuple[str, ...]) -> None:
    for kept in range(1, 4):
        rules = order[:kept]
        body = "approvers: [o]\nrules:\n" + "".join(
            f"  - {{name: r{n}, action: {action}}}\n" for n, action in enumerate(rules)
        )
        strictest = max(rules, key=["allow", "require_approval", "deny"].index)
        decision = ask(policy(body, default="deny"))
        assert decision.effect == strictest
        assert decision.rule == f"r{rules.index(strictest)}"


def test_ENG_9_priority_in_the_toolkit_format_decides_nothing() -> None:
    policies = parse_policies(
        """
apiVersion: governance.toolkit/v1
name: p
default_action: deny
rules:
- {name: a, condition: "action.type == 'x'", action: allow, priority: 1000}
- {name: d, condition: "action.type == 'x'", action: deny, priority: 1}
"""
    )
    assert ask(policies, "x").rule == "d"


def test_several_rules_ask_and_all_are_named() -> None:
    policies = policy(
        "rules:\n"
        "  - {name: one, action: require_approval, approvers: [a], quorum: 2}\n"
        "  - {name: two, action: require_approval, approvers: [b], expires_in: 1m}\n"
    )
    asks = {one.rule: one for one in ask(policies).asks}
    assert asks["one"].quorum == 2
    assert asks["two"].approvers == ("b",)
    assert asks["two"].expires_in == 60_000_000


# Modes


@pytest.mark.parametrize(
    ("mode", "body", "effect"),
    [
        ("strict", "rules: [{name: r, action: deny}]", "deny"),
        ("permissive", "rules: [{name: r, action: deny}]", "deny"),
        ("audit", "rules: [{name: r, action: deny}]", "allow"),
        ("permissive", "rules: [{name: r, action: require_approval, approvers: [a]}]", "require_approval"),
        ("audit", "rules: [{name: r, action: require_approval, approvers: [a]}]", "allow"),
        ("strict", "unlisted_tools: deny", "deny"),
        ("permissive", "unlisted_tools: deny", "deny"),
        ("audit", "unlisted_tools: deny", "allow"),
    ],
)  # fmt: skip
def test_ENG_11_modes(mode: str, body: str, effect: str) -> None:
    decision = ask(policy(body + "\n", mode=mode, default="" if mode == "permissive" else "allow"))
    assert decision.effect == effect
    if effect == "allow":
        assert [one.effect for one in decision.advice] != []


def test_ENG_11_the_default_by_mode() -> None:
    assert ask(policy("", default="deny")).effect == "deny"
    assert ask(policy("", default="")).effect == "deny"
    assert ask(policy("", default="", mode="permissive")).effect == "allow"
    with pytest.raises(PolicyError, match="permissive"):
        policy("", default="deny", mode="permissive")


def test_ENG_11_a_mode_never_weakens_another_document(tmp_path: Path) -> None:
    deny = "rules: [{name: r, action: deny}]\n"
    (tmp_path / "a.yaml").write_text(document(deny, name="a", mode="audit"))
    (tmp_path / "b.yaml").write_text(document(deny, name="b"))
    decision = ask(load_policies(tmp_path))
    assert (decision.effect, decision.document) == ("deny", "b")
    assert [one.document for one in decision.advice] == ["a"]


@pytest.mark.parametrize("mode", ["strict", "permissive", "audit"])
def test_ENG_11_a_switch_binds_in_every_mode(mode: str) -> None:
    switch = Switch("tool", "tool", "killed", "os:alice", "incident", 1)
    policies = policy("", mode=mode, default="" if mode == "permissive" else "allow")
    decision = ask(policies, switches=(switch,))
    assert (decision.effect, decision.rule) == ("deny", "builtin:switch")
    assert decision.reason == "tool tool is killed by os:alice: incident"


def test_a_rule_in_audit_mode_is_recorded_and_binds_nothing() -> None:
    policies = policy(
        "rules:\n"
        "  - {name: r, action: deny, mode: audit}\n"
        "  - {name: t, action: redact, paths: [args.x], mode: audit}\n"
        f"  - {{name: e, action: deny, mode: audit, condition: '{ERRING}'}}\n"
    )
    decision = ask(policies, args={"x": "1", "n": "text"})
    assert decision.effect == "allow"
    assert decision.replacement is None
    assert {(one.rule, one.effect) for one in decision.advice} >= {("r", "deny"), ("e", "deny")}


def test_a_document_in_audit_mode_changes_nothing() -> None:
    body = "rules: [{name: t, action: redact, paths: [args.x]}]\n"
    assert ask(policy(body, mode="audit"), args={"x": "1"}).replacement is None
    decision = ask(policy(body), args={"x": "1"}, modes={"p": "audit"})
    assert decision.replacement is None


# Kinds, stages, defaults


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("default", ["deny", "allow", "require_approval"])
def test_the_default_is_for_the_before_of_some_kinds(kind: str, default: str) -> None:
    policies = policy("approvers: [o]\n", default=default)
    expected = default if kind in DEFAULT_KINDS else "allow"
    assert ask(policies, kind=kind).effect == expected
    assert ask(policies, kind=kind, stage="after").effect == "allow"


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_binds_on_the_kind_and_stage_it_names(kind: str) -> None:
    policies = policy(f"rules: [{{name: r, on: {kind}, action: deny}}]\n")
    assert ask(policies, kind=kind).effect == "deny"
    assert ask(policies, kind=kind, stage="after").effect == "allow"
    others = (other for other in KINDS if other != kind)
    assert all(ask(policies, kind=other).effect == "allow" for other in others)


@pytest.mark.parametrize("kind", sorted(AFTER_KINDS))
def test_a_rule_on_after_binds_there_alone(kind: str) -> None:
    policies = policy(f"rules: [{{name: r, on: {kind}.after, action: deny}}]\n")
    assert ask(policies, kind=kind, stage="after").effect == "deny"
    assert ask(policies, kind=kind).effect == "allow"


@pytest.mark.parametrize("kind", KINDS)
def test_unlisted_tools_are_tools(kind: str) -> None:
    policies = policy("unlisted_tools: deny\ntools: {'listed*': {effects: [read]}}\n")
    expected = "deny" if kind == "tool_call" else "allow"
    assert ask(policies, "other", kind=kind).effect == expected
    assert ask(policies, "LISTED_one", kind=kind).effect == "allow"
    if kind == "tool_call":
        assert ask(policies, "other").rule == "builtin:unlisted"


def test_an_unregistered_name_is_refused() -> None:
    decision = ask(policy(""), registered=False)
    assert (decision.effect, decision.rule) == ("deny", "builtin:registered")


# applies_to, agents, delegation

CHAIN = Principal("worker", name="Worker One", chain=("payments-root", "middle"))


@pytest.mark.parametrize(
    ("applies", "principal", "effect"),
    [
        ("{agents: [worker]}", Principal("worker"), "allow"),
        ("{agents: ['Worker*']}", Principal("w", name="Worker One"), "allow"),
        ("{agents: ['payments-*']}", Principal("worker"), "deny"),
        ("{environments: [prod]}", Principal("w", environment="prod"), "allow"),
        ("{environments: [prod]}", Principal("w", environment="dev"), "deny"),
        ("{environments: [prod]}", Principal("w"), "deny"),
        ("{tenants: ['acme*']}", Principal("w", tenant="acme-eu"), "allow"),
        ("{tenants: [acme], agents: [w]}", Principal("w", tenant="other"), "deny"),
    ],
)
def test_applies_to(applies: str, principal: Principal, effect: str) -> None:
    decision = ask(policy(f"applies_to: {applies}\n"), principal=principal)
    assert decision.effect == effect
    if effect == "deny":
        assert decision.rule == "builtin:no-policy"


def test_a_restricting_rule_sees_every_member_of_the_chain(tmp_path: Path) -> None:
    policies = policy("rules: [{name: r, agent: 'payments-*', action: deny}]\n")
    assert ask(policies, principal=CHAIN).rule == "r"
    assert ask(policies, principal=Principal("worker")).effect == "allow"


def test_an_allow_rule_sees_the_acting_principal_alone() -> None:
    policies = policy("rules: [{name: r, agent: 'payments-*', action: allow}]\n", default="deny")
    assert ask(policies, principal=CHAIN).rule == "builtin:default"
    assert ask(policies, principal=Principal("payments-root")).effect == "allow"
    assert ask(policies, principal=Principal("x", name="payments-x")).effect == "allow"


def test_a_document_for_a_member_of_the_chain_restricts_and_permits_nothing(tmp_path: Path) -> None:
    (tmp_path / "root.yaml").write_text(
        document(
            "applies_to: {agents: [payments-root]}\n"
            "rules:\n  - {name: no, tool: x, action: deny}\n  - {name: yes, tool: y, action: allow}\n",
            name="root",
            default="deny",
        )
    )
    (tmp_path / "own.yaml").write_text(document("applies_to: {agents: [worker]}\n", name="own"))
    policies = load_policies(tmp_path)
    assert ask(policies, "x", principal=CHAIN).rule == "no"
    decision = ask(policies, "y", principal=CHAIN)
    assert (decision.effect, decision.document) == ("deny", "root")
    only = load_policies(tmp_path / "root.yaml")
    assert ask(only, "y", principal=CHAIN).rule == "builtin:no-policy"


# Types and verbs

VERBS = """
rules:
  - {name: no, condition: "action.type in ['drop', 'delete']", action: deny}
  - {name: yes, condition: "action.type in ['admin', 'read', 'sql']", action: allow}
"""


@pytest.mark.parametrize(
    ("name", "args", "rule"),
    [
        ("drop", {}, "no"),
        ("DROP ", {}, "no"),
        ("sql", {"action": "drop"}, "no"),
        ("sql", {"action": "ＤＲＯＰ\u200b "}, "no"),
        ("drop", {"action": "read"}, "no"),
        ("sql", {"action": "read"}, "yes"),
        ("sql", {}, "yes"),
        ("other", {"action": "read"}, "builtin:default"),
        ("other", {"action": "sql"}, "builtin:default"),
        ("sql", {"action": ["drop"]}, "yes"),
        ("sql", {"Action": "drop"}, "yes"),
    ],
)
def test_restricting_rules_see_type_or_verb_and_allow_rules_the_type(
    name: str, args: dict[str, Any], rule: str
) -> None:
    assert ask(policy(VERBS, default="deny"), name, args).rule == rule


def test_type_from_action_lets_allow_rules_see_the_verb() -> None:
    policies = policy("tools: {admin: {type_from: action}}\n" + VERBS, default="deny")
    assert ask(policies, "admin", {"action": "read"}).rule == "yes"
    assert ask(policies, "admin", {"action": "drop"}).rule == "no"
    assert ask(policies, "admin", {"action": "other"}).rule == "builtin:default"
    assert ask(policies, "admin").rule == "yes"


def test_a_verb_that_errs_under_one_view_can_match_under_the_other() -> None:
    policies = policy(
        "rules:\n  - {name: r, action: deny, condition: "
        "\"action.type == 'drop' || (has(args.n) && args.n > 1)\"}\n"
    )
    decision = ask(policies, "sql", {"action": "drop", "n": "text"})
    assert decision.rule == "r"
    assert not decision.failed
    assert ask(policies, "sql", {"action": "other", "n": "text"}).failed


def test_a_transform_that_makes_a_verb_is_judged_by_it() -> None:
    policies = policy(
        VERBS + "  - {name: t, tool: sql, action: transform, set: {args.action: \"'drop'\"}}\n"
    )
    assert ask(policies, "sql", {"action": "read"}).rule == "no"


# Effects of unlisted tools

SINK = "tool.effects.exists(e, e in ['network', 'write'])"
HARMLESS = "tool.effects.all(e, e in ['read'])"


def test_an_unlisted_tool_is_every_sink_and_nothing_harmless() -> None:
    tools = "tools: {reader: {effects: [read]}, poster: {effects: [network]}}\n"
    sinks = policy(tools + f'rules: [{{name: r, condition: "{SINK}", action: deny}}]\n')
    assert ask(sinks, "reader").effect == "allow"
    assert ask(sinks, "poster").effect == "deny"
    assert ask(sinks, "unheard-of").effect == "deny"
    harmless = policy(
        tools + f'rules: [{{name: r, condition: "{HARMLESS}", action: allow}}]\n', default="deny"
    )
    assert ask(harmless, "reader").effect == "allow"
    assert ask(harmless, "poster").effect == "deny"
    assert ask(harmless, "unheard-of").effect == "deny"


# Changes


def test_changes_are_computed_on_what_was_received_and_applied_at_once() -> None:
    policies = policy(
        "tools: {tool: {args: {a: string, b: string}}}\n"
        "rules:\n"
        "  - {name: swap1, tool: tool, action: transform, set: {args.a: 'args.b'}}\n"
        "  - {name: swap2, tool: tool, action: transform, set: {args.b: 'args.a'}}\n"
        "  - {name: hide, tool: tool, action: redact, paths: ['args.c[*].ssn']}\n"
    )
    args = {"a": "1", "b": "2", "c": [{"ssn": "x"}]}
    decision = ask(policies, args=args)
    assert decision.effect == "allow"
    assert decision.replacement is not None
    assert decision.replacement.tree == {"a": "2", "b": "1", "c": [{"ssn": "[REDACTED]"}]}
    assert args == {"a": "1", "b": "2", "c": [{"ssn": "x"}]}


@pytest.mark.parametrize("when", ["bad", "fine"])
def test_restricting_rules_see_what_came_in_and_what_would_run(when: str) -> None:
    policies = policy(
        "tools: {tool: {args: {to: string}}}\n"
        "rules:\n"
        "  - {name: no, tool: tool, condition: \"args.to == 'bad'\", action: deny}\n"
        "  - {name: t, tool: tool, action: transform, set: "
        "{args.to: \"args.to == 'bad' ? 'good' : 'bad'\"}}\n"
    )
    assert ask(policies, args={"to": when}).rule == "no"


def test_an_allow_rule_does_not_see_what_a_change_makes() -> None:
    policies = policy(
        "tools: {tool: {args: {to: string}}}\n"
        "rules:\n"
        "  - {name: yes, tool: tool, condition: \"args.to == 'good'\", action: allow}\n"
        "  - {name: t, tool: tool, action: transform, set: {args.to: \"'good'\"}}\n",
        default="deny",
    )
    assert ask(policies, args={"to": "bad"}).rule == "builtin:default"


def test_overlapping_changes_are_a_denial() -> None:
    policies = policy(
        "rules:\n"
        "  - {name: one, condition: 'has(args.a)', action: redact, paths: [args.a]}\n"
        "  - {name: two, condition: 'has(args.b)', action: transform, set: {args.a.x: '1'}}\n"
    )
    assert ask(policies, args={"a": {"x": 0}}).effect == "allow"
    decision = ask(policies, args={"a": {"x": 0}, "b": 1})
    assert decision.effect == "deny"
    assert "overlap" in decision.reason


def test_visibly_overlapping_changes_do_not_load() -> None:
    with pytest.raises(PolicyError, match="always change the same place"):
        policy(
            "rules:\n"
            "  - {name: one, action: redact, paths: [args.a]}\n"
            "  - {name: two, action: transform, set: {args.a.x: '1'}}\n"
        )


def test_results_are_changed_on_after() -> None:
    policies = policy(
        "rules:\n"
        "  - {name: hide, on: tool_call.after, action: redact, paths: ['result.rows[*].ssn']}\n"
    )
    decision = ask(policies, stage="after", result={"rows": [{"ssn": "1"}]})
    assert decision.replacement is not None
    assert decision.replacement.tree == {"rows": [{"ssn": "[REDACTED]"}]}
    assert ask(policies, stage="after", result="text").replacement is None


def test_a_failed_action_has_no_result_to_change() -> None:
    policies = policy(
        "rules:\n"
        "  - {name: hide, on: tool_call.after, action: redact, paths: [result.ssn]}\n"
        "  - {name: put, on: tool_call.after, action: transform, set: {result.note: \"'x'\"}}\n"
    )
    assert ask(policies, stage="after", error="builtins.ValueError: no").effect == "allow"
    assert ask(policies, stage="after", result={"ssn": 1}).replacement is not None


def test_a_rule_that_reads_the_error_sees_it() -> None:
    policies = policy(
        "rules:\n  - {name: r, on: tool_call.after, action: deny, "
        "condition: \"action.error != null && action.error.contains('password')\"}\n"
    )
    assert ask(policies, stage="after", error="x.E: the password is 1").rule == "r"
    assert ask(policies, stage="after", error="x.E: no").effect == "allow"
    assert ask(policies, stage="after", result="fine").effect == "allow"


# Explaining


def test_explain_gives_the_same_decision_and_a_finding_for_every_rule() -> None:
    policies = policy(
        "rules:\n"
        "  - {name: hit, tool: tool, action: deny}\n"
        "  - {name: miss, condition: \"action.type == 'x'\", action: deny}\n"
        f"  - {{name: broken, condition: '{ERRING}', action: deny}}\n"
        "  - {name: elsewhere, on: message, action: deny}\n"
        "  - {name: others, agent: bob, action: deny}\n"
        "  - {name: wrong-tool, tool: y, action: deny}\n"
        "  - {name: quiet, action: deny, mode: audit}\n"
    )
    action = Action("tool_call", "tool", {"n": "text"}, principal=AGENT)
    facts = Facts(AGENT, session={"id": "s"}, run={"id": "s"}, now=0)
    found = explain(policies, action, facts)
    assert found.decision.as_dict() == decide(policies, action, facts).as_dict()
    said = {finding.rule.name: (finding.status, finding.why) for finding in found.findings}
    assert said["hit"][0] == "matched"
    assert said["miss"] == ("not matched", "`action.type == 'x'` is false: action.type is \"tool\"")
    assert said["broken"][0] == "failed"
    assert said["elsewhere"] == ("not matched", "it is on message")
    assert said["others"] == ("not matched", "it is for the agents bob")
    assert said["wrong-tool"] == ("not matched", "it is for the tools y")
    assert said["quiet"] == ("matched", "it has no condition, recorded only")
    assert len(found.as_dict()["rules"]) == 7


def test_explain_of_a_document_for_others() -> None:
    policies = policy("applies_to: {agents: [bob]}\nrules: [{name: r, action: deny}]\n")
    found = explain(policies, Action("tool_call", "t", {}), Facts(AGENT, session={}, run={}, now=0))
    assert found.findings[0].why == "its document is for other agents, environments or tenants"


# The time it takes


@given(
    st.dictionaries(
        st.sampled_from(["n", "s", "l", "action"]),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats()),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.text(max_size=3), inner, max_size=3),
            ),
            max_leaves=6,
        ),
    )
)
def test_plain_data_never_makes_it_raise(args: dict[str, Any]) -> None:
    policies = policy(
        "rules:\n"
        "  - {name: a, action: deny, condition: 'has(args.n) && args.n > 3'}\n"
        "  - {name: b, action: allow, condition: 'has(args.l) && args.l.all(x, x != 1)'}\n"
        "  - {name: c, action: deny, condition: \"has(args.s) && args.s.matches('^a')\"}\n"
        "  - {name: d, action: redact, paths: ['args.l[*].x', args.s]}\n"
        "  - {name: e, action: transform, condition: 'has(args.n)', set: {args.n: 'has(args.n) ? [args.n] : []'}}\n"
    )
    assert ask(policies, args=args).effect in {"allow", "deny"}
