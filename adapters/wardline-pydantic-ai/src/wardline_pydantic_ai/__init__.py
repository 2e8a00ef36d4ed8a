"""Wardline for Pydantic AI.

::

    from wardline_pydantic_ai import Wardline

    agent = Agent("openai:gpt-5", tools=[...], capabilities=[Wardline("policy.yaml")])
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved("wardline-pydantic-ai", {"pydantic-ai-slim": ((2, 62), (2, 68))})

from wardline_pydantic_ai._capability import KINDS, Wardline  # noqa: E402
from wardline_pydantic_ai._coverage import coverage  # noqa: E402
from wardline_pydantic_ai._toolset import questions  # noqa: E402

__all__ = ["KINDS", "Wardline", "coverage", "framework", "questions"]

framework = "pydantic-ai-slim"
"""The distribution whose version `wardline doctor` shows."""
