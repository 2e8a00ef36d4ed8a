from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OPEN = """
import sys
from wardline.store.sqlite import SQLiteStore
for number in range(12):
    sys.stdin.readline()
    SQLiteStore(f"{sys.argv[1]}/{number}.db", deadline=20).close()
    print(number, flush=True)
"""


def test_many_processes_make_one_store_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path)]
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(6)
    ]
    try:
        for number in range(12):
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("\n")
                worker.stdin.flush()
            for worker in workers:
                assert worker.stdout is not None
                assert worker.stdout.readline() == f"{number}\n"
    finally:
        errors = []
        for worker in workers:
            worker.kill()
            errors.append(worker.communicate()[1])
    assert not any(errors), errors
