"""Every part of a guard made to fail or to hang in turn: the tool never runs, and the denial says why.

ENG-5, AUD-9, APPR-3, KILL-6, X-1.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from wardline import (
    Action,
    ActionDenied,
    Clock,
    ContentWithheld,
    Guard,
    LedgerError,
    MemoryStore,
    StoreError,
    decide,
    govern,
    parse_policies,
)
from wardline.guard import machinery
from wardline.ledger import Ledger, read, verify
from wardline.ledger import durable as durable_module
from wardline.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE = 0.5
POLICY = """
apiVersion: wardline/v1
name: p
default_action: allow
limits: [{name: l, count: tool_calls, at_most: 100, per: session}]
rules:
  - {name: ask, tool: asked, action: require_approval, approvers: ["os:alice"], expires_in: 1s}
  - {name: no, tool: denied, action: deny}
"""

BOTH = pytest.mark.parametrize("how", ["sync", "async"])
STORES = pytest.mark.parametrize("kind", ["memory", "sqlite"])


class Place:
    """A guard in a directory, and whether its tool ran."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ran: list[str] = []
        self.guards: list[Guard] = []

    def guard(self, kind: str = "memory", policy: str = POLICY, **settings: Any) -> Guard:
        if kind == "sqlite":
            settings.setdefault("store", SQLiteStore(self.path / "state.db", deadline=DEADLINE))
        settings.setdefault("store", MemoryStore(deadline=DEADLINE))
        settings.setdefault("ledger", Ledger(self.path / "ledger", deadline=DEADLINE))
        guard = Guard(parse_policies(policy), deadline=DEADLINE, **settings)
        for name in ("t", "asked", "denied"):
            guard.register("tool_call", name)
        self.guards.append(guard)
        return guard

    def run(self, guard: Guard, how: str, name: str = "t", **keys: Any) -> Any:
        """Run a tool; `how` it is driven must make no difference."""
        keys = {"session": "s", "call_id": "c", **keys}
        action = Action("tool_call", name, {"x": 1}, **keys)

        def tool(args: Any) -> str:
            self.ran.append(name)
            return "ran"

        async def atool(args: Any) -> str:
            return tool(args)

        if how == "sync":
            return guard.call(action, tool)
        return asyncio.run(guard.acall(action, atool))

    def denied(
        self, guard: Guard, how: str, why: str, name: str = "t", **keys: Any
    ) -> ActionDenied:
        """Fail unless the call is denied for this reason within the deadline, without running."""
        begun = time.monotonic()
        with pytest.raises(ActionDenied, match=why) as raised:
            self.run(guard, how, name, **keys)
        assert time.monotonic() - begun < DEADLINE + 1
        assert not self.ran
        return raised.value

    def records(self, *types: str) -> list[dict[str, Any]]:
        found = [dict(record.fields) for record in read(self.path / "ledger")]
        return [one for one in found if one["type"] in types]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    for guard in made.guards:
        try:
            guard.ledger.close()
        except LedgerError:
            pass
        guard.store.close()
    report = verify(tmp_path / "ledger")
    assert report.ok, str(report)


# Failing


