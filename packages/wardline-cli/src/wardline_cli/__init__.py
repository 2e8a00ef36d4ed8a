"""The `wardline` command.

`main(argv)` runs it in this process and returns its exit code. Another distribution adds commands
with entry points of the group `wardline.commands`: the name is where the command goes (`redteam`, or
`ledger.export` for `wardline ledger export`), the object a cyclopts `App`.
"""

from __future__ import annotations

from wardline_cli.main import main

__all__ = ["main"]
