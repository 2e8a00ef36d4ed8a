"""Wardline for toyagents.

::

    from wardline_toy import Governor

    agent = Agent("support", model, tools, hooks=[Governor("policy.yaml")])
"""

from __future__ import annotations

from typing import Final

from wardline.adapters import require_proved
from wardline_toy._coverage import coverage
from wardline_toy._governor import KINDS, Governor

__all__ = ["KINDS", "Governor", "coverage", "framework"]

framework: Final = "toyagents"
"""The distribution whose version `wardline doctor` shows."""

require_proved("wardline-toy", {"toyagents": ((1, 2), (1, 2))})
