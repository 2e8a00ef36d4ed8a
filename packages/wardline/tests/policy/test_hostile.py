"""Hostile policies and hostile arguments: a clear error or a quick answer, never a traceback or a stall."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from wardline.action import Action, Principal
from wardline.decide import decide
from wardline.errors import PolicyError
from wardline.facts import Facts
from wardline.policy import parse_policies, schema
from wardline.policy.reader import read
from wardline.policy.source import Source

HEAD = "apiVersion: wardline/v1\nname: p\n"
RULE = HEAD + 'rules:\n- {{name: r, action: deny, condition: "{}"}}\n'

# Documents


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RULE.format("(" * 2000 + "true" + ")" * 2000), "nested"),
        (RULE.format("!" * 2000 + "true"), "nested"),
        (RULE.format(" && ".join(["true"] * 20_000)), "bytes"),
        (RULE.format("[" * 2000), "nested"),
        (RULE.format("true ? " * 2000), ""),
        (HEAD + "description: " + "[" * 100_000, "nested"),
        (HEAD + "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchor"),
        (HEAD + "name: again\n", "twice"),
        (HEAD + "rules:\n\t- name: r\n", "tab"),
        (HEAD + "default_action: &x deny\n", "anchor"),
        (HEAD + "rules: {}\n", "a list"),
        (HEAD + "rules: [5]\n", "is a map"),
        (HEAD + "mode: true\n", "is a string"),
        (HEAD + "description: !!python/object/apply:os.system ['true']\n", "tag"),
        (HEAD + "--- \n" + HEAD, "one document"),
        ("x" * 17_000_000, "bytes"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_hostile_documents_are_clear_errors(text: str, message: str) -> None:
    started = time.process_time()
    with pytest.raises(PolicyError) as caught:
        parse_policies(text)
    assert time.process_time() - started < 5
    assert message in str(caught.value).casefold()
    assert len(str(caught.value)) < 20_000


def test_ten_megabytes_load() -> None:
    rules = "".join(
        f"- {{name: r{n}, tool: t, action: deny, description: '{'x' * 1_000_000}'}}\n"
        for n in range(10)
    )
    assert len(parse_policies(f"{HEAD}rules:\n{rules}").rules) == 10


# Arguments


def slowness() -> float:
    """How many times longer a fixed loop takes than on the machine the bounds are meant for, at least 1."""
    times = []
    for _ in range(5):
        started = time.process_time()
        sum(i * i for i in range(100_000))
        times.append(time.process_time() - started)
    return max(1.0, min(times) / 0.005)


@pytest.mark.parametrize(
    "pattern",
    ["^(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){12}", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "a*a*a*a*a*b", r"(\\w+\\s?)*!"],
)  # fmt: skip
def test_a_pattern_that_would_explode_does_not_stall_a_decision(pattern: str) -> None:
    condition = f"has(args.x) && args.x.matches('{pattern}')"
    policies = parse_policies(
        f"{HEAD}default_action: allow\nrules:\n- {{name: r, action: deny, condition: {json.dumps(condition)}}}\n"
    )
    for text in ("a" * 100_000 + "!", "x" * 100_000, "a b " * 25_000 + "?"):
        action = Action("tool_call", "t", {"x": text})
        spent = []
        for _ in range(5):
            started = time.process_time()
            decide(policies, action, Facts(Principal(), {}, {}, 0))
            spent.append(time.process_time() - started)
        assert min(spent) / slowness() < 0.05, (pattern, text[:10], spent)


@pytest.mark.parametrize(
    "condition",
    [
        "args.x.contains('b' + args.x)", "args.x.split('').size() > 5", "args.x.replace('a', args.x).size() > 5",
        "(args.x + args.x + args.x).endsWith('b')", "args.l.all(i, args.l.all(j, i == j))", "args.l.map(i, args.l).size() > 3",
        "args.l.exists(i, args.x.contains(string(i)))", "path(args.x).escapes", "url(args.x).is_private", "args.x.lowerAscii() == args.x",
    ],
)  # fmt: skip
def test_large_arguments_do_not_stall_a_decision(condition: str) -> None:
    guard = "has(args.x) && has(args.l) && "
    policies = parse_policies(
        f"{HEAD}default_action: allow\nrules:\n- {{name: r, action: deny, condition: {json.dumps(guard + condition)}}}\n"
    )
    action = Action("tool_call", "t", {"x": "a" * 100_000, "l": list(range(100_000))})
    spent = []
    for _ in range(3):
        started = time.process_time()
        decide(policies, action, Facts(Principal(), {}, {}, 0))
        spent.append(time.process_time() - started)
    assert min(spent) / slowness() < 0.05, spent


# What loads is what an independent reader reads

SEEDS = [
    b"""\
