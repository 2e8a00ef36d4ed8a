"""Regular expressions as CEL has them: RE2's syntax and meaning, searched anywhere in the text.

Patterns are read by an own parser, so what loads never depends on what is installed. Nothing
backtracks beyond a bound that is known when the policy loads: a pattern runs on Python's `re` only
if its work per character is bounded, otherwise on an automaton.
"""

from __future__ import annotations

from wardline.cel.regex.engine import Regex, compile  # noqa: A004
from wardline.cel.regex.syntax import PatternError

__all__ = ["PatternError", "Regex", "compile"]
