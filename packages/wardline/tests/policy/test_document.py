"""wardline/v1, key by key: what loads, and every mistake with its place and its hint."""

from __future__ import annotations

import pytest

from wardline.clock import HOUR, MINUTE
from wardline.errors import PolicyError, Problem
from wardline.policy import PolicySet, parse_policies
from wardline.policy.keys import LATER

HEAD = "apiVersion: wardline/v1\nname: p\n"


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PolicyError) as caught:
        parse_policies(text, file="p.yaml")
    return caught.value.problems


def one(text: str) -> Problem:
    found = problems(text)
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


def rule(text: str) -> str:
    return f"{HEAD}rules:\n  - {{name: r, {text}}}\n"


FULL = """\
apiVersion: wardline/v1
name: full
description: everything at once
default_action: deny
approvers: [security-team]
mode: strict
applies_to:
  agents: ["payments-*"]
  environments: [prod]
  tenants: [acme]
unlisted_tools: deny
tools:
  get_contacts: { effects: [read], returns: [untrusted] }
  send_email: { effects: [network, write], clearance: internal, args: {to: {type: list(string)}, body: string} }
  sql_query: { effects: [read, write, destructive], args: {query: string}, ring: 2 }
  write_file: { effects: [write], args: {path: string}, changes: args.path, idempotent: true, opaque: [handle] }
  admin: { type_from: action }
  "db_*": { effects: [read], returns: [] }
limits:
  - { name: task-tokens, count: tokens, at_most: 8000, per: run, estimate: 500 }
  - { name: files, count: files_changed, at_most: 15, per: session }
  - { name: mail, count: calls, tool: send_email, at_most: 10, per: agent, window: 1h }
  - { name: day, count: tool_calls, at_most: 0, per: tenant, calendar: day Europe/Berlin, on_exceed: require_approval }
rules:
  - name: block
    description: no drops
    on: tool_call
    tool: [sql_query]
    agent: "intern-*"
    condition: "args.query.contains('DROP')"
    action: deny
    reason: needs a migration
    mode: audit
  - name: ask
    on: [tool_call, message]
    action: require_approval
    approvers: [boss]
    quorum: 2
    expires_in: 5m
    separation_of_duties: true
  - { name: hide, on: tool_call.after, action: redact, paths: ["result.rows[*].ssn", action.result.x] }
  - { name: cut, tool: send_email, action: transform, set: { args.body: "args.body + '!'" } }
"""


def test_every_key_is_read() -> None:
    policies = parse_policies(FULL)
    (document,) = policies.documents
    assert document.default_action == "deny"
    assert document.approvers == ("security-team",)
    assert document.applies_to is not None
    assert document.applies_to.place("prod", "acme")
    assert not document.applies_to.place("dev", "acme")
    assert document.applies_to.agent("payments-1")
    assert document.unlisted_tools == "deny"
    entry = document.tools.entry("write_file")
    assert entry is not None
    assert (entry.changes, entry.idempotent, entry.opaque) == ("path", True, ("handle",))
    mail = document.tools.entry(" SEND_email")
    assert mail is not None
    assert mail.args["to"].type == "list(string)"
    assert mail.view == {"effects": ["network", "write"], "clearance": "internal"}
    tokens, files, rate, daily = document.limits
    assert (tokens.at_most, tokens.estimate, tokens.per) == (8000, 500, "run")
    assert files.covers("tool_call", "x")
    assert not files.covers("model_call", "x")
    assert rate.window == HOUR
    assert rate.covers("tool_call", "Send_Email")
    assert not rate.covers("tool_call", "other")
    assert daily.calendar == ("day", "Europe/Berlin")
    assert policies.can_ask
    block, ask, hide, cut = policies.rules
    assert (block.mode, block.reason, block.line) == ("audit", "needs a migration", 25)
    assert block.agent is not None
    assert block.agent.match("intern-7")
    assert ask.on == {("tool_call", "before"), ("message", "before")}
    assert (ask.quorum, ask.expires_in, ask.separation_of_duties) == (2, 5 * MINUTE, True)
    assert hide.paths == (("rows", "[*]", "ssn"), ("x",))
    assert cut.set[0][0] == ("body",)
    assert "args.query" in policies.reads


