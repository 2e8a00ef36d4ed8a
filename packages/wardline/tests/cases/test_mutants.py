"""Small changes to a policy are made at the right places, and the cases that miss one are told."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from wardline.cases import ACCEPTED, Suite, find_suites, mutate
from wardline.cases.mutants.document import mutants_of
from wardline.cases.mutants.ways import INERT, MADE
from wardline.errors import PolicyError
from wardline.policy import load_policies, parse_policies
from wardline.policy.keys import (
    AGT_DOCUMENT_KEYS,
    AGT_RULE_KEYS,
    DOCUMENT_KEYS,
    ENGINE_DOCUMENT_KEYS,
    LIMIT_KEYS,
    RULE_KEYS,
    TOOL_KEYS,
)
from wardline.policy.load import load_changed
from wardline.policy.source import Source

HEAD = "apiVersion: wardline/v1\nname: p\n"
TOOLKIT = "apiVersion: governance.toolkit/v1\nname: p\ndefault_action: allow\n"


def changes(text: str) -> list[str]:
    """Return every mutant that loads, as the lines that are new in it."""
    policies = parse_policies(text, file="p.yaml")
    found = []
    for mutant in mutants_of(Source(text, "p.yaml"), policies):
        try:
            parse_policies(mutant.text)
        except PolicyError:
            continue
        assert mutant.text != text, mutant.what
        lines = [line.strip() for line in mutant.diff() if line[0] in "+-"]
        found.append(" | ".join(line[1:].strip() for line in lines if line[0] == "+") or "gone")
    return found


def of_rule(line: str, default: str = "allow") -> list[str]:
    """Return what becomes of a line in a rule."""
    text = f"{HEAD}default_action: {default}\napprovers: [a]\nrules:\n  - name: r\n    {line}\n"
    text += "" if "action:" in line else "    action: deny\n"
    return changes(text)


CONDITIONS = [
    ("action.type == 'x'", ["!(action.type == 'x')", "action.type != 'x'", "action.type == 'x~'"]),
    ("has(args.n) && args.n < 5", [
        "has(args.n) && args.n <= 5", "has(args.n) && args.n >= 5",
        "has(args.n) && args.n < 6", "has(args.n) && args.n < 4", "has(args.n)",
    ]),
    ("action.name == 'x' || !action.name.startsWith('a')", [
        "action.name == 'x' && !action.name.startsWith('a')",
        "!action.name.startsWith('a')", "action.name == 'x'",
        "action.name == 'x' || action.name.startsWith('a')",
        "action.name == 'x' || !action.name.endsWith('a')",
        "action.name == 'x' || !!(action.name.startsWith('a'))",
    ]),
    ("(action.name == 'x') && ((action.kind == 'y') || action.call_id == 'z')", [
        "((action.kind == 'y') || action.call_id == 'z')", "(action.name == 'x')",
        "(action.name == 'x') && (action.call_id == 'z')",
        "(action.name == 'x') && ((action.kind == 'y'))",
        "(action.name == 'x') || ((action.kind == 'y') || action.call_id == 'z')",
        "(action.name == 'x') && ((action.kind == 'y') && action.call_id == 'z')",
    ]),
    ("action.type in ['a', 'b', 'c']", [
        "action.type in ['b', 'c']", "action.type in ['a', 'c']", "action.type in ['a', 'b']",
    ]),
    ("action.name.matches('(?i)^ab$')", [
        "action.name.matches('^ab$')", "action.name.matches('(?i)ab$')", "action.name.matches('(?i)^ab')",
    ]),
    ("principal.roles.exists(r, r == 'x')", ["principal.roles.all(r, r == 'x')"]),
    ("run.tool_calls + 1 > 2 ? true : action.name == 'x'", [
        "run.tool_calls - 1 > 2 ? true : action.name == 'x'",
        "run.tool_calls + 1 > 2 ? action.name == 'x' : true",
        "run.tool_calls + 1 > 2 ? false : action.name == 'x'",
        "run.tool_calls + 2 > 2 ? true : action.name == 'x'",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CONDITIONS)
@pytest.mark.parametrize("style", ['condition: "%s"', "condition: >-\n      %s"])
def test_a_condition_is_changed(text: str, wanted: list[str], style: str) -> None:
    found = of_rule(style % text)
    conditions = [one.removeprefix("condition: ").strip('"') for one in found]
    assert set(wanted) <= set(conditions)
    assert f"!({text})" in conditions
    assert "gone" in found


LINES = [
    ("action: deny", {"action: allow", "action: require_approval"}),
    ("action: require_approval", {"action: allow", "action: deny"}),
    ("action: allow", {"action: deny"}),
    ("action: audit", {"action: deny"}),
    ("tool: x", {"gone"}),
    ("tool: [x, 'yz*']", {"gone", "tool: ['yz*']", "tool: [x]", 'tool: [x, "y*"]'}),
    ('agent: "intern-*"', {"gone", 'agent: "intern*"'}),
    ("on: [tool_call, message]", {"on: [message]", "on: [tool_call]"}),
    ("mode: audit", {"gone"}),
    ("{action: require_approval, approvers: [a, b], quorum: 2, expires_in: 15m, separation_of_duties: true}", {
        "approvers: [b]", "approvers: [a]", "quorum: 3", "quorum: 1", "expires_in: 16m", "expires_in: 14m",
        "separation_of_duties: false", "action: allow", "action: deny",
    }),
    ("{action: require_approval, approvers: [a]}", {"approvers: [nobody]"}),
    ("{action: redact, paths: [args.a, args.b]}", {"paths: [args.b]", "paths: [args.a]"}),
    ("{action: redact, paths: ['args.a[*]']}", {'paths: ["args.a[*].x"]'}),
    ("{action: transform, set: {args.a: '1', args.b: \"'x'\"}}", {
        "set: {args.b: \"'x'\"}", "set: {args.a: '1'}", "set: {args.a: '2', args.b: \"'x'\"}",
        "set: {args.a: '1', args.b: \"'x~'\"}",
    }),
]  # fmt: skip


@pytest.mark.parametrize(("line", "wanted"), LINES)
def test_a_key_of_a_rule_is_changed(line: str, wanted: set[str]) -> None:
    flow = line.startswith("{")
    written = line if not flow else "\n    ".join(_split(line[1:-1]))
    found = {part for one in of_rule(written) for part in one.split(" | ")}
    assert {one.replace(" ", "") for one in wanted} <= {one.replace(" ", "") for one in found}


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char in "[{") - (char in "]}")
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


DOCUMENTS = [
    ("rules: [{name: r, action: deny}]", "default_action: allow"),
    ("default_action: allow", "default_action: deny"),
    ("mode: permissive", "mode: audit"),
    ("unlisted_tools: deny\ntools: {a: {}, b: {}}", "unlisted_tools: allow"),
    ("unlisted_tools: deny\ntools: {a: {}, b: {}}", "tools: {b: {}}"),
    ("approvers: [a, b]\ndefault_action: require_approval", "approvers: [b]"),
    ("applies_to: {agents: ['pay*'], tenants: [x, y]}", "applies_to: {tenants: [x, y]}"),
    ("applies_to: {agents: ['pay*'], tenants: [x, y]}", "applies_to: {agents: ['pay*'], tenants: [x]}"),
    ("applies_to: {agents: ['pay*'], tenants: [x, y]}", 'applies_to: {agents: ["pa*"], tenants: [x, y]}'),
    ("limits: [{name: l, count: calls, at_most: 3, per: run}]", "limits: []"),
    ("limits: [{name: l, count: calls, at_most: 3, per: run}]", "limits: [{name: l, count: calls, at_most: 4, per: run}]"),
    ("limits: [{name: l, count: calls, at_most: 3, per: run}]", "limits: [{name: l, count: calls, at_most: 2, per: run}]"),
    ("limits: [{name: l, count: calls, at_most: 3, per: run}]", "limits: [{name: l, count: denials, at_most: 3, per: run}]"),
    ("limits: [{name: l, count: calls, at_most: 3, per: run}]", "limits: [{name: l, count: calls, at_most: 3, per: session}]"),
    ("approvers: [a]\nlimits: [{name: l, count: calls, at_most: 3, per: run}]",
     'limits: [{"on_exceed": "require_approval", name: l, count: calls, at_most: 3, per: run}]'),
    ("limits:\n  - name: l\n    count: tokens\n    at_most: 3\n    per: run\n    estimate: 2\n", "estimate: 3"),
    ("rules: [{name: r, condition: \"'write' in tool.effects\", action: deny}]\ntools: {a: {effects: [read, write]}, b: {}}",
     "tools: {a: {effects: [read]}, b: {}}"),
    ("limits: [{name: l, count: files_changed, at_most: 3, per: run}]\ntools: {a: {effects: [write], changes: args.f}, b: {}}",
     "tools: {a: {effects: [write]}, b: {}}"),
    ("tools: {a: {type_from: action, effects: [read]}}", "tools: {a: {effects: [read]}}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), DOCUMENTS)
def test_a_key_of_a_document_is_changed(text: str, wanted: str) -> None:
    assert wanted in changes(HEAD + text + "\n")


def test_a_catalogue_that_nothing_reads_is_left_alone() -> None:
    text = (
        HEAD
        + "default_action: deny\ntools:\n  a: {effects: [read, write], clearance: secret}\n  b: {}\n"
    )
    assert changes(text) == ["default_action: allow"]


TOOLKIT_LINES = [
    ("condition: action.type == 'x' and args.n > 1", "condition: \"not (action.type == 'x' and args.n > 1)\""),
    ("condition: action.type == 'x' and args.n > 1", "condition: action.type == 'x' or args.n > 1"),
    ("condition: action.type == 'x' and args.n > 1", "condition: action.type == 'x' and args.n >= 1"),
    ("condition: a == 1\n  action: deny", "action: allow"),
    ("condition: a == 1\n  action: allow\n  limit: 10/hour", 'limit: "11/hour"'),
    ("condition: a == 1\n  enabled: true", "enabled: false"),
    ("condition: a == 1\n  stage: pre_tool", "stage: post_tool"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "wanted"), TOOLKIT_LINES)
def test_files_from_elsewhere_are_changed_too(lines: str, wanted: str) -> None:
    assert wanted in changes(f"{TOOLKIT}rules:\n- name: r\n  {lines}\n")


def test_every_key_is_changed_or_known_to_make_no_difference() -> None:
    for section, keys in (
        ("document", DOCUMENT_KEYS),
        ("rule", RULE_KEYS),
        ("limit", LIMIT_KEYS),
        ("tool", TOOL_KEYS),
        ("engine document", ENGINE_DOCUMENT_KEYS),
        ("toolkit document", AGT_DOCUMENT_KEYS),
        ("toolkit rule", AGT_RULE_KEYS),
    ):
        changed = {key for place, key in MADE if place == section}
        assert changed | INERT[section] == set(keys), section
        assert not changed & INERT[section], section


def test_most_mutants_load_and_ids_are_unique_and_stable() -> None:
    spec = importlib.util.spec_from_file_location(
        "seeds", Path(__file__).parents[1] / "policy" / "test_mutations.py"
    )
    assert spec is not None
    assert spec.loader is not None
    seeds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeds)
    text = seeds.SEEDS[0].decode()
    policies = parse_policies(text)
    made = list(mutants_of(Source(text, "p.yaml"), policies))
    ids = {mutant.id for mutant in made}
    assert len(ids) == len({mutant.text for mutant in made}) == len(made)
    moved = text.replace("rules:\n", "\n# moved\n\nrules:\n")
    assert {mutant.id for mutant in mutants_of(Source(moved, "q.yaml"), policies)} == ids
    assert len(changes(text)) > 0.8 * len(made)


def test_other_line_ends_change_nothing() -> None:
    text = (HEAD + "default_action: deny\nrules:\n  - name: r\n    tool: [a, b]\n"
            "    condition: |\n      has(args.n) &&\n      args.n < 5\n    action: allow\n")  # fmt: skip
    windows = text.replace("\n", "\r\n")
    policies, others = parse_policies(text), parse_policies(windows)
    one = {mutant.id: mutant.text for mutant in mutants_of(Source(text, "p"), policies)}
    other = {mutant.id: mutant.text for mutant in mutants_of(Source(windows, "p"), others)}
    assert one.keys() == other.keys()
    for id_, changed in one.items():
        try:
            rules = [
                (rule.action, rule.condition.split()) for rule in parse_policies(changed).rules
            ]
        except PolicyError:
            continue
        found = parse_policies(other[id_]).rules
        assert [(rule.action, rule.condition.split()) for rule in found] == rules


def test_json_is_changed_and_stays_json() -> None:
    text = '{"apiVersion": "wardline/v1",\t"name": "p", "rules": [{"name": "r", "action": "deny"}]}'
    assert '"action": "allow"' in " ".join(changes(text))
    with pytest.raises(PolicyError, match="escaped surrogate pairs"):
        changes(text.replace('"p"', '"\\ud83d\\ude00"'))


# The score of a suite

POLICY = (
    HEAD
    + """\
