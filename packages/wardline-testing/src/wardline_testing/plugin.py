"""The plugin: collects, audits and reports conformance classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline_testing.suite import AdapterConformance

if TYPE_CHECKING:
    import pytest

__all__ = ["pytest_generate_tests", "pytest_pycollect_makeitem"]

_SPREAD = {"path": "paths", "on_denied": "denials", "nesting": "nesting"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the suite's tests for every path, denial form and nesting that the harness declares."""
    cls = metafunc.cls
    if cls is None or not issubclass(cls, AdapterConformance):
        return
    for argument, declared in _SPREAD.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, list(getattr(cls, declared)))
    if "awaited" in metafunc.fixturenames:
        metafunc.parametrize("awaited", [one for one in cls.paths if one != "sync"] or ["sync"])


def pytest_pycollect_makeitem(obj: object) -> object:
    """Leave the base class itself alone where a test module imports it."""
    if obj is AdapterConformance:
        return []
    return None