def test_globs_of_the_catalogue_lose_against_exact_names() -> None:
    text = HEAD + 'tools:\n  "db_*": {ring: 1}\n  "*_x": {ring: 2}\n  db_x: {ring: 3}\n'
    tools = parse_policies(text).documents[0].tools
    rings = [
        entry.ring if entry else None for entry in map(tools.entry, ("db_x", "db_a_x", "a_x", "q"))
    ]
    assert rings == [3, 1, 2, None]


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        ("a: b", 1, 1, "does not say what language", "apiVersion: wardline/v1"),
        ("[]", 1, 1, "is a map", "apiVersion"),
        ("apiVersion: wardline/v2\nname: p", 1, 13, "no known `apiVersion`", "`wardline/v1`"),
        ("apiVersion: wardline/v1\nname: ''", 2, 7, "`name` is empty", ""),
        ("apiVersion: wardline/v1", 1, 1, "has no `name`", "add `name:`"),
        (
            "apiVersion: wardline/v1\nname: 3",
            2,
            7,
            "`name` is a string, and this is an integer",
            "quotes",
        ),
        (HEAD + "rulez: []", 3, 1, "no key `rulez`", "`rules`"),
        (HEAD + "defaultAction: deny", 3, 1, "no key `defaultAction`", "`default_action`"),
        (HEAD + "default_action: block", 3, 17, "`block` is no value", "known here: deny, allow"),
        (HEAD + "default_action: alow", 3, 17, "`alow` is no value", "`allow`"),
        (HEAD + "mode: strickt", 3, 7, "`strickt` is no value", "`strict`"),
        (HEAD + "default_action: deny\nmode: permissive", 3, 17, "allows by default", "leave"),
        (HEAD + "default_action: require_approval", 3, 17, "nobody is named", "`approvers: [...]`"),
        (HEAD + "approvers: []", 3, 12, "empty list", ""),
        (HEAD + "approvers: [a, a]", 3, 16, "twice", ""),
        (HEAD + "approvers: {a: b}", 3, 12, "list of strings", ""),
        (HEAD + "applies_to: {}", 3, 13, "names nobody", "leave it out"),
        (HEAD + "applies_to: {agent: x}", 3, 14, "no key `agent`", "`agents`"),
        (HEAD + "applies_to: {agents: ['a[b]']}", 3, 23, "brackets", "`*`"),
        (HEAD + "unlisted_tools: denied", 3, 17, "`denied` is no value", "`deny`"),
        (HEAD + "tools: [a]", 3, 8, "`tools` is a map", ""),
        (HEAD + "tools: {'': {}}", 3, 9, "empty name", ""),
        (HEAD + "tools: {a: {}, A: {}}", 3, 16, "same tool", "keep one"),
        (HEAD + "tools: {a: {efects: [read]}}", 3, 13, "no key `efects`", "`effects`"),
        (HEAD + "tools: {a: {effects: [reed]}}", 3, 23, "`reed`", "`read`"),
        (HEAD + "tools: {a: {clearance: top}}", 3, 24, "`top`", "public, internal"),
        (HEAD + "tools: {a: {ring: 4}}", 3, 19, "from 0 to 3", ""),
        (HEAD + "tools: {a: {type_from: verb}}", 3, 24, "`verb`", "action"),
        (
            HEAD + "tools: {a: {idempotent: yes}}",
            3,
            25,
            "`idempotent` is a boolean",
            "true or false",
        ),
        (HEAD + "tools: {a: {changes: path}}", 3, 22, "does not name an argument", "args.<name>"),
        (HEAD + "tools: {a: {args: {x: strng}}}", 3, 23, "`strng` is no type", "`string`"),
        (HEAD + "tools: {a: {args: {x: list(strin)}}}", 3, 23, "is no type", "`string`"),
        (HEAD + "tools: {a: {args: {'x y': string}}}", 3, 20, "no name of an argument", ""),
        (HEAD + "tools: {a: {args: {x: 3}}}", 3, 23, "has no type", ""),
        (HEAD + "tools: {a: {args: {x: {tpe: map}}}}", 3, 24, "no key `tpe`", "`type`"),
        (HEAD + "tools: {a: {args: {x: map}, opaque: [x]}}", 3, 37, "`x` is opaque", ""),
        (HEAD + "limits: [{count: calls, at_most: 1, per: run}]", 3, 10, "has no `name`", ""),
        (HEAD + "limits: [{name: l, at_most: 1, per: run}]", 3, 10, "has no `count`", "tool_calls"),
        (HEAD + "limits: [{name: l, count: calls, per: run}]", 3, 10, "has no `at_most`", ""),
        (HEAD + "limits: [{name: l, count: calls, at_most: 1}]", 3, 10, "has no `per`", "session"),
        (
            HEAD + "limits: [{name: l, count: call, at_most: 1, per: run}]",
            3,
            27,
            "`call`",
            "`calls`",
        ),
        (HEAD + "limits: [{name: l, count: calls, at_most: -1, per: run}]", 3, 43, "from 0", ""),
        (
            HEAD + "limits: [{name: l, count: calls, at_most: 1.5, per: run}]",
            3,
            43,
            "an integer",
            "",
        ),
        (
            HEAD + "limits: [{name: l, count: tokens, at_most: 1, per: run, tool: x}]",
            3,
            63,
            "not counted by tool",
            "",
        ),
        (
            HEAD + "limits: [{name: l, count: calls, at_most: 1, per: run, estimate: 3}]",
            3,
            66,
            "means nothing",
            "",
        ),
        (
            HEAD + "limits: [{name: l, count: calls, at_most: 1, per: run, window: 1 h}]",
            3,
            64,
            "no duration",
            "24h",
        ),
        (
            HEAD + "limits: [{name: l, count: calls, at_most: 1, per: run, window: 0s}]",
            3,
            64,
            "no duration",
            "",
        ),
        (
            HEAD + "limits: [{name: l, count: calls, at_most: 1, per: run, calendar: day Mars/X}]",
            3,
            66,
            "no time zone",
            "Europe/Berlin",
        ),
        (
            HEAD + "limits: [{name: l, count: calls, at_most: 1, per: run, calendar: day ../x}]",
            3,
            66,
            "no time zone",
            "",
        ),
        (
            HEAD + "limits: [{name: l, count: calls, at_most: 1, per: run, calendar: 24h}]",
            3,
            66,
            "no period",
            "`window`",
        ),
        (
            HEAD
            + "limits: [{name: l, count: calls, at_most: 1, per: run, calendar: day, window: 1h}]",
            3,
            66,
            "both",
            "",
        ),
        (
            HEAD
            + "limits: [{name: l, count: calls, at_most: 1, per: run, on_exceed: require_approval}]",
            3,
            11,
            "nobody is named",
            "approvers",
        ),
        (HEAD + "rules: {a: b}", 3, 8, "`rules` is a list", ""),
        (HEAD + "rules: [a]", 3, 9, "is a map, and this is a string", ""),
        (HEAD + "rules: [{action: deny}]", 3, 9, "has no `name`", ""),
        (HEAD + "rules: [{name: r}]", 3, 9, "has no `action`", "require_approval"),
        (rule("acton: deny, action: deny"), 4, 15, "no key `acton`", "`action`"),
        (rule("effect: deny, action: deny"), 4, 15, "no key `effect`", "`action`"),
        (rule("action: block"), 4, 23, "`block` is no value", "allow, deny"),
        (rule("action: deny, on: toolcall"), 4, 33, "no kind of action", "`tool_call`"),
        (rule("action: deny, on: input.after"), 4, 33, "no kind of action", "nothing comes back"),
        (rule("action: deny, on: tool_call.before"), 4, 33, "no kind of action", "`on: tool_call`"),
        (rule("action: redact, paths: [args.x], on: run"), 4, 52, "cannot carry `redact`", ""),
        (
            rule("action: redact, paths: [args.x], on: [tool_call, tool_call.after]"),
            4,
            52,
            "arguments and results",
            "one rule for",
        ),
        (rule("action: deny, tool: 'a[b]'"), 4, 35, "brackets mean nothing", ""),
        (rule("action: deny, tool: []"), 4, 35, "empty list", ""),
        (rule("action: deny, mode: strict"), 4, 35, "`strict` is no value", "audit"),
        (
            rule("action: deny, quorum: 2"),
            4,
            29,
            "`quorum` belongs to `action: require_approval`",
            "",
        ),
        (rule("action: allow, approvers: [a]"), 4, 30, "`approvers` belongs", ""),
        (rule("action: deny, expires_in: 5m"), 4, 29, "`expires_in` belongs", ""),
        (rule("action: deny, separation_of_duties: true"), 4, 29, "belongs", ""),
        (rule("action: deny, paths: [args.x]"), 4, 29, "`paths` belongs to `action: redact`", ""),
        (rule("action: redact, paths: [args.y], set: {args.x: '1'}"), 4, 48, "`set` belongs", ""),
        (rule("action: require_approval"), 4, 6, "nobody is named", "approvers"),
        (rule("action: require_approval, approvers: [a], quorum: 0"), 4, 65, "from 1", ""),
        (
            rule("action: require_approval, approvers: [a], expires_in: soon"),
            4,
            69,
            "no duration",
            "5m",
        ),
        (rule("action: redact"), 4, 5, "what to redact", "paths"),
        (rule("action: redact, paths: [body]"), 4, 39, "does not begin with", "args.<name>"),
        (rule("action: redact, paths: [args]"), 4, 39, "does not name an argument", ""),
        (rule("action: redact, paths: [result.x]"), 4, 39, "not there on `before`", ".after"),
        (
            rule("action: redact, on: tool_call.after, paths: [args.x]"),
            4,
            60,
            "not there on `after`",
            "`result`",
        ),
        (rule("action: redact, paths: [args.x, args.x.y]"), 4, 47, "overlaps `args.x`", ""),
        (rule("action: transform"), 4, 5, "what to set", ""),
        (rule("action: transform, set: {}"), 4, 39, "what to set", ""),
        (rule("action: transform, set: {args.x: 3}"), 4, 48, "CEL in a string", ""),
        (rule("action: transform, set: {'args.x[*]': '3'}"), 4, 40, "many places", "`[0]`"),
        (rule("action: transform, set: {args.x: '1', 'args.x[0]': '2'}"), 4, 53, "overlaps", ""),
        (rule("action: transform, set: {args.x: '1 +'}"), 4, None, "", ""),
        (rule("action: deny, condition: true"), 4, 40, "a condition is CEL", "leave it out"),
        (rule("action: deny, condition: ' '"), 4, 40, "`condition` is empty", ""),
        (rule("action: deny, condition: 'args.x > 1'"), 4, 46, "not every tool", "has(args.x)"),
        (rule("action: deny, condition: 'arg == 1'"), 4, 41, "arg", "args"),
        (
            rule("action: deny, condition: \"action.type == 'DROP'\""),
            4,
            56,
            "never `DROP`",
            "`drop`",
        ),
        (
            rule("action: deny, condition: \"true || action.type in ['a', 'B']\""),
            4,
            70,
            "never `B`",
            "`b`",
        ),
        (rule("action: deny, condition: 'this is garbage'"), 4, None, "", ""),
        (rule("action: deny, condition: 'session.did(1)'"), 4, None, "part of wardline/v1", ""),
        (rule("action: deny}\n  - {name: r, action: deny"), 5, 6, "two rules named `r`", ""),
        (
            HEAD
            + "limits:\n  - {name: l, count: calls, at_most: 1, per: run}\n  - {name: l, count: calls, at_most: 1, per: run}",
            5,
            6,
            "two limits",
            "",
        ),
    ],
)
def test_LANG_2_LANG_3_every_mistake_has_a_place_and_a_hint(
    text: str, line: int, column: int | None, message: str, hint: str
) -> None:
    problem = one(text)
    assert message in problem.message
    assert problem.line == line
    if column is not None:
        assert problem.column == column, str(problem)
    assert hint in problem.hint
    assert problem.file == "p.yaml"


