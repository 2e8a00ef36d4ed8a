"""Wardline for CrewAI.

::

    from wardline_crewai import govern

    govern(crew, "policy.yaml").kickoff()
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved("wardline-crewai", {"crewai": ((1, 15), (1, 15))})

from wardline_crewai._coverage import coverage  # noqa: E402
from wardline_crewai._entry import govern, governed  # noqa: E402
from wardline_crewai._governor import KINDS  # noqa: E402

__all__ = ["KINDS", "coverage", "framework", "govern", "governed"]

framework = "crewai"
"""The distribution whose version `wardline doctor` shows."""
