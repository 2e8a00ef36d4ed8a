"""What a writer does when the disk does not work: it says so, and nothing is acknowledged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from wardline.errors import LedgerError
from wardline.ledger import Ledger, read, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def note(**fields: Any) -> bytes:
    return json.dumps({"type": "note", **fields}, separators=(",", ":")).encode()


def types(directory: Path) -> list[str]:
    return [record.type for record in read(directory)]


class Disk:
    """Stands before `os.fdatasync`: passes on, raises EIO, or hangs until it is released."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.real = os.fdatasync
        self.broken = False
        self.running = threading.Event()
        self.running.set()
        monkeypatch.setattr(os, "fdatasync", self)

    def __call__(self, fd: int) -> None:
        self.running.wait()
        if self.broken:
            raise OSError(5, "Input/output error")
        self.real(fd)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk(monkeypatch)
    yield disk
    disk.broken = False
    disk.running.set()


def until_refused(append: Callable[[], object], within: float) -> float:
    """Append until it raises LedgerError; return how long the failing call took."""
    end = time.monotonic() + within
    while True:
        start = time.monotonic()
        try:
            append()
        except LedgerError:
            return time.monotonic() - start
        assert start < end, "never refused"
        time.sleep(0.005)


def until_accepted(append: Callable[[], object], within: float = 5) -> None:
    end = time.monotonic() + within
    while True:
        try:
            append()
        except LedgerError:
            assert time.monotonic() < end, "never accepted"
            time.sleep(0.02)
        else:
            return


@pytest.mark.parametrize("mode", ["batch", "sync"])
def test_AUD_9_a_failed_sync_refuses_until_a_new_segment_opens(
    tmp_path: Path, mode: Any, disk: Disk
) -> None:
    with Ledger(tmp_path, durability=mode, deadline=1) as ledger:
        ledger.append(note())
        first = ledger.segment
        disk.broken = True
        until_refused(lambda: ledger.append(note()), 2)
        for _ in range(3):
            with pytest.raises(LedgerError):
                ledger.append(note(denied=True))
        disk.broken = False
        until_accepted(lambda: ledger.append(note(after=True)))
        assert ledger.segment != first
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert not any("denied" in record.fields for record in read(tmp_path))
    failed = [r.fields["failed"] for r in read(tmp_path) if "failed" in r.fields]
    assert "sync failed" in failed[-1]["reason"]
    assert failed[-1]["unwritten"] >= 3


def test_the_append_after_a_failed_sync_tries_a_new_segment(tmp_path: Path, disk: Disk) -> None:
    with Ledger(tmp_path, durability="sync") as ledger:
        disk.broken = True
        with pytest.raises(LedgerError, match="sync failed"):
            ledger.append(note())
        disk.broken = False
        ledger.append(note())
    assert types(tmp_path) == ["segment", "note", "segment", "note", "close"]


@pytest.mark.parametrize("mode", ["batch", "sync"])
def test_AUD_9_a_hanging_sync_refuses_within_the_deadline(
    tmp_path: Path, mode: Any, disk: Disk
) -> None:
    with Ledger(tmp_path, durability=mode, deadline=0.3) as ledger:
        ledger.append(note())
        ledger.flush()
        first = ledger.segment
        disk.running.clear()
        assert until_refused(lambda: ledger.append(note()), 1) < 1.3
        for _ in range(5):
            start = time.monotonic()
            with pytest.raises(LedgerError):
                ledger.append(note(), reserved=True)
            assert time.monotonic() - start < 1.3
        assert len(list(tmp_path.iterdir())) == 1
        disk.running.set()
        until_accepted(lambda: ledger.append(note()))
        assert ledger.segment != first
    assert verify(tmp_path).ok


def test_flush_and_close_wait_no_longer_than_the_deadline(tmp_path: Path, disk: Disk) -> None:
    ledger = Ledger(tmp_path, deadline=0.3)
    ledger.append(note())
    disk.running.clear()
    ledger_time = time.monotonic()
    with pytest.raises(LedgerError):
        ledger.flush()
    with pytest.raises(LedgerError, match="not closed"):
        ledger.close()
    assert time.monotonic() - ledger_time < 1
    ledger.close()


def test_opening_on_a_hanging_disk_is_refused_within_the_deadline(
    tmp_path: Path, disk: Disk
) -> None:
    disk.running.clear()
    start = time.monotonic()
    with pytest.raises(LedgerError):
        Ledger(tmp_path, deadline=0.2)
    assert time.monotonic() - start < 1


def test_a_lock_that_is_held_refuses_within_the_deadline(tmp_path: Path) -> None:
    with Ledger(tmp_path, deadline=0.2) as ledger:
        ledger._lock.acquire()
        for call in (
            lambda: ledger.append(note()),
            lambda: ledger.append_many([note()]),
            ledger.flush,
            ledger.close,
        ):
            start = time.monotonic()
            with pytest.raises(LedgerError, match="lock"):
                call()
            assert 0.15 < time.monotonic() - start < 1.3
        ledger._lock.release()
        ledger.append(note())
    assert verify(tmp_path).ok


