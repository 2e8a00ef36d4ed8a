"""The template's harness can be imported as `test_conformance`, by these tests and by what they start."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "template" / "tests"))
