"""A full disk: nothing new runs, and what was permitted still gets its outcome."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from wardline.ledger import read, verify

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
import resource, signal, sys
from pathlib import Path
from wardline import Action, ActionDenied, Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
home = Path(sys.argv[1])
ledger = Ledger(home / "ledger")
guard = Guard(parse_policies("apiVersion: wardline/v1\\nname: p\\ndefault_action: allow"),
              store=MemoryStore(), ledger=ledger)
guard.register("tool_call", "t")
permits = [guard.authorize(Action("tool_call", "t", {"n": n})) for n in range(20)]
size = max(path.stat().st_size for path in (home / "ledger").glob("*.jsonl"))
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 64, resource.RLIM_INFINITY))
ran = denied = 0
for n in range(30):
    try:
        guard.call(Action("tool_call", "t", {"n": n, "pad": "x" * 100}), lambda args: None)
        ran += 1
    except ActionDenied as error:
        assert error.rule == "builtin:ledger", error
        denied += 1
wrote = 0
for permit in permits:
    permit.succeeded("fine")
    wrote += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(ran, denied, wrote, flush=True)
guard.close()
ledger.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no RLIMIT_FSIZE on Windows")
def test_a_full_disk_denies_and_keeps_the_outcomes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE), str(tmp_path)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ran, denied, wrote = map(int, done.stdout.split())
    assert (ran + denied, wrote) == (30, 20)
    records = [record.fields for record in read(tmp_path / "ledger")]
    intents = [one for one in records if one["type"] == "intent"]
    outcomes = [one for one in records if one["type"] == "outcome"]
    assert len(intents) == 20 + ran
    assert len(outcomes) == 20 + ran
    assert denied > 0
    assert verify(tmp_path / "ledger").ok
