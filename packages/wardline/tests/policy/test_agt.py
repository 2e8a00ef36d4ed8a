"""Files of governance.toolkit/v1 load as written; what their engine ignores is an error."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from wardline.clock import HOUR
from wardline.errors import PolicyError
from wardline.policy import PolicySet, lint, load_policies, parse_policies

if TYPE_CHECKING:
    from pathlib import Path

# As printed in the toolkit's own introduction.
README = """\
# policy.yaml
apiVersion: governance.toolkit/v1
name: production-policy
default_action: allow
rules:
- name: block-destructive
  condition: "action.type in ['drop', 'delete', 'truncate']"
  action: deny
- name: require-approval-for-send
  condition: "action.type == 'send_email'"
  action: require_approval
  approvers: ["security-team"]
"""

HEAD = "apiVersion: governance.toolkit/v1\nname: a\n"


def document(condition: str, more: str = "  action: deny\n") -> str:
    return f"{HEAD}rules:\n- name: r\n  condition: {json.dumps(condition)}\n{more}"


def holds(policies: PolicySet, **over: Any) -> bool:
    env = SimpleNamespace(
        kind="tool_call", stage="before", type="drop", name="sql", framework="", call_id="",
        fingerprint="", principal={"roles": ["admin", "ops"]}, session={}, run={}, tool={}, budget=200_000,
        args={"path": "/etc/passwd", "command": "rm -rf /", "amount": 5000, "s": "x or y",
              "empty": "", "flag": True, "q": "it's", "table": "users", "action": "drop"},
    )  # fmt: skip
    vars(env).update(over)
    program = policies.rules[0].program
    assert program is not None
    return program.test(env)


def test_LANG_14_the_file_of_the_introduction_loads_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(README)
    policies = load_policies(path)
    (loaded,) = policies.documents
    assert loaded.default_action == "allow"
    block, ask = policies.rules
    assert (block.action, block.types) == ("deny", frozenset({"drop", "delete", "truncate"}))
    assert (ask.action, ask.approvers, ask.types) == (
        "require_approval", ("security-team",), frozenset({"send_email"}),
    )  # fmt: skip
    assert lint(policies) == ()
    assert holds(policies, type="delete")
    assert not holds(policies, type="read")


LANG_4 = [
    ("this is garbage", None),
    ("!!! garbage ???", None),
    ("action.type matches 'drop.*'", None),
    ("args.command contains 'rm'", None),
    ("args.path.startsWith('/etc')", True),
    ("args.command.matches('rm -rf')", True),
    ("size(args.path) > 3", True),
    ("has(args.path)", True),
    ("(action.type == 'drop')", True),
    ("!(action.type == 'read')", True),
    ("'drop' == action.type", True),
    ("action.type not in ['read']", None),
    ("action.type == 'read' || action.type == 'drop'", True),
    ("action.type == 'x' OR action.type == 'drop'", None),
    ("action.type == 'drop' && never", None),
    ("action.type == 'drop or delete'", False),
    ("args.amount == 5000", True),
    ("args.amount >= -1", True),
    ("amount > 100", True),
    ("table == 'users'", True),
    ("args.missing < 10", False),
    ("args.missing != 'x'", False),
    ("action.type == 'drop' and args.amount > 10", True),
    ("action.type == 'drop' and action.tool == 'other'", False),
    ("action.type == 'read' or action.tool == 'sql' and amount > 1", True),
    ("args.s == 'x or y'", True),
    ("args.q == \"it's\"", True),
    ("args.empty == ''", True),
    ("args.flag == true", True),
    ("args.flag", True),
    ("'admin' in principal.roles", True),
    ("principal.roles.exists(r, r == 'admin')", True),
    ("args.amount + 1 > 5000", True),
    ("action == 'drop'", True),
    ("not action.type == 'read'", True),
    ("not (missing == 1 or amount < 3) and flag == true", True),
    ("action.type == 'read' or (args.amount == 5000) and (table == 'users')", True),
    ("action.type=='drop' or", None),
    ('action.type in ["dr,op"]', False),
    ("action.type in ['DROP ', 'x']", True),
    ("'Drop' == action.type", True),
    ("args.path == '/etc/passwd' garbage here", None),
    ("action.type in ['drop'", None),
    ("action.type == 'drop", None),
    ("args.x = 3", None),
    ("()", None),
    ("args.flag == True", None),
    ("(" * 200 + "a == 1" + ")" * 200, None),
    (" and ".join("amount > 1" for _ in range(1000)), None),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "required"), LANG_4)
def test_LANG_4_conditions_mean_what_they_say_or_do_not_load(
    condition: str, required: bool | None
) -> None:
    if required is not None:
        assert holds(parse_policies(document(condition))) is required
        return
    with pytest.raises(PolicyError) as caught:
        parse_policies(document(condition))
    assert caught.value.problems[0].line == 5


@pytest.mark.parametrize(
    ("condition", "column", "hint"),
    [
        ("action.type not in ['read']", 27, "not (x in [...])"),
        ("action.type == 'x' OR y == 1", 34, "write `or`"),
        ("args.command contains 'rm'", 28, "x.contains('...')"),
        ("a == 1 and never", 26, "args.never == true"),
        ("a == 1 and (b == 2 or c ~ 3)", 39, ""),
        ("a == 'x' and args.y.foo('z')", None, ""),
    ],
)
def test_mistakes_stand_where_they_were_written(
    condition: str, column: int | None, hint: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policies(document(condition))
    problem = caught.value.problems[0]
    assert problem.line == 5
    assert hint in problem.hint
    if column is not None:
        assert problem.column == column


def test_LANG_8_quoted_text_is_never_touched() -> None:
    policies = parse_policies(document("args.s == 'a and b or not c' and action.tool == 'or'"))
    assert policies.rules[0].condition == (
        "(has(args.s) && args.s == 'a and b or not c') && action.name == 'or'"
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        (HEAD + "rulez: []", 3, 1, "no key `rulez`", "`rules`"),
        (HEAD + "default_action: require_approval", 3, 17, "no value", "allow"),
        (HEAD + "scope: world", 3, 8, "no value", "global"),
        (HEAD + "tools: {}", 3, 1, "no key `tools`", "its keys are"),
        (HEAD + "rules:\n- {condition: a == 1}", 4, 3, "has no `name`", ""),
        (HEAD + "rules:\n- {name: r}", 4, 3, "has no `condition`", ""),
        (document("a == 1", "  action: block\n"), 6, 11, "`block` is no value", "deny"),
        (document("a == 1", "  stage: pre_tol\n"), 6, 10, "`pre_tol`", "`pre_tool`"),
        (document("a == 1", "  limit: 100/week\n"), 6, 10, "no rate", "N/hour"),
        (document("a == 1", "  limit: 100\n"), 6, 10, "`limit` is a string", "quotes"),
        (document("a == 1", "  priority: high\n"), 6, 13, "an integer", ""),
        (document("a == 1", "  enabled: 'no'\n"), 6, 12, "a boolean", ""),
        (document("a == 1", "  on: input\n"), 6, 3, "no key `on`", ""),
    ],
)
def test_LANG_2_what_their_engine_ignores_is_an_error(
    text: str, line: int, column: int, message: str, hint: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policies(text)
    (problem,) = caught.value.problems
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)
    assert hint in problem.hint


def notes(text: str) -> str:
    return "\n".join(map(str, lint(parse_policies(text))))


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        ("pre_input", ("input", "before")),
        ("pre_tool", ("tool_call", "before")),
        ("post_tool", ("tool_call", "after")),
        ("pre_output", ("output", "before")),
    ],
)
def test_stages(stage: str, place: tuple[str, str]) -> None:
    text = document("a == 1", f"  stage: {stage}\n")
    assert parse_policies(text).rules[0].on == {place}
    assert ("never does" in notes(text)) is (stage != "pre_tool")


@pytest.mark.parametrize("action", ["warn", "log"])
def test_warn_and_log_record_and_refuse_nothing(action: str) -> None:
    text = document("action.type == 'x'", f"  action: {action}\n")
    assert parse_policies(text).rules[0].action == "audit"
    assert "govern() denies" in notes(text)


def test_LANG_13_a_rate_becomes_a_limit_on_the_matches_of_its_rule() -> None:
    text = document("action.type == 'x'", "  action: allow\n  limit: 100/hour\n")
    (limit,) = parse_policies(text).documents[0].limits
    assert (limit.rule, limit.at_most, limit.window, limit.count) == ("r", 100, HOUR, "calls")
    assert parse_policies(text).rule_limits
    text = document("action.type == 'x'", "  action: deny\n  limit: 100/hour\n")
    assert parse_policies(text).documents[0].limits == ()
    assert "denies whatever its limit says" in notes(text)


def test_LANG_14_lint_says_what_changes() -> None:
    assert "takes a missing argument for zero" in notes(document("amount > 1"))
    assert "`priority` decides nothing" in notes(document("a == 1", "  priority: 10\n"))
    assert "read in lower case" in notes(document("action.type == 'DROP'"))
    assert "AGT reads only a part" in notes(document("action.type == 'a' && a == 1"))
    assert "names nobody" in notes(document("a == 1", "  action: require_approval\n"))
    assert "has no `action` and denies" in notes(document("a == 1", ""))
    assert "`scope` decides nothing" in notes(HEAD + "scope: global\n")


MISREAD = [
    "args.empty == ''", "args.q == \"it's\"", "args.amount == 5000", "args.flag == true", "'drop' == action.type",
    "(action.type == 'drop')", "action.type == 'read' || action.type == 'drop'", "!(action.type == 'read')",
    "not action.type == 'read'", "args.s == 'x or y'", "args.path.startsWith('/etc')", "has(args.path)",
    "size(args.path) > 3", "args.amount >= -1", "args.amount + 1 > 5000", "'admin' in principal.roles",
    "action.type in ['dr,op', 'x']", "args.n in [1, 2]", "args.s in args.l", "args.a == args.b", "args.a > args.b",
    "args.s > 'x'", "principal.roles.exists(r, r == 'admin')", "action.type == 'a' && action.type != 'b'",
    " and ".join(f"action.type != 'a{i}'" for i in range(100)),
]  # fmt: skip
READ = [
    "action.type == 'drop'", "action.type != 'x' and action.type in ['drop', \"y\"] or action.type == 'z'",
]  # fmt: skip


@pytest.mark.parametrize("condition", MISREAD)
def test_LANG_14_lint_names_every_condition_that_their_engine_does_not_read(condition: str) -> None:
    assert "AGT reads only a part of this condition, or nothing" in notes(document(condition))


@pytest.mark.parametrize("condition", READ)
def test_LANG_14_what_is_read_alike_is_not_noted(condition: str) -> None:
    assert notes(document(condition)) == ""


def test_LANG_14_lint_says_that_their_engine_never_sees_the_tools_name() -> None:
    assert "does not tell it to its rules" in notes(document("action.tool == 'x'"))


def test_a_rule_that_is_switched_off_is_checked_and_dropped() -> None:
    text = document("a == 1", "  enabled: false\n")
    assert parse_policies(text).rules == ()
    assert "switched off" in notes(text)
    with pytest.raises(PolicyError):
        parse_policies(document("garbage here", "  enabled: false\n"))


def test_empty_values_count_as_absent() -> None:
    text = HEAD + "description: ''\nextends: []\nagents: []\nversion: 1.0\nrules: []\nscope: null\n"
    (loaded,) = parse_policies(text).documents
    assert (loaded.default_action, loaded.applies_to) == ("deny", None)


def test_agents_say_whom_the_document_is_for() -> None:
    (loaded,) = parse_policies(HEAD + "agent: a\nagents: ['b-*']\n").documents
    assert loaded.applies_to is not None
    assert loaded.applies_to.agents.match("b-1")
    assert parse_policies(HEAD + "agent: '*'\n").documents[0].applies_to is None


def test_LANG_11_a_parent_in_the_other_language(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("apiVersion: wardline/v1\nname: parent\n")
    (tmp_path / "child.yaml").write_text(HEAD + "extends: parent.yaml\n")
    child, parent = load_policies(tmp_path / "child.yaml").documents
    assert (child.default_action, parent.default_action) == (None, "deny")
