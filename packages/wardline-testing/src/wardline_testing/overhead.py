"""What an adapter costs for each tool call, beside what its framework costs anyway.

::

    python -m wardline_testing.overhead --harness test_conformance.py:TestToy

The same agent plays the same script without the adapter and with it, in turns, in one process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardline import Guard, MemoryStore, parse_policies
from wardline.ledger import Ledger
from wardline_testing.loading import load_harness
from wardline_testing.scene import Scene
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.tools import Probe, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_testing.harness import Harness

__all__ = ["main", "measure"]

_POLICY = """
apiVersion: wardline/v1
name: bench
default_action: deny
rules:
  - {name: reading, tool: read_file, action: allow}
"""


def measure(harness: type[Harness], *, calls: int = 8, rounds: int = 25) -> dict[str, float]:
    """Return microseconds for each tool call (median over rounds), and the adapter's share of them.

    A call is one turn: the model is asked, answers with one call, and the tool runs.
    """
    times: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger")
        guard = Guard(parse_policies(_POLICY), store=MemoryStore(), ledger=ledger)
        for number in range(rounds + 1):
            for governed in (False, True):
                thread = f"t-{governed}-{number}"
                scene = _scene(harness, guard if governed else None, calls, thread, Path(folder))
                start = time.perf_counter()
                asyncio.run(harness().run(scene))
                took = time.perf_counter() - start
                assert scene.probe is not None
                if len(scene.probe.starts) != calls:
                    raise RuntimeError(f"{len(scene.probe.starts)} of {calls} calls ran")
                if number:  # the first round imports and compiles
                    times[governed].append(took / calls * 1e6)
        ledger.close()
        guard.close()
    without, governed_ = statistics.median(times[False]), statistics.median(times[True])
    overhead = statistics.median(b - a for a, b in zip(times[False], times[True], strict=True))
    return {
        "framework_us": without,
        "governed_us": governed_,
        "overhead_us": overhead,
        "share": overhead / without,
    }


def _scene(
    harness: type[Harness], guard: Guard | None, calls: int, thread: str, folder: Path
) -> Scene:
    probe = Probe()
    tool = Tool(probe, "read_file", "Read a file.", {"path": str}, lambda _: "contents")
    says = tuple(
        Say(calls=(ToolCall("read_file", {"path": f"/srv/{number}"}, f"call-{number}"),))
        for number in range(calls)
    )
    path = "async" if "async" in harness.paths else harness.paths[0]
    agent = AgentSpec(tools=(tool,), says=says)
    return Scene(guard, agent, path, thread=thread, folder=folder, probe=probe, backstop=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure as a command and print one line, or JSON; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wardline_testing.overhead", description=__doc__
    )
    parser.add_argument("--harness", required=True, help="FILE.py:Class")
    parser.add_argument("--json", type=Path, help="where to write the result")
    given = parser.parse_args(argv)
    harness = load_harness(given.harness)
    found = measure(harness)
    if given.json:
        result: dict[str, Any] = {"adapter": harness.adapter, **found}
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{harness.adapter:<28} adds {found['overhead_us']:8.0f} µs to a call that takes "
        f"{found['framework_us']:8.0f} µs without it ({found['share']:6.1%})"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
