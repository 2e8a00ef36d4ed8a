"""Measure the full governed call and `decide`, and the same decisions by other engines.

One process, all contenders in turn, round by round; every contender must give the same answers before
anything is timed. Prints p50, p99 and operations per second, and for each goal `goal`, `accepted` or
`short`. It never fails on a timing. `--json FILE` keeps the raw numbers.

    nox -s bench [-- --quick] [--calls 4000] [--rounds 5] [--json bench.json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from calls import agt_cells, print_calls, wardline_cells
from engines import SERVERS
from measure import about, rounds
from table import print_engines, rows


def main() -> None:
    """Run the rounds and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4_000, help="calls of each cell in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="few calls, and no 10,000 rules elsewhere"
    )
    parser.add_argument("--json", type=Path, help="keep the raw numbers here")
    options = parser.parse_args()
    calls, count = (500, 2) if options.quick else (options.calls, options.rounds)
    sizes = (1, 100, 1_000) if options.quick else (1, 100, 1_000, 10_000)
    print(", ".join(f"{key} {value}" for key, value in about().items()))
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        governed = wardline_cells(scratch, calls) + agt_cells(scratch, calls)
        rounds(governed, count)
        print_calls(governed)
        print("\nengines: the same decisions")
        with SERVERS:
            engines = rows(sizes, calls)
            rounds([cell for row in engines for cell in row.cells.values()], count)
        print_engines(engines, sizes)
    if options.json:
        raw = {
            "about": about(),
            "cells": [cell.raw() for cell in governed],
            "engines": [
                {
                    "corpus": row.corpus,
                    "engine": row.name,
                    "cells": [cell.raw() for cell in row.cells.values()],
                    "without": row.reasons,
                }
                for row in engines
            ],
        }
        options.json.write_text(json.dumps(raw, indent=2, default=str))


if __name__ == "__main__":
    main()
