"""Limits as the guard counts them (LANG-13), and screening."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from wardline import (
    Action,
    ActionDenied,
    ActionRefused,
    Clock,
    MemoryStore,
    Principal,
    govern,
)
from wardline.store.sqlite import SQLiteStore

SECOND = 10**9
HOUR = 3600 * SECOND


def limit(**keys: Any) -> str:
    fields = {"name": "l", "count": "tool_calls", "at_most": 3, "per": "session", **keys}
    return "limits:\n  - {" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}\n"


def call(
    guard: Any, name: str = "t", tool: Any = None, kind: str = "tool_call", **keys: Any
) -> Any:
    keys = {"session": "s", "args": {}, **keys}
    args = keys.pop("args")
    return guard.call(Action(kind, name, args, **keys), tool or (lambda args: "ran"))


def allowed(guard: Any, times: int = 10, name: str = "t", **keys: Any) -> int:
    done = 0
    for _ in range(times):
        try:
            call(guard, name, **keys)
            done += 1
        except ActionDenied:
            pass
    return done


class Time:
    """A clock that a test moves, in seconds."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0
        self.clock = Clock(lambda: int(self.at * SECOND), lambda: int(self.at * SECOND))


# LANG-13


def test_LANG_13_call_n_plus_1_is_refused_in_one_thread(bench: Any) -> None:
    guard = bench.guard(limit(), tools="t")
    assert allowed(guard) == 3
    refusals = bench.records("refusal")
    assert len(refusals) == 7
    assert {one["rule"] for one in refusals} == {"builtin:limits"}
    assert refusals[0]["facts"]["exceeded"] == ["p/l"]
    assert "limit `l` of 3 tool_calls per session is used up" in refusals[0]["reason"]


