"""Property tests judge what comes out, never how long it takes: a loaded machine fails no build."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("wardline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wardline")
