"""The template's harness, under a name that no other adapter's has."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

TEMPLATE = Path(__file__).parents[2] / "template"
TOY = TEMPLATE / "tests" / "test_conformance.py"

if importlib.util.find_spec("toyagents"):
    sys.path.append(str(TEMPLATE / "src"))
    spec = importlib.util.spec_from_file_location("toy_conformance", TOY)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["toy_conformance"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["toy_conformance"])
