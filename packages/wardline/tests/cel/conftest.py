"""What the tests of conditions share: a stand-in for the activation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest


class Env:
    """The attributes that conditions read."""

    kind = "tool_call"
    stage = "before"
    type = "drop"
    name = "sql"
    framework = "none"
    call_id = "c1"
    fingerprint = "00"

    def __init__(self, **args: Any) -> None:
        self.args = args
        self.result: Any = {"rows": [1, 2]}
        self.error: Any = None
        self.duration_ms: Any = 12
        self.principal: dict[str, Any] = {"id": "bob", "roles": ["admin", "ops"]}
        self.session: dict[str, Any] = {"tool_calls": 3}
        self.run: dict[str, Any] = {}
        self.tool: dict[str, Any] = {"effects": ["read"]}
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        self.budget = 200_000
        self.links = None
        self.facets: dict[tuple[str, str, str], dict[str, Any]] = {}


@pytest.fixture(scope="session")
def make_env() -> type[Env]:
    return Env