_PLACES = {
    "document": HEAD + "{word}: x\n",
    "rule": HEAD + "rules:\n  - {{name: r, action: deny, {word}: x}}\n",
    "tool": HEAD + "tools:\n  a: {{{word}: x}}\n",
    "argument": HEAD + "tools:\n  a: {{args: {{x: {{{word}: x}}}}}}\n",
    "count": HEAD + "limits:\n  - {{name: l, count: {word}, at_most: 1, per: run}}\n",
}


@pytest.mark.parametrize(("section", "word"), LATER)
def test_what_cannot_be_enforced_yet_does_not_load(section: str, word: str) -> None:
    found = problems(_PLACES[section].format(word=word))
    assert any("part of wardline/v1, but this version cannot" in p.message for p in found)


def test_all_problems_are_reported_at_once_in_the_order_of_lines() -> None:
    text = HEAD + (
        "rules:\n  - {name: a, action: deny, condition: '1 +'}\n  - {name: b, action: dny}\n"
        "  - {name: c, action: deny, condition: 'args.x == 1'}\n"
    )
    assert [problem.line for problem in problems(text)] == [4, 5, 6]


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("", "deny"),
        ("mode: permissive\n", "allow"),
        ("mode: audit\n", "deny"),
        ("default_action: allow\n", "allow"),
    ],
)
def test_defaults(text: str, default: str) -> None:
    assert parse_policies(HEAD + text).documents[0].default_action == default


