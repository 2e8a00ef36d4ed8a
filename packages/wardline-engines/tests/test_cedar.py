"""Cedar documents: what they decide, what their values become, what counts as no answer."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from wardline import (
    ActionRefused,
    EngineError,
    PolicyError,
    Principal,
    load_policies,
    parse_policies,
)
from wardline_engines import cedar

if TYPE_CHECKING:
    from pathlib import Path

PERMIT = '@id("yes") permit(principal, action, resource);\n'


def permit_when(condition: str) -> str:
    return f'@id("yes") permit(principal, action, resource) when {{ {condition} }};\n'


def forbid_when(condition: str) -> str:
    return f'@id("no") forbid(principal, action, resource) when {{ {condition} }};\n'


ALLOW, DENY = "allow", "deny"
BOSS = Principal("bot", chain=("root", "boss"), roles=("clerk", "auditor"))

# What the policies say of an action: policies, what is asked, effect.
DECISIONS: list[tuple[str, str, dict[str, Any], str]] = [
    ("a permit", PERMIT, {}, ALLOW),
    ("no permit that applies", permit_when("false"), {}, DENY),
    ("forbid wins", PERMIT + forbid_when("true"), {}, DENY),
    ("forbid wins in any order", forbid_when("true") + PERMIT, {}, DENY),
    ("a forbid that does not apply", PERMIT + forbid_when("false"), {}, ALLOW),
    ("unless", "permit(principal, action, resource) unless { context.args.x == 1 };", {"args": {"x": 1}}, DENY),
    ("this agent", 'permit(principal == Agent::"bot", action, resource);', {}, ALLOW),
    ("another agent", 'permit(principal == Agent::"other", action, resource);', {}, DENY),
    ("a role", 'permit(principal in Role::"clerk", action, resource);', {}, ALLOW),
    ("a role it has not", 'permit(principal in Role::"boss", action, resource);', {}, DENY),
    ("somebody up the chain", 'permit(principal in Agent::"root", action, resource);', {"principal": BOSS}, ALLOW),
    ("the acting one alone", 'permit(principal == Agent::"root", action, resource);', {"principal": BOSS}, DENY),
    ("forbidden to all who act for root", PERMIT + 'forbid(principal in Agent::"root", action, resource);', {"principal": BOSS}, DENY),
    ("an agent that acts for itself", PERMIT, {"principal": Principal("bot", chain=("bot",))}, ALLOW),
    ("the kind", 'permit(principal, action == Action::"tool_call", resource);', {}, ALLOW),
    ("another kind", 'permit(principal, action == Action::"message", resource);', {}, DENY),
    ("a message", 'permit(principal, action == Action::"message", resource == Peer::"ann");', {"kind": "message", "name": "Ann"}, ALLOW),
    ("a delegation", 'permit(principal, action == Action::"delegation", resource is Peer);', {"kind": "delegation", "name": "ann"}, ALLOW),
    ("a memory read", 'permit(principal, action == Action::"memory_read", resource is Memory);', {"kind": "memory_read", "name": "m"}, ALLOW),
    ("a memory write", 'permit(principal, action == Action::"memory_read", resource is Memory);', {"kind": "memory_write", "name": "m"}, DENY),
    ("a retrieval", 'permit(principal, action == Action::"retrieval", resource is Retriever);', {"kind": "retrieval", "name": "r"}, ALLOW),
    ("the tool", 'permit(principal, action, resource == Tool::"pay");', {}, ALLOW),
    ("the tool by its type", 'permit(principal, action, resource == Tool::"pay");', {"name": "PAY"}, ALLOW),
    ("the tool's name", permit_when('resource.name == "PAY"'), {"name": "PAY"}, ALLOW),
    ("what the catalogue says", permit_when('resource.effects.contains("write") && resource.clearance == "internal"'), {}, ALLOW),
    ("only readers", permit_when('["read"].containsAll(resource.effects)'), {"name": "look"}, ALLOW),
    ("an unlisted tool may do anything", permit_when('["read"].containsAll(resource.effects)'), {"name": "strange"}, DENY),
    ("tenant and environment", permit_when('principal.tenant == "acme" && principal.environment == "prod"'), {}, ALLOW),
    ("the agent's roles as a set", permit_when('principal.roles == ["auditor", "clerk"]'), {"principal": BOSS}, ALLOW),
    ("the verb", permit_when('context.verb == "drop"'), {"args": {"action": "Drop"}}, ALLOW),
    ("a counter", permit_when("context.session.tool_calls < 3 && context.run.tool_calls < 2"), {}, ALLOW),
    ("a counter that is used up", permit_when("context.session.tool_calls < 2"), {}, DENY),
    ("the call", permit_when('context.call_id == "c1" && context.framework == ""'), {}, ALLOW),
    ("the time", permit_when('context.now == datetime("2026-07-14T03:33:20.123Z")'), {}, ALLOW),
    ("a whole second", permit_when('context.now == datetime("2026-07-14T03:33:20Z")'), {"now": 1_784_000_000_000_000}, ALLOW),
    ("a time of day", permit_when('context.now.toTime() < duration("4h")'), {}, ALLOW),
]  # fmt: skip

# What a value of the arguments is in Cedar: the value, a condition that holds for it and no other.
VALUES: list[tuple[str, Any, str]] = [
    ("text", 'a"b\\c\n\0é😀', 'context.args.v == "a\\"b\\\\c\\n\\0é😀"'),
    ("empty text", "", 'context.args.v == ""'),
    ("like", "report-7.txt", 'context.args.v like "report-*"'),
    ("true", True, "context.args.v == true"),
    ("false", False, "context.args.v == false"),
    ("an integer", 5, "context.args.v == 5"),
    ("the largest integer", 2**63 - 1, "context.args.v == 9223372036854775807"),
    ("the smallest integer", -(2**63), "context.args.v == -9223372036854775808"),
    ("a float", 1.5, 'context.args.v == decimal("1.5")'),
    ("a whole float is no integer", 5.0, 'context.args.v == decimal("5.0")'),
    ("a negative float", -0.0001, 'context.args.v == decimal("-0.0001")'),
    ("a price", 19.99, 'context.args.v.lessThan(decimal("20.0"))'),
    ("a list is a set", [2, 1, 2], "context.args.v == [1, 2]"),
    ("an empty list", [], "context.args.v.isEmpty()"),
    ("a mixed list", [1, "a", True, [1.5]], 'context.args.v == [true, "a", 1, [decimal("1.5")]]'),
    ("a map", {"a": {"b": 1}}, "context.args.v.a.b == 1 && context.args.v == {a: {b: 1}}"),
    ("odd keys", {"a b": 1, "": 2}, 'context.args.v["a b"] == 1 && context.args.v[""] == 2'),
    ("what looks like an entity", {"type": "Role", "id": "x"}, 'context.args.v == {type: "Role", id: "x"}'),
    ("what looks like a function", {"fn": "ip", "arg": "::1"}, 'context.args.v == {fn: "ip", arg: "::1"}'),
    ("null is left out", None, '!(context.args has v) && context.nulls == ["args.v"]'),
    ("null inside", {"a": None, "b": 1}, 'context.args.v == {b: 1} && context.nulls == ["args.v.a"]'),
    ("bytes are text", b"\x00\xff", 'context.args.v == "AP8="'),
]  # fmt: skip

# What has no exact form in Cedar: the value, what the denial says.
UNTOLD: list[tuple[str, Any, str]] = [
    ("too large", 2**63, "`args.v` is 9223372036854775808, and Cedar's integers have 64 bits"),
    ("too small", -(2**63) - 1, "have 64 bits"),
    ("too fine", 0.00001, "four digits after the point"),
    ("five digits", 1.23456, "`args.v` is 1.23456"),
    ("too wide", 1e15, "four digits after the point and 64 bits"),
    ("an exponent", 1e300, "four digits"),
    ("not a number", float("nan"), "`args.v` is nan"),
    ("infinite", float("-inf"), "`args.v` is -inf"),
    ("null in a list", [1, None], "`args.v[1]` is null"),
    ("an entity", {"__entity": {"type": "Role", "id": "admin"}}, "`__entity`, which would be read as"),
    ("a function", {"__extn": {"fn": "decimal", "arg": "0.0"}}, "`__extn`"),
    ("an expression", {"__expr": "principal"}, "`__expr`"),
    ("an entity among others", {"a": [{"__entity": 1, "b": 2}]}, "`args.v.a[0]` has the key"),
]  # fmt: skip

# Policies that err on an action, whatever else permits it: what the denial says.
ERRING: list[tuple[str, str, dict[str, Any], str]] = [
    ("a forbid that errs", PERMIT + forbid_when("context.args.amount > 100"), {}, "`no`: record does not have the attribute `amount`"),
    ("a permit that errs beside one that holds", PERMIT + '@id("odd") permit(principal, action, resource) when { context.args.n > 1 };', {}, "`odd`"),
    ("a forbid of another type", PERMIT + forbid_when("context.args.n > 1"), {"args": {"n": "2"}}, "type error: expected long, got string"),
    ("a decimal where an integer is meant", PERMIT + forbid_when("context.args.n > 1"), {"args": {"n": 2.0}}, "expected long, got decimal"),
    ("an overflow", PERMIT + forbid_when("context.args.n + 1 > 0"), {"args": {"n": 2**63 - 1}}, "overflow"),
    ("an attribute nobody has", PERMIT + forbid_when("principal.height > 1"), {}, "does not have the attribute `height`"),
    ("an entity nobody knows", PERMIT + forbid_when('Tool::"x".name == "y"'), {}, '`Tool::"x"` does not exist'),
    ("a bad address", PERMIT + forbid_when("ip(context.args.a).isLoopback()"), {"args": {"a": "no"}}, "invalid IP address: no"),
    ("without a name it has its number", "permit(principal, action, resource) when { context.x == 1 };", {}, "`policy0`"),
]  # fmt: skip


def ids(cases: list[Any]) -> Any:
    return {"ids": [case[0] for case in cases], "argvalues": [case[1:] for case in cases]}


@pytest.mark.parametrize("policies, asked, effect", **ids(DECISIONS))
def test_decisions(asking: Any, policies: str, asked: dict[str, Any], effect: str) -> None:
    verdict = asking("cedar", {"policies": policies}).verdict(**asked)
    assert (verdict.effect, verdict.failed) == (effect, False)


@pytest.mark.parametrize("value, condition", **ids(VALUES))
def test_values(asking: Any, value: Any, condition: str) -> None:
    asked = asking("cedar", {"policies": permit_when(condition)})
    verdict = asked.verdict({"v": value})
    assert (verdict.effect, verdict.failed) == (ALLOW, False)
    other = asked.verdict({"v": "something else"}) if value is not None else asked.verdict({"v": 1})
    assert other.effect == DENY


@pytest.mark.parametrize("value, message", **ids(UNTOLD))
def test_ENG_4_what_cedar_cannot_hold_denies(asking: Any, value: Any, message: str) -> None:
    verdict = asking("cedar", {"policies": PERMIT}).verdict({"v": value})
    assert verdict.failed
    assert message in verdict.reason


@pytest.mark.parametrize("policies, asked, message", **ids(ERRING))
def test_ENG_4_a_policy_that_errs_denies(
    asking: Any, policies: str, asked: dict[str, Any], message: str
) -> None:
    verdict = asking("cedar", {"policies": policies}).verdict(**asked)
    assert verdict.failed
    assert message in verdict.reason


def test_ENG_4_many_errors_are_counted(asking: Any) -> None:
    policies = "".join(
        f'@id("p{n}") permit(principal, action, resource) when {{ context.x == {n} }};'
        for n in range(5)
    )
    assert asking("cedar", {"policies": policies}).verdict().reason.endswith("; and 2 more")


def test_what_decided_and_why(asking: Any) -> None:
    policies = (
        '@id("reading") permit(principal, action, resource);\n'
        '@id("writing") permit(principal, action, resource == Tool::"pay");\n'
        '@id("large") @reason("payments over 100 go to a person")\n'
        "forbid(principal, action, resource) when { context.args.n > 100 };\n"
        '@id("odd") forbid(principal, action, resource) when { context.args.n == 101 };\n'
    )
    asked = asking("cedar", {"policies": policies})
    allowed = asked.verdict({"n": 5})
    assert allowed.rules == ("reading", "writing")
    assert allowed.reason == "permitted by reading, writing"
    refused = asked.verdict({"n": 101})
    assert refused.rules == ("large", "odd")
    assert refused.reason == "payments over 100 go to a person"
    assert asking("cedar", {"policies": forbid_when("true")}).verdict().reason == "forbidden by no"
    assert asking("cedar", {"policies": permit_when("false")}).verdict().rules == ()


# Settings

ENTITIES = [
    {"uid": {"type": "Group", "id": "payments"}, "attrs": {}, "parents": []},
    {
        "uid": {"__entity": {"type": "Tool", "id": "pay"}},
        "attrs": {"owner": {"__entity": {"type": "Agent", "id": "ann"}}},
        "parents": [{"type": "Group", "id": "payments"}],
    },
    {"uid": {"type": "Agent", "id": "ann"}, "attrs": {"floor": 3}, "parents": []},
    {
        "uid": {"type": "Role", "id": "clerk"},
        "parents": [{"type": "Role", "id": "staff"}],
        "attrs": {},
    },
]


@pytest.mark.parametrize("given", ["list", "file"])
def test_entities_of_the_document(asking: Any, tmp_path: Path, given: str) -> None:
    policies = (
        'permit(principal in Role::"staff", action, resource in Group::"payments")\n'
        'when { resource.owner.floor == 3 && resource.effects.contains("write") };'
    )
    # Beside the documents, a JSON file would be one of them.
    (tmp_path / "policies" / "cedar").mkdir(parents=True)
    (tmp_path / "policies" / "cedar" / "known.json").write_text(json.dumps(ENTITIES))
    known = "cedar/known.json" if given == "file" else ENTITIES
    asked = asking("cedar", {"policies": policies, "entities": known})
    assert asked.verdict().effect == ALLOW
    assert asked.verdict(name="look").effect == DENY
    assert asked.verdict(principal=Principal("ann", roles=("clerk",))).effect == ALLOW
    assert asked.verdict(principal=Principal("ann")).effect == DENY


def test_files_beside_the_document(asking: Any, tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "rules.cedar").write_text(PERMIT)
    asked = asking("cedar", {"policies": "rules.cedar"})
    assert asked.verdict().effect == ALLOW
    before = asked.policies.digest
    (folder / "rules.cedar").write_text(forbid_when("true"))
    assert load_policies(folder).digest != before


SCHEMA = """
entity Role;
entity Agent in [Agent, Role] = {
  name: String, roles: Set<String>, chain: Set<String>,
  tenant: String, environment: String, assurance: String,
};
entity Tool = { name: String, effects: Set<String>, returns?: Set<String>, clearance?: String };
type Place = {
  id: String, depth: Long, tool_calls: Long, model_calls?: Long, tokens?: Long,
  files_changed?: Long, seconds?: Long, denials?: Long,
};
action tool_call appliesTo {
  principal: Agent, resource: Tool,
  context: {
    args: { to?: String, amount?: decimal, count?: Long },
    verb: String, framework: String, call_id: String, session: Place, run: Place,
    now: datetime, nulls: Set<String>,
  },
};
"""


def test_a_schema_checks_policies_and_requests(asking: Any) -> None:
    policies = permit_when(
        'context.args has amount && context.args.amount.lessThan(decimal("9.0"))'
    )
    asked = asking("cedar", {"policies": policies, "schema": SCHEMA})
    assert asked.verdict({"amount": 8.5}).effect == ALLOW
    assert asked.verdict({"amount": 9.5}).effect == DENY
    assert asked.verdict({"amount": None, "to": "x"}).effect == DENY
    for args, message in [
        ({"amount": 8}, "failed to build request"),
        ({"other": 1}, "`other` should not exist according to the schema"),
        ({"to": 5}, "failed to build request"),
    ]:
        verdict = asked.verdict(args)
        assert verdict.failed
        assert message in verdict.reason
    verdict = asked.verdict(kind="message", name="ann")
    assert verdict.failed
    assert 'does not declare Action::"message" on a Peer' in verdict.reason


def test_a_schema_may_be_a_file(asking: Any, tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "s.cedarschema").write_text(SCHEMA)
    asked = asking("cedar", {"policies": PERMIT, "schema": "s.cedarschema"})
    assert asked.verdict().effect == ALLOW
    (tmp_path / "policies" / "s.cedarschema").write_text(SCHEMA.replace("tenant: String,", ""))
    verdict = asking("cedar", {"policies": PERMIT, "schema": "s.cedarschema"}).verdict()
    assert verdict.failed
    assert "do not fit the schema" in verdict.reason


@pytest.mark.parametrize(
    ("settings", "key", "message"),
    [
        ({}, "engine", "`with:` needs `policies`"),
        ({"policies": 5}, "policies", "`policies` is a string, not 5"),
        ({"policies": " "}, "policies", "`policies` is a string"),
        ({"policies": "permit(principal"}, "policies", "line 1: unexpected end of input"),
        (
            {"policies": PERMIT + '// a ";" here\n@id("x;")\n\nforbid(principal, action) ;'},
            "policies",
            "line 3:",
        ),
        (
            {"policies": "permit(principal, action, resource) when { foo };"},
            "policies",
            "`foo`|foo",
        ),
        ({"policies": "// nothing\n"}, "policies", "there is no policy"),
        (
            {"policies": "permit(principal == ?principal, action, resource);"},
            "policies",
            "is a template",
        ),
        ({"policies": PERMIT * 2}, "policies", 'two policies are called @id("yes")'),
        ({"policies": "gone.cedar"}, "policies", "`gone.cedar` cannot be read"),
        ({"policies": "../up.cedar"}, "policies", "lies outside of the policy root"),
        ({"policies": "latin.cedar"}, "policies", "`latin.cedar` is not UTF-8"),
        ({"policies": PERMIT, "schema": "entity"}, "schema", "error parsing schema"),
        (
            {"policies": PERMIT, "schema": "entity Tool;"},
            "schema",
            "declares none of the questions",
        ),
        ({"policies": PERMIT, "schema": "entity Agent;"}, "schema", "declares none"),
        ({"policies": PERMIT, "schema": True}, "schema", "`schema` is a string"),
        (
            {"policies": forbid_when("context.args.nope"), "schema": SCHEMA},
            "policies",
            "against the schema: for policy `no`",
        ),
        ({"policies": PERMIT, "entities": "{"}, "entities", "entities: Expecting"),
        ({"policies": PERMIT, "entities": {}}, "entities", "is a list of entities"),
        ({"policies": PERMIT, "entities": [5]}, "entities", "has no uid"),
        ({"policies": PERMIT, "entities": [{"uid": {"type": "A"}}]}, "entities", "has no uid"),
        (
            {"policies": PERMIT, "entities": [{"uid": {"type": "A", "id": "b"}, "attrs": 5}]},
            "entities",
            "a map `attrs`",
        ),
        ({"policies": PERMIT, "entities": [ENTITIES[0]] * 2}, "entities", "stated twice"),
        (
            {
                "policies": PERMIT,
                "entities": [{"uid": {"type": "Agent", "id": "a"}, "attrs": {"roles": ["x"]}}],
            },
            "entities",
            "has the attribute `roles`, which the request states",
        ),
        (
            {
                "policies": PERMIT,
                "entities": [{"uid": {"type": "A", "id": "b"}, "attrs": {"x": 1.5}, "parents": []}],
            },
            "entities",
            "do not fit together",
        ),
        ({"policies": PERMIT, "entitys": []}, "entitys", "this engine has no setting `entitys`"),
    ],
)
def test_mistakes_are_load_errors(
    tmp_path: Path, settings: dict[str, Any], key: str, message: str
) -> None:
    (tmp_path / "latin.cedar").write_bytes(b"// \xe9\n")
    lines = [f"  {name}: {json.dumps(value)}\n" for name, value in settings.items()]
    head = "apiVersion: wardline/v1\nname: other\nengine: cedar\nwith:\n"
    text = head + ("".join(lines) or "  {}\n")
    (tmp_path / "other.yaml").write_text(text)
    with pytest.raises(PolicyError) as caught:
        load_policies(tmp_path / "other.yaml")
    (problem,) = caught.value.problems
    assert any(part in problem.message for part in message.split("|"))
    wanted = next(n for n, line in enumerate(text.splitlines(), 1) if line.strip().startswith(key))
    assert problem.line == wanted


def test_ENG_4_without_its_library_it_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cedarpy", None)
    with pytest.raises(PolicyError, match=r"pip install 'wardline-engines\[cedar\]'"):
        parse_policies(
            "apiVersion: wardline/v1\nname: other\nengine: cedar\n"
            "with: {policies: 'permit(principal, action, resource);'}\n"
        )


# In a guard


def test_beside_a_document_of_ours(governed: Any) -> None:
    ran: list[float] = []

    def pay(amount: float, to: str = "ann") -> str:
        ran.append(amount)
        return "paid"

    policies = PERMIT + '@id("large") forbid(principal, action, resource) when {\n'
    policies += '  context.args.amount.greaterThan(decimal("100.0")) };'
    tool = governed(pay, "cedar", {"policies": policies})
    assert tool(99.5) == "paid"
    with pytest.raises(ActionRefused) as caught:
        tool(100.5)
    assert caught.value.rule == "builtin:engine"
    assert caught.value.decision is not None
    assert caught.value.decision.reason == "cedar: forbidden by large"
    with pytest.raises(ActionRefused, match="four digits"):
        tool(0.00001)
    assert ran == [99.5]


def test_a_counter_of_the_session_moves(governed: Any) -> None:
    def pay() -> str:
        return "paid"

    tool = governed(pay, "cedar", {"policies": permit_when("context.session.tool_calls < 2")})
    assert [tool(), tool()] == ["paid", "paid"]
    with pytest.raises(ActionRefused):
        tool()


def test_many_threads_get_their_own_answers(asking: Any) -> None:
    asked = asking("cedar", {"policies": permit_when("context.args.n == context.args.m")})

    def one(n: int) -> bool:
        return bool(asked.verdict({"n": n, "m": n % 7}).effect == ALLOW)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(400))) == [n == n % 7 for n in range(400)]


def test_ENG_4_an_answer_after_the_deadline_is_none() -> None:
    policies = "".join(
        f"permit(principal, action, resource) when {{ context.args.n == {n} }};" for n in range(500)
    )
    opened = cedar.open({"policies": policies}, lambda name: b"")
    request: dict[str, Any] = {
        "action": {
            "kind": "tool_call", "stage": "before", "type": "t", "name": "t", "verb": "",
            "framework": "", "call_id": "", "args": {"n": 499},
        },
        "principal": {"id": "a", "roles": [], "chain": []},
        "session": {}, "run": {}, "tool": {}, "now": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    assert opened.judge(request, 5.0).effect == ALLOW
    with pytest.raises(EngineError, match=r"it took longer than 0.001 ms"):
        opened.judge(request, 0.000001)


def test_requests_beyond_what_is_kept_are_answered(asking: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(cedar, "_MOST_KEPT", 3)
    asked = asking("cedar", {"policies": PERMIT, "entities": ENTITIES})
    for number in range(10):
        assert asked.verdict(name=f"tool{number}").effect == ALLOW
    for name in ("pay", "ann"):
        assert asked.verdict(principal=Principal(name)).effect == ALLOW


def test_libraries_are_imported_when_a_policy_needs_them() -> None:
    code = (
        "import sys\n"
        "from wardline_engines import authzen, cedar, rego\n"
        "print('cedarpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
