"""`python -m wardline_cli` is `wardline`."""

from __future__ import annotations

from wardline_cli.main import run

run()
