"""Timing one call many times, round by round, and saying what it came to."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable

__all__ = ["Cell", "about", "grade", "rounds"]

NOISY = 1.0  # µs: a round in which calling nothing takes longer at p99 was disturbed


class Cell:
    """One contender at one size: what is called, and what was measured, in microseconds."""

    def __init__(self, name: str, size: int, call: Callable[[], object], calls: int) -> None:
        self.name = name
        self.size = size
        self.call = call
        self.calls = calls
        self.p50: list[float] = []
        self.p95: list[float] = []
        self.p99: list[float] = []
        self.noisy: list[bool] = []

    def measure(self, floor: float, *, noisy: bool = False) -> None:
        """Time one round."""
        call = self.call
        for _ in range(max(20, min(self.calls, 300))):
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

        def at(share: float) -> float:
            return max(times[int(len(times) * share)] / 1000 - floor, 0.0)

        self.p50.append(at(0.5))
        self.p95.append(at(0.95))
        self.p99.append(at(0.99))
        self.noisy.append(noisy)

    @property
    def median(self) -> float:
        """The median over rounds of p50."""
        return statistics.median(self.p50)

    @property
    def tail(self) -> float:
        """The least p99 of the rounds that nobody disturbed, or of all where all were."""
        quiet = [p99 for p99, noisy in zip(self.p99, self.noisy, strict=True) if not noisy]
        return min(quiet or self.p99)

    def raw(self) -> dict[str, object]:
        """What a file keeps."""
        return {
            "name": self.name, "rules": self.size, "calls": self.calls,
            "p50": self.p50, "p95": self.p95, "p99": self.p99, "noisy": self.noisy,
        }  # fmt: skip


def rounds(cells: Iterable[Cell], count: int) -> None:
    """Measure all cells in turn, `count` times; prints the timer's floor and the canary of each."""
    cells = list(cells)
    for number in range(count):
        floor = Cell("floor", 0, lambda: None, 20_000)
        floor.measure(0.0)
        canary = Cell("canary", 0, _bare, 20_000)
        canary.measure(floor.median)
        noisy = canary.tail > NOISY
        for cell in cells:
            cell.measure(floor.median, noisy=noisy)
        print(
            f"round {number + 1} of {count}: timer floor {floor.median:.3f} µs, canary p99 "
            f"{canary.tail:.2f} µs{', noisy: its p99 do not count' if noisy else ''}",
            flush=True,
        )


def _bare(action: str = "read", path: str = "/srv/x") -> str:
    return path


def grade(value: float, goal: float, accepted: float, *, more: bool = False) -> str:
    """Return `goal`, `accepted` or `short`."""
    if more:
        return "goal" if value >= goal else "accepted" if value >= accepted else "short"
    return "goal" if value <= goal else "accepted" if value <= accepted else "short"


def about() -> dict[str, object]:
    """Return what a reader needs to judge the numbers."""
    versions = {}
    for name in (
        "wardline", "orjson", "agent-governance-toolkit-core", "cedarpy", "cel-expr-python", "casbin",
    ):  # fmt: skip
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": tuple(round(load, 2) for load in os.getloadavg()),
        "durability": "batch",
        **versions,
    }
