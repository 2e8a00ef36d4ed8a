"""What the README says of the kit is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wardline_testing import AdapterConformance, Harness, ProtocolConformance
from wardline_testing.suite.audit import MAY_SET
from wardline_testing.suite.conformance import tests_of as listed

TEMPLATE = Path(__file__).parents[1] / "template"
README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_table_has_every_test() -> None:
    rows = re.findall(r"^\| `(test_\w+)` \| (.+?) \| (yes|) ?\|$", README, re.MULTILINE)
    said = {name: (text, single) for name, text, single in rows}
    protocol = listed(ProtocolConformance)
    assert said == {
        name: (
            " ".join((getattr(AdapterConformance, name).__doc__ or "").split()),
            "yes" if name in protocol else "",
        )
        for name in listed(AdapterConformance)
    }
    for name, tier in listed(AdapterConformance).items():
        section = README.split(f"### {tier.capitalize()}\n")[1].split("###")[0]
        assert f"`{name}`" in section


def test_everything_that_may_be_declared_is_named() -> None:
    table = README.split("### What a harness declares")[1].split("##")[0]
    methods = {"run", "write_memory", "read_memory", "retrieve", "coverage"}
    assert set(re.findall(r"`(\w+)`", table)) >= MAY_SET - methods
    assert set(vars(Harness)) >= methods


def test_the_harness_of_the_readme_works(tmp_path: Path) -> None:
    pytest.importorskip("toyagents", reason="needs packages/wardline-testing/toy installed")
    block = next(
        one for one in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "Acme" in one
    )
    (tmp_path / "test_acme.py").write_text(block)
    tests = ("test_allowed_call_runs_once", "test_denied_by_name", "test_stream_tells_the_answer")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
        + [f"test_acme.py::TestAcme::{name}" for name in tests],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "CI": "", "PYTHONPATH": str(TEMPLATE / "src")},
        check=False,
    )
    assert "7 passed" in done.stdout, done.stdout[-3000:]
