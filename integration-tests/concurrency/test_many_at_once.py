"""Many threads and processes through one guard, or one store: nothing is lost, nothing runs too often."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from wardline import Action, ActionDenied, Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger, read, verify
from wardline.store import Charge
from wardline.store.sqlite import SQLiteStore

THREADS = 64
SESSIONS = 8

POLICY = """
apiVersion: wardline/v1
name: p
default_action: allow
limits:
  - {{name: total, count: calls, at_most: {total}, per: agent}}
  - {{name: window, count: tool_calls, at_most: {window}, per: session, window: 30d}}
rules:
  - {{name: no, tool: bad, action: deny}}
"""


def counts(directory: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    intents: set[str] = set()
    outcomes: list[str] = []
    for record in read(directory):
        kind = record.fields["type"]
        found[kind] = found.get(kind, 0) + 1
        if kind == "intent":
            assert str(record.ref) not in intents
            intents.add(str(record.ref))
        elif kind == "outcome":
            outcomes.append(record.fields["intent"])
    assert len(outcomes) == len(set(outcomes)), "an intent with two outcomes"
    assert set(outcomes) == intents, "an outcome without a permit, or a permit without an outcome"
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "calls"), [("memory", 1_000), ("sqlite", 1_000)])
def test_AUD_3_LANG_13_sixty_four_threads(tmp_path: Path, kind: str, calls: int) -> None:
    """64 threads; every eighth call is denied by a rule, and the limits end before the calls do."""
    tries = THREADS * calls
    good = tries - tries // 8
    total = good - 500
    window = total // SESSIONS + 50
    store: Any = MemoryStore() if kind == "memory" else SQLiteStore(tmp_path / "state.db", 30)
    ledger = Ledger(tmp_path / "ledger", deadline=30)
    guard = Guard(
        parse_policies(POLICY.format(total=total, window=window)),
        store=store, ledger=ledger, deadline=60,
    )  # fmt: skip
    guard.register("tool_call", "t")
    guard.register("tool_call", "bad")
    ran: list[list[int]] = [[] for _ in range(THREADS)]
    denied = [0] * THREADS
    failures: list[BaseException] = []

    def work(number: int) -> None:
        session = f"s{number % SESSIONS}"
        try:
            for n in range(calls):
                name = "bad" if n % 8 == 0 else "t"
                try:
                    guard.call(
                        Action("tool_call", name, {"n": n}, session=session),
                        lambda args: ran[number].append(args["n"]),
                    )
                except ActionDenied as error:
                    assert error.rule == ("no" if name == "bad" else "builtin:limits"), error
                    denied[number] += 1
        except BaseException as error:
            failures.append(error)

    begun = time.monotonic()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    print(f"{kind}: {tries:,} calls in {took:.1f} s, {took / tries * 1e6:.0f} us each")
    assert not failures, failures[0]

    done = sum(map(len, ran))
    assert done + sum(denied) == tries
    assert done <= total
    used = store.used([Charge("limit/p/total/agent/agent", 1, total)], guard_now())
    assert used == (done,)
    for number in range(SESSIONS):
        mine = sum(len(ran[n]) for n in range(number, THREADS, SESSIONS))
        assert mine <= window
        charge = Charge(f"limit/p/window/session/s{number}", 1, window, 30 * 86_400 * 10**6)
        assert store.used([charge], guard_now()) == (mine,)
    full = [n for n in range(SESSIONS) if session_total(ran, n) == window]
    assert done == total or len(full) == SESSIONS, "a limit refused before it was used up"
    guard.close()
    ledger.close()
    store.close()
    found = counts(tmp_path / "ledger")
    assert (found["intent"], found["outcome"], found["refusal"]) == (done, done, sum(denied))
    report = verify(tmp_path / "ledger")
    assert report.ok, str(report)
    assert not report.open_intents


def session_total(ran: list[list[int]], session: int) -> int:
    return sum(len(ran[n]) for n in range(session, THREADS, SESSIONS))


def guard_now() -> int:
    return time.time_ns() // 1000


WORKER = """
import json, sys, threading
from wardline import Action, ActionDenied, Guard, parse_policies
home, text, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
guard = Guard(parse_policies(text), home=home, deadline=30)
guard.register("tool_call", "t")
guard.register("tool_call", "bad")
ran, denied, failures = [], [], []
def work(number):
    try:
        for n in range(calls):
            name = "bad" if n % 8 == 0 else "t"
            action = Action("tool_call", name, {"n": n}, session=f"s{number % 2}")
            try:
                guard.call(action, lambda args: ran.append(number))
            except ActionDenied as error:
                assert error.rule == ("no" if name == "bad" else "builtin:limits"), error
                denied.append(number)
    except BaseException as error:
        failures.append(repr(error))
sys.stdin.readline()
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
guard.close()
print(json.dumps([len(ran), len(denied), failures]), flush=True)
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("processes", [2, 4])
def test_AUD_3_LANG_13_processes_on_one_store(tmp_path: Path, processes: int) -> None:
    """The limits of one file hold for all processes, and each writes a chain of its own."""
    calls = 200
    tries = processes * 4 * calls
    total = tries // 2
    text = POLICY.format(total=total, window=tries)
    command = [sys.executable, "-c", textwrap.dedent(WORKER), str(tmp_path), text, str(calls)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    begun = time.monotonic()
    try:
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        answers = [json.loads(worker.communicate(timeout=250)[0]) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    took = time.monotonic() - begun
    print(f"{processes} processes: {tries:,} calls in {took:.1f} s")
    assert not [failure for _, _, failures in answers for failure in failures]
    ran = sum(ran for ran, _, _ in answers)
    denied = sum(denied for _, denied, _ in answers)
    assert ran + denied == tries
    assert ran == total
    found = counts(tmp_path / "ledger")
    assert (found["intent"], found["outcome"], found["refusal"]) == (ran, ran, denied)
    report = verify(tmp_path / "ledger")
    assert report.ok, str(report)
    assert report.segments == processes
