"""Approvals: who may answer what, once, in time, and for exactly what runs (APPR-1 … APPR-8)."""

from __future__ import annotations

import asyncio
import io
import signal
import threading
import time
from typing import Any

import pytest

from wardline import (
    Action,
    ActionDenied,
    ActionRefused,
    AnswerRefused,
    ApprovalPending,
    CallbackApprover,
    ConsoleApprover,
    ContentWithheld,
    MemoryStore,
    Operator,
    Principal,
    Reply,
)
from wardline.guard import approvers as approvers_module

ASK = """
rules:
  - {{name: ask, tool: t, action: require_approval, approvers: [team], expires_in: {expires}{more}}}
"""
TEAM = {"team": ["os:alice", "os:bob"]}


def asking(expires: str = "1m", more: str = "") -> str:
    return ASK.format(expires=expires, more=more)


def yes(by: str = "os:alice", **keys: Any) -> CallbackApprover:
    return CallbackApprover(lambda request: Reply(by, approved=True, **keys))


def run(guard: Any, how: str = "sync", args: Any = None, ran: list[Any] | None = None) -> Any:
    """Run the tool `t`, sync or async."""
    action = Action("tool_call", "t", args if args is not None else {"x": 1}, session="s")
    ran = [] if ran is None else ran
    if how == "sync":
        return guard.call(action, lambda got: ran.append(dict(got)) or "ran")

    async def tool(got: dict[str, Any]) -> str:
        ran.append(dict(got))
        return "ran"

    async def beating() -> Any:
        """Run it, and fail if the event loop stands still meanwhile."""
        task = asyncio.create_task(guard.acall(action, tool))
        longest = 0.0
        while not task.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        assert longest < 0.5, "the event loop was held up"
        return await task

    return asyncio.run(beating())


BOTH = pytest.mark.parametrize("how", ["sync", "async"])


@BOTH
def test_a_callback_is_asked_and_shown_what_will_run(bench: Any, how: str) -> None:
    shown: list[Any] = []

    def answer(request: Any) -> Reply:
        shown.append(request)
        return Reply("os:bob", approved=True, note="fine")

    guard = bench.guard(asking(), tools="t", approver=CallbackApprover(answer), approvers=TEAM)
    assert run(guard, how) == "ran"
    (request,) = shown
    assert request.arguments == b'{"x":1}'
    assert (request.kind, request.name, request.principal) == ("tool_call", "t", "agent")
    assert request.requirements[0].approvers == ("os:alice", "os:bob")
    intent = bench.records("intent")[0]
    assert intent["approved_by"] == ["os:bob"]
    assert [one.get("how") for one in bench.records("approval")] == [None, "callback"]


@BOTH
@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply("os:alice", approved=False, note="too risky"), "os:alice said no: too risky"),
        (Reply("os:alice", approved=False), "os:alice said no"),
        (Reply("os:mallory", approved=True), "not among its approvers"),
        (Reply("agent", approved=True), "cannot answer"),
        (Reply("", approved=True), "needs the id"),
        (None, "nobody answered"),
        (True, "returned bool, not a Reply"),
        ("yes", "returned str, not a Reply"),
        (ValueError("boom"), "the approver failed: ValueError: boom"),
    ],
    ids=str,
)
def test_APPR_5_only_a_yes_of_an_approver_lets_it_run(
    bench: Any, how: str, reply: Any, why: str
) -> None:
    def answer(request: Any) -> Any:
        if isinstance(reply, Exception):
            raise type(reply)(*reply.args)
        return reply

    guard = bench.guard(asking(), tools="t", approver=CallbackApprover(answer), approvers=TEAM)
    ran: list[Any] = []
    with pytest.raises(ActionDenied) as raised:
        run(guard, how, ran=ran)
    assert why in str(raised.value)
    assert raised.value.rule == "ask"
    assert not ran
    assert len(bench.decisions()) == 1