def test_an_interrupted_write_leads_to_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(BaseException):
        pass

    def write(fd: int, data: bytes) -> int:
        real(fd, data)
        raise Interrupted

    real = os.write
    with Ledger(tmp_path) as ledger:
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(Interrupted):
            ledger.append(note(i=0))
        monkeypatch.undo()
        ledger.append(note(i=1))
    assert types(tmp_path) == ["segment", "note", "segment", "note", "close"]
    assert verify(tmp_path).ok


@pytest.mark.parametrize("mode", ["batch", "none"])
def test_AUD_9_a_short_write_leaves_a_torn_tail_that_the_next_header_records(
    tmp_path: Path, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    with Ledger(tmp_path, durability=mode) as ledger:
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:20]))
        refused = pytest.raises(LedgerError, match="took 20 of")
        if mode == "none":
            ledger.append(note(i=0))
            with refused:
                ledger.flush()
        else:
            with refused:
                ledger.append(note(i=0))
        monkeypatch.undo()
        ledger.append(note(i=1))
        name = ledger.segment
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert [(torn.length, torn.explained) for torn in report.torn] == [(20, name)]


def test_what_was_acknowledged_before_a_failed_write_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    with Ledger(tmp_path) as ledger:
        segment = ledger._segment
        assert segment is not None
        ledger.append_many([note(i=i) for i in range(20)])
        monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:20]))
        with pytest.raises(LedgerError):
            ledger.append(note())
        monkeypatch.undo()
        assert (segment.durable, segment.fd) == (21, -1)


def test_a_failed_rotation_refuses_and_goes_on_with_the_next_append(
    tmp_path: Path, disk: Disk
) -> None:
    with Ledger(tmp_path, segment_bytes=700, deadline=0.5) as ledger:
        ledger.append(note(x="y" * 500))
        ledger.flush()
        disk.broken = True
        with pytest.raises(LedgerError):
            ledger.append(note(i=1))
        disk.broken = False
        until_accepted(lambda: ledger.append(note(i=2)))
    assert verify(tmp_path).ok
    assert [r.fields["i"] for r in read(tmp_path) if "i" in r.fields] == [2]


LIMITED = """
import resource, signal, sys
from wardline.errors import LedgerError
from wardline.ledger import Ledger
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
refused = accepted = 0
with Ledger(sys.argv[1], durability=sys.argv[2]) as ledger:
    for i in range(1000):
        try:
            ledger.append(b'{"type":"note","i":%d,"x":"%s"}' % (i, b"y" * 1000), reserved=sys.argv[3] == "1")
            accepted += 1
        except LedgerError:
            refused += 1
print(accepted, refused)
"""


@pytest.mark.parametrize("mode", ["batch", "sync", "none"])
@pytest.mark.parametrize("reserved", ["0", "1"])
def test_AUD_9_a_file_that_may_not_grow_is_followed_by_a_new_segment(
    tmp_path: Path, mode: str, reserved: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path, mode, reserved],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    accepted, refused = map(int, done.stdout.split())
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert report.segments >= 4
    assert all(torn.explained for torn in report.torn)
    stored = sum("i" in record.fields for record in read(tmp_path))
    if mode == "none":
        assert accepted - stored <= 70 * (report.segments - 1)
    else:
        assert (accepted, accepted + refused) == (stored, 1000)
        assert report.torn
        assert refused == 0 if reserved == "1" else refused >= 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    mount = shutil.which("mount")
    if mount is None or os.getuid() != 0:
        pytest.skip("mounting a small file system takes root and `mount`")
    path = tmp_path / "disk"
    path.mkdir()
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=False, capture_output=True
    )
    if made.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {made.stderr.decode().strip()}")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.parametrize("mode", ["batch", "sync", "none"])
def test_AUD_9_a_full_disk_takes_outcomes_only_until_there_is_room_again(
    small_disk: Path, mode: Any
) -> None:
    directory = small_disk / "ledger"
    with Ledger(directory, durability=mode) as ledger:

        def write_much() -> None:
            ledger.append(note(x="y" * 30_000))
            ledger.flush()

        intents = [ledger.append(note(i=i, x="y" * 200)) for i in range(10)]
        ledger.flush()
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        for _ in range(3):
            until_refused(write_much, 2)
        for i, intent in enumerate(intents):
            ledger.append(note(outcome=i, intent=str(intent)), reserved=True)
        for _ in range(3):
            with pytest.raises(LedgerError):
                ledger.append(note(denied=True))
        assert {r.fields["outcome"] for r in read(directory) if "outcome" in r.fields} == set(
            range(10)
        )
        ballast.unlink()
        until_accepted(lambda: ledger.append(note(after=True)))
        ledger.append(note(after=True))
    report = verify(directory)
    assert report.ok, str(report)
    fields = [record.fields for record in read(directory)]
    assert sum("after" in f for f in fields) == 2
    assert not any("denied" in f for f in fields)
    assert any(f.get("note") == "the disk has room again" and f["unwritten"] >= 3 for f in fields)
    assert any("failed" in f for f in fields)


def test_a_ledger_without_room_for_its_reserve_does_not_open(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"x" * 1_950_000)
    with pytest.raises(LedgerError, match="No space"):
        Ledger(small_disk / "ledger")
    assert list((small_disk / "ledger").iterdir()) == []
