"""The conformance kit: one suite that decides whether an adapter governs its framework.

::

    class TestHaystack(AdapterConformance):
        adapter = "wardline-haystack"
        framework = "haystack"
        distributions = ("haystack-ai",)
        kinds = KINDS
        gaps = {"test_handoff": Never("the framework has no handoff")}

        async def run(self, scene: Scene) -> RunReport: ...
"""

from __future__ import annotations

from wardline_testing.findings import (
    Crashed,
    Finding,
    FrameworkMissing,
    Leaked,
    Mismatch,
    NotJudged,
    NotSuspended,
    NotWhatHappened,
    Overrun,
    RanDespiteDenial,
    SilentDenial,
)
from wardline_testing.gaps import Never, Todo, Upstream
from wardline_testing.harness import Denial, Harness
from wardline_testing.report import RunReport
from wardline_testing.scene import Scene, Shelf
from wardline_testing.script import AgentSpec, Say, ToolCall
from wardline_testing.suite import AdapterConformance, ProtocolConformance
from wardline_testing.tools import Probe, Start, Tool

__all__ = [
    "AdapterConformance",
    "AgentSpec",
    "Crashed",
    "Denial",
    "Finding",
    "FrameworkMissing",
    "Harness",
    "Leaked",
    "Mismatch",
    "Never",
    "NotJudged",
    "NotSuspended",
    "NotWhatHappened",
    "Overrun",
    "Probe",
    "ProtocolConformance",
    "RanDespiteDenial",
    "RunReport",
    "Say",
    "Scene",
    "Shelf",
    "SilentDenial",
    "Start",
    "Todo",
    "Tool",
    "ToolCall",
    "Upstream",
]
