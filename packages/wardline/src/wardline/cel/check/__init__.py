"""Checks a condition before it is ever evaluated: names, functions, types, guards, patterns.

Everything that can be known to fail is an error here, with its place and, where there is one, the
name that was probably meant. `checker` walks the tree; the other modules each know one sort of node.
"""

from __future__ import annotations

from wardline.cel.check.checker import Checked, check

__all__ = ["Checked", "check"]
