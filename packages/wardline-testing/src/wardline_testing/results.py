"""What a run of the suite has shown, as `coverage.json` has it, and whether that is all of it."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wardline_testing.suite.conformance import (
    AdapterConformance,
    ProtocolConformance,
    base_of,
    tests_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wardline_testing.suite.conformance import Conformance

__all__ = ["Results", "gap_result", "main", "missing"]

_BASES: Final = {one.__name__: one for one in (AdapterConformance, ProtocolConformance)}
_KIND_OF_GAP: Final = {"Never": "never", "Upstream": "upstream", "Todo": "todo"}
_FINE: Final = {"core": {"pass", "absent"}, "optional": {"pass", "undeclared"}}


class Results:
    """Collects what became of each test of each conformance class."""

    def __init__(self) -> None:
        self._suites: dict[type[Conformance], dict[str, dict[str, Any]]] = {}

    def add(self, cls: type[Conformance], name: str, variant: str, result: str, why: str) -> None:
        """Note the result of one test, in one variant such as `sync` or `stream-handoff`."""
        base = base_of(cls)
        assert base is not None
        test = self._suites.setdefault(cls, {}).setdefault(
            name, {"tier": tests_of(base)[name], "result": "", "variants": {}}
        )
        test["variants"][variant] = result
        if why:
            test["reason"] = why
        test["result"] = max(test["variants"].values(), key=_weight)

    def written(self) -> dict[str, Any]:
        """Return what was shown: one adapter, its tests, and the same for each of its classes.

        Where an adapter has several classes, a test counts as its worst.
        """
        classes = self.classes()
        if not classes:
            return {}
        tests: dict[str, dict[str, Any]] = {}
        for entry in classes:
            for name, test in entry["tests"].items():
                before = tests.get(name)
                if before is None or _weight(test["result"]) > _weight(before["result"]):
                    tests[name] = test
        shared = ("adapter", "version", "kit", "python", "framework")
        return {key: classes[0][key] for key in shared} | {"tests": tests, "classes": classes}

    def classes(self) -> list[dict[str, Any]]:
        """Return one entry for each class."""
        return [self._entry(cls, tests) for cls, tests in self._suites.items()]

    def _entry(self, cls: type[Conformance], tests: dict[str, dict[str, Any]]) -> dict[str, Any]:
        base = base_of(cls)
        assert base is not None
        for name, tier in tests_of(base).items():
            if tier == "optional" and name not in cls.optional:
                tests[name] = {"tier": tier, "result": "undeclared", "variants": {}}
        for key, gap in cls.gaps.items():
            name = key.partition("[")[0]
            if name in tests:
                tests[name]["reason"] = gap.reason
                if url := getattr(gap, "url", ""):
                    tests[name]["url"] = url
        return {
            "adapter": cls.adapter,
            "version": _version(cls.adapter),
            "kit": _version("wardline-testing"),
            "suite": base.__name__,
            "class": cls.__name__,
            "python": platform.python_version(),
            "framework": {name: _version(name) for name in cls.distributions},
            "kinds": sorted(cls.kinds),
            "paths": list(cls.paths),
            "nesting": list(cls.nesting) if base is AdapterConformance else [],
            "denials": {asked: form.value for asked, form in cls.denials.items()},
            "tests": dict(sorted(tests.items())),
        }

    def write(self, file: Path) -> None:
        """Write everything as JSON."""
        file.write_text(json.dumps(self.written(), indent=2, ensure_ascii=False) + "\n")


def gap_result(gap: object) -> str:
    """Return what a gap is called in the results."""
    return _KIND_OF_GAP[type(gap).__name__]


def missing(run: Mapping[str, Any]) -> list[str]:
    """Return why an adapter with these results may not be published; nothing where it may.

    The names of the tests are compared with the kit's own list, so that a run of fewer shows.
    """
    if not run.get("classes"):
        return ["no conformance class was run"]
    found: list[str] = []
    for entry in run["classes"]:
        who = f"{entry['adapter']}, {entry['class']}"
        base = _BASES.get(entry["suite"])
        if base is None:
            found.append(f"{who}: the kit has no suite {entry['suite']}")
            continue
        if entry["kit"] != _version("wardline-testing"):
            found.append(f"{who}: it was run with kit {entry['kit']}")
        expected = tests_of(base)
        found += [f"{who}: {name} was not run" for name in expected if name not in entry["tests"]]
        for name, test in entry["tests"].items():
            tier = expected.get(name)
            if tier is None:
                found.append(f"{who}: the kit has no test {name}")
            elif test["result"] == "fail" or test["result"] not in _FINE.get(
                tier, {"pass", "never", "upstream", "todo"}
            ):
                found.append(f"{who}: {name} ({tier}) is `{test['result']}`")
            elif test["result"] in ("never", "upstream", "todo") and not test.get("reason"):
                found.append(f"{who}: {name} has a gap without a reason")
    return found


def main(files: Sequence[str]) -> int:
    """Check files that `--wardline-coverage` has written; return 1 where one may not be published."""
    found = [
        f"{file}: {problem}"
        for file in files
        for problem in missing(json.loads(Path(file).read_text()))
    ]
    sys.stdout.write("".join(f"{line}\n" for line in found) or "complete\n")
    return int(bool(found))


def _weight(result: str) -> int:
    return ("undeclared", "absent", "pass", "never", "upstream", "todo", "fail").index(result)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
