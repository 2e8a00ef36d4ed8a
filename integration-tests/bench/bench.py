"""Measure `decide` and the full governed call, beside AGT's `govern` with audit.

One process, all contenders in turn, round by round; every contender must give the same answers before
anything is timed. Prints p50, p99 and operations per second, and for each goal `goal`, `accepted` or
`short`. It never fails on a timing. `--json FILE` keeps the raw numbers.

    nox -s bench [-- --calls 4000 --rounds 5 --json bench.json]
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import wardline
from wardline import Action, Facts, Guard, MemoryStore, Principal, decide, encoder, govern
from wardline.store.sqlite import SQLiteStore

SIZES = (1, 100, 1_000, 10_000)
NOTE = "n" * 80
RESULT = "a row of the result, " * 5


def rules(count: int, *, anchored: bool = True) -> str:
    """Return rules that deny; the one that fires for `drop` is the last."""
    lines = []
    for i in range(count - 1):
        condition = (
            f"action.type in ['drop{i}', 'delete{i}', 'truncate{i}']"
            if anchored
            else f"has(args.limit) && args.limit > {1_000_000 + i}"
        )
        lines.append(f'- name: rule-{i}\n  condition: "{condition}"\n  action: deny')
    last = "action.type in ['drop', 'delete', 'truncate']"
    lines.append(f'- name: last\n  condition: "{last}"\n  action: deny')
    return "\n".join(lines)


def ours(count: int, *, anchored: bool = True) -> wardline.PolicySet:
    """Return our policy."""
    head = "apiVersion: wardline/v1\nname: bench\ndefault_action: allow\nrules:\n"
    return wardline.parse_policies(head + rules(count, anchored=anchored))


def tool(action: str, path: str = "", limit: int = 10, note: str = "") -> str:
    """Stand in for a tool that does next to nothing."""
    return RESULT


class Cell:
    """One contender at one size: what is called, and what was measured."""

    def __init__(self, name: str, size: int, call: Callable[[], object], calls: int) -> None:
        self.name = name
        self.size = size
        self.call = call
        self.calls = calls
        self.p50: list[float] = []
        self.p99: list[float] = []

    def measure(self, floor: float) -> None:
        """Time one round, in microseconds."""
        call = self.call
        for _ in range(min(self.calls, 300)):
            call()
        gc.collect()
        gc.disable()
        clock = time.perf_counter_ns
        times = []
        for _ in range(self.calls):
            start = clock()
            call()
            times.append(clock() - start)
        gc.enable()
        times.sort()
        self.p50.append(times[len(times) // 2] / 1000 - floor)
        self.p99.append(times[int(len(times) * 0.99)] / 1000 - floor)

    @property
    def median(self) -> float:
        """The median over rounds of p50, in microseconds."""
        return statistics.median(self.p50)

    @property
    def tail(self) -> float:
        """The least over rounds of p99, in microseconds: the round nobody disturbed."""
        return min(self.p99)


def timer_floor() -> float:
    """Return what timing nothing costs, in microseconds."""
    cell = Cell("floor", 0, lambda: None, 20_000)
    cell.measure(0.0)
    return cell.median


def wardline_cells(scratch: Path, calls: int) -> list[Cell]:
    """Return our contenders, checked."""
    cells = []
    for size in SIZES:
        policies = ours(size)
        guard = Guard(policies, home=scratch / f"w{size}", store=MemoryStore())
        governed = govern(tool, guard=guard)
        check(governed, wardline.ActionDenied)
        action = Action("tool_call", "tool", {"action": "read", "path": "/srv/x", "limit": 20})
        facts = Facts(Principal("agent"), {}, {}, 1)
        assert decide(policies, action, facts).effect == "allow"
        cells.append(
            Cell("decide", size, lambda p=policies, a=action, f=facts: decide(p, a, f), calls)
        )
        cells.append(
            Cell(
                "governed call",
                size,
                lambda g=governed: g("read", path="/srv/data/x", limit=20, note=NOTE),
                calls,
            )
        )
    unanchored = ours(10_000, anchored=False)
    action = Action("tool_call", "tool", {"action": "read", "limit": 20})
    facts = Facts(Principal("agent"), {}, {}, 1)
    cells.append(Cell("decide, unanchored", 10_000, lambda: decide(unanchored, action, facts), 40))
    store = SQLiteStore(scratch / "state.db")
    limited = wardline.parse_policies(
        "apiVersion: wardline/v1\nname: bench\ndefault_action: allow\n"
        "limits:\n- {name: calls, count: tool_calls, at_most: 100000000, per: session}\n"
    )
    durable = govern(tool, guard=Guard(limited, home=scratch / "sqlite", store=store))
    check(durable, None)
    cells.append(
        Cell(
            "governed call, one limit in SQLite",
            0,
            lambda: durable("read", path="/srv/data/x", limit=20, note=NOTE),
            min(calls, 2000),
        )
    )
    counted = govern(tool, guard=Guard(limited, home=scratch / "memory", store=MemoryStore()))
    cells.append(
        Cell(
            "governed call, one limit in memory",
            0,
            lambda: counted("read", path="/srv/data/x", limit=20, note=NOTE),
            calls,
        )
    )
    plain = govern(tool, guard=Guard(ours(100), home=scratch / "std", store=MemoryStore()))

    def standard() -> object:
        kept = encoder.ordered, encoder.compact
        encoder.ordered, encoder.compact = encoder.standard_library()
        try:
            return plain("read", path="/srv/data/x", limit=20, note=NOTE)
        finally:
            encoder.ordered, encoder.compact = kept

    cells.append(Cell("governed call, standard library alone", 100, standard, calls))
    return cells


def agt_cells(scratch: Path, calls: int) -> list[Cell]:
    """Return AGT's `govern` with audit, checked; none where it is not installed."""
    warnings.simplefilter("ignore")
    try:
        from agentmesh.governance import GovernanceDenied
        from agentmesh.governance import govern as agt_govern
    except ImportError:
        return []
    cells = []
    for size in SIZES[:3]:
        path = scratch / f"agt{size}.yaml"
        head = "apiVersion: governance.toolkit/v1\nname: bench\ndefault_action: allow\nrules:\n"
        path.write_text(head + rules(size))
        governed = agt_govern(tool, policy=str(path))
        check(governed, GovernanceDenied)
        fewer = max(20, calls // {1: 4, 100: 20, 1_000: 100}[size])
        cells.append(
            Cell(
                "AGT govern, audit on",
                size,
                lambda g=governed: g(action="read", path="/srv/data/x", limit=20, note=NOTE),
                fewer,
            )
        )
    return cells


def check(governed: Callable[..., object], denied: type[Exception] | None) -> None:
    """Make sure that a contender decides as it should before it is timed."""
    assert governed(action="read", path="/srv/x") == RESULT
    if denied is not None:
        try:
            governed(action="drop", path="/srv/x")
        except denied:
            return
        raise AssertionError("a contender ran what it should refuse")


GOALS: dict[tuple[str, int], tuple[float, float, float, float]] = {
    # p50 goal, p50 accepted, p99 goal, p99 accepted (µs)
    **{("governed call", size): (10, 15, 25, 50) for size in SIZES},
    ("decide", 1): (1.5, 1.5, 5, 5),
    ("decide", 100): (2.0, 2.0, 5, 5),
    ("decide", 1_000): (2.5, 2.5, 5, 5),
    ("decide", 10_000): (2.5, 2.5, 5, 5),
    ("decide, unanchored", 10_000): (400, 400, 2_000, 2_000),
    ("governed call, standard library alone", 100): (25, 25, 100, 100),
    ("governed call, one limit in SQLite", 0): (40, 40, 400, 400),
}
RATIOS = {1: (8, 5), 100: (60, 40), 1_000: (500, 350)}


def grade(value: float, goal: float, accepted: float, *, more: bool = False) -> str:
    """Return `goal`, `accepted` or `short`."""
    if more:
        return "goal" if value >= goal else "accepted" if value >= accepted else "short"
    return "goal" if value <= goal else "accepted" if value <= accepted else "short"


def report(cells: list[Cell]) -> None:
    """Print the tables, ratios first."""
    found = {(cell.name, cell.size): cell for cell in cells}
    print("\nratio to AGT's govern with audit, same rules, same process")
    for size, (goal, accepted) in RATIOS.items():
        agt = found.get(("AGT govern, audit on", size))
        if agt is None:
            print(f"  {size:>6} rules: AGT is not installed here, so there is no ratio")
            continue
        ratio = agt.median / found["governed call", size].median
        verdict = grade(ratio, goal, accepted, more=True)
        print(f"  {size:>6} rules: {ratio:8.1f} x   (goal {goal}, accepted {accepted}): {verdict}")
    growth = found["decide", 10_000].median / found["decide", 100].median
    print(f"  decide at 10,000 rules takes {growth:.2f} x what it takes at 100")
    print(f"\n{'µs':42}{'rules':>7}{'p50':>10}{'p99':>10}{'calls/s':>12}   p50 / p99")
    for cell in cells:
        goals = GOALS.get((cell.name, cell.size))
        verdict = ""
        if goals:
            verdict = f"{grade(cell.median, *goals[:2])} / {grade(cell.tail, *goals[2:])}"
        size = f"{cell.size:,}" if cell.size else "-"
        rate = 1e6 / cell.median
        print(
            f"{cell.name:42}{size:>7}{cell.median:10.2f}{cell.tail:10.2f}{rate:12,.0f}   {verdict}"
        )


def about() -> dict[str, object]:
    """Return what a reader needs to judge the numbers."""
    versions = {}
    for name in ("wardline", "orjson", "agent-governance-toolkit-core"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "durability": "batch",
        **versions,
    }


def main() -> None:
    """Run the rounds and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(", ".join(f"{key} {value}" for key, value in about().items()))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        cells = wardline_cells(scratch, options.calls) + agt_cells(scratch, options.calls)
        for number in range(options.rounds):
            floor = timer_floor()
            for cell in cells:
                cell.measure(floor)
            print(f"round {number + 1} of {options.rounds}: timer floor {floor:.3f} µs", flush=True)
        report(cells)
    if options.json:
        raw = [
            {"name": cell.name, "rules": cell.size, "p50": cell.p50, "p99": cell.p99}
            for cell in cells
        ]
        options.json.write_text(json.dumps({"about": about(), "cells": raw}, indent=2, default=str))


if __name__ == "__main__":
    main()
