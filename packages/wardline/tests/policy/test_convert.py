"""A converted document loads, decides the same and says what is judged otherwise."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardline.action import Action, Principal
from wardline.cases import parse_given
from wardline.decide import decide
from wardline.errors import PolicyError
from wardline.facts import Facts
from wardline.policy import PolicySet, convert, lint, load_policies, parse_policies

KIT = """\
apiVersion: governance.toolkit/v1
name: production-policy
version: "1.0"
description: "what: production does"
agents: [payer, "bot-*"]
scope: global
default_action: allow
rules:
- name: block-destructive
  description: no dropping
  condition: "action.type in ['drop', 'Delete']"
  action: deny
- name: few
  condition: "action.type == 'send' and amount > 10"
  action: allow
  limit: 90/minute
- name: ask
  condition: "action.type == 'pay'"
  action: require_approval
- name: told
  stage: post_tool
  condition: "true"
  action: warn
  priority: 5
- name: gone
  condition: "action.type == 'x'"
  enabled: false
"""
CONVERTED = """\
# Converted from governance.toolkit/v1. Comments say what is judged otherwise than by the engine of the
# original; where there is none, the meaning is the same.
# The original was version "1.0".
# `scope` decides nothing: whichever document refuses, wins
apiVersion: wardline/v1
name: production-policy
description: "what: production does"
default_action: allow
applies_to:
  agents: [payer, "bot-*"]
limits:
  - { name: few, count: calls, rule: few, at_most: 90, per: tenant, window: 1m }
rules:
  # types have no letter case here, so Delete is read in lower case
  - name: block-destructive
    description: no dropping
    condition: "action.type in ['drop', 'delete']"
    action: deny
  # without `amount` the comparison does not hold; AGT takes a missing argument for zero or empty
  - name: few
    condition: "action.type == 'send' && (has(args.amount) && args.amount > 10)"
    action: allow
  # asks for approval and names nobody who could give it
  - name: ask
    condition: "action.type == 'pay'"
    action: require_approval
    approvers: [nobody]
  # `warn` is recorded and refuses nothing; AGT's govern() denies
  # `post_tool` is judged here; AGT's govern() never does
  # `priority` decides nothing: deny wins over require_approval over allow
  - name: told
    on: tool_call.after
    action: audit
  # rule gone is switched off in the original, and left out
