"""What `wardline doctor` looks at. Each finding names where it comes from."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import (
    Distribution,
    EntryPoint,
    PackageNotFoundError,
    distribution,
    distributions,
    entry_points,
)
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from wardline_cli.output import count
from wardline_cli.times import age_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ADAPTERS", "Finding", "all_checks"]

ADAPTERS: Final = "wardline.adapters"
"""The group of entry points under which adapters are installed.

An entry point's object may have `framework`, the name of the framework's distribution.
"""

_ACCELERATORS: Final = (("orjson", "fast"),)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    status: Literal["ok", "broken", "absent", "ungoverned"]
    detail: str
    source: str


def all_checks(home: Path | None, policies: Sequence[Path], *, quiet: bool) -> list[Finding]:
    """Look at everything, in the order in which one thing builds on another."""
    return [
        Finding("Python", "ok", platform.python_version(), sys.executable),
        *_packages(),
        *_accelerators(),
        *_adapters(),
        *_home(home, quiet=quiet),
        *(_policy(path) for path in policies),
    ]


def _packages() -> Iterator[Finding]:
    found: dict[str, Distribution] = {}
    for one in distributions():
        name = str(one.metadata["Name"] or "")
        if name == "wardline" or name.startswith("wardline-"):
            # The first one on the path is the one that is imported.
            found.setdefault(name, one)
    for name in sorted(found):
        yield Finding(name, "ok", found[name].version, _metadata(found[name]))


def _metadata(one: Distribution) -> str:
    return f"installed metadata in {one.locate_file('')}"


def _accelerators() -> Iterator[Finding]:
    for name, extra in _ACCELERATORS:
        try:
            one = distribution(name)
        except PackageNotFoundError:
            yield Finding(
                name,
                "absent",
                f"optional; pip install 'wardline[{extra}]'",
                "no installed metadata of this name",
            )
        else:
            yield Finding(name, "ok", one.version, _metadata(one))


def _adapters() -> Iterator[Finding]:
    points = sorted(entry_points(group=ADAPTERS), key=lambda point: point.name)
    for point in points:
        yield _adapter(point)
    if not points:
        yield Finding("adapters", "absent", "none is installed", f"entry points of {ADAPTERS}")


def _adapter(point: EntryPoint) -> Finding:
    what = f"adapter {point.name}"
    owner = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"
    source = f"entry point {point.value} of {owner}"
    try:
        made = point.load()
    except (ImportError, AttributeError, RuntimeError, ValueError, TypeError) as error:
        return Finding(what, "broken", f"{type(error).__name__}: {error}", source)
    framework = getattr(made, "framework", None)
    if not isinstance(framework, str):
        return Finding(what, "ok", owner, source)
    try:
        return Finding(what, "ok", f"{framework} {distribution(framework).version}", source)
    except PackageNotFoundError:
        return Finding(what, "broken", f"its framework {framework} is not installed", source)


def _home(home: Path | None, *, quiet: bool) -> Iterator[Finding]:
    from wardline import Operator, StoreError

    hand = Operator(home)
    state = hand.state
    if not state.exists():
        yield Finding("state", "absent", "nothing is recorded here", str(state))
    else:
        source = f"{state}, last changed {age_of(state)}"
        try:
            with hand:
                pending = len(hand.approvals("pending"))
                switches = len(hand.switches())
        except StoreError as error:
            yield Finding("state", "broken", str(error), source)
        else:
            detail = f"opens; {count(pending, 'pending approval')}, {switches} frozen or killed"
            yield Finding("state", "ok", detail, source)
    yield _ledger(hand.home / "ledger", quiet=quiet)


def _ledger(place: Path, *, quiet: bool) -> Finding:
    from wardline import LedgerError
    from wardline_cli.verifying import verified

    segments = list(place.glob("*.jsonl")) if place.is_dir() else []
    if not segments:
        return Finding("ledger", "absent", "nothing is recorded here", str(place))
    newest = max(segments, key=lambda path: path.stat().st_mtime_ns)
    source = f"{place}, last changed {age_of(newest)}"
    try:
        report = verified(place, quiet=quiet)
    except LedgerError as error:
        return Finding("ledger", "broken", str(error), source)
    if report.ok:
        return Finding("ledger", "ok", f"{report.records} records verified, end not proven", source)
    number = len(report.problems) + report.omitted
    detail = f"{count(number, 'problem')}, the first in {report.problems[0]}; run `wardline ledger verify`"
    return Finding("ledger", "broken", detail, source)


def _policy(path: Path) -> Finding:
    from wardline import PolicyError, load_policies

    try:
        policies = load_policies(path)
    except PolicyError as error:
        detail = f"{count(len(error.problems), 'problem')}; run `wardline lint {path}`"
        return Finding("policy", "broken", detail, str(path))
    rules = sum(len(document.rules) for document in policies.documents)
    detail = f"loads: {count(len(policies.documents), 'document')}, {count(rules, 'rule')}"
    return Finding("policy", "ok", detail, f"{path}, last changed {age_of(Path(path))}")