def test_ENG_11_limits_bind_only_in_strict_documents() -> None:
    limit = "limits: [{name: l, count: calls, at_most: 1, per: run}]\n"
    for mode, binding in (("strict", True), ("permissive", False), ("audit", False)):
        (document,) = parse_policies(f"{HEAD}mode: {mode}\n{limit}").documents
        assert document.limits[0].binding is binding


CATALOGUE = """\
unlisted_tools: {unlisted}
tools:
  pay: {{args: {{amount: number, to: string}}, opaque: [conn]}}
  refund: {{args: {{amount: string}}}}
  "db_*": {{args: {{query: string}}}}
  admin: {{type_from: action}}
rules:
  - {{name: r, action: deny, {rule}}}
"""


@pytest.mark.parametrize(
    ("unlisted", "text", "message"),
    [
        ("allow", "tool: pay, condition: args.amount > 3", ""),
        ("allow", "tool: pay, condition: args.amont > 3", "they declare: amount, to"),
        ("allow", "tool: pay, condition: \"args.amount > '3'\"", "cannot compare"),
        ("allow", "tool: [pay, refund], condition: args.amount == 3", ""),
        ("allow", "tool: [pay, refund], condition: \"args.to == 'x'\"", "`to`"),
        ("allow", "tool: [pay, other], condition: args.amount > 3", "has(args.amount)"),
        ("allow", "tool: db_x, condition: \"args.query == 'x'\"", ""),
        ("allow", "tool: 'db_*', condition: \"args.query == 'x'\"", "`query`"),
        ("deny", "tool: 'db_*', condition: \"args.query == 'x'\"", ""),
        ("deny", "tool: 'p*', condition: args.amount > 3", ""),
        ("deny", "condition: args.amount > 3", "`amount`"),
        ("allow", "condition: \"action.name == 'pay' && args.amount > 3\"", ""),
        ("allow", "on: message, condition: args.amount > 3", "`amount`"),
        ("allow", 'condition: "has(args.foo) && args.foo == 1"', ""),
        ("allow", "tool: pay, condition: 'has(args.conn)'", "declared opaque"),
        # `admin` is many verbs, `pay` may be one of them
        ("allow", "condition: \"action.type == 'pay' && args.amount > 3\"", "`amount`"),
    ],
)
def test_conditions_are_checked_against_the_tools_they_can_meet(
    unlisted: str, text: str, message: str
) -> None:
    document = HEAD + CATALOGUE.format(unlisted=unlisted, rule=text)
    if not message:
        assert parse_policies(document).rules[0].program is not None
        return
    problem = one(document)
    assert message in f"{problem.message} {problem.hint}"


