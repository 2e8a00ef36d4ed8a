"""The engine table: equal decisions first, then times, and what they come to."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from corpora import CORPORA, REQUESTS
from engines import CONTENDERS, CannotError
from measure import Cell

__all__ = ["Row", "print_engines", "rows"]


class Row(NamedTuple):
    """One engine on one corpus: a cell by size, and why there is none."""

    corpus: str
    name: str
    cells: dict[int, Cell]
    reasons: dict[int, str]


def rows(sizes: tuple[int, ...], calls: int) -> list[Row]:
    """Return every contender on every corpus, with decisions that agree with ours.

    One that decides otherwise than we do gets no time.
    """
    made = []
    for (corpus, rules_of), (name, (engine, most)) in itertools.product(
        CORPORA.items(), CONTENDERS.items()
    ):
        row = Row(corpus, name, {}, {})
        made.append(row)
        for size in sizes:
            if size > most:
                row.reasons[size] = "too slow to wait for"
                continue
            rules = rules_of(size)
            try:
                ready = engine(rules)
            except CannotError as error:
                row.reasons[size] = str(error)
                continue
            asked = {what: ready(request) for what, request in REQUESTS.items()}
            answers = {what: ask() for what, ask in asked.items()}
            expected = {"allow": True, "deny": False, "other": _other(corpus, size)}
            if answers != expected:
                row.reasons[size] = f"decides otherwise: {answers}"
                continue
            ask = asked["allow"]
            row.cells[size] = Cell(name, size, ask, _few(ask, calls))
    return made


def _other(corpus: str, size: int) -> bool:
    """Whether the request with the large amount is allowed: rules without a name are in some."""
    return {"simple": size < 6, "full": size < 10, "single": size < 3}[corpus]


def _few(ask: object, calls: int) -> int:
    probe = Cell("probe", 0, ask, 20)  # type: ignore[arg-type]
    probe.measure(0.0)
    return max(20, min(calls, int(300_000 / max(probe.median, 0.1))))


def print_engines(found: list[Row], sizes: tuple[int, ...]) -> None:
    """Print p50 by size, and what it is in terms of ours."""
    for corpus in CORPORA:
        title = (
            f"corpus `{corpus}`, a request that is allowed: p50 in µs (and as a multiple of ours)"
        )
        print(f"\n{title}\n{'':34}" + "".join(f"{size:>20,}" for size in sizes))
        ours = next(row for row in found if row.corpus == corpus and row.name == "Wardline decide")
        for row in found:
            if row.corpus != corpus:
                continue
            columns, notes = [], []
            for size in sizes:
                cell, base = row.cells.get(size), ours.cells.get(size)
                if cell is None:
                    columns.append("–")
                    notes.append(row.reasons[size])
                elif base is None or row is ours:
                    columns.append(f"{cell.median:,.2f}")
                else:
                    columns.append(f"{cell.median:,.1f} ({cell.median / base.median:,.0f}×)")
            why = "; ".join(dict.fromkeys(notes))
            print(f"{row.name:34}" + "".join(f"{text:>20}" for text in columns) + f"   {why}")
