"""The full governed call, beside AGT's `govern` with audit, and `decide` on its own."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path

from measure import Cell, grade

import wardline
from wardline import Action, Facts, Guard, MemoryStore, Principal, decide, encoder, govern
from wardline.store.sqlite import SQLiteStore

__all__ = ["agt_cells", "print_calls", "wardline_cells"]

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


def loading() -> float:
    """Return the seconds that 10,000 rules take to load from YAML, the best of three."""
    head = "apiVersion: wardline/v1\nname: big\nrules:\n"
    text = head + "".join(
        f"  - name: rule-{i}\n    condition: \"action.type == 'tool_{i}' && has(args.amount) && "
        f'args.amount > {i}"\n    action: deny\n    reason: number {i}\n'
        for i in range(10_000)
    )
    times = []
    for _ in range(3):
        began = time.perf_counter()
        wardline.parse_policies(text)
        times.append(time.perf_counter() - began)
    return min(times)


def ours(count: int, *, anchored: bool = True) -> wardline.PolicySet:
    """Return our policy."""
    head = "apiVersion: wardline/v1\nname: bench\ndefault_action: allow\nrules:\n"
    return wardline.parse_policies(head + rules(count, anchored=anchored))


def tool(action: str, path: str = "", limit: int = 10, note: str = "") -> str:
    """Stand in for a tool that does next to nothing."""
    return RESULT


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


def print_calls(cells: list[Cell]) -> None:
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
    seconds = loading()
    print(
        f"  10,000 rules load from YAML in {seconds:.2f} s (goal 1.2): {grade(seconds, 1.2, 1.2)}"
    )
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
