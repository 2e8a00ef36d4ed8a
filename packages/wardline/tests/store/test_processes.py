from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from wardline.errors import StoreError
from wardline.store import Answer, Approval, Charge, Requirement, Switch
from wardline.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

NOW = 1_800_000_000_000_000
Spawn = Callable[..., "subprocess.Popen[str]"]

SETUP = """
import sys
from wardline.store import Charge, Switch
from wardline.store.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1], deadline=20)
print("ready", flush=True)
sys.stdin.readline()
"""


def race(spawn: Spawn, code: str, processes: int = 2) -> list[str]:
    """Start processes, let them go at once, and return what each of them printed."""
    started = [spawn(SETUP + code, str(number)) for number in range(processes)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [process.communicate(timeout=60)[0].strip() for process in started]


def test_two_processes_never_overrun_a_limit(spawn: Spawn, tmp_path: Path) -> None:
    printed = race(
        spawn,
        """
charges = [Charge("calls", 1, 700), Charge("rate", 1, 900, window=10**9), Charge("m", 3, None)]
print(sum(store.reserve(charges, 10**15 + n).granted for n in range(500)))
""",
    )
    store = SQLiteStore(tmp_path / "state.db")
    assert sum(map(int, printed)) == 700
    assert store.used(
        [Charge("calls", 0, None), Charge("rate", 0, None, window=10**9), Charge("m", 0, None)],
        10**15,
    ) == (700, 700, 2100)
    store.close()


def test_exactly_one_process_opens_each_call(spawn: Spawn, tmp_path: Path) -> None:
    printed = race(
        spawn,
        """
states = [store.begin_call(f"c{n}", "f", owner=sys.argv[2], policy="p", now=1) for n in range(200)]
print("".join(str(int(state.opened)) for state in states))
""",
        3,
    )
    assert [sum(map(int, column)) for column in zip(*printed, strict=True)] == [1] * 200


def test_APPR_2_exactly_one_process_consumes_each_approval(spawn: Spawn, tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "state.db")
    for number in range(30):
        store.request_approval(approval(f"a{number}", f"f{number}"))
        store.answer(f"a{number}", Answer("os:alice", "console", True, NOW), NOW)
    printed = race(
        spawn,
        f"""
print("".join(str(int(store.consume_approval(f"a{{n}}", f"f{{n}}", "p", {NOW}))) for n in range(30)))
""",
    )
    assert [sum(map(int, column)) for column in zip(*printed, strict=True)] == [1] * 30
    store.close()


def approval(name: str, fingerprint: str) -> Approval:
    return Approval(
        id=name, key="k", fingerprint=fingerprint, policy="p", kind="tool_call", name="t",
        principal="agent", chain=(), session="s", run="r", call_id="c", arguments=b"{}",
        requirements=(Requirement("d", "r", ("os:alice",)),), created=NOW, expires=NOW + 10**9,
    )  # fmt: skip


def test_two_processes_may_make_the_store_at_once(spawn: Spawn, tmp_path: Path) -> None:
    code = """
import sys
from wardline.store import Charge
from wardline.store.sqlite import SQLiteStore
print(SQLiteStore(sys.argv[1], deadline=20).reserve([Charge("a", 1, None)], 1).granted)
"""
    started = [spawn(code) for _ in range(4)]
    assert [p.communicate(timeout=60)[0].strip() for p in started] == ["True"] * 4
    store = SQLiteStore(tmp_path / "state.db")
    assert store.used([Charge("a", 1, None)], 1) == (4,)
    store.close()


def test_APPR_6_X_2_a_killed_owner_is_dead_and_its_state_is_still_there(
    spawn: Spawn, tmp_path: Path
) -> None:
    process = spawn(
        SETUP
        + """
assert store.begin_call("c", "f", owner="guard-1", policy="p", now=1).opened
store.reserve([Charge("a", 1, None)], 1)
store.set_switch(Switch("agent", "x", "killed", "os:a", "", 1))
print("open", flush=True)
sys.stdin.readline()
"""
    )
    assert process.stdout is not None
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "open\n"]
    store = SQLiteStore(tmp_path / "state.db")
    assert store.owner_alive("guard-1")
    assert store.prune(0) == 0, "sweeping leases leaves the living alone"
    assert store.owner_alive("guard-1")
    seen = store.begin_call("c", "f", owner="guard-2", policy="p", now=2)
    assert (seen.status, seen.owner, seen.opened) == ("open", "guard-1", False)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not store.owner_alive("guard-1")
    assert store.owner_alive("guard-2")
    assert store.abandon_calls("guard-1", 3) == 1
    assert store.begin_call("c", "f", owner="guard-2", policy="p", now=4).status == "unknown"
    assert store.used([Charge("a", 1, None)], 1) == (1,)
    assert store.switches()[0].state == "killed"
    assert len(list(tmp_path.glob("state.db-owners/*"))) == 2
    store.prune(0)
    assert len(list(tmp_path.glob("state.db-owners/*"))) == 1
    assert not store.owner_alive("guard-1")
    store.close()


def test_KILL_1_a_switch_is_seen_by_the_other_process_at_once(spawn: Spawn, tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "state.db")
    assert store.generation() == 0
    race(spawn, 'store.set_switch(Switch("everything", "", "killed", "os:a", "stop", 1))', 1)
    assert store.generation() == 1
    assert store.switches() == (Switch("everything", "", "killed", "os:a", "stop", 1),)
    store.close()


def test_a_database_locked_by_another_process_is_an_error_within_the_deadline(
    spawn: Spawn, tmp_path: Path
) -> None:
    path = tmp_path / "state.db"
    store = SQLiteStore(path, deadline=0.3)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(StoreError, match=r"state\.db: waited 0\.3 s for another process"):
        store.reserve([Charge("a", 1, None)], NOW)
    with pytest.raises(StoreError, match="another process"), store.together():
        pass
    assert 0.5 < time.monotonic() - started < 2
    assert store.generation() == 0, "readers are not in the way of a writer"
    other.execute("ROLLBACK")
    other.close()
    assert store.reserve([Charge("a", 1, None)], NOW).granted
    store.close()


def test_a_writer_that_is_in_the_way_for_a_moment_is_waited_for(
    spawn: Spawn, tmp_path: Path
) -> None:
    store = SQLiteStore(tmp_path / "state.db", deadline=10)
    process = spawn(
        """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(0.3)
other.execute("COMMIT")
"""
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    assert store.reserve([Charge("a", 1, None)], NOW).granted
    store.close()
