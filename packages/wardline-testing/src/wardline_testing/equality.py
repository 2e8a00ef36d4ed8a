"""Hold an adapter against the bare core on every case of shared policies.

::

    python -m wardline_testing.equality shared-policies --harness test_conformance.py:TestToy --json out.json

prints a table and ends with 1 where one decision differs.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardline.cases import find_suites
from wardline_testing.corpus import bare, through, unplayable
from wardline_testing.loading import load_harness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wardline import PolicySet
    from wardline.cases import Case
    from wardline_testing.harness import Harness

__all__ = ["compare", "main"]


def compare(harness: type[Harness], packs: Sequence[Path]) -> Iterator[tuple[str, Case, str, str]]:
    """Yield the pack, the case and what came of it: `equal`, `not played` or `differs`, and why."""
    for suite in find_suites(packs):
        policies = suite.policies()
        pack = suite.paths[0].parent.name
        blind = sorted(policies.kinds() - frozenset(harness.kinds))
        refuses = f"the adapter refuses to start with rules on {', '.join(blind)}" if blind else ""
        for case in suite.cases:
            if why := refuses or unplayable(harness, case):
                yield pack, case, "not played", why
                continue
            with tempfile.TemporaryDirectory() as folder:
                yield pack, case, *_held(harness, policies, case, Path(folder))


def _held(harness: type[Harness], policies: PolicySet, case: Case, folder: Path) -> tuple[str, str]:
    core = bare(policies, case, folder / "core")
    action = case.given.action
    if action.kind != "tool_call":
        core = replace(core, ran=None)  # the kit has no body there that could tell
    elif core.ran is not None and not core.ran.keys() <= action.args.keys():
        return "not played", "a rule adds an argument, which the case's tool does not have"
    other = through(harness, policies, case, folder / "adapter")
    if other is not None and other.effect == "before":
        return "not played", "an action that leads to it is refused before it"
    if other is None:
        return "differs", "the adapter never asked about it"
    if other == core:
        return "equal", ""
    return "differs", f"the core: {core}; the adapter: {other}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison as a command; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wardline_testing.equality", description=__doc__
    )
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--harness", required=True, help="FILE.py:Class")
    parser.add_argument("--json", type=Path, help="where to write the result")
    given = parser.parse_args(argv)
    logging.getLogger("wardline").setLevel(logging.CRITICAL)  # refusals are what this is about
    harness = load_harness(given.harness)
    counts: dict[str, Counter[str]] = {}
    reasons: Counter[str] = Counter()
    differs: list[str] = []
    for pack, case, what, why in compare(harness, given.packs):
        counts.setdefault(pack, Counter())[what] += 1
        if what == "not played":
            reasons[why] += 1
        elif what == "differs":
            differs.append(f"{case.file}:{case.line}: {case.name}: {why}")
    result: dict[str, Any] = {
        "adapter": harness.adapter,
        "packs": {pack: dict(sorted(found.items())) for pack, found in counts.items()},
        "not_played": dict(reasons.most_common()),
        "differs": differs,
    }
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    _show(result)
    return 1 if differs else 0


def _show(result: dict[str, Any]) -> None:
    kinds = ("equal", "not played", "differs")
    print(f"{result['adapter']:<28}" + "".join(f"{kind:>12}" for kind in kinds))
    for pack, found in result["packs"].items():
        print(f"{pack:<28}" + "".join(f"{found.get(kind, 0):>12}" for kind in kinds))
    for why, number in result["not_played"].items():
        print(f"  not played: {number:>4}  {why}")
    for one in result["differs"]:
        print(f"  differs: {one}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
