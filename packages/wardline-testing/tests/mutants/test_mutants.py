"""The specification of the kit: each wrong adapter fails exactly the tests that speak of its mistake."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
pytest.importorskip("toyagents", reason="needs packages/wardline-testing/toy installed")
pytest.importorskip("wardline_toy", reason="needs packages/wardline-testing/template installed")


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("wrong_adapters", HERE / "wrong_adapters.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MUTANTS = {name: one for name, one in vars(_load()).items() if name.startswith("Test")}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Run all wrong adapters once; return what each has shown."""
    folder = tmp_path_factory.mktemp("mutants")
    file = folder / "coverage.json"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "--import-mode=importlib"]
    command += ["-W", "ignore", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    command += ["--basetemp", str(folder / "tests"), "--wardline-coverage", str(file)]
    subprocess.run(
        [*command, str(HERE / "wrong_adapters.py")],
        capture_output=True,
        env={**os.environ, "CI": ""},
        check=False,
        timeout=900,
    )
    return {one["class"]: one["tests"] for one in json.loads(file.read_text())}


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 20


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_adapter_fails_exactly_what_speaks_of_it(name: str, shown: Any) -> None:
    failed = {test for test, found in shown[name].items() if found["result"] == "failed"}
    assert failed == MUTANTS[name].fails
    assert failed, "a mistake that no test notices"
