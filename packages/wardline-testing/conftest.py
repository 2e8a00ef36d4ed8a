"""The kit's tests: toy and template are what they work on, and are no tests of it themselves."""

# ruff: noqa: INP001 - pytest reads it, nobody imports it

from __future__ import annotations

collect_ignore = ["template", "toy"]
