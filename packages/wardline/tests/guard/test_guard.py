"""The guard itself: its boundary, its switches, its changes, its parameters."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from wardline import (
    Action,
    ActionDenied,
    ConfigurationError,
    ContentWithheld,
    Guard,
    MemoryStore,
    Operator,
    Principal,
    StoreError,
    govern,
    home_directory,
    parse_policies,
)
from wardline.ledger import Ledger
from wardline.store import Switch

ALLOW = "apiVersion: wardline/v1\nname: p\ndefault_action: allow\n"


def call(guard: Any, name: str = "t", run: Any = None, kind: str = "tool_call", **keys: Any) -> Any:
    args = keys.pop("args", {})
    return guard.call(Action(kind, name, args, **keys), run or (lambda args: "ran"))


# Probes: the conditions that another toolkit got wrong, through a guard

TABLE = json.loads(Path(__file__).parents[1].joinpath("probes.json").read_text())
ARGS = TABLE["arguments"]
DECLARED = "{" + ", ".join(f"{name}: {type_}" for name, type_ in TABLE["types"].items()) + "}"
PROBES: list[tuple[str, bool | str]] = [(text, wanted) for text, wanted in TABLE["probes"]]
assert len(PROBES) == 30


@pytest.mark.parametrize(("condition", "expected"), PROBES)
def test_LANG_4_the_probes_through_a_guard(bench: Any, condition: str, expected: Any) -> None:
    from wardline import PolicyError

    body = (
        f"tools: {{Drop: {{args: {DECLARED}}}}}\n"
        "rules:\n  - name: probe\n    tool: drop\n    action: deny\n"
        f"    condition: >-\n      {condition}\n"
    )
    if expected == "LOAD":
        with pytest.raises(PolicyError):
            bench.guard(body)
        return
    guard = bench.guard(body, tools="Drop", principal=Principal("a", roles=("admin", "ops")))
    if expected:
        with pytest.raises(ActionDenied) as raised:
            call(guard, "Drop", args=dict(ARGS))
        assert raised.value.rule == "probe"
    else:
        assert call(guard, "Drop", args=dict(ARGS)) == "ran"


# The boundary (WRAP-6)


@pytest.mark.parametrize(
    ("body", "keys", "rule"),
    [
        ("rules: [{name: no, action: deny}]\n", {}, "no"),
        ("unlisted_tools: deny\n", {}, "builtin:unlisted"),
        ("applies_to: {agents: [x]}\n", {}, "builtin:no-policy"),
        ("", {"name": "unknown"}, "builtin:registered"),
        ("", {"args": {"x": object()}}, "builtin:arguments"),
        ("", {"args": {"x": "y" * (1 << 20)}}, "builtin:arguments"),
        ("", {"args": {"x": "\ud800"}}, "builtin:arguments"),
        (
            "limits: [{name: l, count: calls, at_most: 0, per: session}]\n",
            {},
            "builtin:limits",
        ),
        ("rules: [{name: e, condition: 'has(args.n) && args.n > 1', action: deny}]\n",
         {"args": {"n": "x"}}, "e"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["sync", "async"])
def test_WRAP_6_every_refusal_has_one_record(
    bench: Any, body: str, keys: dict[str, Any], rule: str, how: str
) -> None:
    guard = bench.guard(body, tools="t")
    ran: list[int] = []
    action = Action("tool_call", keys.get("name", "t"), keys.get("args", {}), session="s")

    async def tool(args: Any) -> None:
        ran.append(1)

    with pytest.raises(ActionDenied) as raised:
        if how == "sync":
            guard.call(action, lambda args: ran.append(1))
        else:
            asyncio.run(guard.acall(action, tool))
    assert raised.value.rule == rule
    assert not ran
    (record,) = bench.decisions()
    assert (record["effect"], record["rule"], record["name"]) == ("deny", rule, action.name)
    assert rule in str(raised.value) or rule.startswith("builtin:")


def test_the_message_says_what_would_be_allowed(bench: Any) -> None:
    guard = bench.guard(
        "rules: [{name: r, tool: [read_file, list_dir], action: allow}]\n",
        default="deny",
        tools="t",
    )
    with pytest.raises(ActionDenied, match="Rules allow, in some cases: list_dir, read_file"):
        call(guard)


def test_refusing_turns_an_adapters_error_into_a_refusal(bench: Any) -> None:
    guard = bench.guard(tools="t")
    with pytest.raises(ActionDenied, match="KeyError") as raised, guard.refusing("tool_call", "t"):
        raise KeyError("x")
    assert raised.value.rule == "builtin:error"
    with pytest.raises(StopIteration), guard.refusing("tool_call", "t", passing=(StopIteration,)):
        raise StopIteration
    assert len(bench.decisions()) == 1


def test_registering(bench: Any) -> None:
    guard = bench.guard()
    guard.register("tool_call", "Tool", owner=1)
    guard.register("tool_call", "Tool", owner=1)
    guard.register("message", "tool")
    for kind, name in (("tool_call", "TOOL"), ("tool_call", ""), ("nothing", "x"), ("run", 3)):
        with pytest.raises(ConfigurationError):
            guard.register(kind, name)
    with pytest.raises(ActionDenied, match="no tool of this name"):
        call(guard, "tool")
    assert call(guard, "Tool") == "ran"


def test_cover_refuses_a_rule_that_would_never_be_asked(bench: Any) -> None:
    guard = bench.guard("rules: [{name: r, on: [tool_call, retrieval.after], action: deny}]\n")
    with pytest.raises(ConfigurationError, match=r"`r` \(policy\.yaml:4\) is on `retrieval`"):
        guard.cover("it", ["tool_call"])
    guard.cover("it", ["tool_call"], unused=["retrieval"])
    guard.cover("it", ["tool_call", "retrieval"])


# Changes


def test_the_tool_runs_with_the_changed_arguments(bench: Any) -> None:
    guard = bench.guard(
        "rules:\n"
        "  - {name: hide, tool: t, action: redact, paths: [args.secret, 'args.rows[*].ssn']}\n"
        "  - {name: add, tool: t, action: transform, set: {args.limit: '10'}}\n",
        tools="t",
    )
    got: list[Any] = []
    mine = {"secret": "s", "rows": [{"ssn": "1", "n": 1}]}
    call(guard, args=mine, run=lambda args: got.append(args))
    assert got == [{"secret": "[REDACTED]", "rows": [{"ssn": "[REDACTED]", "n": 1}], "limit": 10}]
    assert mine == {"secret": "s", "rows": [{"ssn": "1", "n": 1}]}
    (intent,) = bench.records("intent")
    assert intent["changed"] is True
    from wardline.canonical import canonical
    from wardline.fingerprint import fingerprint

    expected = fingerprint(Action("tool_call", "t", {}), Principal(), canonical(got[0]))
    assert intent["fingerprint"] == expected


def test_an_opaque_argument_that_is_redacted_is_gone(bench: Any) -> None:
    connection = object()
    got: list[Any] = []
    guard = bench.guard(
        "rules: [{name: r, tool: t, action: redact, paths: [args.conn]}]\n", tools="t u"
    )
    action = Action("tool_call", "t", {"conn": connection, "other": connection})
    guard.call(action, got.append, opaque=["conn", "other"])
    assert got == [{"conn": "[REDACTED]", "other": connection}]


def test_a_redaction_inside_an_opaque_argument_denies(bench: Any) -> None:
    guard = bench.guard(
        "rules: [{name: r, tool: t, action: redact, paths: [args.conn.password]}]\n", tools="t"
    )
    with pytest.raises(ActionDenied, match="passes by reference"):
        guard.call(Action("tool_call", "t", {"conn": object()}), lambda _: 1, opaque=["conn"])


class Row:
    """A result without canonical form."""

    ssn = "1"


AFTER = "rules:\n  - {name: hide, on: tool_call.after, action: redact, paths: [result.ssn]}\n"


def test_a_result_is_changed_before_it_is_released(bench: Any) -> None:
    guard = bench.guard(AFTER, tools="t")
    assert call(guard, run=lambda _: {"ssn": "1", "n": 2}) == {"ssn": "[REDACTED]", "n": 2}
    assert call(guard, run=lambda _: [1]) == [1]
    (first, _) = bench.records("outcome")
    assert first["after"]["changed"] is True


def test_a_result_that_cannot_be_redacted_is_withheld(bench: Any) -> None:
    guard = bench.guard(AFTER, tools="t")
    with pytest.raises(ContentWithheld, match="hide"):
        call(guard, run=lambda _: Row())
    assert [one["status"] for one in bench.records("outcome")] == ["withheld"]


def test_a_failure_keeps_its_exception_under_rules_on_after(bench: Any) -> None:
    guard = bench.guard(AFTER, tools="t")

    def fail(args: Any) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        call(guard, run=fail)


def test_a_rule_on_after_can_withhold_an_exception(bench: Any) -> None:
    guard = bench.guard(
        "rules:\n  - {name: r, on: tool_call.after, action: deny, "
        "condition: \"action.error != null && action.error.contains('secret')\"}\n",
        tools="t",
    )

    def fail(args: Any) -> None:
        raise ValueError("the secret is 1")

    with pytest.raises(ContentWithheld) as raised:
        call(guard, run=fail)
    assert "secret is" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_the_tool_may_change_its_arguments_without_fooling_rules_on_after(bench: Any) -> None:
    guard = bench.guard(
        "tools: {t: {args: {x: string}}}\n"
        "rules: [{name: r, on: tool_call.after, tool: t, condition: \"args.x == 'bad'\","
        " action: deny}]\n",
        tools="t",
    )

    def tool(args: dict[str, Any]) -> str:
        args["x"] = "fine"
        return "result"

    with pytest.raises(ContentWithheld):
        call(guard, args={"x": "bad"}, run=tool)


# Switches (KILL-1, KILL-2, KILL-6)


@pytest.mark.parametrize(
    ("scope", "value", "hit"),
    [
        ("everything", "", True),
        ("tenant", "acme", True),
        ("tenant", "globex", False),
        ("agent", "me", True),
        ("agent", "root", True),
        ("agent", "you", False),
        ("session", "s", True),
        ("session", "x", False),
        ("tool", "t", True),
        ("tool", "T ", True),
        ("tool", "u", False),
        ("kind", "tool_call", True),
        ("kind", "message", False),
    ],
)
def test_KILL_1_the_next_action_in_scope_is_refused(
    bench: Any, scope: Any, value: str, hit: bool
) -> None:
    guard = bench.guard(tools="t", principal=Principal("me", chain=("root",)), tenant="acme")
    assert call(guard, session="s") == "ran"
    guard.store.set_switch(Switch(scope, value, "killed", "os:alice", "why", 1))
    if hit:
        with pytest.raises(ActionDenied, match="killed by os:alice: why") as raised:
            call(guard, session="s")
        assert raised.value.rule == "builtin:switch"
    else:
        assert call(guard, session="s") == "ran"


def test_KILL_1_KILL_2_a_freeze_reaches_other_processes_and_survives(
    bench: Any, python: Any, tmp_path: Any
) -> None:
    code = """
    import sys
    from wardline import Action, ActionDenied, Guard, parse_policies
    guard = Guard(parse_policies("apiVersion: wardline/v1\\nname: p\\ndefault_action: allow"),
                  home=sys.argv[1])
    guard.register("tool_call", "t")
    for line in sys.stdin:
        try:
            print(guard.call(Action("tool_call", "t", {}), lambda args: "ran"), flush=True)
        except ActionDenied as error:
            print(error.rule, flush=True)
    guard.close()
    """

    def ask(process: Any) -> str:
        process.stdin.write("\n")
        process.stdin.flush()
        return str(process.stdout.readline().strip())

    one = python(code)
    assert ask(one) == "ran"
    with Operator(tmp_path) as operator:
        operator.freeze("tool", "T", "incident")
        assert ask(one) == "builtin:switch"
        two = python(code)  # registering again clears nothing
        assert ask(two) == "builtin:switch"
        assert [switch.reason for switch in operator.switches()] == ["incident"]
        assert operator.thaw("tool", "T", "over")
        assert not operator.thaw("tool", "T", "again")
        assert ask(one) == ask(two) == "ran"
        by = operator.by
    for process in (one, two):
        assert process.communicate(timeout=30)[1] == ""
    bench.guard()
    switched = bench.records("switch")
    assert [(one["switch"], one["by"], one["reason"]) for one in switched] == [
        ("freeze", by, "incident"),
        ("thaw", by, "over"),
    ]


def test_KILL_6_switches_that_cannot_be_read_deny(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(MemoryStore):
        def generation(self) -> int:
            raise StoreError("the disk is gone")

    with_switches = bench.guard(tools="t", store=Broken())
    with pytest.raises(ActionDenied, match="the disk is gone") as raised:
        call(with_switches)
    assert raised.value.rule == "builtin:store"


# Parameters


def test_principal_tenant_and_environment_are_the_guards(bench: Any) -> None:
    guard = bench.guard(
        "applies_to: {environments: [prod], tenants: [acme]}\n",
        tools="t",
        principal="me",
        environment="prod",
        tenant="acme",
    )
    assert call(guard) == "ran"
    claimed = Principal("evil", tenant="globex", environment="dev", roles=("admin",))
    assert call(guard, principal=claimed) == "ran"
    (one, other) = bench.records("intent")
    assert (one["principal"]["tenant"], one["principal"]["environment"]) == ("acme", "prod")
    assert (other["principal"]["tenant"], other["principal"]["id"]) == ("acme", "evil")


def test_home_says_where_state_and_ledger_are(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WARDLINE_HOME", raising=False)
    assert str(home_directory()) == ".wardline"
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path / "env"))
    assert home_directory() == tmp_path / "env"
    assert home_directory(tmp_path) == tmp_path
    with Guard(parse_policies(ALLOW)) as guard:
        guard.register("tool_call", "t")
        assert call(guard) == "ran"
    assert (tmp_path / "env" / "state.db").exists()
    assert list((tmp_path / "env" / "ledger").glob("*.jsonl"))


@pytest.mark.parametrize("durability", ["sync", "batch", "none"])
def test_durability_is_passed_on(tmp_path: Any, durability: Any, caplog: Any) -> None:
    with Guard(parse_policies(ALLOW), home=tmp_path, durability=durability) as guard:
        assert guard.ledger.durability == durability
    assert ("may lose" in caplog.text) == (durability == "none")


def test_what_was_given_is_not_closed(tmp_path: Any) -> None:
    ledger = Ledger(tmp_path)
    with Guard(parse_policies(ALLOW), store=MemoryStore(), ledger=ledger):
        pass
    ledger.append(b'{"type":"note"}')
    ledger.close()


@pytest.mark.parametrize("closed", ["guard", "ledger", "store"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_guard_whose_parts_are_closed_denies(tmp_path: Any, closed: str, how: str) -> None:
    guard = Guard(parse_policies(ALLOW), home=tmp_path)
    guard.register("tool_call", "t")
    getattr(guard, closed, guard).close() if closed != "guard" else guard.close()
    ran: list[int] = []

    async def tool(args: Any) -> None:
        ran.append(1)

    action = Action("tool_call", "t", {}, call_id="c")
    with pytest.raises(ActionDenied, match="closed"):
        if how == "sync":
            guard.call(action, lambda _: ran.append(1))
        else:
            asyncio.run(guard.acall(action, tool))
    assert not ran
    guard.close()


def test_an_empty_list_of_policies_is_no_policy(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="no policy"):
        Guard([], home=tmp_path)


def test_several_files_decide_together(tmp_path: Any) -> None:
    (tmp_path / "a.yaml").write_text(ALLOW)
    (tmp_path / "b.yaml").write_text("apiVersion: wardline/v1\nname: b\ndefault_action: deny\n")
    with Guard([tmp_path / "a.yaml", tmp_path / "b.yaml"], home=tmp_path / "h") as guard:
        guard.register("tool_call", "t")
        with pytest.raises(ActionDenied):
            call(guard)


# Threads (X-3, AUD-3)


def test_AUD_3_X_3_sixteen_threads_leave_an_exact_ledger(bench: Any) -> None:
    guard = bench.guard("rules: [{name: no, tool: bad, action: deny}]\n", tools="t bad")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(200):
                name = "bad" if n % 4 == 0 else "t"
                try:
                    call(guard, name, session=f"s{number % 3}", args={"n": n})
                    assert name == "t"
                except ActionDenied:
                    assert name == "bad"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    records = bench.records()
    counts = {
        kind: sum(r["type"] == kind for r in records) for kind in ("intent", "outcome", "refusal")
    }
    assert counts == {"intent": 2400, "outcome": 2400, "refusal": 800}
    assert len({one["intent"] for one in bench.records("outcome")}) == 2400
    bench.check()


def test_registering_and_governing_from_many_threads(bench: Any) -> None:
    guard = bench.guard()
    done: list[int] = []

    def work(number: int) -> None:
        for n in range(20):
            guard.register("tool_call", f"tool-{n}")
            done.append(govern(lambda x: x, guard=guard, name=f"f{number}-{n}")(n))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(list(range(20)) * 16)


def test_a_note_is_a_record_and_no_decision(bench: Any) -> None:
    guard = bench.guard()
    guard.note("tool_call `x` started", kind="tool_call", name="x", attempt=2)
    (note,) = [one for one in bench.records("note") if one["what"].startswith("tool_call")]
    assert (note["kind"], note["name"], note["attempt"]) == ("tool_call", "x", 2)
    assert not bench.records("intent", "refusal")
    bench.check()


@pytest.mark.parametrize("field", ["type", "t", "seq", "hash"])
def test_a_note_cannot_pass_for_another_record(bench: Any, field: str) -> None:
    guard = bench.guard()
    before = len(bench.records())
    with pytest.raises(ConfigurationError, match=f"`{field}`"):
        guard.note("x", **{field: "intent"})
    assert len(bench.records()) == before
