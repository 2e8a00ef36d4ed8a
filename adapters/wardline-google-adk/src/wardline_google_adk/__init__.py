"""Wardline for Google ADK.

::

    from wardline_google_adk import WardlinePlugin

    app = App(name="shop", root_agent=root, plugins=[WardlinePlugin("policy.yaml")])
"""

from __future__ import annotations

from wardline.adapters import require_proved

require_proved("wardline-google-adk", {"google-adk": ((2, 13), (2, 13))})

from wardline_google_adk._coverage import coverage  # noqa: E402
from wardline_google_adk._plugin import KINDS, WardlinePlugin  # noqa: E402

__all__ = ["KINDS", "WardlinePlugin", "coverage", "framework"]

framework = "google-adk"
"""The distribution whose version `wardline doctor` shows."""
