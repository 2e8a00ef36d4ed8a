from __future__ import annotations

import json
import shlex

import pytest

import wardline
from wardline_cli.starter import starter_policy

ACTION = '{"name": "read_file", "args": {"path": "/srv/data/a.txt"}}'


def test_CLI_2_what_init_writes_lints_explains_and_governs(cli, here):
    wrote = cli("init", "--json")
    assert wrote.code == 0
    for step in wrote.json["next"]:
        program, *argv = shlex.split(step)
        assert program == "wardline"
        assert cli(*argv).code == 0, step
    strict = cli("lint", "policy.yaml", "--strict")
    assert (strict.code, strict.err) == (0, "")

    guard = wardline.Guard(here / "policy.yaml")

    @wardline.govern(guard=guard)
    def read_file(path: str) -> str:
        return "text"

    assert read_file("/srv/data/a.txt") == "text"
    with pytest.raises(wardline.ActionDenied):
        read_file("/srv/data/../../etc/passwd")
    guard.close()


def test_the_starter_says_yes_no_and_ask(cli):
    cli("init")
    codes = {
        name: cli(
            "explain", "policy.yaml", "--action", json.dumps({"name": name, "args": args})
        ).code
        for name, args in {
            "read_file": {"path": "/srv/data/a"},
            "send_email": {"to": "a@b.c", "subject": "s", "body": "b"},
            "delete_file": {"path": "/srv/data/a"},
            "unheard_of": {},
        }.items()
    }
    assert codes == {"read_file": 0, "send_email": 4, "delete_file": 3, "unheard_of": 3}


def test_the_starter_loads_for_any_login():
    for name in ("os:alice", "os:DOMAIN\\al ice", 'os:"', "os:1000", "os:{x}", "os:é"):
        (document,) = wardline.parse_policies(starter_policy(name)).documents
        assert document.approvers == (name,)


def test_init_never_replaces_a_file_unless_forced(cli, here):
    (here / "policy.yaml").write_text("mine")
    ran = cli("init")
    assert (ran.code, ran.out) == (1, "")
    assert "--force" in ran.err
    assert (here / "policy.yaml").read_text() == "mine"
    assert cli("init", "--force").code == 0
    assert "apiVersion" in (here / "policy.yaml").read_text()


def test_init_says_where_it_cannot_write(cli, here):
    ran = cli("init", "--path", "no/such/policy.yaml")
    assert ran.code == 1
    assert "no/such/policy.yaml cannot be written" in ran.err
    assert cli("init", "--path", here, "--force", "--json").json["error"]["kind"] == "failed"


BROKEN = """apiVersion: wardline/v1
name: broken
rules:
  - name: one
    actoin: deny
  - name: two
    condition: "args.x =="
    action: deny
"""

REPEATED = """apiVersion: wardline/v1
name: repeated
rules:
  - name: one
    tool: x
    action: allow
  - name: two
    tool: x
    action: allow
"""


def test_lint_shows_every_problem_with_place_caret_and_hint(cli, here):
    (here / "p.yaml").write_text(BROKEN)
    ran = cli("lint", "p.yaml")
    assert (ran.code, ran.err) == (1, "")
    lines = ran.out.splitlines()
    assert any(line.startswith("p.yaml:5:5: error: ") for line in lines)
    assert any(line.startswith("p.yaml:7:") for line in lines)
    at = next(i for i, line in enumerate(lines) if line.startswith("p.yaml:5:5"))
    assert lines[at + 1].endswith("    actoin: deny")
    assert lines[at + 2].index("^") == lines[at + 1].index("actoin")
    assert "action" in lines[at + 3]

    found = cli("lint", "p.yaml", "--json")
    assert found.code == 1
    assert found.json["ok"] is False
    places = {(one["severity"], one["line"]) for one in found.json["problems"]}
    assert {("error", 5), ("error", 7)} <= places


def test_lint_warnings_fail_only_when_strict(cli, here):
    (here / "p.yaml").write_text(REPEATED)
    ran = cli("lint", "p.yaml")
    assert ran.code == 0
    assert "warning" in ran.out
    assert cli("lint", "p.yaml", "--strict").code == 1
    assert cli("lint", "p.yaml", "--strict", "--json").json["problems"][0]["severity"] == "warning"


