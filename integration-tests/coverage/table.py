"""The table of adapters, made of what their runs left behind; held against README and docs.

    python integration-tests/coverage/table.py RESULTS [--write | --corpus | --overhead]

RESULTS is a folder with `<adapter>-<line>.json` of every run. What it prints is what happened; what the
documents say is generated from the same files by `--write`, and without it a difference is an error.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from wardline_testing.results import missing

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "coverage.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- coverage: generated -->", "<!-- coverage: end -->"
MARKS = {
    "fail": "✗",
    "todo": "t",
    "upstream": "u",
    "never": "–",
    "pass": "✓",
    "absent": "·",
    "": " ",
}
"""From the worst to the best; `absent` is a test of what the framework has not, such as a plain entry point."""
GAPS = ("never", "upstream", "todo")


def expected() -> list[tuple[str, str]]:
    """Return every adapter with every line it is to be tested on."""
    found = []
    for file in sorted((ROOT / "adapters").glob("*/pyproject.toml")):
        lines = tomllib.loads(file.read_text()).get("tool", {}).get("wardline", {}).get("lines", {})
        found += [(file.parent.name, line) for line in lines or ("installable",)]
    return found


def results(folder: Path, suffix: str = "") -> dict[tuple[str, str], Any]:
    """Return what was left behind, by adapter and line; a run that left nothing is missing."""
    found = {}
    for adapter, line in expected():
        file = folder / f"{adapter}-{line}{suffix}.json"
        if file.exists():
            found[adapter, line] = json.loads(file.read_text())
    return found


def tests_of(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return run["tests"]


def order(runs: dict[tuple[str, str], Any]) -> list[tuple[str, str]]:
    """Return every test with its tier: core first."""
    tiers: dict[str, str] = {}
    for run in runs.values():
        for name, test in tests_of(run).items():
            tiers.setdefault(name, test["tier"])
    rank = {"core": 0, "standard": 1, "optional": 2}
    return sorted(tiers.items(), key=lambda one: (rank[one[1]], list(tiers).index(one[0])))


def mark(runs: dict[tuple[str, str], Any], adapter: str, test: str) -> str:
    """Return the mark of a test for an adapter: that of its worst line."""
    seen = [
        tests_of(run)[test]["result"]
        for (name, _), run in runs.items()
        if name == adapter and test in tests_of(run)
    ]
    return next((sign for result, sign in MARKS.items() if result in seen), " ")


def title(name: str) -> str:
    return name.removeprefix("test_").replace("_", " ")


def short(adapter: str) -> str:
    return adapter.removeprefix("wardline-")


def table(runs: dict[tuple[str, str], Any]) -> list[str]:
    """Return the whole table in Markdown: a row for each test, a column for each adapter."""
    adapters = sorted({adapter for adapter, _ in runs})
    lines = [
        "| tier | test | " + " | ".join(map(short, adapters)) + " |",
        "|---|---|" + ":-:|" * len(adapters),
    ]
    for name, tier in order(runs):
        marks = " | ".join(mark(runs, adapter, name) for adapter in adapters)
        lines.append(f"| {tier} | {title(name)} | {marks} |")
    return lines


def gaps(runs: dict[tuple[str, str], Any]) -> list[str]:
    """Return every gap with its reason, once for all lines of an adapter."""
    found: dict[str, None] = {}
    for (adapter, _), run in runs.items():
        for name, test in tests_of(run).items():
            if test["result"] in GAPS:
                where = f" ({test['url']})" if test.get("url") else ""
                reason = test.get("reason", "").rstrip(".")
                found[f"- **{short(adapter)}**, {title(name)}: {reason}{where}."] = None
    return list(found)


def summary(runs: dict[tuple[str, str], Any]) -> list[str]:
    """Return the short table for the README: what each adapter passes, and on what."""
    lines = ["| adapter | framework | core | standard | gaps |", "|---|---|--:|--:|--:|"]
    for adapter in sorted({name for name, _ in runs}):
        mine = {key: run for key, run in runs.items() if key[0] == adapter}
        marks = {name: (tier, mark(mine, adapter, name)) for name, tier in order(mine)}
        cells = []
        for tier in ("core", "standard"):
            own = [sign for kind, sign in marks.values() if kind == tier and sign not in " ·"]
            cells.append(f"{own.count('✓')}/{len(own)}")
        open_ = sum(sign in "–ut" for _, sign in marks.values())
        lines.append(f"| `{adapter}` | {versions(mine)} | {cells[0]} | {cells[1]} | {open_} |")
    return lines


def versions(runs: dict[tuple[str, str], Any]) -> str:
    """Return the minor versions of the framework that the runs were on, as in `haystack-ai 3.4`."""
    found: dict[str, dict[str, None]] = {}
    for run in runs.values():
        package, version = next(iter(run["framework"].items()))
        found.setdefault(package, {})[".".join(version.split(".")[:2])] = None
    return ", ".join(f"{package} {' and '.join(vs)}" for package, vs in found.items())


def document(runs: dict[tuple[str, str], Any]) -> str:
    lines = [
        "# What each adapter passes",
        "",
        "Generated from the runs of the conformance kit (`nox -s adapters`); CI fails where it differs from",
        "what happened. A mark is that of the worst version and entry point. ✓ passed, – no such thing in the",
        "framework, u the framework cannot do it yet, t ours to do, · nothing to ask (such as a plain call where",
        "all calls are awaited); empty: not a test for a protocol, or not declared. Nothing of the core tier may",
        "be open.",
        "",
        *summary(runs),
        "",
        *table(runs),
        "",
        "## Gaps and their reasons",
        "",
        *(gaps(runs) or ["None."]),
    ]
    return "\n".join(lines) + "\n"


def readme(runs: dict[tuple[str, str], Any]) -> str:
    """Return the README with the short table between its marks."""
    text = README.read_text()
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"{README} has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n" + "\n".join(summary(runs)) + f"\n{END}{after}"


def check(runs: dict[tuple[str, str], Any]) -> list[str]:
    """Return what is wrong with the runs themselves."""
    wrong = [
        f"{adapter} on {line}: it was not run, or left nothing behind"
        for adapter, line in expected()
        if (adapter, line) not in runs
    ]
    for (adapter, line), run in runs.items():
        wrong += [f"{adapter} on {line}: {why}" for why in missing(run)]
    return wrong


def conformance(folder: Path, *, write: bool) -> int:
    runs = results(folder)
    made = {DOCUMENT: document(runs), README: readme(runs)}
    print(made[DOCUMENT])
    for (adapter, line), run in runs.items():
        packages = ", ".join(f"{name} {version}" for name, version in run["framework"].items())
        print(f"{short(adapter):<18} {line:<12} {packages}")
    if wrong := check(runs):
        print("\n".join(["", *wrong]), file=sys.stderr)
        return 1
    if write:
        for path, text in made.items():
            path.write_text(text)
        return 0
    stale = [str(path.relative_to(ROOT)) for path, text in made.items() if path.read_text() != text]
    if stale:
        print(f"{', '.join(stale)}: not what happened; `nox -s table -- --write`", file=sys.stderr)
    return 1 if stale else 0


def corpus(folder: Path) -> int:
    runs = results(folder, ".corpus")
    packs = sorted({pack for run in runs.values() for pack in run["packs"]})
    print(f"{'equal/played/all':<18}" + "".join(f"{pack[:11]:>13}" for pack in packs))
    wrong = 0
    for (adapter, _), run in runs.items():
        cells = []
        for pack in packs:
            found = run["packs"].get(pack, {})
            equal, differs = found.get("equal", 0), found.get("differs", 0)
            wrong += differs
            cells.append(f"{equal}/{equal + differs}/{sum(found.values())}")
        print(f"{short(adapter):<18}" + "".join(f"{cell:>13}" for cell in cells))
        for why, number in run["not_played"].items():
            print(f"{'':<18}  {number:>4} not played: {why}")
    absent = {adapter for adapter, _ in expected()} - {adapter for adapter, _ in runs}
    for adapter in sorted(absent):
        print(f"{adapter} was not run", file=sys.stderr)
    return 1 if wrong or absent else 0


def overhead(folder: Path) -> int:
    print(
        f"{'p50 of a tool call, µs':<24}{'framework':>12}{'governed':>12}{'added':>10}{'share':>10}"
    )
    for (adapter, _), run in results(folder, ".overhead").items():
        print(
            f"{short(adapter):<24}{run['framework_us']:>12.0f}{run['governed_us']:>12.0f}"
            f"{run['overhead_us']:>10.0f}{run['share']:>10.1%}"
        )
    return 0


def main() -> int:
    folder, *options = sys.argv[1:]
    if "--corpus" in options:
        return corpus(Path(folder))
    if "--overhead" in options:
        return overhead(Path(folder))
    return conformance(Path(folder), write="--write" in options)


if __name__ == "__main__":
    sys.exit(main())