def test_unconditional_rules_that_change_one_place_do_not_load() -> None:
    a = "  - {name: a, action: redact, paths: [args.x.y]}\n"
    b = "  - {name: b, tool: 'send_*', action: transform, set: {args.x: '1'}}\n"
    c = "  - {name: c, tool: send_mail, action: redact, paths: ['args.x']}\n"
    problem = one(f"{HEAD}rules:\n{a}{b}")
    assert "`a` and `b` always change the same place" in problem.message
    assert (problem.line, problem.column) == (5, 6)
    assert "always change" in one(f"{HEAD}rules:\n{b}{c}").message
    parse_policies(f"{HEAD}rules:\n{b}{c.replace('send_mail', 'other')}")
    parse_policies(f"{HEAD}rules:\n{b}{c.replace('args.x', 'args.y')}")
    parse_policies(f"{HEAD}rules:\n{b}{c.replace('action', 'agent: x, action')}")


def test_too_much_work_for_one_decision_does_not_load() -> None:
    condition = " || ".join(f"principal.id == 'agent-{i}'" for i in range(60))
    rules = "".join(
        f'  - {{name: r{i}, action: deny, condition: "{condition}"}}\n' for i in range(1500)
    )
    problem = one(f"{HEAD}rules:\n{rules}")
    assert "200,000" in problem.message
    assert "anchor" in problem.hint
    anchored = rules.replace('condition: "', 'tool: t, condition: "')
    assert "200,000" in one(f"{HEAD}rules:\n{anchored}").message


def test_documents_are_immutable() -> None:
    policies: PolicySet = parse_policies(FULL)
    for thing in (policies.rules[0], policies.documents[0], policies.documents[0].limits[0]):
        with pytest.raises(AttributeError):
            thing.name = "other"  # type: ignore[misc]