def test_lint_tells_which_approvers_nobody_answers_for(cli, here):
    (here / "p.yaml").write_text(
        "apiVersion: wardline/v1\nname: p\nrules:\n"
        "- {name: r, tool: t, action: require_approval, approvers: [ops, sec]}\n"
    )
    assert cli("lint", "p.yaml").code == 0
    ran = cli(
        "lint", "p.yaml", "--strict", "--approver", "ops=os:alice", "--approver", "ops=os:bob"
    )
    assert ran.code == 1
    assert "nobody can answer for the approver `sec`" in ran.out
    assert "`ops`" not in ran.out
    wrong = cli("lint", "p.yaml", "--approver", "ops")
    assert wrong.code == 2
    assert "as in ops=os:alice" in wrong.err


def test_lint_of_what_is_not_there(cli):
    ran = cli("lint", "nothing.yaml")
    assert ran.code == 1
    assert "nothing.yaml" in ran.out


def test_lint_escapes_what_would_move_the_cursor(cli, here):
    (here / "p.yaml").write_text('apiVersion: wardline/v1\nname: "a\\e[2J"\nrules: []\nbad: 1\n')
    assert "\x1b" not in cli("lint", "p.yaml").out


@pytest.mark.parametrize(
    ("action", "code"), [("read_file", 0), ("drop", 3), ("send_email", 4)], ids=str
)
def test_CLI_6_explain_exits_with_the_effect(cli, policy, action, code):
    ran = cli("explain", policy, "--action", json.dumps({"name": action, "args": {}}))
    assert ran.code == code
    as_json = cli("explain", policy, "--action", json.dumps({"name": action}), "--json")
    assert as_json.code == code
    assert {one["rule"] for one in as_json.json["rules"]} == {"reading", "sending"}


def test_explain_names_the_rule_its_place_and_why_the_others_do_not_hold(cli, here):
    (here / "p.yaml").write_text(
        """apiVersion: wardline/v1
name: doc
default_action: allow
rules:
  - name: big
    tool: pay
    condition: "has(args.amount) && args.amount > 100"
    action: deny
    reason: too much
  - name: broken
    tool: pay
    condition: "has(args.to) && args.to.size() > 3"
    action: allow
  - name: other
    tool: send
    action: deny
"""
    )
    ran = cli("explain", "p.yaml", "--action", '{"name": "pay", "args": {"amount": 500, "to": 1}}')
    assert ran.code == 3
    assert "by rule big of document doc, p.yaml:5" in ran.out
    assert "reason: too much" in ran.out
    matched, failed, rest = (
        ran.out.index(text)
        for text in ("Rules that matched", "Rules that failed", "Rules that did not match")
    )
    assert matched < ran.out.index("big (deny, p.yaml:5)") < failed
    assert failed < ran.out.index("broken (allow, p.yaml:10)") < rest
    assert "it is for the tools send" in ran.out[rest:]


def test_explain_shows_gates_what_was_lacking_and_what_would_change_the_decision(cli, here):
    (here / "p.yaml").write_text(
        """apiVersion: wardline/v1
name: doc
default_action: deny
rules:
  - name: small
    tool: pay
    condition: "has(args.amount) && args.amount < 100"
    action: allow
"""
    )
    ran = cli("explain", "p.yaml", "--action", "{name: pay, args: {amount: 500}}")
    assert ran.code == 3
    lines = ran.out.splitlines()
    gates = [line.split()[:2] for line in lines[lines.index("Gates") + 1 :][:3]]
    assert gates == [["governance", "deny"], ["trust", "allow"], ["reliability", "allow"]]
    at = lines.index("Rules that nearly matched")
    assert lines[at + 1 : at + 3] == [
        "  small (allow, p.yaml:5)",
        "      `args.amount < 100` is false: args.amount is 500",
    ]
    at = lines.index("What would change the decision")
    assert lines[at + 1] == "  allow, if args.amount were 99 instead of 500 (small)"
    for facts, told in (
        ("registered: false", "if args.amount were 99 instead of 500 and the name were registered"),
        ("switches: [{}]", "if args.amount were 99 instead of 500 and nothing were frozen"),
    ):
        ran = cli(
            "explain", "p.yaml", "--action", "{name: pay, args: {amount: 500}}", "--facts", facts
        )
        assert told in ran.out
    ran = cli("explain", "p.yaml", "--action", "{name: pay}")
    assert "  allow, if args.amount were there, as 99 (small)" in ran.out
    made = cli("explain", "p.yaml", "--action", "{name: pay, args: {amount: 500}}", "--json").json
    assert made["flips"][0]["changes"] == [{"what": "args.amount", "from": 500, "to": 99}]
    assert made["rules"][0]["nearly"] == {
        "term": "args.amount < 100",
        "saw": {"args.amount": "500"},
    }
    (here / "p.yaml").write_text("apiVersion: wardline/v1\nname: doc\n")
    assert "  no small change was found" in cli("explain", "p.yaml", "--action", "name: x").out


