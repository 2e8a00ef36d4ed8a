"""Writers that are killed at random points: what was acknowledged is there, for `batch` and `sync`.

Several short-lived processes at a time append with several threads to one directory. Each thread sends
the reference of a record through a pipe once `append` has returned, and the process is killed in the
middle of that. The same harness must find losses with `none`, or it would prove nothing.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from wardline.ledger import Ledger, read, verify

if TYPE_CHECKING:
    from pathlib import Path

KILLS = {"batch": 200, "sync": 200, "none": 40}
AT_ONCE = 2

# Each child forks many writers, so that the price of starting Python is paid once.
SPAWNER = r"""
import os, sys, threading
from wardline.ledger import Ledger

directory, durability = sys.argv[1:3]

def work(ledger, number, out):
    i = 0
    while True:
        body = b'{"type":"note","n":%d,"i":%d,"pad":"%s"}' % (number, i, b"x" * (i * 37 % 900))
        ref = ledger.append(body)
        os.write(out, b"%s %d %d\n" % (str(ref).encode(), number, i))
        i += 1

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        ledger = Ledger(directory, durability=durability, segment_bytes=60_000)
        threads = [threading.Thread(target=work, args=(ledger, n, 3), daemon=True) for n in range(4)]
        for thread in threads:
            thread.start()
        threading.Event().wait()
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    os.write(3, b"end %d\n" % os.waitstatus_to_exitcode(status))
"""


def run(directory: Path, durability: str, kills: int, seed: int) -> list[tuple[str, int, int]]:
    """Kill `kills` writers one after the other; return what they had acknowledged."""
    dice = random.Random(seed)
    source, sink = os.pipe()
    os.set_inheritable(sink, True)
    command = [
        sys.executable,
        "-c",
        f"import os; os.dup2({sink}, 3)\n" + SPAWNER,
        str(directory),
        durability,
    ]
    acknowledged: list[tuple[str, int, int]] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=(sink,)
    ) as spawner:
        os.close(sink)
        assert spawner.stdin is not None
        assert spawner.stdout is not None
        with os.fdopen(source, "rb") as acknowledgements:
            for _ in range(kills):
                spawner.stdin.write("\n")
                spawner.stdin.flush()
                pid = int(spawner.stdout.readline())
                if dice.random() < 0.9:
                    # Some time after the first acknowledgement; otherwise while the segment is opened.
                    acknowledged.append(parse(acknowledgements.readline()))
                time.sleep(dice.random() ** 2 * 0.05)
                os.kill(pid, signal.SIGKILL)
                while not (line := acknowledgements.readline()).startswith(b"end"):
                    acknowledged.append(parse(line))
                assert line == b"end -9\n"
            spawner.stdin.close()
    return acknowledged


def parse(line: bytes) -> tuple[str, int, int]:
    ref, number, i = line.decode().split()
    return ref, int(number), int(i)


def kill_many(directory: Path, durability: str) -> tuple[int, int]:
    """Return how many records were acknowledged, and how many of them are not in the ledger."""
    each = KILLS[durability] // AT_ONCE
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = pool.map(lambda seed: run(directory, durability, each, seed), range(AT_ONCE))
        acknowledged = [entry for result in results for entry in result]
    stored = {
        str(record.ref): (record.fields["n"], record.fields["i"])
        for record in read(directory)
        if record.type == "note"
    }
    lost = [ref for ref, number, i in acknowledged if stored.get(ref) != (number, i)]
    return len(acknowledged), len(lost)


@pytest.mark.parametrize("durability", ["batch", "sync"])
def test_AUD_5_sigkill_loses_nothing_that_was_acknowledged(tmp_path: Path, durability: str) -> None:
    acknowledged, lost = kill_many(tmp_path, durability)
    assert acknowledged > KILLS[durability]
    assert lost == 0
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert not report.live

    with Ledger(tmp_path) as ledger:
        ledger.append(json.dumps({"type": "note", "n": -1, "i": 0}).replace(" ", "").encode())
    report = verify(tmp_path)
    assert report.ok, str(report)
    assert all(torn.explained for torn in report.torn)


def test_the_harness_finds_losses_where_nothing_is_promised(tmp_path: Path) -> None:
    acknowledged, lost = kill_many(tmp_path, "none")
    assert acknowledged > 0
    assert lost > 0
    assert verify(tmp_path).ok
