"""What the tests share: a switched-off telemetry, and the warnings of ADK itself."""

from __future__ import annotations

import logging
import os

import pytest

os.environ.update(OTEL_SDK_DISABLED="true", ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS="false")
logging.getLogger("google_adk").setLevel(logging.CRITICAL)


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what ADK warns of about itself, and nothing else."""
    for line in (
        r"ignore:\[EXPERIMENTAL\]:UserWarning",
        r"ignore:The `plugins` argument is deprecated:DeprecationWarning",  # AgentTool's own use
    ):
        config.addinivalue_line("filterwarnings", line)
