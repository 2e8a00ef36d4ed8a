"""The standard tier: a gap is possible, with a reason, and strict."""

from __future__ import annotations

from wardline_testing.suite.standard.approvals import Approvals
from wardline_testing.suite.standard.delegations import Delegations
from wardline_testing.suite.standard.interruptions import Interruptions
from wardline_testing.suite.standard.models import Models
from wardline_testing.suite.standard.reach import Governed, Reach
from wardline_testing.suite.standard.results import Results
from wardline_testing.suite.standard.shelves import Shelves
from wardline_testing.suite.standard.turns import Turns

__all__ = ["Standard", "StandardCalls"]


class StandardCalls(Results, Interruptions, Governed):
    """What of the standard tier holds for single calls, whoever makes them."""


class Standard(StandardCalls, Turns, Models, Delegations, Shelves, Approvals, Reach):
    """All of the standard tier."""
