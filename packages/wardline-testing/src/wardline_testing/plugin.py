"""The pytest plugin: collects, audits and reports conformance classes.

It adds `--wardline-complete`, which fails a run in which a test of a conformance class was left out, and
is on wherever `CI` is set; and `--wardline-coverage FILE`, which writes what was shown as JSON.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wardline_testing.gaps import Never
from wardline_testing.results import Results, gap_result
from wardline_testing.suite.audit import declared_problems, gap_problems, replaced
from wardline_testing.suite.base import NEEDS
from wardline_testing.suite.conformance import Conformance, base_of, pristine, tests_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from wardline_testing.gaps import Gap

__all__ = [
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_pycollect_makeitem",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
]

_SPREAD = {"path": "paths", "on_denied": "denials", "nesting": "nesting"}
_RESULTS = pytest.StashKey[Results]()
_EXPECTED = pytest.StashKey[set[str]]()
_SEEN = pytest.StashKey[set[type[Conformance]]]()
_GAP = pytest.StashKey["Gap"]()
_ABSENT = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the kit's options."""
    group = parser.getgroup("wardline")
    group.addoption(
        "--wardline-complete",
        action="store_true",
        default=bool(os.environ.get("CI")),
        help="fail if a test of a conformance class is left out (always on where CI is set)",
    )
    group.addoption(
        "--wardline-coverage",
        metavar="FILE",
        default="",
        help="write what the conformance classes have shown into FILE, as JSON",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin without results."""
    config.stash[_RESULTS] = Results()
    config.stash[_EXPECTED] = set()
    config.stash[_SEEN] = set()


# Collecting


def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> object:
    """Remember the classes that are there, and leave the kit's own alone where they are imported."""
    if not (isinstance(obj, type) and issubclass(obj, Conformance)):
        return None
    if base_of(obj) is None:
        return []
    module = collector.getparent(pytest.Module)
    if module is not None and module.obj.__name__ == obj.__module__:
        collector.config.stash[_SEEN].add(obj)
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the suite's tests for every path, denial form and nesting that the harness declares."""
    cls = metafunc.cls
    if cls is None or not issubclass(cls, Conformance):
        return
    for argument, declared in _SPREAD.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, list(getattr(cls, declared)))
    if "awaited" in metafunc.fixturenames:
        metafunc.parametrize("awaited", [one for one in cls.paths if one != "sync"] or ["sync"])


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Audit the classes, leave out what they do not declare, and mark gaps, before anybody deselects."""
    kept = []
    audited: set[type] = set()
    for item in items:
        cls = _class_of(item)
        if cls is None:
            kept.append(item)
            continue
        if cls not in audited:
            _audit(cls)
            audited.add(cls)
        if _tier(cls, item) == "optional" and _name(item) not in cls.optional:
            continue
        config.stash[_EXPECTED].add(item.nodeid)
        _mark(cls, item)
        kept.append(item)
    items[:] = kept
    yield
    for item in items:
        if (cls := _class_of(item)) is not None:
            _refuse_marks(cls, item)


def _audit(cls: type[Conformance]) -> None:
    base = base_of(cls)
    assert base is not None
    problems = [
        *replaced(cls, pristine(base)),
        *gap_problems(cls, tests_of(base)),
        *declared_problems(cls),
    ]
    if problems:
        lines = "\n".join(f"  {one}" for one in problems)
        raise pytest.UsageError(f"{cls.__qualname__} is no conformance test:\n{lines}")


def _mark(cls: type[Conformance], item: pytest.Item) -> None:
    """Mark a test for which there is a gap, or that has no meaning here."""
    gap = _gap(cls, item)
    if gap is not None:
        item.stash[_GAP] = gap
        if isinstance(gap, Never):
            item.add_marker(pytest.mark.skip(reason=f"never: {gap.reason}"))
        else:
            reason = f"{gap_result(gap)}: {gap.reason}"
            item.add_marker(pytest.mark.xfail(strict=True, raises=gap.raises, reason=reason))
        return
    path, kind = getattr(getattr(cls, _name(item)), NEEDS, ("", ""))
    if path and path not in cls.paths:
        item.stash[_ABSENT] = f"the framework has no path `{path}`"
    elif kind and kind not in cls.kinds:
        item.stash[_ABSENT] = f"the adapter does not map `{kind}`"
    if why := item.stash.get(_ABSENT, ""):
        item.add_marker(pytest.mark.skip(reason=why))


def _refuse_marks(cls: type[Conformance], item: pytest.Item) -> None:
    """Refuse marks by which somebody else lets a test of the suite off."""
    own = 1 if _GAP in item.stash or _ABSENT in item.stash else 0
    found = [one.name for one in item.iter_markers() if one.name in ("skip", "skipif", "xfail")]
    if len(found) > own:
        raise pytest.UsageError(
            f"{item.nodeid} is marked with {', '.join(found)}; a test of {cls.__name__} is let off by "
            "a gap alone"
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fail where a test of a conformance class was left out, if that is asked for."""
    config = session.config
    if not config.option.wardline_complete or config.option.collectonly:
        return
    left = {item.nodeid for item in session.items}
    problems = sorted(config.stash[_EXPECTED] - left)
    seen: dict[type, set[str]] = {}
    for item in session.items:
        if (cls := _class_of(item)) is not None:
            seen.setdefault(cls, set()).add(_name(item))
    for cls in config.stash[_SEEN]:
        base = base_of(cls)
        if base is None or cls.__subclasses__():
            continue
        for name, tier in tests_of(base).items():
            declared = tier != "optional" or name in cls.optional
            if declared and name not in seen.get(cls, set()):
                problems.append(f"{cls.__qualname__}.{name}")
    if problems:
        shown = "\n".join(f"  {one}" for one in problems[:20])
        raise pytest.UsageError(
            f"the conformance suite is not complete, {len(problems)} of its tests were left out:\n{shown}"
        )


