"""What an application's agents can reach, and whether a guard decides about it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wardline_cli.checks import ADAPTERS, Finding
from wardline_cli.failures import CommandError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from wardline.adapters import Covered

__all__ = ["reach"]

_FOREIGN: Final = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError,
    OSError, RuntimeError, SyntaxError, SystemExit, TypeError, ValueError,
)  # fmt: skip
"""What somebody else's module may raise while it is imported or looked at."""


def reach(where: str) -> list[Finding]:
    """Return a finding for everything that the agents of an application can reach.

    `where` is `app.py`, `package.module`, or one object in it as `app.py:agent`; without an object, all
    that stands in the module is looked at. The application is imported, and nothing of it is run.
    Raises `UsageError` or `CommandError` where there is nothing to look at.
    """
    name, _, attribute = where.partition(":")
    module = _imported(name)
    roots = {attribute: _found(module, attribute)} if attribute else _public(module)
    adapters = dict(_adapters())
    findings: dict[tuple[str, str, str], Finding] = {}
    for root, value in roots.items():
        for adapter, coverage in adapters.items():
            for one in _covered(adapter, coverage, root, value):
                findings.setdefault((one.owner, one.kind, one.name), _finding(one, adapter, where))
    if not findings:
        known = ", ".join(sorted(adapters)) or "none"
        raise CommandError(
            f"nothing in {where} is an agent that an installed adapter knows (adapters: {known}). "
            "Name the object, as in `--app app.py:agent`, and install the adapter of its framework"
        )
    return sorted(findings.values(), key=lambda one: (one.status == "ok", one.what))


def _imported(name: str) -> ModuleType:
    try:
        if not name.endswith(".py"):
            sys.path.insert(0, str(Path.cwd()))
            return importlib.import_module(name)
        path = Path(name).resolve()
        if not path.is_file():
            raise UsageError(f"there is no file {name}")
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    except _FOREIGN as error:
        raise CommandError(
            f"{name} cannot be imported ({type(error).__name__}: {error}). Guard what starts the "
            'application with `if __name__ == "__main__":`'
        ) from error
    return module


def _found(module: ModuleType, attribute: str) -> Any:
    try:
        return getattr(module, attribute)
    except AttributeError:
        names = ", ".join(sorted(_public(module))) or "nothing"
        raise UsageError(f"{module.__name__} has no `{attribute}`; it has {names}") from None


def _public(module: ModuleType) -> Mapping[str, Any]:
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not isinstance(value, type)
        and not hasattr(value, "__path__")
    }


def _adapters() -> Iterator[tuple[str, Any]]:
    for point in sorted(entry_points(group=ADAPTERS), key=lambda point: point.name):
        try:
            coverage = getattr(point.load(), "coverage", None)
        except _FOREIGN:  # `wardline doctor` says so in a finding of its own
            continue
        if coverage is not None:
            yield point.name, coverage


def _covered(adapter: str, coverage: Any, root: str, value: Any) -> list[Covered]:
    try:
        return list(coverage(value))
    except _FOREIGN as error:
        raise CommandError(
            f"the adapter {adapter} cannot look at `{root}` ({type(error).__name__}: {error})"
        ) from error


def _finding(one: Covered, adapter: str, where: str) -> Finding:
    what = f"{one.kind} {one.name}" + (f" of {one.owner}" if one.owner else "")
    if one.governed:
        return Finding(what, "ok", "governed", f"{where}, seen by the adapter {adapter}")
    return Finding(what, "ungoverned", one.why, f"{where}, seen by the adapter {adapter}")