default_action: deny
rules:
  - name: small
    tool: pay
    condition: "has(args.amount) && args.amount < 100"
    action: allow
"""
)
GOOD = """\
cases:
  - {name: a, action: {name: pay, args: {amount: 99}}, expect: allow}
  - {name: b, action: {name: pay, args: {amount: 100}}, expect: deny}
  - {name: c, action: {name: pay, args: {}}, expect: {effect: deny, failed: []}}
  - {name: d, action: {name: send, args: {amount: 5}}, expect: deny}
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "a.yaml").write_text(GOOD)
    (found,) = find_suites([tmp_path])
    return found


def without(suite: Suite, name: str) -> Suite:
    """The suite with one case less."""
    path = suite.files[0].path
    path.write_text("".join(line for line in GOOD.splitlines(True) if f"name: {name}," not in line))
    (found,) = find_suites([path])
    return found


def test_good_cases_catch_every_mutant(suite: Suite) -> None:
    steps: list[tuple[int, int]] = []
    score = mutate(suite, progress=lambda done, total: steps.append((done, total)))
    assert (score.percent, score.survived, score.accepted) == (100, (), ())
    assert score.caught > 8
    assert steps[0][0] == 0
    assert steps == sorted(steps)


@pytest.mark.parametrize(
    ("name", "missed"),
    [
        ("a", "`args.amount < 100` is dropped"),
        ("b", "`<` becomes `<=`"),
        ("d", "`tool` is dropped"),
    ],
)
def test_what_a_missing_case_would_have_caught_is_shown(
    suite: Suite, name: str, missed: str
) -> None:
    score = mutate(without(suite, name))
    if name == "a":  # without it, nothing shows that anything is allowed
        assert any("rule small is dropped" in one.what for one in score.survived)
        return
    (one,) = [one for one in score.survived if one.what == missed]
    assert score.percent < 100
    made = one.as_dict()
    assert made["line"] == {"b": 7, "d": 6}[name]
    assert any(line.startswith("-") for line in made["diff"])
    assert suite.policies().digest == load_policies(*suite.paths).digest


