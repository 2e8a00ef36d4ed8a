"""The plugin: collects, audits and reports conformance classes."""

from __future__ import annotations

__all__: list[str] = []
