"""Telemetry is off before the framework is imported; tests find the modules beside them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.update(LANGSMITH_TRACING="false", LANGCHAIN_TRACING_V2="false")
sys.path.insert(0, str(Path(__file__).parent))

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """LangChain silences this warning of its own for the whole process, which two threads undo."""
    config.addinivalue_line(
        "filterwarnings", "ignore:Support for class-based `config`:DeprecationWarning"
    )
