"""The condition language of policies: Google's Common Expression Language.

`parse` gives the tree of a condition, `compile` checks it against what a rule can meet and makes it
ready to run, `anchors` says to which actions it is limited. The meaning is that of the CEL
specification; what this version cannot evaluate is refused when the policy loads. Nothing here does
I/O, reads a clock or draws randomness.
"""

from __future__ import annotations

from wardline.cel.parser import parse
from wardline.cel.program import Anchors, Program, anchors, compile  # noqa: A004
from wardline.cel.scope import Scope
from wardline.cel.tree import Expr

__all__ = ["Anchors", "Expr", "Program", "Scope", "anchors", "compile", "parse"]
