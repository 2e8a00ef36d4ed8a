"""Whatever is done to the bytes of a policy: it loads, or it is a PolicyError with a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline.errors import PolicyError, Problem
from wardline.policy import lint, load_policies, parse_policies, reader

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = [
    b"""\
apiVersion: wardline/v1
name: full
default_action: deny
approvers: [security-team]
applies_to: {agents: ["payments-*"], environments: [prod]}
unlisted_tools: deny
tools:
  send_email: { effects: [network, write], clearance: internal, args: {to: {type: list(string)}, body: string} }
  write_file: { effects: [write], args: {path: string}, changes: args.path, opaque: [handle], returns: [] }
  "db_*": { type_from: action, ring: 2 }
limits:
  - { name: rate, count: calls, tool: send_email, at_most: 10, per: agent, window: 1h }
  - { name: day, count: tokens, at_most: 9, per: tenant, calendar: day Europe/Berlin, estimate: 3 }
rules:
  - name: block
    on: [tool_call, message.after]
    tool: [write_file, 'x*']
    condition: |
      has(args.path) && (args.path.startsWith('/etc')
        || args.path.matches("^[a-z]+$"))
    action: deny
    reason: 'it''s refused'
  - { name: ask, action: require_approval, quorum: 2, expires_in: 5m, separation_of_duties: true }
  - { name: hide, on: tool_call.after, action: redact, paths: ["result.rows[*].ssn"] }
  - { name: cut, tool: send_email, action: transform, set: { args.body: "args.body + '!'" } }
""",
    b"""\
apiVersion: governance.toolkit/v1
name: production-policy
version: "1.0"
agents: ["*"]
default_action: allow
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
""",
    b'{"apiVersion": "wardline/v1",\t"name": "j\\ud83d\\ude00", "rules": [{"name": "r", "action": "deny"}]}',
]
PIECES = [b"&a", b"*a", b"!!x ", b"<<: ", b"\t", b"\n", b"---\n", b"'", b'"', b"{", b"]", b": ", b"- ", b"|", b">",
          b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", b"\x00", b"#", b"%", b"\\", b"?", b"null", b"1", b"  ", b"&&", b"(", b")"]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["byte", "piece", "cut", "copy"]))
        if kind == "byte" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "piece":
            data[at:at] = draw(st.sampled_from(PIECES))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 30))]
        else:
            end = at + draw(st.integers(1, 30))
            data[at:at] = data[at:end]
    return bytes(data)


def attempt(path: Path, data: bytes) -> str | None:
    path.write_bytes(data)
    error = None
    try:
        policies = load_policies(path)
    except PolicyError as raised:
        error = raised
    if error is None:
        lint(policies)
        return policies.digest
    assert error.problems
    assert all(problem.message and str(problem) for problem in error.problems)
    return None


def mistakes(text: str) -> tuple[Problem, ...]:
    try:
        parse_policies(text)
    except PolicyError as error:
        return error.problems or (Problem("nothing said", line=-1),)
    return ()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations") / "p.yaml"


def test_the_seeds_load(place: Path) -> None:
    for seed in SEEDS:
        assert attempt(place, seed)


@given(data=mutated())
@settings(max_examples=400, deadline=None)
def test_mutations_load_or_are_policy_errors(place: Path, data: bytes) -> None:
    digest = attempt(place, data)
    before = reader._LOADER
    reader._LOADER = yaml.SafeLoader  # type: ignore[misc]
    try:
        assert attempt(place, data) == digest  # the C parser decides nothing
    finally:
        reader._LOADER = before  # type: ignore[misc]


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_loads_or_is_a_policy_error(text: str) -> None:
    for head in (
        "",
        "apiVersion: wardline/v1\nname: p\n",
        "apiVersion: governance.toolkit/v1\nname: p\n",
    ):
        assert all(problem.line >= 0 for problem in mistakes(head + text))


@given(st.text("abnotrx.='[]()&|! <>1,", max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_condition_of_the_toolkit_loads_or_is_a_policy_error(condition: str) -> None:
    import json

    text = f"apiVersion: governance.toolkit/v1\nname: p\nrules:\n- {{name: r, condition: {json.dumps(condition)}}}\n"
    assert all(problem.line == 4 for problem in mistakes(text))
