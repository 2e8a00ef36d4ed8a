from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from wardline.errors import StoreError
from wardline.store import Answer, Approval, Charge, Requirement, Switch
from wardline.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000_000_000
ONE = [Charge("a", 1, None)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state.db"


def test_the_directory_is_made_and_the_file_is_private(path: Path) -> None:
    old = os.umask(0)
    try:
        store = SQLiteStore(path)
    finally:
        os.umask(old)
    store.begin_call("c", "f", owner="o", policy="p", now=NOW)
    files = [path, *path.parent.glob("state.db-*"), *path.parent.glob("*/*.lease")]
    assert len(files) >= 4
    for file in files:
        wanted = 0o700 if file.is_dir() else 0o600
        assert stat.S_IMODE(file.stat().st_mode) == wanted, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    store.close()


def test_KILL_2_X_2_state_survives_a_restart(path: Path) -> None:
    store = SQLiteStore(path)
    switch = Switch("agent", "a", "killed", "os:a", "why", NOW)
    asked = Approval(
        id="a1", key="k", fingerprint="f", policy="p", kind="tool_call", name="t", principal="x",
        chain=(), session="s", run="r", call_id="c", arguments=b"{}",
        requirements=(Requirement("d", "r", ("os:a",)),), created=NOW, expires=NOW + 9,
    )  # fmt: skip
    store.set_switch(switch)
    store.request_approval(asked)
    store.reserve(ONE, NOW)
    store.reserve([Charge("w", 1, 1, window=10)], NOW)
    store.begin_call("c", "f", owner="o", policy="p", now=NOW)
    store.close()
    again = SQLiteStore(path)
    assert again.switches() == (switch,)
    assert again.generation() == 1
    assert again.approvals("pending") == (asked,)
    assert again.used(ONE, NOW) == (1,)
    assert not again.reserve([Charge("w", 1, 1, window=10)], NOW + 9).granted
    assert [call.status for call in again.calls()] == ["open"]
    assert not again.owner_alive("o")
    again.close()


def test_a_closed_store_says_so(path: Path) -> None:
    store = SQLiteStore(path)
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.reserve(ONE, NOW)
    with pytest.raises(StoreError, match="closed"):
        store.generation()
    store.close()


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are notes, " * 100)
    with pytest.raises(StoreError, match=r"notes\.txt: not a SQLite database"):
        SQLiteStore(file)
    assert file.read_text().startswith("these are notes")


def test_the_database_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE things (x)")
    other.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match="something else"):
        SQLiteStore(file)
    assert file.read_bytes() == before


def test_a_newer_schema_is_refused(path: Path) -> None:
    SQLiteStore(path).close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE wardline SET value = 99 WHERE name = 'schema'")
    other.close()
    with pytest.raises(StoreError, match=r"schema version 99.*upgrade Wardline"):
        SQLiteStore(path)


def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be"):
        SQLiteStore(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        SQLiteStore(tmp_path / "file" / "state.db")


def test_KILL_6_a_corrupt_file_is_an_error_not_an_empty_store(path: Path) -> None:
    store = SQLiteStore(path)
    for number in range(500):
        store.set_switch(Switch("agent", f"{number:0100}", "killed", "os:a", "", NOW))
    store.close()
    data = bytearray(path.read_bytes())
    assert len(data) > 40_000
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"state\.db"):
        SQLiteStore(path).switches()


def test_KILL_6_lost_tables_are_an_error(path: Path) -> None:
    store = SQLiteStore(path)
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE switches")
        other.execute("DELETE FROM wardline WHERE name = 'generation'")
    other.close()
    with pytest.raises(StoreError, match="no such table: switches"):
        store.switches()
    with pytest.raises(StoreError, match="generation"):
        store.generation()
    store.close()


def test_values_that_no_column_holds_are_store_errors(path: Path) -> None:
    store = SQLiteStore(path)
    with pytest.raises(StoreError):
        store.reserve([Charge("a", 2**63, None)], NOW)
    with pytest.raises(StoreError):
        store.reserve([Charge("\ud800", 1, None)], NOW)
    assert store.used(ONE, NOW) == (0,)
    store.close()


