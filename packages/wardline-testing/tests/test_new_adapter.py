"""The template: what it renders is an adapter that passes the kit."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from wardline_testing.new_adapter import main, render


def test_a_rendered_adapter_speaks_of_itself(tmp_path: Path) -> None:
    target = render("acme-agents", tmp_path)
    assert target == tmp_path / "wardline-acme-agents"
    project = tomllib.loads((target / "pyproject.toml").read_text())
    assert project["project"]["name"] == "wardline-acme-agents"
    assert project["project"]["entry-points"]["wardline.adapters"] == {
        "acme-agents": "wardline_acme_agents"
    }
    texts = [one.read_text() for one in target.rglob("*") if one.is_file()]
    assert not any("wardline_toy" in one or "wardline-toy" in one for one in texts)
    assert not any("__pycache__" in str(one) for one in target.rglob("*"))


@pytest.mark.timeout(600)
def test_a_rendered_adapter_passes_the_kit(tmp_path: Path) -> None:
    pytest.importorskip("toyagents", reason="needs packages/wardline-testing/toy installed")
    target = render("acme", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"]
    command += ["--import-mode=importlib", "--wardline-complete", "--rootdir", str(target)]
    done = subprocess.run(
        [*command, str(target / "tests")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(target / "src")},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "wardline-acme on toyagents" in done.stdout
    assert "failed" not in done.stdout


@pytest.mark.parametrize("name", ["Acme", "acme_agents", "acme--agents", "../acme", "", "1acme"])
def test_a_name_that_is_none_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, str(tmp_path)]) == 2
    assert "is no name for an adapter" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acme", str(tmp_path)]) == 0
    assert "wardline-acme is written" in capsys.readouterr().out
    assert main(["acme", str(tmp_path)]) == 2
    assert "wardline-acme" in capsys.readouterr().err
