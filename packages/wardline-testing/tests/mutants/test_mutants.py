"""The specification of the kit: each wrong adapter fails exactly the tests that speak of its mistake."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
pytest.importorskip("toyagents", reason="needs packages/wardline-testing/toy installed")


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("wrong_adapters", HERE / "wrong_adapters.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MUTANTS = {name: one for name, one in vars(_load()).items() if name.startswith("Test")}


def _run(names: list[str], folder: Path) -> list[dict[str, Any]]:
    """Run some of the wrong adapters in a process of their own; return what each has shown."""
    folder.mkdir()
    file = folder / "coverage.json"
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "--import-mode=importlib"]
    command += ["-W", "ignore", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    command += ["--basetemp", str(folder / "tests"), "--wardline-coverage", str(file)]
    done = subprocess.run(
        [*command, *(f"{HERE / 'wrong_adapters.py'}::{name}" for name in names)],
        capture_output=True,
        text=True,
        env={**os.environ, "CI": ""},
        check=False,
        timeout=900,
    )
    assert file.exists(), done.stdout[-3000:]
    found: list[dict[str, Any]] = json.loads(file.read_text())["classes"]
    return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Run all wrong adapters once, two at a time."""
    folder = tmp_path_factory.mktemp("mutants")
    halves = [list(MUTANTS)[::2], list(MUTANTS)[1::2]]
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(_run, half, folder / str(n)) for n, half in enumerate(halves)]
        return {one["class"]: one["tests"] for run in runs for one in run.result()}


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 20


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_adapter_fails_exactly_what_speaks_of_it(name: str, shown: Any) -> None:
    failed = {test for test, found in shown[name].items() if found["result"] == "fail"}
    assert failed == MUTANTS[name].fails
    assert failed, "a mistake that no test notices"
