"""What a writer promises while the disk works: order, segments, threads, processes, forks."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from wardline.clock import Clock
from wardline.errors import ConfigurationError, LedgerError
from wardline.ledger import Ledger, RecordRef, StoredRecord, read, tail, verify
from wardline.ledger import writer as writer_module

if TYPE_CHECKING:
    from pathlib import Path

MODES = ["batch", "sync", "none"]


def note(**fields: Any) -> bytes:
    return json.dumps({"type": "note", **fields}, separators=(",", ":")).encode()


def notes(directory: Path) -> list[StoredRecord]:
    return [record for record in read(directory) if record.type == "note"]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_appended_is_read_back(tmp_path: Path, mode: Any) -> None:
    with Ledger(tmp_path, durability=mode) as ledger:
        refs = [ledger.append(note(i=i, text="é\n")) for i in range(5)]
        refs += ledger.append_many([note(i=i) for i in range(5, 9)])
        assert ledger.append_many([]) == []
    records = list(read(tmp_path))
    assert [record.type for record in records] == ["segment", *["note"] * 9, "close"]
    assert [record.ref for record in records[1:-1]] == refs
    assert [record.fields["i"] for record in records[1:-1]] == list(range(9))
    assert records[1].fields["text"] == "é\n"
    assert records[0].fields["durability"] == mode
    assert records[0].fields["writer"]["pid"] == os.getpid()
    assert str(refs[0]) == f"{records[0].segment}:1"
    assert RecordRef.parse(str(refs[0])) == refs[0]
    report = verify(tmp_path)
    assert report.ok
    assert (report.segments, report.records, report.torn, report.live) == (1, 11, (), ())


def test_AUD_5_batch_and_sync_have_written_when_append_returns_and_none_has_not(
    tmp_path: Path,
) -> None:
    for mode, written in (("batch", 1), ("sync", 1), ("none", 0)):
        with Ledger(tmp_path / mode, durability=mode) as ledger:  # type: ignore[arg-type]
            ledger.append(note())
            assert len(notes(tmp_path / mode)) == written
            ledger.flush()
            assert len(notes(tmp_path / mode)) == 1
            assert verify(tmp_path / mode).live == (ledger.segment,)


@pytest.mark.parametrize("mode", ["batch", "sync"])
def test_AUD_5_records_are_synced_in_time(
    tmp_path: Path, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[float] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        real(fd)
        synced.append(time.monotonic())

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with Ledger(tmp_path, durability=mode) as ledger:
        for pause in (0.0, 0.02, 0.2, 0.3):
            time.sleep(pause)
            before, start = len(synced), time.monotonic()
            ledger.append(note())
            if mode == "sync":
                assert len(synced) > before
            while len(synced) == before:
                assert time.monotonic() - start < 1, "no sync"
                time.sleep(0.001)


def test_one_sync_serves_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.01)
        real(fd)

    with Ledger(tmp_path, durability="sync") as ledger:
        monkeypatch.setattr(os, "fdatasync", fdatasync)
        threads = [
            threading.Thread(target=lambda: [ledger.append(note()) for _ in range(10)])
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert calls < 60
    assert len(notes(tmp_path)) == 160


@pytest.mark.parametrize("mode", MODES)
def test_AUD_3_16_threads_of_200_records(tmp_path: Path, mode: Any) -> None:
    each = 200 if mode != "sync" else 50
    with Ledger(tmp_path, durability=mode, segment_bytes=40_000, deadline=20) as ledger:
        refs: list[RecordRef] = []

        def work(number: int) -> None:
            refs.extend([ledger.append(note(n=number, i=i)) for i in range(each)])

        threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert report.segments > 1
    assert report.records == 16 * each + 2 * report.segments
    found = notes(tmp_path)
    assert {record.ref for record in found} == set(refs)
    assert Counter((r.fields["n"], r.fields["i"]) for r in found) == Counter(
        (n, i) for n in range(16) for i in range(each)
    )


PROCESS = """
import sys
from wardline.ledger import Ledger
with Ledger(sys.argv[1]) as ledger:
    for i in range(200):
        ledger.append(b'{"type":"note","n":%s,"i":%d}' % (sys.argv[2].encode(), i))
