"""The enforcement point: sessions, requests, judging, asking, permits, outcomes and records."""

from __future__ import annotations

__all__: list[str] = []