"""


def written(folder: Path, text: str, name: str = "p.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_same_policy_in_our_own_words(tmp_path: Path) -> None:
    found = convert(written(tmp_path, KIT))
    lines = [line for line in found.splitlines() if "AGT reads only a part" not in line]
    assert "\n".join(lines) + "\n" == CONVERTED
    parse_policies(found)


def test_names_texts_and_comments_survive_whatever_is_in_them(tmp_path: Path) -> None:
    odd = ["a: b", "yes", "# x", "'q'", '"', "é☃😀", "a\u2028b\u0007", "-", "1", "x\ny"]
    for name in odd:
        text = (
            "apiVersion: governance.toolkit/v1\n"
            f"name: {_escaped(name)}\ndescription: {_escaped(name)}\nagents: [{_escaped('a' + name)}]\n"
            f"rules: [{{name: {_escaped(name)}, condition: {_escaped('action.type == ' + _cel(name))}}}]\n"
        )
        path = written(tmp_path, text)
        original, made = load_policies(path), parse_policies(convert(path))
        assert [(d.name, d.description) for d in made.documents] == [(name, name)]
        assert made.rules[0].types == original.rules[0].types
        assert made.rules[0].name == name


def _escaped(text: str) -> str:
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}"
        for char in json.dumps(text, ensure_ascii=False)
    )


def _cel(text: str) -> str:
    inner = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{inner}'"


def test_parents_are_named_as_they_were(tmp_path: Path) -> None:
    head = "apiVersion: governance.toolkit/v1\n"
    written(
        tmp_path,
        head + "name: org\nrules: [{name: d, condition: \"action.type == 'drop'\"}]\n",
        "org.yaml",
    )
    child = written(tmp_path, head + "name: child\nextends: org.yaml\nrules: []\n")
    made = written(tmp_path, convert(child), "made.yaml")
    assert [document.name for document in load_policies(made).documents] == ["child", "org"]
    assert "default_action" not in made.read_text()  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("apiVersion: wardline/v1\nname: p\n", "not in governance.toolkit/v1"),
        ("apiVersion: governance.toolkit/v1\nname: p\nrulez: []\n", "no key `rulez`"),
    ],
)
def test_what_cannot_be_converted_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PolicyError, match=says):
        convert(written(tmp_path, text))


# Decisions

CONDITIONS = st.sampled_from(
    [
        "true", "action.type == 'drop'", "action.type in ['Send', 'pay']", "amount > 10", "args.amount <= 10 and to == 'bob'",
        "not (to == 'bob')", "action.tool == 'send' or action.type == 'pay' and amount < 5", "to.startsWith('x')",
        "principal.environment == 'prod'", "args.flag", "table != 'users' or (amount == 3)",
    ]
)  # fmt: skip
RULES = st.fixed_dictionaries(
    {"condition": CONDITIONS},
    optional={
        "action": st.sampled_from(["allow", "deny", "require_approval", "warn", "log"]),
        "stage": st.sampled_from(["pre_tool", "post_tool", "pre_input", "pre_output"]),
        "approvers": st.sampled_from([["a"], ["a", "b"], None]),
        "enabled": st.booleans(),
        "priority": st.integers(0, 9),
        "limit": st.sampled_from(["1/hour", "5/second", "3/day"]),
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {"rules": st.lists(RULES, max_size=4)},
    optional={
        "default_action": st.sampled_from(["allow", "deny"]),
        "agents": st.sampled_from([["payer"], ["*"], ["b*"]]),
        "scope": st.just("tenant"),
    },
)
ARGS = st.fixed_dictionaries(
    {},
    optional={
        "amount": st.sampled_from([3, 10, 11, 5.5, "x"]),
        "to": st.sampled_from(["bob", "xavier", 1]),
        "flag": st.booleans() | st.just("yes"),
        "action": st.sampled_from(["drop", "pay", "other"]),
        "table": st.just("users"),
    },
)


def told(policies: PolicySet, action: Action, facts: Facts) -> dict[str, Any]:
    made = decide(policies, action, facts).as_dict()
    for key in ("file", "line", "policy"):
        del made[key]
    return json.loads(json.dumps(made).replace('["nobody"]', "[]"))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=DOCUMENTS,
    actions=st.lists(
        st.tuples(
            st.sampled_from(["drop", "send", "Pay", "other"]), ARGS,
            st.sampled_from([("tool_call", "before"), ("tool_call", "after"), ("input", "before"), ("output", "before")]),
            st.sampled_from([Principal("payer", environment="prod"), Principal("bob"), Principal("x", chain=("payer",))]),
        ),
        min_size=1, max_size=4,
    ),
    used=st.integers(0, 6),
)  # fmt: skip
def test_LANG_14_a_converted_document_decides_the_same(
    tmp_path: Path, document: dict[str, Any], actions: list[Any], used: int
) -> None:
    document = {"apiVersion": "governance.toolkit/v1", "name": "p", **document}
    for number, rule in enumerate(document["rules"]):
        rule["name"] = f"r{number}"
    path = written(tmp_path, json.dumps(document))
    original = load_policies(path)
    text = convert(path)
    made = parse_policies(text)
    lint(made)
    (one,), (other,) = original.documents, made.documents
    names = {limit.name: used for limit in other.limits}
    active = {rule.name for rule in one.rules}
    assert set(names) == {limit.name for limit in one.limits} & active
    for name, args, (kind, stage), principal in actions:
        action = Action(kind, name, args, stage=stage, principal=principal)
        result = {"result": 1} if stage == "after" else {}
        facts = Facts(principal, {"id": "s"}, {"id": "r"}, 0, **result)
        assert told(original, action, facts) == told(made, action, facts)
        if stage == "before" and names:
            given_ = parse_given(
                json.dumps({"kind": kind, "name": name, "args": args}), json.dumps({"used": names})
            )
            told_apart = [
                told(policies, given_.action, given_.facts(policies))
                for policies in (original, made)
            ]
            assert told_apart[0] == told_apart[1]


EXAMPLES = os.environ.get("WARDLINE_AGT_POLICIES")


@pytest.mark.skipif(not EXAMPLES, reason="WARDLINE_AGT_POLICIES names no folder of AGT's policies")
def test_LANG_14_their_own_examples_convert() -> None:
    done = 0
    for path in sorted(Path(str(EXAMPLES)).rglob("*.yaml")):
        if "governance.toolkit/v1" not in path.read_text():
            continue
        try:
            original = load_policies(path)
        except PolicyError:
            continue  # what their engine ignores in it is an error here, with its place
        made = parse_policies(convert(path))
        done += 1
        types = {type_ for rule in original.rules for type_ in rule.types or ()}
        for name in sorted(types) or ["x"]:
            for kind in ("tool_call", "input", "output"):
                action = Action(kind, name, {"message": "transfer funds"})
                facts = Facts(Principal(), {"id": "s"}, {"id": "r"}, 0)
                assert told(original, action, facts) == told(made, action, facts), path
    assert done


# Limits that count one rule


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("{name: l, count: calls, rule: r, at_most: 1, per: run}", None),
        ("{name: l, count: calls, rule: rr, at_most: 1, per: run}", "did you mean `r`?"),
        ("{name: l, count: tokens, rule: r, at_most: 1, per: run}", "count calls"),
        ("{name: l, count: calls, rule: r, tool: x, at_most: 1, per: run}", "keep one of the two"),
        ("{name: l, count: calls, rule: d, at_most: 1, per: run}", "denies each of them"),
    ],
)
def test_a_limit_may_count_the_matches_of_one_rule(limit: str, says: str | None) -> None:
    text = (
        f"apiVersion: wardline/v1\nname: p\nlimits: [{limit}]\n"
        "rules: [{name: r, tool: x, action: allow}, {name: d, tool: y, action: deny}]\n"
    )
    if says is None:
        policies = parse_policies(text)
        for name, effect in (("x", "deny"), ("y", "deny"), ("z", "deny")):
            found = parse_given(f"name: {name}", "used: {l: 1}")
            decision = decide(policies, found.action, found.facts(policies))
            assert decision.effect == effect
            assert (decision.rule == "builtin:limits") is (name == "x")
        return
    with pytest.raises(PolicyError) as caught:
        parse_policies(text)
    assert any(says in f"{one.message} {one.hint}" for one in caught.value.problems)