"""


def test_AUD_3_4_processes_of_200_records(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, tmp_path, str(n)]) for n in range(4)
    ]
    assert [process.wait(60) for process in processes] == [0] * 4
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert (report.segments, report.records) == (4, 4 * 202)
    assert len({(r.fields["n"], r.fields["i"]) for r in notes(tmp_path)}) == 800


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("mode", MODES)
def test_a_forked_child_opens_its_own_segment(tmp_path: Path, mode: Any) -> None:
    ledger = Ledger(tmp_path, durability=mode)
    ledger.append(note(who="parent"))
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            ledger.append(note(who="child"))
            ledger.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    ledger.append(note(who="parent"))
    ledger.close()
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert report.segments == 2
    assert [r.fields["who"] for r in notes(tmp_path)] == ["parent", "parent", "child"]
    child = list(read(tmp_path))[-3]
    assert child.fields["earlier"][0]["state"] == "live"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_other_threads_write_leaves_no_lock_behind(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            ledger.append(note())

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    statuses = []
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                ledger.append(note(child=True))
                ledger.close()
                status = 0
            finally:
                os._exit(status)
        statuses.append(os.waitpid(pid, 0)[1])
    stop.set()
    for thread in threads:
        thread.join()
    ledger.close()
    assert statuses == [0] * 10
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert sum("child" in r.fields for r in notes(tmp_path)) == 10


def test_rotation_closes_one_segment_and_names_it_in_the_next(tmp_path: Path) -> None:
    with Ledger(tmp_path, segment_bytes=1500) as ledger:
        for i in range(60):
            ledger.append(note(i=i))
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert report.segments > 4
    names = sorted(path.name for path in tmp_path.iterdir())
    for before, name in pairwise(names):
        records = list(read(tmp_path / before))
        assert records[-1].type == "close"
        (claim,) = next(read(tmp_path / name)).fields["earlier"]
        assert claim == {
            "segment": before,
            "records": len(records),
            "head": records[-1].hash,
            "state": "closed",
        }
    assert [r.fields["i"] for r in notes(tmp_path)] == list(range(60))
    (tmp_path / names[1]).unlink()
    assert [(p.kind, p.segment) for p in verify(tmp_path).problems] == [("missing", names[1])]


def test_headers_stay_short_with_many_segments_and_miss_none(tmp_path: Path) -> None:
    ledgers = [Ledger(tmp_path, durability="none") for _ in range(3)]
    for _ in range(100):
        Ledger(tmp_path, durability="none").close()
    for ledger in ledgers:
        ledger.close()
    headers = [r.fields for r in read(tmp_path) if r.type == "segment"]
    assert len(headers[-1]["earlier"]) == 4  # the three that were live, and the one before
    Ledger(tmp_path, durability="none").close()
    last = list(read(tmp_path))[-2].fields
    assert len(last["earlier"]) == 4
    assert {claim["state"] for claim in last["earlier"]} == {"closed"}
    Ledger(tmp_path, durability="none").close()
    last = list(read(tmp_path))[-2].fields
    assert len(last["earlier"]) == 1
    assert last["covered"]["segments"] == 103
    assert verify(tmp_path).ok
    # A removed file does not fit the count any more; headers are followed one by one then.
    sorted(tmp_path.iterdir())[50].unlink()
    Ledger(tmp_path, durability="none").close()
    last = list(read(tmp_path))[-2].fields
    assert (
        len(last["earlier"]) == 2
    )  # the one before, and the one that only the removed one had named
    assert last["covered"]["segments"] == 102
    assert [p.kind for p in verify(tmp_path).problems] == ["missing"]


def test_a_second_ledger_object_writes_its_own_segment(tmp_path: Path) -> None:
    with Ledger(tmp_path) as one, Ledger(tmp_path) as two:
        assert one.append(note()).segment != two.append(note()).segment
        assert one.durability == "batch"
        assert one.directory == tmp_path
    assert verify(tmp_path).ok


def test_segment_names_sort_even_if_the_clock_stands_still(tmp_path: Path) -> None:
    with Ledger(tmp_path, segment_bytes=1, clock=Clock(wall=lambda: 10**18)) as ledger:
        refs = [ledger.append(note()) for _ in range(4)]
    assert [ref.segment for ref in refs] == sorted({ref.segment for ref in refs})
    assert refs[0].segment.startswith("20010909T014640000000Z-")
    assert next(read(tmp_path)).fields["t"] == 10**15


TORN = [1, 7, 40, -2, -1]


@pytest.mark.parametrize("cut", TORN)
def test_AUD_5_a_torn_tail_stays_and_is_explained_by_the_next_start(
    tmp_path: Path, cut: int
) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(note())
    ledger.close()
    (path,) = tmp_path.iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:cut])
    report = verify(tmp_path)
    assert report.ok
    assert [(t.segment, t.length, t.explained) for t in report.torn] == [
        (path.name, len(lines[2][:cut]), None)
    ]
    before = path.read_bytes()
    with Ledger(tmp_path) as after:
        name = after.segment
    assert path.read_bytes() == before
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert [t.explained for t in report.torn] == [name]
    path.write_bytes(before[:-1] + b"?")
    assert [p.kind for p in verify(tmp_path).problems] == ["torn"]
    path.write_bytes(b"".join(lines[:2]))
    assert [p.kind for p in verify(tmp_path).problems] == ["torn"]


def test_an_empty_segment_of_a_crash_at_the_start_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "20200101T000000000000Z-1-abcdef.jsonl").touch()
    Ledger(tmp_path).close()
    assert verify(tmp_path).ok


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"a":1', b'{ "a":1}\n', b'{"a":\n1}', b"x", b'"a"']
)
def test_what_cannot_be_a_record_is_refused(tmp_path: Path, body: bytes) -> None:
    with Ledger(tmp_path) as ledger:
        with pytest.raises(LedgerError):
            ledger.append(body)
        with pytest.raises(LedgerError):
            ledger.append_many([note(), body])
    assert notes(tmp_path) == []


def test_a_record_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append(note(x="y" * (16 * 1024 * 1024 - 300)))
        with pytest.raises(LedgerError, match="bytes"):
            ledger.append(note(x="y" * (16 * 1024 * 1024)))
    assert verify(tmp_path).ok


def test_a_closed_ledger_takes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.close()
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.append(note())


@pytest.mark.parametrize("wrong", [{"durability": "fast"}, {"deadline": 0}, {"segment_bytes": 0}])
def test_arguments_without_meaning_are_refused(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        Ledger(tmp_path, **wrong)


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError):
        Ledger(tmp_path / "file" / "ledger")
    with pytest.raises(LedgerError):
        verify(tmp_path / "nowhere")
    with pytest.raises(LedgerError):
        list(read(tmp_path / "nowhere"))
    with pytest.raises(LedgerError):
        tail(tmp_path / "nowhere", 3)


def test_a_ledger_without_a_reference_is_closed(tmp_path: Path) -> None:
    threads = threading.active_count()
    ledger = Ledger(tmp_path)
    ledger.append(note())
    del ledger
    gc.collect()
    assert list(read(tmp_path))[-1].type == "close"
    deadline = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= threads
    assert not list(writer_module._open_ledgers)


EXIT = """
import sys
from wardline.ledger import Ledger
ledger = Ledger(sys.argv[1], durability=sys.argv[2])
ledger.append(b'{"type":"note"}')
"""


@pytest.mark.parametrize("mode", MODES)
def test_the_end_of_the_interpreter_closes_the_ledger(tmp_path: Path, mode: str) -> None:
    subprocess.run([sys.executable, "-c", EXIT, tmp_path, mode], check=True, timeout=60)
    assert [record.type for record in read(tmp_path)] == ["segment", "note", "close"]


@pytest.mark.parametrize("mode", MODES)
def test_AUD_6_memory_stays_flat(tmp_path: Path, mode: Any) -> None:
    bodies = [note(i=i, x="y" * 300) for i in range(256)]
    with Ledger(tmp_path, durability=mode, segment_bytes=1 << 20) as ledger:
        tracemalloc.start()
        ledger.append_many(bodies)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(40):
            ledger.append_many(bodies)
        assert tracemalloc.get_traced_memory()[0] - before < 200_000
        tracemalloc.reset_peak()
        assert sum(1 for _ in read(tmp_path)) > 10_000 or mode == "none"
        assert verify(tmp_path).ok
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4_000_000


def test_tail_reads_the_last_records_across_segments(tmp_path: Path) -> None:
    with Ledger(tmp_path, segment_bytes=1200) as ledger:
        for i in range(40):
            ledger.append(note(i=i, pad="x" * (70_000 if i == 20 else 1)))
    everything = list(read(tmp_path))
    for n in (0, 1, 5, 30, len(everything), 1000):
        assert [(r.ref, r.offset, r.raw) for r in tail(tmp_path, n)] == [
            (r.ref, r.offset, r.raw) for r in everything[max(len(everything) - n, 0) :]
        ]


def test_a_damaged_line_is_read_and_says_so_when_it_is_looked_into(tmp_path: Path) -> None:
    path = tmp_path / "20300101T000000000000Z-1-abcdef.jsonl"
    path.write_bytes(b"garbage\n{}\ntorn")
    one, two = read(path)
    assert (one.seq, one.raw, one.hash, two.offset) == (-1, b"garbage", "", 8)
    with pytest.raises(LedgerError, match="byte 0"):
        _ = one.fields
    assert two.type == ""
    assert "abcdef" in repr(one)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a:1",
        "20300101T000000000000Z-1-abcdef.jsonl:",
        "20300101T000000000000Z-1-abcdef.jsonl:-1",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        RecordRef.parse(text)


def test_references_are_values() -> None:
    one, same = RecordRef("a", 1), RecordRef("a", 1)
    assert (one == same, one == "a:1", hash(one) == hash(same), repr(one)) == (
        True,
        False,
        True,
        "RecordRef('a', 1)",
    )


def test_verify_reports_progress(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        for _ in range(30):
            ledger.append(note(x="y" * 100_000))
    seen: list[tuple[int, int]] = []
    verify(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) >= 3
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
