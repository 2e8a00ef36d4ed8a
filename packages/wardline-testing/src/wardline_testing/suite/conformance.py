"""The class that an adapter's harness subclasses, and the kit's own list of its tests."""

from __future__ import annotations

from wardline_testing.suite.core import Core

__all__ = ["AdapterConformance"]


class AdapterConformance(Core):
    """Every test that an adapter has to pass. Subclass it and write `run`."""
