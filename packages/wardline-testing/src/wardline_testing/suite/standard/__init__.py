"""The standard tier: a gap is possible, with a reason, and strict."""

from __future__ import annotations

from wardline_testing.suite.standard.approvals import Approvals
from wardline_testing.suite.standard.delegations import Delegations
from wardline_testing.suite.standard.interruptions import Interruptions
from wardline_testing.suite.standard.models import Models
from wardline_testing.suite.standard.reach import Reach
from wardline_testing.suite.standard.results import Results
from wardline_testing.suite.standard.shelves import Shelves
from wardline_testing.suite.standard.turns import Turns

__all__ = ["Standard"]


class Standard(Results, Turns, Models, Delegations, Shelves, Approvals, Interruptions, Reach):
    """All of the standard tier."""
