"""The JSON Schema takes whatever loads, and knows no key that the loader does not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from wardline.cases.mutants.document import mutants_of
from wardline.errors import PolicyError
from wardline.policy import parse_policies, schema
from wardline.policy.json_schema import SECTIONS, SHAPES
from wardline.policy.reader import read
from wardline.policy.source import Source

ROOT = Path(__file__).parents[4]
NATIVE = Draft202012Validator(schema())
TOOLKIT = Draft202012Validator(schema(toolkit=True))

FULL = """\
apiVersion: wardline/v1
name: full
description: all there is
default_action: deny
approvers: [security-team]
applies_to: {agents: ["payments-*"], environments: prod, tenants: [a, b]}
unlisted_tools: deny
tools:
  send_email: { effects: [network, write], clearance: internal, args: {to: {type: list(string)}, body: string} }
  write_file: { effects: write, args: {path: string}, changes: args.path, opaque: [handle], returns: [] }
  "db_*": { type_from: action, ring: 2, idempotent: true, returns: [untrusted, pii] }
  nothing: {}
limits:
  - { name: rate, count: calls, tool: send_email, at_most: 10, per: agent, window: 1h }
  - { name: day, count: tokens, at_most: 9, per: tenant, calendar: day Europe/Berlin, estimate: 3 }
  - { name: hour, count: seconds, at_most: 9, per: tenant, calendar: hour, on_exceed: require_approval }
rules:
  - name: block
    on: [tool_call, message.after]
    tool: [write_file, 'x*']
    agent: "intern-*"
    condition: |
      has(args.path) && (args.path.startsWith('/etc')
        || args.path.matches("^[a-z]+$"))
    action: deny
    reason: 'it''s refused'
    mode: audit
  - { name: ask, action: require_approval, quorum: 2, expires_in: 5m, separation_of_duties: true, approvers: [a] }
  - { name: hide, on: tool_call.after, action: redact, paths: ["result.rows[*].ssn"] }
  - { name: cut, tool: send_email, action: transform, set: { args.body: "args.body + '!'" } }
"""
KIT = """\
apiVersion: governance.toolkit/v1
name: production-policy
version: 1.0
agents: ["*"]
agent: null
extends: []
scope: global
default_action: allow
description: ""
rules:
- name: block-destructive
  condition: "action.type in ['drop', 'Delete'] and not (args.amount > 100 or table == 'users')"
  action: deny
  stage: pre_tool
- name: rate
  condition: action.tool == "send_email" or path.startsWith('/x')
  action: allow
  limit: "100/hour"
  priority: 10
  enabled: true
  approvers:
- name: ask
  condition: "true"
  action: require_approval
  approvers: [a]
"""


def tree(text: str) -> Any:
    return read(Source(text, "p.yaml")).plain()


def problems(document: Any) -> list[str]:
    kit = isinstance(document, dict) and document.get("apiVersion") == "governance.toolkit/v1"
    return [error.message for error in (TOOLKIT if kit else NATIVE).iter_errors(document)]


def loads(text: str) -> bool:
    try:
        parse_policies(text)
    except PolicyError:
        return False
    return True


def test_the_schemas_are_schemas() -> None:
    for made in (schema(), schema(toolkit=True)):
        Draft202012Validator.check_schema(made)
        json.dumps(made)


def test_LANG_12_the_schema_has_the_keys_of_the_loader_and_says_what_each_is_for() -> None:
    assert set(SHAPES) == set(SECTIONS)
    for section, keys in SECTIONS.items():
        assert set(SHAPES[section]) == set(keys), section
        assert all(shape.get("description") for shape in SHAPES[section].values()), section


@pytest.mark.parametrize("text", [FULL, KIT], ids=["wardline/v1", "governance.toolkit/v1"])
def test_every_key_is_in_a_document_that_loads_and_is_valid(text: str) -> None:
    assert loads(text)
    assert problems(tree(text)) == []


def fenced(path: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def shown() -> list[tuple[str, str]]:
    """Every policy in the repository: files, and examples in pages and tests."""
    found = [
        (path, path.read_text())
        for pattern in (
            "examples/*.yaml",
            "shared-policies/**/policy.yaml",
            "packages/*/tests/**/*.yaml",
        )
        for path in ROOT.glob(pattern)
    ]
    for path in [
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("packages/*/README.md"),
        *ROOT.glob("adapters/*/README.md"),
    ]:
        found += [(path, text) for text in fenced(path)]
    for path in ROOT.glob("**/tests/**/*.py"):
        texts = re.findall(r'"""\\?\n?(apiVersion: .*?)"""', path.read_text(), re.DOTALL)
        found += [(path, text.replace("\\\\", "\\")) for text in texts]
    return [(f"{path.relative_to(ROOT)}", text) for path, text in found if "apiVersion" in text]  # fmt: skip


def test_every_policy_in_the_repository_that_loads_is_valid() -> None:
    tried = [(path, text) for path, text in shown() if loads(text)]
    assert len(tried) > 20
    assert {path for path, _ in tried} >= {"README.md", "examples/quickstart-policy.yaml"}
    for path, text in tried:
        assert problems(tree(text)) == [], path


@pytest.mark.parametrize("text", [FULL, KIT], ids=["wardline/v1", "governance.toolkit/v1"])
def test_every_small_change_that_loads_is_valid(text: str) -> None:
    tried = [mutant.text for mutant in mutants_of(Source(text, "p.yaml"), parse_policies(text))]
    loaded = [one for one in tried if loads(one)]
    assert len(loaded) > 15
    for one in loaded:
        assert problems(tree(one)) == []


FREE = {"tools", "args", "set", "with"}
"""The maps whose keys are names of the author's."""