@BOTH
@pytest.mark.parametrize(
    "principal",
    [
        Principal("os:alice"),
        Principal("worker", chain=("os:alice",)),
        Principal("worker", chain=("root", "os:alice", "middle")),
    ],
)
def test_APPR_5_whoever_asks_cannot_answer(bench: Any, how: str, principal: Principal) -> None:
    guard = bench.guard(asking(), tools="t", approver=yes(), approvers=TEAM, principal=principal)
    with pytest.raises(ActionDenied, match="cannot answer"):
        run(guard, how)


def test_APPR_5_a_group_that_nothing_maps_stands_for_nobody(
    bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    guard = bench.guard(asking(), tools="t", approver=yes("team"))
    assert "nobody can answer for the approver 'team'" in caplog.text
    with pytest.raises(ActionDenied, match="it has none"):
        run(guard)
    assert bench.records("note")[0]["unmapped_approvers"] == ["team"]


@BOTH
@pytest.mark.parametrize("ignores", [True, False])
def test_APPR_3_a_callback_that_hangs_is_a_denial_in_time(
    bench: Any, how: str, ignores: bool
) -> None:
    release = threading.Event()

    class Hanging:
        def ask(self, request: Any, stop: threading.Event) -> Reply | None:
            (release if ignores else stop).wait(30)
            return Reply("os:alice", approved=True)  # too late

    guard = bench.guard(asking("1s"), tools="t", approver=Hanging(), approvers=TEAM)
    ran: list[Any] = []
    begun = time.monotonic()
    try:
        with pytest.raises(ActionDenied, match="no answer in time"):
            run(guard, how, ran=ran)
    finally:
        took = time.monotonic() - begun
        release.set()
    assert 0.9 < took < 2.0
    time.sleep(0.05)
    assert not ran
    assert [one["effect"] for one in bench.decisions()] == ["deny"]
    assert guard.store.approvals()[0].status != "approved"


def test_X_1_a_jump_of_the_wall_clock_does_not_keep_anybody_waiting(bench: Any) -> None:
    from wardline import Clock

    shift = [0]
    clock = Clock(lambda: time.time_ns() + shift[0])
    day = 24 * 3600 * 10**9
    for step in (-day, day):

        class Jumping:
            def ask(self, request: Any, stop: threading.Event, step: int = step) -> None:
                shift[0] += step
                stop.wait(30)

        guard = bench.guard(
            asking("1s"), tools="t", approver=Jumping(), approvers=TEAM, clock=clock
        )
        begun = time.monotonic()
        with pytest.raises(ActionDenied):
            run(guard)
        assert time.monotonic() - begun < 2.0
    assert [one["by_us"] // 3_600_000_000 for one in bench.records("note") if "by_us" in one] == []


def test_X_1_a_step_forward_over_an_hour_is_recorded(bench: Any) -> None:
    from wardline import Clock

    shift = [0]
    guard = bench.guard(tools="t", clock=Clock(lambda: time.time_ns() + shift[0]))
    run(guard)
    shift[0] = 24 * 3600 * 10**9
    run(guard)
    run(guard)
    notes = [one for one in bench.records("note") if "stepped forward" in one["what"]]
    assert len(notes) == 1
    assert notes[0]["by_us"] // 3_600_000_000 == 24
    times = [one["t"] for one in bench.records() if "t" in one and one["type"] != "segment"]
    assert times == sorted(times)


# Consoles


@BOTH
@pytest.mark.parametrize(
    ("line", "runs"), [("yes\n", True), ("Y\n", True), ("no\n", False), ("\n", False), ("", False)]
)
def test_the_console_shows_the_request_and_reads_a_line(
    bench: Any, how: str, line: str, runs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvers_module, "login", lambda: "os:alice")
    screen = io.StringIO()
    console = ConsoleApprover(io.StringIO(line), screen)
    guard = bench.guard(asking(), tools="t", approver=console, approvers=TEAM)
    args = {"to": "a\x1b[2K\rSAFE\u202e"}
    if runs:
        assert run(guard, how, args) == "ran"
        assert bench.records("intent")[0]["approved_by"] == ["os:alice"]
    else:
        with pytest.raises(ActionDenied):
            run(guard, how, args)
    shown = screen.getvalue()
    assert "agent wants to run tool_call t" in shown
    assert "rule ask" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\u202e" in shown


def test_without_a_terminal_nobody_is_asked(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    guard = bench.guard(asking(), tools="t", approver=ConsoleApprover(), approvers=TEAM)
    with pytest.raises(ActionDenied, match="nobody answered"):
        run(guard)


def test_login_is_the_user_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import pwd

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "mallory")
    assert approvers_module.login() == f"os:{pwd.getpwuid(os.getuid()).pw_name}"


# Quorum, several rules


@BOTH
def test_a_quorum_of_two_is_met_by_two(bench: Any, how: str) -> None:
    people = iter(["os:alice", "os:bob"])
    answer = CallbackApprover(lambda request: Reply(next(people), approved=True))
    guard = bench.guard(asking(more=", quorum: 2"), tools="t", approver=answer, approvers=TEAM)
    assert run(guard, how) == "ran"
    assert bench.records("intent")[0]["approved_by"] == ["os:alice", "os:bob"]


@BOTH
def test_a_quorum_of_two_is_not_met_by_one(bench: Any, how: str) -> None:
    guard = bench.guard(asking("1s", ", quorum: 2"), tools="t", approver=yes(), approvers=TEAM)
    with pytest.raises(ActionDenied, match="only os:alice said yes"):
        run(guard, how)


@BOTH
def test_the_second_answer_may_come_from_elsewhere(bench: Any, how: str) -> None:
    guard = bench.guard(asking("20s", ", quorum: 2"), tools="t", approver=yes(), approvers=TEAM)

    def second() -> None:
        while not (found := guard.store.approvals("pending")) or not found[0].answers:
            time.sleep(0.01)
        guard.answer(found[0].id, Reply("os:bob", approved=True, how="web"))

    thread = threading.Thread(target=second)
    thread.start()
    begun = time.monotonic()
    assert run(guard, how) == "ran"
    thread.join()
    assert time.monotonic() - begun < 5


@BOTH
def test_an_answer_from_elsewhere_ends_the_wait(bench: Any, how: str) -> None:
    class Idle:
        def ask(self, request: Any, stop: threading.Event) -> None:
            stop.wait(30)

    guard = bench.guard(asking("20s"), tools="t", approver=Idle(), approvers=TEAM)

    def elsewhere() -> None:
        while not (found := guard.store.approvals("pending")):
            time.sleep(0.01)
        guard.answer(found[0].id, Reply("os:bob", approved=True))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    begun = time.monotonic()
    assert run(guard, how) == "ran"
    thread.join()
    assert time.monotonic() - begun < 5


def test_several_rules_are_each_satisfied_by_their_own(bench: Any) -> None:
    body = """
    rules:
      - {name: one, action: require_approval, approvers: ["os:alice"]}
      - {name: two, action: require_approval, approvers: ["os:bob"]}
    """
    guard = bench.guard(body, tools="t", approver=yes())
    begun = time.monotonic()
    people = iter(["os:alice", "os:bob"])
    both = CallbackApprover(lambda request: Reply(next(people), approved=True))
    assert run(bench.guard(body, tools="t", approver=both)) == "ran"
    assert time.monotonic() - begun < 5
    assert guard.policies.can_ask


def test_an_approval_does_not_cover_what_is_asked_only_later(bench: Any) -> None:
    """A limit that asks somebody else was not exceeded yet when the first rule asked."""
    body = """
    approvers: ["os:bob"]
    limits: [{name: l, count: tool_calls, at_most: 1, per: session, on_exceed: require_approval}]
    rules:
      - {name: one, tool: t, action: require_approval, approvers: ["os:alice"]}
    """
    guard = bench.guard(body, tools="t u")
    with pytest.raises(ApprovalPending) as first:
        run(guard)
    guard.call(Action("tool_call", "u", {}, session="s"), lambda _: None)
    guard.answer(first.value.approval, Reply("os:alice", approved=True))
    with pytest.raises(ApprovalPending) as second:
        run(guard)
    assert second.value.approval != first.value.approval
    guard.answer(second.value.approval, Reply("os:alice", approved=True))
    with pytest.raises(ApprovalPending):
        run(guard)
    guard.answer(second.value.approval, Reply("os:bob", approved=True))
    assert run(guard) == "ran"


# Binding


def pending(guard: Any, args: Any = None, how: str = "sync") -> str:
    with pytest.raises(ApprovalPending) as raised:
        run(guard, how, args)
    assert "os:alice" in str(raised.value) or "team" in str(raised.value)
    return raised.value.approval


@BOTH
def test_APPR_1_an_approval_is_for_exactly_these_arguments(bench: Any, how: str) -> None:
    guard = bench.guard(asking(), tools="t", approvers=TEAM)
    approval = pending(guard, {"x": 1}, how)
    guard.answer(approval, Reply("os:alice", approved=True))
    for other in ({"x": 2}, {"x": 1.0}, {"x": "1"}, {"x": 1, "y": None}, {}):
        assert pending(guard, other, how) != approval
    assert run(guard, how, {"x": 1}) == "ran"


@BOTH
def test_APPR_2_an_approval_is_used_once(bench: Any, how: str) -> None:
    guard = bench.guard(asking(), tools="t", approvers=TEAM)
    approval = pending(guard, how=how)
    guard.answer(approval, Reply("os:alice", approved=True))
    assert run(guard, how) == "ran"
    assert pending(guard, how=how) != approval
    with pytest.raises(AnswerRefused):
        guard.answer(approval, Reply("os:bob", approved=True))


def test_APPR_2_sixteen_threads_use_an_approval_once(bench: Any) -> None:
    guard = bench.guard(asking(), tools="t", approvers=TEAM)
    guard.answer(pending(guard), Reply("os:alice", approved=True))
    ran: list[Any] = []
    barrier = threading.Barrier(16)

    def race() -> None:
        barrier.wait()
        try:
            run(guard, ran=ran)
        except ActionRefused:
            pass

    threads = [threading.Thread(target=race) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ran) == 1


def test_APPR_7_another_policy_asks_again(bench: Any) -> None:
    store = MemoryStore()
    approval = pending(bench.guard(asking(), tools="t", approvers=TEAM, store=store))
    later = bench.guard(asking("2m"), tools="t", approvers=TEAM, store=store)
    later.answer(approval, Reply("os:alice", approved=True))
    assert pending(later) != approval
    denying = bench.guard(
        "rules: [{name: no, tool: t, action: deny}]\n", tools="t", approvers=TEAM, store=store
    )
    with pytest.raises(ActionDenied, match="no`"):
        run(denying)


def test_an_approval_that_ran_out_lets_nothing_run(bench: Any) -> None:
    from wardline import Clock

    shift = [0]
    clock = Clock(lambda: time.time_ns() + shift[0])
    guard = bench.guard(asking("1m"), tools="t", approvers=TEAM, clock=clock)
    approval = pending(guard)
    guard.answer(approval, Reply("os:alice", approved=True))
    shift[0] = 61 * 10**9
    assert pending(guard) != approval


def test_a_denial_denies_that_call_and_the_next_one_asks(bench: Any) -> None:
    guard = bench.guard(asking(), tools="t", approvers=TEAM)
    action = Action("tool_call", "t", {}, call_id="c", session="s")
    with pytest.raises(ApprovalPending) as raised:
        guard.authorize(action)
    guard.answer(raised.value.approval, Reply("os:alice", approved=False, note="no"))
    with pytest.raises(ActionDenied, match="os:alice said no: no"):
        guard.authorize(action)
    with pytest.raises(ActionDenied, match="refused before"):
        guard.authorize(action)
    with pytest.raises(ApprovalPending):
        guard.authorize(Action("tool_call", "t", {}, call_id="d", session="s"))
    assert len(bench.records("refusal")) == 1


def test_the_human_sees_and_approves_the_changed_arguments(bench: Any) -> None:
    shown: list[bytes] = []

    def answer(request: Any) -> Reply:
        shown.append(request.arguments)
        return Reply("os:alice", approved=True)

    guard = bench.guard(
        asking()
        + "  - {name: hide, tool: t, action: redact, paths: [args.secret]}\n"
        + "  - {name: mark, tool: t, action: transform, condition: 'has(args.x)', "
        + "set: {args.x: \"has(args.x) ? args.x + '!' : ''\"}}\n",
        tools="t",
        approver=CallbackApprover(answer),
        approvers=TEAM,
    )
    ran: list[Any] = []
    run(guard, args={"x": "a", "secret": "s"}, ran=ran)
    assert ran == [{"x": "a!", "secret": "[REDACTED]"}]  # changed once, not at every attempt
    assert shown == [b'{"secret":"[REDACTED]","x":"a!"}']


def test_APPR_8_two_are_answered_in_any_order(bench: Any) -> None:
    guard = bench.guard(asking(), tools="t", approvers=TEAM)
    one, other = pending(guard, {"x": 1}), pending(guard, {"x": 2})
    guard.answer(other, Reply("os:alice", approved=True))
    assert run(guard, args={"x": 2}) == "ran"
    assert pending(guard, {"x": 1}) == one
    guard.answer(one, Reply("os:alice", approved=True))
    assert run(guard, args={"x": 1}) == "ran"


def test_APPR_6_a_pending_approval_survives_a_kill(bench: Any, python: Any, tmp_path: Any) -> None:
    body = (
        "apiVersion: wardline/v1\nname: p\ndefault_action: allow\nrules:\n"
        "  - {name: ask, tool: t, action: require_approval, approvers: [team]}\n"
    )
    (tmp_path / "policy.yaml").write_text(body)
    code = """
    import sys, time
    from pathlib import Path
    from wardline import Action, ApprovalPending, Guard
    from wardline.guard.approvers import login
    home = Path(sys.argv[1])
    guard = Guard(home / "policy.yaml", home=home, approvers={"team": [login()]})
    guard.register("tool_call", "t")
    action = Action("tool_call", "t", {"x": 1}, call_id=sys.argv[2], session="s")
    def run(args):
        (home / "ran").open("a").write("ran\\n")
    try:
        guard.call(action, run)
        print("ran", flush=True)
    except ApprovalPending as error:
        print(error.approval, flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
    time.sleep(60 if sys.argv[3] == "wait" else 0)
    guard.close()
    """
    for call_id in ("", "c"):
        first = python(code, call_id, "wait")
        approval = first.stdout.readline().strip()
        first.send_signal(signal.SIGKILL)
        first.communicate()
        with Operator(tmp_path) as operator:
            assert approval in [one.id for one in operator.approvals("pending")]
            assert operator.answer(approval, approved=True, note="fine").status == "approved"
        racing = [python(code, call_id, "go") for _ in range(3)]
        said = sorted(one.communicate(timeout=60)[0].strip() for one in racing)
        assert said.count("ran") == 1, said
        assert (tmp_path / "ran").read_text() == "ran\n"
        (tmp_path / "ran").unlink()
        with Operator(tmp_path) as operator:
            assert operator.approval(approval).status == "succeeded"


# Limits that ask, results that are held


@BOTH
def test_a_limit_may_ask_instead_of_denying(bench: Any, how: str) -> None:
    body = """
    approvers: ["os:alice"]
    limits: [{name: l, count: tool_calls, at_most: 2, per: session, on_exceed: require_approval}]
    """
    store = MemoryStore()
    guard = bench.guard(body, tools="t", store=store)
    run(guard, how)
    run(guard, how)
    with pytest.raises(ApprovalPending, match="limit") as raised:
        run(guard, how)
    guard.answer(raised.value.approval, Reply("os:alice", approved=True))
    assert run(guard, how) == "ran"
    asked = bench.guard(body, tools="t", store=store, approver=yes())
    assert run(asked, how) == "ran"
    assert len(bench.records("intent")) == 4
    from wardline.store import Charge

    key = "limit/p/l/session/s"
    assert store.used([Charge(key, 1, 2)], 0) == (4,)  # what was approved was counted


HELD = """
rules:
  - {name: look, on: tool_call.after, action: require_approval, approvers: ["os:alice"]}
"""


@BOTH
@pytest.mark.parametrize("approved", [True, False])
def test_require_approval_on_after_holds_the_result(bench: Any, how: str, approved: bool) -> None:
    shown: list[bytes] = []

    def answer(request: Any) -> Reply:
        shown.append(request.arguments)
        time.sleep(0.7)  # an event loop must not notice
        return Reply("os:alice", approved=approved)

    guard = bench.guard(HELD, tools="t", approver=CallbackApprover(answer))
    ran: list[Any] = []
    if approved:
        assert run(guard, how, ran=ran) == "ran"
    else:
        with pytest.raises(ContentWithheld, match="look"):
            run(guard, how, ran=ran)
    assert shown == [b'{"result":"ran"}']
    assert len(ran) == 1
    statuses = [one["status"] for one in bench.records("outcome")]
    assert statuses == ["succeeded" if approved else "withheld"]


def test_a_held_result_is_released_once_somebody_answered(bench: Any) -> None:
    from wardline import AlreadyRan

    guard = bench.guard(HELD, tools="t")
    action = Action("tool_call", "t", {}, call_id="c", session="s")
    ran: list[int] = []

    def tool(args: Any) -> str:
        ran.append(1)
        return "result"

    with pytest.raises(ContentWithheld):
        guard.call(action, tool)
    with pytest.raises(ActionDenied, match="waits for an approval"):
        guard.call(action, tool)
    (approval,) = guard.store.approvals("pending")
    guard.answer(approval.id, Reply("os:alice", approved=True))
    for _ in range(2):
        with pytest.raises(AlreadyRan) as raised:
            guard.call(action, tool)
        assert raised.value.result == "result"
    assert ran == [1]


# Operators


def test_an_operator_answers_as_the_user_of_the_process(bench: Any, tmp_path: Any) -> None:
    me = approvers_module.login()
    guard = bench.guard(asking(), tools="t", approvers={"team": [me]}, sqlite=True)
    with Operator(tmp_path) as operator:
        assert operator.by == me
        with pytest.raises(ApprovalPending) as raised:
            run(guard)
        operator.answer(raised.value.approval, approved=True, note="ok")
        with pytest.raises(AnswerRefused):
            operator.answer(raised.value.approval, approved=True)
    assert run(guard) == "ran"
    assert bench.records("approval")[-1]["how"] == "command line"


def test_an_operator_who_is_no_approver_is_refused(bench: Any, tmp_path: Any) -> None:
    guard = bench.guard(asking(), tools="t", approvers={"team": ["os:nobody-here"]}, sqlite=True)
    with pytest.raises(ApprovalPending) as raised:
        run(guard)
    with Operator(tmp_path) as operator, pytest.raises(AnswerRefused, match="not among"):
        operator.answer(raised.value.approval, approved=True)


def test_reading_creates_no_state(tmp_path: Any) -> None:
    from wardline import StoreError

    with Operator(tmp_path) as operator:
        assert operator.approvals() == ()
        assert operator.switches() == ()
        assert not operator.thaw("tool", "t", "x")
        with pytest.raises(StoreError, match="there is no state"):
            operator.approval("x")
    assert list(tmp_path.iterdir()) == []