# a policy with a bit of everything
apiVersion: wardline/v1
name: full
description: "tabs\\tand \\u00e9scapes" # and a comment
default_action: deny
approvers: [security-team, 'os:alice']
applies_to: {agents: ["payments-*"], environments: [prod]}
unlisted_tools: deny
tools:
  send_email: { effects: [network, write], clearance: internal, args: {to: {type: list(string)}, body: string} }
  write_file: { effects: [write], args: {path: string}, changes: args.path, opaque: [handle], returns: [] }
  "db_*": { type_from: action, ring: 2 }
limits:
  - { name: rate, count: calls, tool: send_email, at_most: 10, per: agent, window: 1h }
  - name: day
    count: tokens
    at_most: 0x1F
    per: tenant
    calendar: day Europe/Berlin
    estimate: 0o17
rules:
  - name: block
    description: >
      folded text that goes
      on and on

      and on
    on: [tool_call, message.after]
    tool: [write_file, 'x*']
    condition: |
      has(args.path) && (args.path.startsWith('/etc')
        || args.path.matches("^[a-z]+$"))
    action: deny
    reason: 'it''s refused'
  - { name: ask, action: require_approval, quorum: 2, expires_in: 5m, separation_of_duties: true }
  - name: hide
    on: tool_call.after
    action: redact
    paths:
    - "result.rows[*].ssn"
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
- name: require-approval-for-send
  condition: "action.type == 'send_email'"
  action: require_approval
  approvers: ["security-team"]
""",
    b'{"apiVersion": "wardline/v1",\n "name": "j\\ud83d\\ude00", "rules": [{"name": "r", "action": "deny", "reason": "a\\/b"}]}',
]
PIECES = [b"&a", b"*a", b"!!x ", b"<<: ", b"\t", b"\n", b"---\n", b"'", b'"', b"{", b"]", b": ", b"- ", b"|", b">", b"\xff", b"\xc2\x85",
          b"\xe2\x80\xa8", b"\x00", b"#", b"%", b"\\", b"?", b"null", b"1", b"  ", b"&&", b"(", b")", b"0o7", b"1_0", b"yes", b"~", b".5", b"1e3", b"0b1", b"12:30"]  # fmt: skip
MUTATIONS = 10_000


def _mutated(source: random.Random) -> bytes:
    data = bytearray(source.choice(SEEDS))
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        kind, at = source.random(), source.randrange(len(data))
        if kind < 0.5:
            data[at] = source.randrange(32, 127) if kind < 0.4 else source.randrange(256)
        elif kind < 0.7:
            data[at:at] = source.choice(PIECES)
        elif kind < 0.85:
            del data[at : at + source.randint(1, 20)]
        else:
            data[at:at] = data[at : at + source.randint(1, 20)]
    return bytes(data)


def _independently(text: str) -> Any:
    """Read a document with somebody else's code: as JSON where it is that, else as YAML 1.2."""
    try:
        return json.loads(text)
    except ValueError:
        return _joined(YAML(typ="safe", pure=True).load(text))


def _joined(value: Any) -> Any:
    """Put together the halves of surrogate pairs that the other reader leaves apart."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_joined(key): _joined(item) for key, item in value.items()}
    return [_joined(item) for item in value] if isinstance(value, list) else value


@pytest.mark.timeout(300)
def test_LANG_1_mutated_policies_are_errors_or_mean_what_another_reader_reads() -> None:
    source = random.Random(20261121)
    native, toolkit = (Draft202012Validator(schema(toolkit=kind)) for kind in (False, True))
    loaded = 0
    for _ in range(MUTATIONS):
        data = _mutated(source)
        text = data.decode("utf-8", "surrogateescape")
        try:
            parse_policies(text)
        except PolicyError as error:
            assert error.problems
            assert all(problem.message for problem in error.problems)
            continue
        loaded += 1
        ours = read(Source(text, "mutated")).plain()
        theirs = _independently(text)
        assert repr(ours) == repr(theirs), text
        validator = toolkit if theirs["apiVersion"] != "wardline/v1" else native
        validator.validate(theirs)
    assert loaded > MUTATIONS // 20
