"""The class that an adapter's harness subclasses."""

from __future__ import annotations

from wardline_testing.suite.core import Core
from wardline_testing.suite.optional import Optional
from wardline_testing.suite.standard import Standard

__all__ = ["AdapterConformance"]


class AdapterConformance(Core, Standard, Optional):
    """Every test that an adapter has to pass. Subclass it and write `run`."""