def closed(node: Any, key: str = "") -> list[dict[str, Any]]:
    """Every map of a document whose keys are those of the language."""
    if isinstance(node, list):
        return [found for item in node for found in closed(item, key)]
    if not isinstance(node, dict):
        return []
    below = [found for name, item in node.items() for found in closed(item, name)]
    return below if key in FREE else [node, *below]


@pytest.mark.parametrize("text", [FULL, KIT], ids=["wardline/v1", "governance.toolkit/v1"])
def test_a_key_that_is_not_known_is_refused_by_both(text: str) -> None:
    document = tree(text)
    places = closed(document)
    assert len(places) > 3
    for place in places:
        place["zzz"] = 1
        assert problems(document)
        assert not loads(json.dumps(document))
        del place["zzz"]
    assert problems(document) == []


WRONG = [
    ("  - {name: r, action: dny}", "dny"),
    ("  - {name: r}", "'action' is a required property"),
    ("  - {action: deny}", "'name' is a required property"),
    ("  - {name: r, action: deny, approvers: [a]}", "False schema"),
    ("  - {name: r, action: deny, paths: [args.x]}", "False schema"),
    ("  - {name: r, action: redact, set: {args.x: '1'}}", "False schema"),
    ("  - {name: r, action: redact}", "is not valid under any"),
    ("  - {name: r, action: transform}", "'set' is a required property"),
    ("  - {name: r, action: redact, on: run, paths: [args.x]}", "should not be valid"),
    ("  - {name: r, action: redact, on: [input, run], paths: [args.x]}", "should not be valid"),
    ("  - {name: r, action: deny, on: output.after}", "is not valid under any"),
    ("  - {name: r, action: deny, on: [tool_call, tool_call]}", "is not valid under any"),
    ("  - {name: r, action: deny, tool: '[a]'}", "is not valid under any"),
    ("  - {name: r, action: deny, condition: 1}", "is not of type 'string'"),
    ("  - {name: r, action: require_approval, approvers: [a], quorum: 0}", "minimum"),
    ("  - {name: r, action: require_approval, approvers: [a], expires_in: soon}", "does not match"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "says"), WRONG)
def test_what_a_schema_can_say_of_a_rule_it_says(rule: str, says: str) -> None:
    text = f"apiVersion: wardline/v1\nname: p\nrules:\n{rule}\n"
    assert any(says in one for one in problems(tree(text))), problems(tree(text))
    assert not loads(text)


DOCUMENTS = [
    "mode: permissive\ndefault_action: deny",
    "applies_to: {}",
    "limits: [{name: l, count: calls}]",
    "limits: [{name: l, count: calls, at_most: 1, per: run, window: 1h, calendar: day}]",
    "limits: [{name: l, count: calls, at_most: -1, per: run}]",
    "limits: [{name: l, count: calls, at_most: 1, per: run, calendar: fortnight}]",
    "tools: {a: {args: {b: strng}}}",
    "tools: {a: {args: {'b-c': string}}}",
    "tools: {a: {ring: 4}}",
    "tools: {a: {effects: [reads]}}",
    "engine: cedar\nrules: []",
    "description: ' '",
    "extends: []",
]


@pytest.mark.parametrize("lines", DOCUMENTS)
def test_what_a_schema_can_say_of_a_document_it_says(lines: str) -> None:
    text = f"apiVersion: wardline/v1\nname: p\n{lines}\n"
    assert problems(tree(text))
    assert not loads(text)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 5), st.floats(allow_nan=False),
    st.sampled_from(["", "a", "deny", "allow", "read", "5m", "tool_call", "a*", "[x]", "args.x", "true", "list( string )", "day UTC"]),
    st.lists(st.sampled_from(["a", "deny", "read", "tool_call", "input"]), max_size=2),
    st.builds(dict),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(data=st.data(), kit=st.booleans())
def test_whatever_value_a_key_has_what_loads_is_valid(data: st.DataObject, kit: bool) -> None:
    document = tree(KIT if kit else FULL)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(closed(document)))
        section = st.sampled_from(sorted({key for keys in SECTIONS.values() for key in keys}))
        key = data.draw(st.sampled_from(sorted(place) or ["name"]) | section)
        if data.draw(st.booleans()):
            place[key] = data.draw(VALUES)
        else:
            place.pop(key, None)
    text = json.dumps(document)
    if loads(text):
        assert problems(tree(text)) == [], text
