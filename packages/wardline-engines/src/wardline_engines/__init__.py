"""Policies in Cedar, in Rego and behind AuthZEN, as documents of a Wardline policy set.

Each engine is a module that an entry point of the group `wardline.engines` names. A document chooses
one with `engine:` and gives it its settings under `with:`.
"""

from __future__ import annotations

__all__: list[str] = []