# Running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips and expected failures that are not the kit's into failures; note the result."""
    report = yield
    cls = _class_of(item)
    if cls is None:
        return report
    gap, absent = item.stash.get(_GAP, None), item.stash.get(_ABSENT, "")
    if report.skipped and gap is None and not absent:
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped, or expected to fail, by the harness or a fixture. A test of "
            "the conformance suite is let off by a gap alone"
        )
        report.wasxfail = ""
        del report.wasxfail
    results = item.config.stash[_RESULTS]
    callspec = getattr(item, "callspec", None)
    note = (cls, _name(item), callspec.id if callspec is not None else "")
    if report.failed:
        results.add(*note, "fail", "")
    elif report.skipped:
        results.add(*note, "absent" if gap is None else gap_result(gap), absent)
    elif report.when == "call":
        results.add(*note, "pass", "")
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say, for each class, how much of the suite was shown, and print every gap with its reason."""
    for entry in config.stash[_RESULTS].classes():
        frameworks = ", ".join(f"{name} {at}" for name, at in entry["framework"].items())
        terminalreporter.write_sep("-", f"{entry['adapter']} on {frameworks}")
        tests = entry["tests"].values()
        for tier in ("core", "standard", "optional"):
            found = [one["result"] for one in tests if one["tier"] == tier]
            counts = {result: found.count(result) for result in dict.fromkeys(found)}
            if counts:
                said = ", ".join(f"{count} {result}" for result, count in counts.items())
                terminalreporter.write_line(f"{tier}: {said}")
        for name, test in entry["tests"].items():
            if test["result"] in ("never", "upstream", "todo"):
                reason, url = test.get("reason", ""), test.get("url", "")
                terminalreporter.write_line(f"  {test['result']} {name}: {reason} {url}".rstrip())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results, where a file was named."""
    if file := session.config.option.wardline_coverage:
        session.config.stash[_RESULTS].write(Path(file))


# What an item is


def _class_of(item: pytest.Item) -> type[Conformance] | None:
    cls = getattr(item, "cls", None)
    if isinstance(cls, type) and issubclass(cls, Conformance):
        return cls
    return None


def _name(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", item.name))


def _tier(cls: type[Conformance], item: pytest.Item) -> str:
    base = base_of(cls)
    assert base is not None
    return tests_of(base).get(_name(item), "")


def _gap(cls: type[Conformance], item: pytest.Item) -> Gap | None:
    name = _name(item)
    if (found := cls.gaps.get(name)) is not None:
        return found
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec is not None else {}
    path = params.get("path", params.get("awaited", ""))
    return cls.gaps.get(f"{name}[{path}]")
