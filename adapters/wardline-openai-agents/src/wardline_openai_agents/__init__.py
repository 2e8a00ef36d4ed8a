"""Wardline for the OpenAI Agents SDK.

::

    from wardline_openai_agents import govern

    result = await Runner.run(govern(agent, "policy.yaml"), "…")
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved("wardline-openai-agents", {"openai-agents": ((0, 24), (0, 24))})

from wardline_openai_agents._agents import KINDS, govern  # noqa: E402
from wardline_openai_agents._approvals import answer, questions  # noqa: E402
from wardline_openai_agents._coverage import coverage  # noqa: E402
from wardline_openai_agents._memory import GovernedMemory  # noqa: E402

__all__ = ["KINDS", "GovernedMemory", "answer", "coverage", "framework", "govern", "questions"]

framework = "openai-agents"
"""The distribution whose version `wardline doctor` shows."""
