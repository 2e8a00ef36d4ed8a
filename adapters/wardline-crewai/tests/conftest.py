"""Switches CrewAI's telemetry and traces off before it is imported."""

from __future__ import annotations

import os

os.environ.update(
    CREWAI_DISABLE_TELEMETRY="true",
    CREWAI_DISABLE_TRACKING="true",
    CREWAI_DISABLE_VERSION_CHECK="true",
    CREWAI_TESTING="true",
    CREWAI_TRACING_ENABLED="false",
    OTEL_SDK_DISABLED="true",
)

import pytest

_WARNINGS = (
    "ignore:Cannot set an attribute on 'crewai.rag':ImportWarning",
    "ignore::DeprecationWarning:crewai",  # its own use of its own deprecated fields
)


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what CrewAI and its dependencies warn about by themselves."""
    for line in _WARNINGS:
        config.addinivalue_line("filterwarnings", line)