def test_explain_reads_the_facts(cli, here):
    (here / "p.yaml").write_text(
        """apiVersion: wardline/v1
name: doc
default_action: allow
rules:
  - name: interns
    agent: "intern-*"
    action: deny
  - name: tired
    condition: "run.tool_calls > 10 || session.denials > 3"
    action: deny
"""
    )
    base = ("explain", "p.yaml", "--action", '{"name": "x"}')
    assert cli(*base).code == 0
    for facts in (
        "{principal: {id: intern-1}}",
        "{run: {tool_calls: 11}}",
        '{"session": {"denials": 4}}',
    ):
        assert cli(*base, "--facts", facts).code == 3, facts


def test_explain_knows_of_limits_and_switches_what_the_facts_say(cli, here):
    (here / "p.yaml").write_text(
        """apiVersion: wardline/v1
name: doc
default_action: allow
limits:
  - { name: calls, count: tool_calls, at_most: 20, per: run }
"""
    )
    base = ("explain", "p.yaml", "--action", "name: x", "--facts")
    for facts, code, says in (
        ("used: {calls: 19}", 0, "builtin:default"),
        ("used: {calls: 20}", 3, "builtin:limits"),
        ("exceeded: [calls]", 3, "builtin:limits"),
        ("switches: [{scope: tool, value: x, by: 'os:me'}]", 3, "tool x is frozen by os:me"),
        ("registered: false", 3, "builtin:registered"),
    ):
        ran = cli(*base, facts)
        assert (ran.code, says in ran.out) == (code, True), (facts, ran.out)
    ran = cli(*base, "used: {call: 1}")
    assert ran.code == 1
    assert "did you mean `calls`?" in ran.err


def test_explain_judges_the_stage_after(cli, here):
    (here / "p.yaml").write_text(
        """apiVersion: wardline/v1
name: doc
default_action: allow
rules:
  - name: leak
    on: tool_call.after
    condition: "string(action.result) == 'secret'"
    action: deny
"""
    )
    after = '{"name": "x", "stage": "after", "result": "%s"}'
    assert cli("explain", "p.yaml", "--action", after % "secret").code == 3
    assert cli("explain", "p.yaml", "--action", after % "nothing").code == 0


