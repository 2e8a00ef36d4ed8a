"""Everything the README shows is run: commands, snippets and the policy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

SCRIPTED = """
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

class Scripted(FakeMessagesListChatModel):
    def bind_tools(self, tools, **options):
        return self

ran = []

@tool
def drop_table(name: str) -> str:
    "Drop a table."
    ran.append(name)
    return "dropped"

call = {"name": "drop_table", "args": {"name": "users"}, "id": "1"}
model = Scripted(responses=[AIMessage("", tool_calls=[call]), AIMessage("done")])
tools = [drop_table]
"""


def section(heading: str) -> str:
    """Return the text under a heading."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE
    )
    assert found is not None, f"the README has no section {heading!r}"
    return found[1]


def block(heading: str, language: str) -> str:
    """Return the first fenced block of a section."""
    found = re.search(rf"^```{language}\n(.*?)^```", section(heading), re.DOTALL | re.MULTILINE)
    assert found is not None, f"{heading!r} has no {language} block"
    return found[1]


def clean_environment() -> dict[str, str]:
    """Return an environment that knows nothing of the one these tests run in."""
    hidden = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "WARDLINE_HOME"}
    kept = {key: value for key, value in os.environ.items() if key not in hidden}
    # Not the interpreter of this environment: what it has installed must not help.
    here = str(Path(sys.executable).parent)
    kept["PATH"] = os.pathsep.join(p for p in kept["PATH"].split(os.pathsep) if p != here)
    return kept


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the README's policy in it."""
    (tmp_path / "policy.yaml").write_text(block("A policy", "yaml"))
    return tmp_path


def python(code: str, place: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(commands: str, place: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=place, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.timeout(600)
def test_try_it(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    ignored = shutil.ignore_patterns(
        ".venv", ".nox", ".git", "__pycache__", ".wardline", ".*_cache"
    )
    shutil.copytree(ROOT, clone, ignore=ignored)
    command = block("Try it", "sh").strip()
    assert "\n" not in command
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=clone,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    table = [line for line in lines if re.match(r"(query|delete_file|send_mail) ", line)]
    decided = [re.split(r"  +", line)[2:] for line in table]
    assert decided == [
        ["allow", "read-rows", "succeeded"],
        ["deny", "no-destructive-sql", "did not run"],
        ["allow", "delete-own-files", "succeeded"],
        ["deny", "stay-in-the-folder", "did not run"],
        ["approved", "ask-before-mail", "succeeded"],
        ["deny", "builtin:limits", "did not run"],
    ]
    assert "The table still has 2 rows, and 1 mail went out." in lines
    assert any(line.startswith("The ledger is verified") for line in lines)


def test_run_the_tests_is_what_ci_runs() -> None:
    command = block("Run the tests", "sh").strip()
    assert "\n" not in command
    ci = (ROOT / ".ci" / "run").read_text()
    printed = subprocess.run(
        ["bash", "-c", ci.replace('bash -c "$command"', "true").replace('"$0"', '"$PWD/.ci/run"')],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == f"+ {command}"


def test_the_policy_loads_without_a_warning() -> None:
    from wardline import lint, parse_policies

    assert lint(parse_policies(block("A policy", "yaml"))) == ()


def test_the_langchain_snippet(place: Path) -> None:
    shown = block("Govern an agent", "python")
    check = "\nprint(ran, [m.content for m in answer['messages'] if m.type == 'tool'][0])\n"
    out = python(SCRIPTED + shown + check, place)
    assert out.startswith("[] `drop_table` was not run: refused by")


def test_the_function_snippet(place: Path) -> None:
    out = python(block("Govern any function", "python"), place)
    assert out.startswith("`read_file` was not run: refused by")


def test_the_commands(place: Path) -> None:
    done = shell(block("A policy", "sh"), place)
    assert "deny" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_cases_pass(place: Path) -> None:
    (place / "cases").mkdir()
    (place / "cases" / "policy.yaml").write_text(block("Test the policy", "yaml"))
    done = shell(block("Test the policy", "sh"), place)
    assert done.stdout.count("\n4 passed, 0 failed\n") == 2
    assert "Coverage of policy.yaml" in done.stdout
    assert "no case notices" in done.stdout


def test_the_cases_of_the_quick_start_show_and_notice_everything() -> None:
    command = [Path(sys.executable).with_name("wardline"), "test", "examples"]
    options = ["--coverage", "--mutate", "--fail-under", "100"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_policy_that_looks_inside(place: Path) -> None:
    (place / "policy.yaml").write_text(block("Look inside of arguments", "yaml"))
    (place / "cases").mkdir()
    (place / "cases" / "inside.yaml").write_text(
        """\
cases:
  - {name: q1, action: {name: query, args: {sql: "SELECT a FROM t"}}, expect: {effect: allow, rule: reading-queries}}
  - {name: q2, action: {name: query, args: {sql: "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1"}}, expect: deny}
  - {name: q3, action: {name: query, args: {sql: "EXECUTE p"}}, expect: deny}
  - {name: b1, action: {name: bash, args: {command: "ls -la | wc -l"}}, expect: {effect: allow, rule: quiet-commands}}
  - {name: b2, action: {name: bash, args: {command: "c''url evil.example"}}, expect: deny}
  - {name: b3, action: {name: bash, args: {command: "$X"}}, expect: deny}
  - {name: m1, action: {name: mail, args: {body: "AKIAIOSFODNN7EXAMPLE"}}, expect: {effect: deny, rule: no-secrets-in-mail}}
  - name: m2
    action: {name: mail, args: {body: "ask bob@example.com"}}
    expect: {effect: require_approval, args: {body: "ask [REDACTED:email]"}}
"""
    )
    done = shell("wardline lint --strict policy.yaml && wardline test policy.yaml", place)
    assert "8 passed, 0 failed" in done.stdout


def test_the_doc_names_only_what_exists() -> None:
    for path in re.findall(r"\]\(([\w/.-]+)\)", README):
        assert (ROOT / path).exists(), path
    for path in re.findall(r"`((?:packages|adapters|examples|integration-tests)[\w/.-]*)`", README):
        assert (ROOT / path).exists(), path


ROWS = re.findall(
    r"^\| [^|]+ \| \[(wardline-[a-z-]+)\]\(([^)]+)\) \| `(.+)` \|$",
    section("Govern an agent"),
    re.MULTILINE,
)


def test_every_adapter_has_a_row() -> None:
    there = {path.parent.name for path in ROOT.glob("adapters/*/pyproject.toml")}
    assert sorted(adapter for adapter, _, _ in ROWS) == sorted(there)


@pytest.mark.parametrize(("adapter", "file", "line"), ROWS, ids=[row[0] for row in ROWS])
def test_the_line_for_each_framework_is_one_that_runs(adapter: str, file: str, line: str) -> None:
    """Each adapter's own tests run the first block of its README, in which this line stands."""
    text = (ROOT / file).read_text()
    first = re.search(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert first is not None
    assert line in first[1]
    assert (ROOT / "adapters" / adapter / "tests" / "test_readme.py").exists()
    example = adapter.removeprefix("wardline-").replace("-", "_")
    assert (ROOT / "examples" / f"{example}.py").exists()
