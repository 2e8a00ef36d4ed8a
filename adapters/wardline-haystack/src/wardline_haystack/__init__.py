"""Wardline for Haystack.

::

    from wardline_haystack import govern

    agent = govern(Agent(chat_generator=model, tools=tools), "policy.yaml")
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved("wardline-haystack", {"haystack-ai": ((3, 4), (3, 4))})

from wardline_haystack._coverage import coverage  # noqa: E402
from wardline_haystack._governor import KINDS, govern  # noqa: E402
from wardline_haystack._hooks import questions  # noqa: E402

__all__ = ["KINDS", "coverage", "framework", "govern", "questions"]

framework = "haystack-ai"
"""The distribution whose version `wardline doctor` shows."""