def test_LANG_13_call_n_plus_1_is_refused_in_16_threads(bench: Any) -> None:
    for sqlite in (False, True):
        guard = bench.guard(limit(at_most=100), tools="t", sqlite=sqlite)
        counts: list[int] = []
        session = "sqlite" if sqlite else "memory"
        threads = [
            threading.Thread(
                target=lambda: counts.append(allowed(guard, 20, session=session))  # noqa: B023
            )
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(counts) == 100


def test_LANG_13_wrapped_functions_share_a_limit(bench: Any) -> None:
    guard = bench.guard(limit())
    done = []
    for name in ("one", "two", "three", "four"):
        safe = govern(lambda x: x, guard=guard, name=name)
        try:
            done.append(safe(name))
        except ActionDenied:
            done.append("denied")
    assert done == ["one", "two", "three", "denied"]


def test_LANG_13_a_limit_holds_after_a_restart(bench: Any) -> None:
    guard = bench.guard(limit(per="agent"), tools="t", sqlite=True)
    assert allowed(guard, 2) == 2
    guard.store.close()
    again = bench.guard(limit(per="agent"), tools="t", sqlite=True)
    assert allowed(again, 5, session="another") == 1


def test_LANG_13_a_limit_in_memory_is_gone_after_a_restart(bench: Any) -> None:
    """What `MemoryStore` says it does."""
    assert allowed(bench.guard(limit(per="agent"), tools="t"), 5) == 3
    assert allowed(bench.guard(limit(per="agent"), tools="t"), 5) == 3


AGT = """
apiVersion: governance.toolkit/v1
name: p
default_action: allow
rules:
- {{name: rate, condition: "action.type == 't'", action: {action}, limit: "3/hour"{more}}}
"""


@pytest.mark.parametrize("sqlite", [False, True])
def test_LANG_13_the_rate_of_a_toolkit_rule(bench: Any, sqlite: bool) -> None:
    time_ = Time()
    guard = bench.guard(
        AGT.format(action="allow", more=""), tools="t u", sqlite=sqlite, clock=time_.clock
    )
    assert allowed(guard, 10, "u") == 10  # the rule did not match
    assert allowed(guard) == 3
    assert allowed(guard, 3, "u", args={"action": "t"}) == 3  # allow rules see no verb
    time_.at += 3599
    assert allowed(guard) == 0
    time_.at += 2
    assert allowed(guard) == 3


def test_LANG_13_the_rate_of_a_toolkit_rule_that_asks(bench: Any) -> None:
    """What somebody approved counts too, and the limit is not for sale."""
    from wardline import CallbackApprover, Reply

    guard = bench.guard(
        AGT.format(action="require_approval", more=", approvers: ['os:alice']"),
        tools="t",
        approver=CallbackApprover(lambda request: Reply("os:alice", approved=True)),
    )
    assert allowed(guard, 6) == 3


def test_LANG_13_a_failed_call_gives_nothing_back_and_a_refused_one_everything(bench: Any) -> None:
    guard = bench.guard(limit() + "rules: [{name: no, tool: bad, action: deny}]\n", tools="t bad")

    def fail(args: Any) -> None:
        raise ValueError("no")

    assert allowed(guard, 5, "bad") == 0
    with pytest.raises(ValueError, match="no"):
        call(guard, tool=fail)
    assert allowed(guard) == 2


# Scopes, windows, calendars


@pytest.mark.parametrize("scope", ["run", "session", "agent", "tenant"])
def test_each_scope_has_its_own_counter(bench: Any, scope: str) -> None:
    store = MemoryStore()
    guard = bench.guard(limit(per=scope), tools="t", tenant="acme", store=store)
    other = bench.guard(limit(per=scope), tools="t", tenant="globex", store=store)
    base = {"session": "s", "run": "r", "principal": Principal("a")}
    assert allowed(guard, 4, **base) == 3
    changed = {
        "run": {**base, "run": "r2"},
        "session": {**base, "session": "s2"},
        "agent": {**base, "principal": Principal("b")},
    }
    for name, keys in changed.items():
        assert allowed(guard, 4, **keys) == (3 if name == scope else 0), name
    assert allowed(other, 4, **base) == (3 if scope == "tenant" else 0)


def test_a_window_slides(bench: Any) -> None:
    time_ = Time()
    guard = bench.guard(limit(window="10s", count="calls"), tools="t", clock=time_.clock)
    assert allowed(guard, 1) == 1
    time_.at += 6
    assert allowed(guard) == 2
    time_.at += 5
    assert allowed(guard) == 1
    time_.at += 5
    assert allowed(guard) == 2


def test_X_1_a_step_back_shortens_no_window(bench: Any) -> None:
    time_ = Time()
    guard = bench.guard(limit(window="1h"), tools="t", clock=time_.clock)
    assert allowed(guard) == 3
    time_.at -= 24 * 3600
    assert allowed(guard) == 0
    time_.at += 24 * 3600 + 1800
    assert allowed(guard) == 0
    time_.at += 1801
    assert allowed(guard) == 3


def test_a_calendar_day_begins_at_local_midnight(bench: Any) -> None:
    time_ = Time()
    time_.at = 1_798_757_700.0  # 2026-12-31 23:55 in Berlin
    guard = bench.guard(limit(calendar="day Europe/Berlin"), tools="t", clock=time_.clock)
    assert allowed(guard) == 3
    time_.at += 240
    assert allowed(guard) == 0
    time_.at += 120
    assert allowed(guard) == 3


# What is counted


def test_limits_count_kinds_and_tools(bench: Any) -> None:
    body = (
        "limits:\n"
        "  - {name: mail, count: calls, tool: 'Send_*', at_most: 1, per: session}\n"
        "  - {name: model, count: model_calls, at_most: 2, per: session}\n"
        "  - {name: all, count: calls, at_most: 6, per: session}\n"
    )
    guard = bench.guard(body, tools="send_mail t")
    guard.register("model_call", "gpt")
    assert allowed(guard, 5, "send_mail") == 1
    assert allowed(guard, 5, "gpt", kind="model_call") == 2
    assert allowed(guard, 5, "t") == 3


def test_tokens_are_settled_with_what_was_used(bench: Any) -> None:
    guard = bench.guard(limit(count="tokens", at_most=1000))
    guard.register("model_call", "m")

    def use(tokens: int) -> None:
        action = Action("model_call", "m", {}, session="s")
        guard.authorize(action).succeeded("text", usage={"tokens": tokens})

    use(600)
    use(300)
    use(500)  # the bound was not reached yet; the truth is counted
    with pytest.raises(ActionDenied, match="used up"):
        use(1)


def test_an_estimate_is_reserved_and_replaced(bench: Any) -> None:
    guard = bench.guard(limit(count="tokens", at_most=1000, estimate=400))
    guard.register("model_call", "m")

    def begin() -> Any:
        return guard.authorize(Action("model_call", "m", {}, session="s"))

    one, other = begin(), begin()
    with pytest.raises(ActionDenied):
        begin()
    one.succeeded(usage={"tokens": 100})
    third = begin()
    with pytest.raises(ActionDenied):
        begin()
    other.failed(ValueError(), usage={"tokens": 50})
    third.unknown("gone")
    assert [begin() for _ in range(2)]
    with pytest.raises(ActionDenied):
        begin()


@pytest.mark.parametrize("sqlite", [False, True])
def test_files_changed_counts_each_file_once(bench: Any, sqlite: bool) -> None:
    body = "tools: {write: {effects: [write], changes: args.path}, read: {effects: [read]}}\n"
    guard = bench.guard(
        body + limit(count="files_changed", at_most=2), tools="write read other", sqlite=sqlite
    )
    for path in ("a", "b", "a", "a"):
        call(guard, "write", args={"path": path})
    with pytest.raises(ActionDenied):
        call(guard, "write", args={"path": "c"})
    assert allowed(guard, 3, "read") == 3
    assert allowed(guard, 3, "other") == 0  # nobody said that it does not write
    assert allowed(guard, 3, "other", session="x") == 2
    assert allowed(guard, 3, "write", session="x", args={"path": "a"}) == 0
    screened = guard.screen(
        [Action("tool_call", "write", {"path": path}, session="s") for path in ("a", "b")]
    )
    assert screened == [None, None]  # these cost nothing any more


@pytest.mark.parametrize("sqlite", [False, True])
def test_conditions_read_counters(bench: Any, sqlite: bool) -> None:
    body = (
        "tools: {read: {effects: [read]}, write: {effects: [write]}}\n"
        "rules:\n"
        "  - {name: r, condition: 'session.files_changed >= 2 || run.tool_calls >= 5', action: deny}\n"
    )
    guard = bench.guard(body, tools="read write", sqlite=sqlite)
    assert allowed(guard, 3, "read") == 3
    assert allowed(guard, 5, "write") == 2
    assert allowed(guard, 1, "read", session="s2") == 1
    assert bench.records("intent")[0]["facts"]["session"]["files_changed"] == 0


def test_denials_are_counted_whoever_refuses(bench: Any) -> None:
    from wardline import CallbackApprover, Reply

    body = (
        limit(count="denials", at_most=3)
        + "rules:\n  - {name: no, tool: bad, action: deny}\n"
        + "  - {name: ask, tool: ask, action: require_approval, approvers: ['os:alice']}\n"
    )
    guard = bench.guard(
        body,
        tools="t bad ask",
        approver=CallbackApprover(lambda request: Reply("os:alice", approved=False)),
    )
    assert allowed(guard, 2) == 2
    assert allowed(guard, 1, "bad") == 0
    assert allowed(guard, 1, "ask") == 0
    assert allowed(guard, 1) == 1
    (refusal,) = guard.screen([Action("tool_call", "bad", {}, session="s")])
    assert refusal is not None
    assert allowed(guard, 3) == 0


def test_seconds_are_measured(bench: Any) -> None:
    guard = bench.guard(limit(count="seconds", at_most=1), tools="t")
    call(guard, tool=lambda args: time.sleep(0.4))
    call(guard, tool=lambda args: time.sleep(0.7))
    with pytest.raises(ActionDenied):
        call(guard)


def test_permissive_limits_warn(bench: Any) -> None:
    body = "apiVersion: wardline/v1\nname: p\nmode: permissive\n" + limit(at_most=1)
    guard = bench.guard(body, tools="t")
    assert allowed(guard, 3) == 3
    advice = [one.get("advice") for one in bench.records("intent")]
    assert advice == [
        None,
        [["builtin:limits", "deny"]],
        [["builtin:limits", "deny"]],
    ] or advice == [
        None,
        [["p/builtin:limits", "deny"]],
        [["p/builtin:limits", "deny"]],
    ]


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_reservations_are_released_exactly_once(bench: Any, store: str) -> None:
    """Whatever ends a call before it runs, its limits are as they were."""
    body = (
        "approvers: ['os:alice']\ntools: {t: {args: {x: dyn}}}\n".replace("dyn", "string")
        + "limits:\n"
        "  - {name: a, count: tool_calls, at_most: 5, per: session}\n"
        "  - {name: b, count: calls, at_most: 5, per: session, window: 1h}\n"
        "rules:\n"
        "  - {name: no, tool: bad, action: deny}\n"
        "  - {name: ask, tool: ask, action: require_approval}\n"
        "  - {name: err, tool: err, condition: 'has(args.x) && args.x > 1', action: deny}\n"
    )
    guard = bench.guard(body, tools="t bad ask err", sqlite=store == "sqlite")
    for _ in range(10):
        for name in ("bad", "ask", "err", "unregistered"):
            with pytest.raises(ActionRefused):
                call(guard, name, args={"x": "text"})
    assert allowed(guard) == 5


# Screening


def screen(guard: Any, *names: str, **keys: Any) -> list[str]:
    actions = [
        Action("tool_call", name, {"n": n}, session="s", call_id=keys.get("ids", "") and f"{n}")
        for n, name in enumerate(names)
    ]
    return ["" if one is None else (one.rule or "again") for one in guard.screen(actions)]


def test_screening_takes_limits_in_the_order_of_the_answer(bench: Any) -> None:
    guard = bench.guard(
        limit(at_most=2) + "rules: [{name: no, tool: bad, action: deny}]\n", tools="t bad"
    )
    assert screen(guard, "t", "bad", "t", "t", "bad") == ["", "no", "", "builtin:limits", "no"]


def test_screening_counts_reserves_and_permits_nothing(bench: Any) -> None:
    guard = bench.guard(limit(at_most=2), tools="t")
    for _ in range(5):
        assert screen(guard, "t", "t") == ["", ""]
    assert not bench.decisions()
    assert allowed(guard) == 2
    assert screen(guard, "t") == ["builtin:limits"]


def test_screening_foresees_the_rate_of_a_rule(bench: Any) -> None:
    guard = bench.guard(AGT.format(action="allow", more=""), tools="t u")
    assert screen(guard, "t", "u", "t", "t", "t") == ["", "", "", "", "builtin:limits"]
    assert allowed(guard, 5) == 3


def test_each_refused_call_has_one_binding_record(bench: Any) -> None:
    guard = bench.guard(
        limit(at_most=1) + "rules: [{name: no, tool: bad, action: deny}]\n", tools="t bad"
    )
    assert screen(guard, "t", "bad", "t", ids=True) == ["", "no", "builtin:limits"]
    for n, name in enumerate(("t", "bad", "t")):
        try:
            call(guard, name, args={"n": n}, call_id=f"{n}")
        except ActionRefused:
            pass
    decisions = bench.decisions()
    assert sorted(one["call_id"] for one in decisions) == ["0", "1", "2"]
    assert [one.get("by") for one in decisions] == ["screening", "screening", None]


def test_screening_lets_pass_what_will_be_asked_and_what_has_run(bench: Any) -> None:
    guard = bench.guard(
        "rules: [{name: ask, tool: ask, action: require_approval, approvers: ['os:alice']}]\n",
        tools="t ask",
    )
    call(guard, args={"n": 0}, call_id="0")
    assert screen(guard, "t", "ask", ids=True) == ["", ""]
    assert not guard.store.approvals()


def test_screening_with_opaque_arguments(bench: Any) -> None:
    guard = bench.guard(tools="t")
    thing = object()
    actions = [Action("tool_call", "t", {"x": thing}), Action("tool_call", "t", {"x": thing})]
    one, other = guard.screen(actions, opaque=[["x"], []])
    assert one is None
    assert other is not None
    assert other.rule == "builtin:arguments"
    with pytest.raises(ValueError, match="shorter"):
        guard.screen(actions, opaque=[["x"]])


def test_screening_changes_nothing(bench: Any) -> None:
    guard = bench.guard("rules: [{name: r, tool: t, action: redact, paths: [args.n]}]\n", tools="t")
    action = Action("tool_call", "t", {"n": 5})
    assert guard.screen([action]) == [None]
    assert action.args == {"n": 5}
    assert not bench.decisions()


def test_X_3_tasks_under_one_limit(bench: Any) -> None:
    guard = bench.guard(limit(at_most=50))

    async def tool(n: int) -> int:
        await asyncio.sleep(0)
        return n

    safe = govern(tool, guard=guard)

    async def main() -> int:
        done = await asyncio.gather(*(safe(n) for n in range(200)), return_exceptions=True)
        assert all(isinstance(one, int | ActionDenied) for one in done)
        return sum(isinstance(one, int) for one in done)

    assert asyncio.run(main()) == 50


def test_sqlite_store_is_what_survives(bench: Any) -> None:
    """Two guards, one file, one limit."""
    one = bench.guard(limit(per="agent"), tools="t", store=SQLiteStore(bench.path / "x.db"))
    other = bench.guard(limit(per="agent"), tools="t", store=SQLiteStore(bench.path / "x.db"))
    assert allowed(one, 2) + allowed(other, 2) == 3
