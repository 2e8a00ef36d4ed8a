"""Call ids: what the same call may do again, and what not (DESIGN §6)."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from wardline import (
    Action,
    ActionDenied,
    AlreadyRan,
    ApprovalPending,
    MemoryStore,
    Reply,
    govern,
)
from wardline.store import Switch

DENY = "rules: [{name: no, tool: bad, action: deny}]\n"
ASK = "rules: [{name: ask, tool: t, action: require_approval, approvers: ['os:alice']}]\n"


def call(guard: Any, id: str = "c", args: Any = None, name: str = "t", run: Any = None) -> Any:
    action = Action("tool_call", name, args or {}, call_id=id, session="s")
    return guard.call(action, run or (lambda args: "ran"))


def test_refused_before_is_refused_again_with_one_record(bench: Any) -> None:
    guard = bench.guard(DENY, tools="bad")
    for _ in range(3):
        with pytest.raises(ActionDenied):
            call(guard, name="bad")
    assert len(bench.records("refusal")) == 1
    with pytest.raises(ActionDenied, match="no`"):
        call(guard, "other", name="bad")
    assert len(bench.records("refusal")) == 2


def test_a_refusal_is_judged_anew_when_the_policy_changed(bench: Any) -> None:
    store = MemoryStore()
    with pytest.raises(ActionDenied):
        call(bench.guard(DENY, tools="bad", store=store), name="bad")
    assert call(bench.guard("", tools="bad", store=store), name="bad") == "ran"


def test_a_refusal_is_judged_anew_when_a_switch_changed(bench: Any) -> None:
    guard = bench.guard(tools="t")
    guard.store.set_switch(Switch("tool", "t", "frozen", "os:a", "", 1))
    with pytest.raises(ActionDenied, match="frozen"):
        call(guard)
    guard.store.clear_switch("tool", "t", "os:a", "", 2)
    assert call(guard) == "ran"


def test_pending_gives_the_same_approval(bench: Any) -> None:
    guard = bench.guard(ASK, tools="t")
    ids = set()
    for _ in range(3):
        with pytest.raises(ApprovalPending) as raised:
            call(guard)
        ids.add(raised.value.approval)
    assert len(ids) == 1
    guard.answer(ids.pop(), Reply("os:alice", approved=True))
    assert call(guard) == "ran"
    with pytest.raises(AlreadyRan):
        call(guard)
    assert len(bench.records("intent")) == 1


def test_in_flight_is_refused(bench: Any) -> None:
    guard = bench.guard(tools="t")
    seen: list[str] = []

    def run(args: Any) -> str:
        with pytest.raises(ActionDenied, match="in flight") as raised:
            call(guard)
        seen.append(str(raised.value))
        return "ran"

    assert call(guard, run=run) == "ran"
    assert seen
    assert len(bench.records("intent")) == 1


def test_already_ran_without_and_with_kept_results(bench: Any) -> None:
    guard = bench.guard(tools="t")
    call(guard)
    with pytest.raises(AlreadyRan) as raised:
        call(guard)
    assert not raised.value.has_result
    keeping = bench.guard(tools="t", keep_results=True)
    value = {"rows": [1, "two", None, True]}
    assert call(keeping, run=lambda _: value) == value
    with pytest.raises(AlreadyRan) as raised:
        call(keeping)
    assert raised.value.has_result
    assert raised.value.result == value
    # What JSON cannot give back as it was is not kept.
    call(keeping, "f", run=lambda _: 1.5)
    with pytest.raises(AlreadyRan) as raised:
        call(keeping, "f")
    assert not raised.value.has_result


def test_failed_may_be_tried_again_as_the_next_attempt(bench: Any) -> None:
    guard = bench.guard(tools="t")

    def fail(args: Any) -> None:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            call(guard, run=fail)
    assert call(guard) == "ran"
    assert [one.get("attempt", 1) for one in bench.records("intent")] == [1, 2, 3]
    with pytest.raises(AlreadyRan):
        call(guard)


def test_the_same_id_with_another_fingerprint_is_a_new_action(bench: Any) -> None:
    guard = bench.guard(DENY, tools="t bad")
    assert call(guard, args={"x": 1}) == "ran"
    assert call(guard, args={"x": 2}) == "ran"
    with pytest.raises(AlreadyRan):
        call(guard, args={"x": 2})
    with pytest.raises(ActionDenied, match="no`"):
        call(guard, args={"x": 1}, name="bad")
    assert guard.call(
        Action("tool_call", "t", {"x": 1}, call_id="c", session="other"), lambda _: "ran"
    )


def test_a_call_with_changed_arguments_is_found_again(bench: Any) -> None:
    guard = bench.guard(
        "tools: {t: {args: {x: string}}}\n"
        "rules: [{name: r, tool: t, action: transform, set: {args.x: \"args.x + '!'\"}}]\n"
        "limits: [{name: l, count: tool_calls, at_most: 2, per: session}]\n",
        tools="t",
    )
    got: list[Any] = []
    call(guard, args={"x": "a"}, run=lambda args: got.append(dict(args)))
    for _ in range(3):
        with pytest.raises(AlreadyRan):
            call(guard, args={"x": "a"})
    assert got == [{"x": "a!"}]
    assert call(guard, "d", {"x": "a"}) == "ran"  # those did not count


def test_without_an_id_every_call_is_a_new_one(bench: Any) -> None:
    guard = bench.guard(tools="t")
    assert [call(guard, "") for _ in range(3)] == ["ran"] * 3


@pytest.mark.parametrize("idempotent", [False, True])
def test_open_after_a_crash_is_unknown(bench: Any, python: Any, idempotent: bool) -> None:
    code = """
    import sys, time
    from pathlib import Path
    from wardline import Action, Guard, parse_policies
    policies = parse_policies(open(Path(sys.argv[1]) / "policy.yaml").read())
    guard = Guard(policies, home=sys.argv[1])
    guard.register("tool_call", "t")
    def run(args):
        print("started", flush=True)
        time.sleep(60)
    guard.call(Action("tool_call", "t", {}, call_id="c", session="s"), run)
    """
    body = (
        "apiVersion: wardline/v1\nname: p\ndefault_action: allow\n"
        f"tools: {{t: {{idempotent: {str(idempotent).lower()}}}}}\n"
    )
    (bench.path / "policy.yaml").write_text(body)
    process = python(code)
    assert process.stdout.readline() == "started\n"
    guard = bench.guard(body, tools="t", sqlite=True)
    with pytest.raises(ActionDenied, match="in flight"):
        call(guard)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if idempotent:
        assert call(guard) == "ran"
        assert bench.records("intent")[-1]["attempt"] == 2
        with pytest.raises(AlreadyRan):
            call(guard)
    else:
        for _ in range(2):
            with pytest.raises(ActionDenied, match="nobody knows what came of it"):
                call(guard)


def test_an_abandoned_permit_is_unknown(bench: Any) -> None:
    guard = bench.guard(tools="t")
    action = Action("tool_call", "t", {}, call_id="c", session="s")
    with guard.authorize(action):
        pass
    with pytest.raises(ActionDenied, match="nobody knows"):
        call(guard)
    assert [one["status"] for one in bench.records("outcome")] == ["unknown"]


def test_a_permit_has_one_outcome(bench: Any) -> None:
    from wardline import ConfigurationError

    guard = bench.guard(tools="t")
    permit = guard.authorize(Action("tool_call", "t", {}))
    permit.succeeded(1)
    for close in (
        permit.succeeded,
        lambda: permit.failed(ValueError()),
        lambda: permit.unknown(""),
    ):
        with pytest.raises(ConfigurationError, match="one outcome"):
            close()
    assert len(bench.records("outcome")) == 1


def test_a_cancelled_call_gives_its_permit_back(bench: Any) -> None:
    """The authorisation runs on a thread that nobody can stop; what it permits is closed."""
    guard = bench.guard(tools="t", sqlite=True)
    ran: list[int] = []

    async def main() -> None:
        session = guard.session("s")
        session.lock.acquire()
        task = asyncio.create_task(
            guard.acall(Action("tool_call", "t", {}, session="s"), lambda _: ran.append(1))
        )
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        session.lock.release()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if bench.records("outcome"):
                break

    asyncio.run(main())
    assert not ran
    (outcome,) = bench.records("outcome")
    assert (outcome["status"], outcome["reason"]) == ("failed", "withdrawn before it started")


def test_a_cancelled_tool_has_an_outcome(bench: Any) -> None:
    guard = bench.guard()

    async def slow() -> None:
        await asyncio.sleep(30)

    async def main() -> None:
        task = asyncio.create_task(govern(slow, guard=guard)())
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [one["status"] for one in bench.records("outcome")] == ["unknown"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_even_what_is_no_exception_has_an_outcome(bench: Any, error: type) -> None:
    guard = bench.guard(tools="t")

    def run(args: Any) -> None:
        raise error

    with pytest.raises(error):
        call(guard, run=run)
    assert [one["status"] for one in bench.records("outcome")] == ["unknown"]


def test_AUD_7_the_record_says_what_happened(bench: Any) -> None:
    guard = bench.guard(DENY, tools="t bad")
    ran: list[str] = []
    for name in ("t", "bad", "t", "bad"):
        try:
            call(guard, "", name=name, run=lambda _, name=name: ran.append(name))
        except ActionDenied:
            pass
    assert ran == ["t", "t"]
    assert [one["effect"] for one in bench.decisions()] == ["allow", "deny", "allow", "deny"]
    assert [one["status"] for one in bench.records("outcome")] == ["succeeded", "succeeded"]


def test_AUD_8_the_record_carries_what_was_decided_on(bench: Any) -> None:
    guard = bench.guard(ASK, tools="t", principal="me", record_arguments=True)
    with pytest.raises(ApprovalPending) as raised:
        call(guard, args={"x": 1})
    guard.answer(raised.value.approval, Reply("os:alice", approved=True, note="fine"))
    call(guard, args={"x": 1})
    intent = bench.records("intent")[0]
    assert intent["policy"] == guard.policies.digest
    assert (intent["document"], intent["rule"], intent["at"]) == ("p", "ask", "policy.yaml:4")
    assert intent["approved_by"] == ["os:alice"]
    assert intent["approval"] == raised.value.approval
    assert len(intent["fingerprint"]) == 64
    assert intent["arguments"] == '{"x":1}'
    assert intent["principal"] == {"id": "me", "name": "me"}
    statuses = [one["status"] for one in bench.records("approval")]
    assert statuses == ["pending", "approved"]
    approval = guard.store.approval(raised.value.approval)
    assert approval is not None
    assert approval.status == "succeeded"
    bench.check()
    segment = next((bench.path / "ledger").glob("*.jsonl"))
    data = segment.read_bytes()
    segment.write_bytes(data.replace(b"os:alice", b"os:mally"))
    from wardline.ledger import verify

    assert not verify(bench.path / "ledger").ok
    segment.write_bytes(data)