@BOTH
def test_ENG_5_the_evaluation_of_the_policy(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def broken(*_: Any) -> Any:
        raise RecursionError("too deep")

    guard = place.guard()
    monkeypatch.setattr(machinery, "decide", broken)
    error = place.denied(guard, how, "RecursionError: too deep")
    assert error.rule == "builtin:error"
    assert [one["rule"] for one in place.records("intent", "refusal")] == ["builtin:error"]
    (refusal,) = guard.screen([Action("tool_call", "t", {}, session="s")])
    assert refusal is not None
    monkeypatch.setattr(machinery, "decide", decide)
    assert place.run(guard, how) == "ran"


STORE_METHODS = [
    ("reserve", "t"),
    ("generation", "t"),
    ("switches", "t"),
    ("call", "t"),
    ("begin_call", "t"),
    ("request_approval", "asked"),
    ("approval", "asked"),
    ("consume_approval", "asked"),
]


@BOTH
@pytest.mark.parametrize(("method", "name"), STORE_METHODS)
@pytest.mark.parametrize("error", [StoreError("the disk is gone"), OSError("the disk is gone")])
def test_ENG_5_the_store(place: Place, how: str, method: str, name: str, error: Exception) -> None:
    from wardline import CallbackApprover, Reply

    broken = [True]

    class Broken(MemoryStore):
        pass

    def fail(self: Any, *args: Any, **keys: Any) -> Any:
        if broken[0]:
            raise type(error)(*error.args)
        return getattr(MemoryStore, method)(self, *args, **keys)

    setattr(Broken, method, fail)
    approver = CallbackApprover(lambda request: Reply("os:alice", approved=True))
    guard = place.guard(store=Broken(), approver=approver)
    place.denied(guard, how, "the disk is gone", name)
    refusals = place.records("refusal")
    assert [one["effect"] for one in refusals] == ["deny"]
    assert not place.records("intent")
    broken[0] = False
    if method != "consume_approval":
        assert place.run(guard, how, name, call_id="d") == "ran"


@BOTH
@pytest.mark.parametrize("method", ["reserve", "note_call", "release"])
def test_a_refusal_is_recorded_once_whatever_the_store_does_then(
    place: Place, how: str, method: str
) -> None:
    """The store fails after the refusal has been written."""
    policy = POLICY + "  - {name: count, condition: 'session.denials > 99', action: deny}\n"
    armed = [False]

    class Broken(MemoryStore):
        pass

    def fail(self: Any, *args: Any, **keys: Any) -> Any:
        if armed[0] and (method != "reserve" or keys.get("force")):
            raise StoreError("the disk is gone")
        return getattr(MemoryStore, method)(self, *args, **keys)

    setattr(Broken, method, fail)
    guard = place.guard(store=Broken(), policy=policy)
    armed[0] = True
    error = place.denied(guard, how, "no`", "denied")
    assert error.rule == "no"
    assert [one["rule"] for one in place.records("refusal")] == ["no"]
    (refusal,) = guard.screen([Action("tool_call", "denied", {}, session="s", call_id="e")])
    assert refusal is not None
    assert refusal.rule == "no"
    assert len(place.records("refusal")) == 2
    armed[0] = False
    assert place.run(guard, how, "t") == "ran"  # the session's lock was given back


@BOTH
@STORES
@pytest.mark.parametrize(
    "error", [LedgerError("no room"), OSError("no room"), MemoryError("no room")]
)
def test_AUD_9_the_ledger(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str, kind: str, error: Exception
) -> None:
    guard = place.guard(kind)
    real = Ledger.append

    def fail(self: Any, body: bytes, *, reserved: bool = False) -> Any:
        raise type(error)(*error.args)

    monkeypatch.setattr(Ledger, "append", fail)
    place.denied(guard, how, "no room")
    place.denied(guard, how, "no room", "denied")
    with pytest.raises(ActionDenied):
        place.run(guard, how, "asked")
    monkeypatch.setattr(Ledger, "append", real)
    if isinstance(error, LedgerError):
        assert place.run(guard, how) == "ran"
    assert len(place.records("intent")) == len(place.ran)


@BOTH
@pytest.mark.parametrize("which", ["wall", "monotonic"])
def test_ENG_5_the_clock(place: Place, how: str, which: str) -> None:
    broken = [False]

    def reading(name: str, real: Any) -> Any:
        def read() -> int:
            if broken[0] and name == which:
                raise OSError("the clock stopped")
            return int(real())

        return read

    clock = Clock(reading("wall", time.time_ns), reading("monotonic", time.monotonic_ns))
    guard = place.guard(clock=clock)
    broken[0] = True
    place.denied(guard, how, "the clock stopped")
    assert [one["rule"] for one in place.records("refusal")] == ["builtin:error"]
    assert not place.records("intent")


@BOTH
@pytest.mark.parametrize("which", ["wall", "monotonic"])
def test_a_clock_that_fails_later_loses_no_outcome(place: Place, how: str, which: str) -> None:
    broken = [False]

    def reading(name: str, real: Any) -> Any:
        def read() -> int:
            if broken[0] and name == which:
                raise OSError("the clock stopped")
            return int(real())

        return read

    clock = Clock(reading("wall", time.time_ns), reading("monotonic", time.monotonic_ns))
    guard = place.guard(clock=clock)
    permit = guard.authorize(Action("tool_call", "t", {}, session="s"))
    broken[0] = True
    assert permit.succeeded("result") == "result"
    assert [one["status"] for one in place.records("outcome")] == ["succeeded"]


@BOTH
def test_a_failure_while_judging_a_result_withholds_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def broken(policies: Any, action: Action, facts: Any) -> Any:
        if action.stage == "after":
            raise RecursionError("too deep")
        return decide(policies, action, facts)

    policy = POLICY + "  - {name: r, on: tool_call.after, condition: 'false', action: deny}\n"
    guard = place.guard(policy=policy)
    monkeypatch.setattr(machinery, "decide", broken)
    with pytest.raises(ContentWithheld, match="too deep"):
        place.run(guard, how)
    assert place.ran == ["t"]
    assert [one["status"] for one in place.records("outcome")] == ["withheld"]


@BOTH
@STORES
def test_an_outcome_that_cannot_be_written_withholds_the_result(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str, kind: str
) -> None:
    guard = place.guard(kind)
    real = Ledger.append

    def fail(self: Any, body: bytes, *, reserved: bool = False) -> Any:
        if b'"outcome"' in body:
            raise LedgerError("no room")
        return real(self, body, reserved=reserved)

    monkeypatch.setattr(Ledger, "append", fail)
    with pytest.raises(
        ContentWithheld, match=r"ran, but its outcome could not be recorded.*no room"
    ):
        place.run(guard, how)
    assert place.ran == ["t"]
    assert len(place.records("intent")) == 1


# Hanging


@BOTH
@STORES
def test_the_lock_of_the_session(place: Place, how: str, kind: str) -> None:
    guard = place.guard(kind)
    session = guard.session("s")
    session.lock.acquire()
    try:
        error = place.denied(guard, how, "locked by another call")
        assert error.rule == "builtin:store"
        (refusal,) = guard.screen([Action("tool_call", "t", {}, session="s")])
        assert refusal is not None
    finally:
        session.lock.release()
    assert place.run(guard, how) == "ran"


@BOTH
@STORES
def test_the_lock_of_the_store(place: Place, how: str, kind: str) -> None:
    guard = place.guard(kind)
    store: Any = guard.store
    assert place.run(guard, how, call_id="a") == "ran"
    place.ran.clear()
    store._lock.acquire()
    try:
        place.denied(guard, how, "waited 0.5 s")
    finally:
        store._lock.release()
    assert place.run(guard, how) == "ran"


@BOTH
def test_a_database_that_another_process_holds(place: Place, how: str) -> None:
    guard = place.guard("sqlite")
    other = sqlite3.connect(place.path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        place.denied(guard, how, "another process that holds the database")
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert place.run(guard, how) == "ran"


@BOTH
@STORES
def test_a_disk_that_never_answers_a_sync(
    place: Place, monkeypatch: pytest.MonkeyPatch, how: str, kind: str
) -> None:
    release = threading.Event()
    real = durable_module.make_durable

    def hang(fd: int) -> None:
        release.wait(30)
        real(fd)

    ledger = Ledger(place.path / "ledger", durability="sync", deadline=DEADLINE)
    guard = place.guard(kind, ledger=ledger)
    monkeypatch.setattr(durable_module, "make_durable", hang)
    try:
        begun = time.monotonic()
        with pytest.raises(ActionDenied, match=r"no sync within 0\.5 s"):
            place.run(guard, how)
        # One deadline for the intent, one for the refusal that takes its place.
        assert time.monotonic() - begun < 2 * DEADLINE + 1
        assert not place.ran
        place.denied(guard, how, "no new segment")
    finally:
        release.set()
        monkeypatch.setattr(durable_module, "make_durable", real)
    for _ in range(50):
        try:
            assert place.run(guard, how, call_id="d") == "ran"
            break
        except ActionDenied:
            time.sleep(0.05)
    assert place.ran == ["t"]


@BOTH
@STORES
@pytest.mark.parametrize("heeds", [True, False])
def test_an_approver_that_never_answers(place: Place, how: str, kind: str, heeds: bool) -> None:
    release = threading.Event()

    class Hanging:
        def ask(self, request: Any, stop: threading.Event) -> None:
            (stop if heeds else release).wait(30)

    guard = place.guard(kind, approver=Hanging())
    begun = time.monotonic()
    try:
        with pytest.raises(ActionDenied, match="no answer in time"):
            place.run(guard, how, "asked")
        assert time.monotonic() - begun < 2
    finally:
        release.set()
    assert not place.ran
    assert [one["rule"] for one in place.records("intent", "refusal")] == ["ask"]


def test_a_hanging_store_does_not_hold_up_the_event_loop(place: Place) -> None:
    guard = place.guard("sqlite")
    other = sqlite3.connect(place.path / "state.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def tool() -> None:
        place.ran.append("t")

    async def main() -> float:
        task = asyncio.create_task(govern(tool, guard=guard)())
        longest = 0.0
        while not task.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        with pytest.raises(ActionDenied):
            await task
        return longest

    assert asyncio.run(main()) < 0.3
    other.execute("ROLLBACK")
    other.close()
    assert not place.ran


def test_the_ledgers_directory_is_gone(place: Place) -> None:
    guard = place.guard()
    directory = place.path / "ledger"
    moved = place.path / "moved"
    os.rename(directory, moved)
    directory.write_text("in the way")
    guard.ledger.close()
    place.denied(guard, "sync", "closed")
    directory.unlink()
    os.rename(moved, directory)