def test_explain_reads_a_file_and_standard_input(cli, here, policy, monkeypatch):
    import io

    (here / "a.json").write_text(ACTION)
    assert cli("explain", policy, "--action", "@a.json").code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(ACTION))
    assert cli("explain", policy, "--action", "@-").code == 0


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--action", '{"name": "x", "arg": {}}', "did you mean `args`?"),
        ("--action", '{"name": "x", "result": 1}', "add `stage: after`"),
        ("--action", '{"name": "x", "kind": "toolcall"}', "did you mean `tool_call`?"),
        ("--action", '{"name": "x", "stage": "during"}', "before"),
        ("--action", '{"name": "x", "kind": "output", "stage": "after"}', "no stage"),
        ("--action", '{"name": "x", "args": []}', "`args` is a map"),
        ("--action", '{"name": 1}', "`name` is a string"),
        ("--action", '{"args": {}}', "add `name:`"),
        ("--action", '{"name": "x", "name": "y"}', "twice"),
        ("--action", '{"name": "x", "args": {"a": "\\ud800"}}', "--action:1:"),
        ("--action", '{"name: "x"}', "single quotes"),
        ("--action", "[]", "the action is a map"),
        ("--action", "", "--action: the document is empty"),
        ("--action", "@nothing.json", "nothing.json cannot be read"),
        ("--action", "[" * 100_000, "nested"),
        ("--action", "{name: x, args: {at: {$datetime: today}}}", "cannot be read as `$datetime`"),
        ("--action", "{name: x, args: {at: {$date: today}}}", "did you mean `$datetime`?"),
        ("--facts", '{"principal": {"rolles": []}}', "did you mean `roles`?"),
        ("--facts", '{"principal": {"roles": [1]}}', "list of strings"),
        ("--facts", '{"session": {"tool_call": 1}}', "did you mean `tool_calls`?"),
        ("--facts", '{"run": {"tool_calls": -1}}', "from 0"),
        ("--facts", '{"run": {"tool_calls": true}}', "is a boolean"),
        ("--facts", "now: noon", "write 2026-01-01T00:00:00Z"),
        ("--facts", "now: 2026-01-01T00:00:00", "end it with Z"),
        ("--facts", "switches: [{scope: tool}]", "names the wrong thing"),
    ],
)
def test_explain_refuses_what_it_does_not_know(cli, policy, option, value, says):
    argv = ["explain", policy, option, value]
    if option != "--action":
        argv += ["--action", '{"name": "x"}']
    ran = cli(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_explain_of_a_policy_that_does_not_load(cli, here):
    (here / "p.yaml").write_text(BROKEN)
    ran = cli("explain", "p.yaml", "--action", '{"name": "x"}')
    assert (ran.code, ran.out) == (1, "")
    assert "p.yaml:5:5: error" in ran.err
    assert (
        len(
            cli("explain", "p.yaml", "--action", '{"name": "x"}', "--json").json["error"][
                "problems"
            ]
        )
        >= 2
    )


def test_explain_escapes_what_would_move_the_cursor(cli, policy):
    ran = cli("explain", policy, "--action", '{"name": "x\\u001b[2J\\u202e"}')
    assert ran.code == 3
    assert "\x1b" not in ran.out
    assert "\u202e" not in ran.out


def test_LANG_12_lint_explain_test_and_the_engine_accept_the_same_documents(cli, here):
    starter = starter_policy("os:me")
    lines = starter.splitlines()
    tried = [starter, *("\n".join(lines[:n] + lines[n + 1 :]) for n in range(len(lines)))]
    tried += [
        starter.replace(":", " :", 1),
        starter.replace("deny", "dney"),
        "",
        "rulez: []",
        "a\tb",
    ]
    path = here / "tried.yaml"
    (here / "cases").mkdir()
    (here / "cases" / "a.yaml").write_text(
        "policy: ../tried.yaml\ncases: [{name: c, action: {name: t}, expect: deny}]\n"
    )
    answers = set()
    for text in tried:
        path.write_text(text)
        try:
            wardline.load_policies(path)
        except wardline.PolicyError:
            loads = False
        else:
            loads = True
        assert (cli("lint", path).code == 0) is loads, text
        explained = cli("explain", path, "--action", '{"name": "t"}').code
        assert (explained in {0, 3, 4}) is loads, text
        assert (cli("test", path).out != "") is loads, text
        answers.add(loads)
    assert answers == {True, False}


@pytest.mark.parametrize("options", [(), ("--toolkit",), ("--json",)], ids=" ".join)
def test_schema_prints_a_schema_that_takes_what_init_writes(cli, options):
    from jsonschema import Draft202012Validator

    made = cli("schema", *options).json
    Draft202012Validator.check_schema(made)
    starter = {"apiVersion": "wardline/v1", "name": "a", "rules": [{"name": "r", "action": "deny"}]}
    assert Draft202012Validator(made).is_valid(starter) is ("--toolkit" not in options)


KIT = """apiVersion: governance.toolkit/v1
name: kit
default_action: allow
rules:
- name: block
  condition: "action.type == 'drop' and amount > 5"
  action: deny
"""


def test_LANG_14_convert_writes_what_lints_and_decides_the_same(cli, here):
    (here / "kit.yaml").write_text(KIT)
    shown = cli("convert", "kit.yaml")
    assert (shown.code, shown.err) == (0, "")
    assert "  # without `amount` the comparison does not hold" in shown.out
    wrote = cli("convert", "kit.yaml", "-o", "policy.yaml")
    assert (wrote.code, wrote.err) == (0, "")
    assert (here / "policy.yaml").read_text() == shown.out
    assert cli("convert", "kit.yaml", "--json").json["text"] == shown.out
    assert cli("lint", "policy.yaml").code == 0
    for amount, code in ((6, 3), (5, 0)):
        action = json.dumps({"name": "drop", "args": {"amount": amount}})
        for policy in ("kit.yaml", "policy.yaml"):
            assert cli("explain", policy, "--action", action).code == code


def test_convert_never_replaces_a_file_and_says_what_it_cannot_do(cli, here):
    (here / "kit.yaml").write_text(KIT)
    (here / "policy.yaml").write_text("mine")
    ran = cli("convert", "kit.yaml", "-o", "policy.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert "--force" in ran.err
    assert (here / "policy.yaml").read_text() == "mine"
    assert cli("convert", "kit.yaml", "-o", "policy.yaml", "--force").code == 0
    ran = cli("convert", "policy.yaml")
    assert ran.code == 1
    assert "there is nothing to convert" in ran.err
    assert "cannot be written" in cli("convert", "kit.yaml", "-o", "no/such/p.yaml").err
    assert cli("convert", "gone.yaml").code == 1
