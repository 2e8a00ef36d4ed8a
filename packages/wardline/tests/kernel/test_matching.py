"""However many conditions are evaluated at once, the answer is that of rule after rule.

`rule_by_rule` is how a decision is meant, written without an index, groups or generated code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardline import activation
from wardline.action import Action, Principal
from wardline.activation import UNLISTED, UNLISTED_FOR_ALLOW, Activation
from wardline.cel.fast import batch as fast
from wardline.decide import decide
from wardline.errors import EvaluationError
from wardline.facts import Facts
from wardline.matching import match_rules
from wardline.policy import parse_policies
from wardline.policy.compile import PolicySet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.policy.model import Document, Rule

Outcome = tuple[list[str], list[tuple[str, str]], int]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make code at once, for a few conditions at a time."""
    monkeypatch.setattr(fast, "_COLD", 1)
    monkeypatch.setattr(fast, "_TOGETHER", 3)


def views(rule: Rule, action: Action, entry: Any) -> list[str]:
    """The values of `action.type` under which a rule looks at an action (POLICY, action.type)."""
    own, verb = action.type, action.verb
    if not verb or verb == own or rule.program is None or "action.type" not in rule.program.reads:
        return [own]
    if rule.action not in ("allow", "audit"):
        return [own, verb]
    return [verb] if entry is not None and entry.type_from == "action" else [own]


def is_meant(rule: Rule, document: Document, acting: bool, facts: Facts) -> bool:
    restricting = rule.action not in ("allow", "audit")
    if not (acting or restricting):
        return False
    if rule.agent is not None:
        who = [facts.principal.id, facts.principal.name or facts.principal.id]
        who += facts.principal.chain if restricting else ()
        return any(rule.agent.match(name) for name in who)
    return True


def rule_by_rule(policies: PolicySet, action: Action, facts: Facts, env: Activation) -> Outcome:
    matched: list[str] = []
    failed: list[tuple[str, str]] = []
    applied = {document.name: acting for document, acting in policies.applicable(facts.principal)}
    documents = {document.name: document for document in policies.documents}
    looked_at = policies.candidates(
        action.kind, action.stage, action.name, action.type, action.verb
    ).rules
    for rule in policies.rules:
        document = documents[rule.document]
        entry = document.tools.entry(action.name)
        if (action.kind, action.stage) not in rule.on or document.name not in applied:
            continue
        if rule.tool is not None and not rule.tool.match(action.type):
            continue
        if not is_meant(rule, document, applied[document.name], facts):
            continue
        label = f"{rule.document}/{rule.name}"
        if rule.program is None:
            matched.append(label)
            continue
        if facts.error is not None and "action.error" not in rule.program.reads:
            continue
        if rule not in looked_at:
            # Its condition is false whatever it says beside the type or name it asks for.
            types, names = rule.types, rule.names
            assert (types is not None and not types & {action.type, action.verb}) or (
                names is not None and action.name not in names
            )
            continue
        if entry is not None:
            env.tool = entry.view
        else:
            env.tool = UNLISTED_FOR_ALLOW if rule.action in ("allow", "audit") else UNLISTED
        problem = ""
        for type_ in views(rule, action, entry):
            env.type = type_
            try:
                if rule.program.test(env):
                    matched.append(label)
                    problem = ""
                    break
            except EvaluationError as error:
                problem = str(error)
        if problem:
            failed.append((label, problem))
    return matched, failed, env.budget


def all_at_once(policies: PolicySet, action: Action, facts: Facts, env: Activation) -> Outcome:
    candidates = policies.candidates(
        action.kind, action.stage, action.name, action.type, action.verb
    )
    applied = policies.applicable(facts.principal)
    matched, failed = match_rules(env, action.verb, candidates, applied, facts)
    return (
        [f"{rule.document}/{rule.name}" for rule in matched],
        [(f"{one.rule.document}/{one.rule.name}", one.message) for one in failed],
        env.budget,
    )


CONDITIONS = [
    "", "has(args.n) && args.n > 5", "has(args.n) && args.n > 1 && args.n < 9", "action.type == 'pay'", "action.type != 'pay'",
    "action.type in ['pay', 'drop', 'read'] && has(args.s)", "action.name == 'Pay'", "has(args.s) && args.s.startsWith('ab')",
    "has(args.s) && args.s.contains('b')", "!has(args.s) || args.s == 'ab'", "has(args.s) && (args.s == 'x' || args.s.contains('b'))",
    "has(args.l) && args.l.exists(i, i > 2)", "has(args.l) && args.l.all(i, i > 0 || action.type == 'drop')", "'write' in tool.effects",
    "!('unknown' in tool.effects) && action.type != 'read'", "principal.id == 'boss'", "'ops' in principal.roles", "session.tool_calls >= 3",
    "has(args.n) && args.n + 1 > 5", "has(args.s) && args.s.matches('a+b')", "has(args.n) && args.n in [1, 2, 3] && action.type == 'pay'",
    "has(args.x) && args.x", "has(args.x) && args.x == args.x", "action.type.startsWith('p') || (has(args.x) && has(args.x.a))", "has(args.n) ? args.n < 3 : action.type == 'drop'",
]  # fmt: skip
AFTER = ["action.result == 'ab'", "has(action.result.a)", "action.error != null", "action.error == null && action.duration_ms > 5", "action.type == 'pay'"]  # fmt: skip
TOOLS = ["", "tool: pay, ", "tool: 'p*', ", "tool: [drop, read], ", "tool: '*', "]
AGENTS = ["", "", "agent: 'b*', ", "agent: worker, "]
EFFECTS = ["deny", "allow", "audit", "require_approval, approvers: [o]", "redact, paths: [args.zz]"]
HEADS = [
    "",
    "applies_to: {agents: [boss]}\n",
    "applies_to: {agents: [worker]}\n",
    "tools: {pay: {type_from: action, effects: [write]}, 'r*': {effects: [read]}}\n",
    "tools: {pay: {effects: [read, write]}}\nmode: audit\n",
]