def test_a_failure_inside_together_loses_the_whole_block(path: Path) -> None:
    store = SQLiteStore(path)
    with pytest.raises(StoreError, match="all of it is lost"), store.together():
        store.reserve(ONE, NOW)
        with pytest.raises(StoreError):
            store.reserve([Charge("\ud800", 1, None)], NOW)
        with pytest.raises(StoreError, match="lost"):
            store.reserve(ONE, NOW)
    assert store.used(ONE, NOW) == (0,)
    with store.together():
        store.reserve(ONE, NOW)
    assert store.used(ONE, NOW) == (1,)
    store.close()


def test_a_thread_that_holds_the_store_is_an_error_within_the_deadline(path: Path) -> None:
    store = SQLiteStore(path, deadline=0.1)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with store.together():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    started = time.monotonic()
    for work in (lambda: store.reserve(ONE, NOW), store.generation, store.switches):
        with pytest.raises(StoreError, match=r"waited 0\.1 s for another thread"):
            work()
    assert time.monotonic() - started < 2
    leave.set()
    thread.join()
    assert store.reserve(ONE, NOW).granted
    store.close()


def test_two_stores_in_one_process_share_the_file(path: Path) -> None:
    one, two = SQLiteStore(path), SQLiteStore(path)
    charge = [Charge("a", 1, 2)]
    assert one.reserve(charge, NOW).granted
    assert two.reserve(charge, NOW).granted
    assert not one.reserve(charge, NOW).granted
    two.set_switch(Switch("everything", "", "frozen", "os:a", "", NOW))
    assert one.generation() == 1
    one.begin_call("c", "f", owner="o", policy="p", now=NOW)
    assert two.owner_alive("o")
    two.close()
    assert one.owner_alive("o")
    one.close()


def test_one_owner_name_belongs_to_one_store_object(path: Path) -> None:
    one, two = SQLiteStore(path), SQLiteStore(path, deadline=0.1)
    one.begin_call("c1", "f", owner="o", policy="p", now=NOW)
    with pytest.raises(StoreError, match="owner name of its own"):
        two.begin_call("c2", "f", owner="o", policy="p", now=NOW)
    one.end_owner("o")
    assert two.begin_call("c2", "f", owner="o", policy="p", now=NOW).opened
    one.close()
    two.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_after_fork_opens_its_own_connection(path: Path) -> None:
    store = SQLiteStore(path, deadline=1)
    store.begin_call("c", "f", owner="guard-1", policy="p", now=NOW)
    busy = threading.Event()
    threads = [threading.Thread(target=_reserve_until, args=(store, busy)) for _ in range(4)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            ok = all(store.reserve([Charge("forked", 1, None)], NOW).granted for _ in range(20))
            ok = ok and store.owner_alive("guard-1")
            store.begin_call("d", "f", owner=str(os.getpid()), policy="p", now=NOW)
            store.close()
            os._exit(0 if ok else 1)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    busy.set()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    assert store.used([Charge("forked", 1, None)], NOW) == (60,)
    assert store.owner_alive("guard-1")
    assert len(store.calls()) == 2
    with sqlite3.connect(path) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    other.close()
    store.close()


def _reserve_until(store: SQLiteStore, stop: threading.Event) -> None:
    while not stop.is_set():
        store.reserve(ONE, NOW)


def test_an_inherited_connection_is_not_used_even_without_fork_hooks(path: Path) -> None:
    store = SQLiteStore(path)
    inherited = store._connection
    assert inherited is not None
    store._in_child()
    assert store.reserve(ONE, NOW).granted
    assert store._connection is not inherited
    assert inherited.execute("SELECT count(*) FROM counters").fetchone() == (1,)
    inherited.close()
    store.close()


def test_a_damaged_approval_is_an_error(path: Path) -> None:
    store = SQLiteStore(path)
    with sqlite3.connect(path) as other:
        other.execute(
            "INSERT INTO approvals VALUES ('a1', 'k', 'f', 'p', 'approved', 1, 9, 0, x'00', '{}')"
        )
    other.close()
    with pytest.raises(StoreError, match="damaged"):
        store.consume_approval("a1", "f", "p", 5)
    with pytest.raises(StoreError, match="damaged"):
        store.answer("a1", Answer("os:a", "", True, 5), 5)
    store.close()


def test_importing_wardline_or_its_store_does_not_import_sqlite3() -> None:
    code = "import sys, wardline, wardline.store; sys.exit('sqlite3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
