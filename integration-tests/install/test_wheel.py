"""What a stranger gets from an index: the built wheel, in an environment with nothing else."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = sorted(path.parent for path in ROOT.glob("*/*/pyproject.toml"))
MOST_BYTES = 10_000_000
MOST_DEPENDENCIES = 3


def build(package: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "uv", "build", "--wheel", "-q", "-o", str(out), str(package)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the core."""
    return build(ROOT / "packages" / "wardline", tmp_path_factory.mktemp("core"))


@pytest.fixture(scope="module")
def clean(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the core's wheel and what it depends on, and nothing else."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "-q", "--python", sys.executable, str(place)], check=True)
    python = place / "bin" / "python"
    subprocess.run([*uv, "pip", "install", "-q", "--python", str(python), str(core)], check=True)
    return python


def run(python: Path, code: str, cwd: Path, *options: str) -> str:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [str(python), *options, "-c", code], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_INST_5_one_import_name_per_distribution(package: Path, tmp_path: Path) -> None:
    wheel = build(package, tmp_path)
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {
        package.name.replace("-", "_")
    }


def test_INST_6_one_version_is_one_content(core: Path, tmp_path: Path) -> None:
    again = build(ROOT / "packages" / "wardline", tmp_path)
    assert again.name == core.name
    digests = {hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in (core, again)}
    assert len(digests) == 1


def test_INST_2_the_core_is_small(core: Path, clean: Path) -> None:
    metadata = next(
        name for name in zipfile.ZipFile(core).namelist() if name.endswith(".dist-info/METADATA")
    )
    text = zipfile.ZipFile(core).read(metadata).decode()
    needed = [
        line
        for line in re.findall(r"^Requires-Dist: (.*)$", text, re.MULTILINE)
        if "extra" not in line
    ]
    assert len(needed) <= MOST_DEPENDENCIES
    assert all(wheel.endswith("-none-any.whl") for wheel in [core.name])
    site = next((clean.parent.parent / "lib").glob("python*/site-packages"))
    assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) < MOST_BYTES


def test_INST_1_WRAP_11_the_first_call_of_the_readme_runs_clean(
    clean: Path, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text()
    policy = re.search(r"^```yaml\n(# policy.yaml.*?)^```", readme, re.DOTALL | re.MULTILINE)
    snippet = re.search(
        r"^## Govern any function\n+```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE
    )
    assert policy is not None
    assert snippet is not None
    (tmp_path / "policy.yaml").write_text(policy[1])
    out = run(clean, snippet[1], tmp_path, "-W", "error")
    assert out.startswith("`read_file` was not run")


def test_INST_4_the_first_refused_call_takes_ten_lines(clean: Path, tmp_path: Path) -> None:
    program = """
from wardline import ActionDenied, govern, parse_policies
policy = parse_policies("{apiVersion: wardline/v1, name: p, rules: []}")
def drop(table): raise SystemExit("it ran")
try:
    govern(drop, policy=policy)("users")
except ActionDenied as refusal:
    print(refusal)
"""
    assert len(program.strip().splitlines()) <= 10
    assert run(clean, program, tmp_path, "-W", "error").startswith("`drop` was not run")


def test_INST_3_importing_it_is_quick(clean: Path, tmp_path: Path) -> None:
    # The processor's time: other work on the machine must not fail a build.
    code = "import time; t = time.process_time(); import wardline; print(time.process_time() - t)"
    best = min(float(run(clean, code, tmp_path)) for _ in range(5))
    print(f"import wardline: {best * 1000:.0f} ms")
    assert best < 0.3  # the goal is 60 ms


def test_INST_3_importing_it_loads_no_language(clean: Path, tmp_path: Path) -> None:
    code = "import sys, wardline; print([m for m in sys.modules if m.startswith('wardline.cel')])"
    assert run(clean, code, tmp_path).strip() == "[]"