@st.composite
def policy_sets(draw: st.DrawFn) -> PolicySet:
    documents: list[Document] = []
    for number in range(draw(st.integers(1, 3))):
        lines = []
        for at in range(draw(st.integers(1, 8))):
            after = draw(st.integers(0, 4)) == 0
            condition = draw(st.sampled_from(AFTER if after else CONDITIONS))
            effect = draw(st.sampled_from(EFFECTS[:3] if after else EFFECTS))
            text = f'condition: "{condition}", ' if condition else ""
            on = "on: tool_call.after, " if after else draw(st.sampled_from(["", "on: [message, tool_call], "]))  # fmt: skip
            effect = "deny" if "message" in on and "redact" in effect else effect
            tool = draw(st.sampled_from(TOOLS)) if "message" not in on else ""
            lines.append(
                f"  - {{name: r{at}, {on}{tool}{draw(st.sampled_from(AGENTS))}{text}action: {effect}}}"
            )
        head = f"apiVersion: wardline/v1\nname: d{number}\napprovers: [o]\ndefault_action: allow\n"
        text = head + draw(st.sampled_from(HEADS)) + "rules:\n" + "\n".join(lines) + "\n"
        documents += parse_policies(text).documents
    for document in documents:
        for rule in document.rules:
            object.__setattr__(rule, "ordinal", -1)  # they now belong to another set
    return PolicySet(documents)


ACTIONS = st.builds(
    lambda name, args, verb, stage: Action(
        "tool_call", name, {**args, **({"action": verb} if verb else {})}, stage=stage
    ),
    st.sampled_from(["pay", "Pay", "drop", "read", "other"]),
    st.fixed_dictionaries(
        {},
        optional={
            "n": st.integers(0, 10) | st.just("text") | st.just(2**70) | st.floats(),
            "s": st.sampled_from(["", "ab", "x", "abb" * 40, "ab" * 300, 5]),
            "l": st.lists(st.integers(-1, 4) | st.none(), max_size=4),
            "x": st.booleans() | st.none() | st.dictionaries(st.just("a"), st.just(1)),
        },
    ),
    st.sampled_from(["", "", "pay", "drop", "Read", "nothing"]),
    st.sampled_from(["before", "before", "before", "after"]),
)
PRINCIPALS = st.sampled_from(
    [
        Principal("boss", roles=("ops",)),
        Principal("worker", chain=("boss",)),
        Principal("x", name="bob"),
        Principal("y"),
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    policies=policy_sets(),
    actions=st.lists(ACTIONS, min_size=1, max_size=4),
    principal=PRINCIPALS,
    error=st.sampled_from([None, None, "x.Y: z"]),
    result=st.sampled_from([None, "ab", {"a": 1}]),
    budget=st.sampled_from([activation.BUDGET, activation.BUDGET, None]),
    short=st.integers(0, 40),
)
def test_many_at_once_are_what_rule_after_rule_says(
    policies: PolicySet,
    actions: list[Action],
    principal: Principal,
    error: str | None,
    result: Any,
    budget: int | None,
    short: int,
) -> None:
    for action in actions:
        after = action.stage == "after"
        facts = Facts(
            principal,
            {"tool_calls": 3},
            {},
            1,
            result=result if after else None,
            error=error if after else None,
            duration_ms=7,
        )

        def fresh(left: int, action: Action = action, facts: Facts = facts) -> Activation:
            env = Activation(action, facts, action.args, facts.result)
            env.budget = left
            return env

        left = budget
        if left is None:
            # A budget that runs out somewhere on the way.
            plenty = rule_by_rule(policies, action, facts, fresh(activation.BUDGET))[2]
            left = max(activation.BUDGET - plenty - short, 0)
        expected = rule_by_rule(policies, action, facts, fresh(left))
        for _ in range(4):  # strictly at first, then with the code of more and more conditions
            assert all_at_once(policies, action, facts, fresh(left)) == expected


def decisions() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "pay", {"n": 3}
    yield "pay", {"n": "text"}
    yield "drop", {}


def test_a_decision_does_not_change_when_code_is_made() -> None:
    policies = parse_policies(
        "apiVersion: wardline/v1\nname: p\ndefault_action: allow\nrules:\n"
        + "".join(
            f'- {{name: r{i}, condition: "has(args.n) && args.n > {i}", action: {effect}}}\n'
            for i, effect in enumerate(["allow", "deny", "audit", "deny"])
        )
    )
    facts = Facts(Principal("agent"), {}, {}, 1)
    for name, args in decisions():
        seen = {
            str(decide(policies, Action("tool_call", name, args), facts).as_dict())
            for _ in range(50)
        }
        assert len(seen) == 1