def test_an_accepted_mutant_no_longer_counts(suite: Suite) -> None:
    less = without(suite, "b")
    first = mutate(less)
    accepted = less.files[0].path.with_name(ACCEPTED)
    accepted.write_text(
        "".join(f"- {{mutant: {one.id}, reason: known}}\n" for one in first.survived)
    )
    score = mutate(less)
    assert (score.percent, score.survived) == (100, ())
    assert [one.id for one in score.accepted] == [one.id for one in first.survived]
    elsewhere = accepted.rename(accepted.with_name("other.txt"))
    assert mutate(less, elsewhere).percent == 100
    assert mutate(less).percent < 100


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("- {mutant: small.condition.00000000, reason: x}", "there is no mutant"),
        ("- {mutant: small.rule.CAUGHT, reason: x}", "a case catches the mutant"),
        ("- {mutant: x}", "has no `reason`"),
        ("- {mutant: x, reason: ' '}", "`reason` is empty"),
        ("- {mutant: x, reason: y}\n- {mutant: x, reason: z}", "is here twice"),
        ("mutants: []", "are a list"),
        ("- 1", "is a map"),
    ],
)
def test_a_list_of_accepted_mutants_that_is_not_so_is_an_error(
    suite: Suite, line: str, says: str
) -> None:
    if "CAUGHT" in line:
        policies = suite.policies()
        text = suite.paths[0].read_text()
        ids = [one.id for one in mutants_of(Source(text, "p"), policies)]
        line = line.replace(
            "small.rule.CAUGHT", next(i for i in ids if i.startswith("small.rule."))
        )
    suite.files[0].path.with_name(ACCEPTED).write_text(line + "\n")
    with pytest.raises(PolicyError) as caught:
        mutate(suite)
    (problem,) = caught.value.problems[:1]
    assert says in problem.message
    assert (problem.file.endswith(ACCEPTED), problem.line > 0) == (True, True)


def test_mutants_say_nothing_where_a_case_fails(suite: Suite) -> None:
    suite.files[0].path.write_text(GOOD.replace("expect: allow", "expect: deny"))
    (broken,) = find_suites([suite.files[0].path])
    with pytest.raises(PolicyError, match="the case `a` fails already"):
        mutate(broken)


def test_the_mutant_of_a_parent_is_no_mutant_of_the_child(tmp_path: Path) -> None:
    (tmp_path / "org.yaml").write_text(
        "apiVersion: wardline/v1\nname: org\ndefault_action: allow\n"
    )
    (tmp_path / "policy.yaml").write_text(
        POLICY.replace("default_action", "extends: [org.yaml]\ndefault_action")
    )
    changed = load_changed([tmp_path / "policy.yaml"], tmp_path / "org.yaml",
                           "apiVersion: wardline/v1\nname: org\ndefault_action: deny\n")  # fmt: skip
    assert [document.default_action for document in changed.documents] == ["deny", "deny"]
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "a.yaml").write_text(GOOD)
    (suite,) = find_suites([tmp_path])
    score = mutate(suite)
    assert all(one.source.file.endswith("policy.yaml") for one in score.survived)
