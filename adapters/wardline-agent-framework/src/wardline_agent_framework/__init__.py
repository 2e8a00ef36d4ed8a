"""Wardline for Microsoft Agent Framework.

::

    from wardline_agent_framework import WardlineMiddleware

    agent = Agent(client=client, tools=tools, middleware=[WardlineMiddleware("policy.yaml")])
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved("wardline-agent-framework", {"agent-framework-core": ((1, 23), (1, 23))})

from wardline_agent_framework._coverage import coverage  # noqa: E402
from wardline_agent_framework._middleware import KINDS, WardlineMiddleware  # noqa: E402

__all__ = ["KINDS", "WardlineMiddleware", "coverage", "framework"]

framework = "agent-framework-core"
"""The distribution whose version `wardline doctor` shows."""
