"""The core tier: no gap possible, for anybody."""

from __future__ import annotations

from wardline_testing.suite.core.agents import Agents
from wardline_testing.suite.core.arguments import Arguments
from wardline_testing.suite.core.batches import Batches
from wardline_testing.suite.core.decisions import Decisions
from wardline_testing.suite.core.machinery import BrokenMachinery
from wardline_testing.suite.core.neighbours import Neighbours
from wardline_testing.suite.core.streams import Streams

__all__ = ["Core", "SingleCalls"]


class SingleCalls(Decisions, Arguments, BrokenMachinery, Neighbours):
    """What of the core holds for single calls, whoever makes them."""


class Core(SingleCalls, Batches, Streams, Agents):
    """All of the core tier."""
