"""The suite: every test that an adapter has to pass, in tiers."""

from __future__ import annotations

from wardline_testing.suite.conformance import AdapterConformance, ProtocolConformance

__all__ = ["AdapterConformance", "ProtocolConformance"]
