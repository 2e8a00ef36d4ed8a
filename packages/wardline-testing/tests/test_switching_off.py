"""Every known way of switching a test of the suite off is noticed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from wardline import parse_policies
from wardline_testing import AdapterConformance, Mismatch, Never, RunReport, Todo, Upstream
from wardline_testing.findings import Finding
from wardline_testing.results import missing
from wardline_testing.suite.audit import declared_problems, replaced
from wardline_testing.suite.conformance import pristine

pytest_plugins = ["pytester"]

TEMPLATE = Path(__file__).parents[1] / "template"

# What is imported inside a run is forgotten after it, and that must not be half of the core.
parse_policies("apiVersion: wardline/v1\nname: first\ndefault_action: deny\n")


def named(problem: pytest.ExceptionInfo[TypeError], *words: str) -> bool:
    return all(word in str(problem.value) for word in words)


# When the class is made


def test_a_test_cannot_be_overridden() -> None:
    with pytest.raises(TypeError) as problem:

        class _Overriding(AdapterConformance):
            def test_denied_by_name(self) -> None:
                pass

    assert named(problem, "test_denied_by_name", "declare a gap")


def test_a_test_cannot_be_deleted() -> None:
    with pytest.raises(TypeError) as problem:

        class _Deleting(AdapterConformance):
            test_denied_by_name = None  # type: ignore[assignment]

    assert named(problem, "test_denied_by_name")


def test_a_test_cannot_be_shadowed_by_a_mixin() -> None:
    class Mixin:
        def test_denied_by_name(self) -> None:
            pass

    with pytest.raises(TypeError) as problem:

        class _Shadowing(Mixin, AdapterConformance):
            pass

    assert named(problem, "test_denied_by_name")


@pytest.mark.parametrize("name", ["kit", "has_model", "_was_there", "_covered"])
def test_what_tests_stand_on_cannot_be_replaced(name: str) -> None:
    with pytest.raises(TypeError) as problem:
        type("Replacing", (AdapterConformance,), {name: lambda self: None})
    assert named(problem, name)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"__getattribute__": lambda self, name: None}, "__getattribute__"),
        ({"__getattr__": lambda self, name: None}, "__getattr__"),
        ({"__init__": lambda self: None}, "__init__"),
        ({"__test__": False}, "__test__"),
        ({"pytestmark": pytest.mark.skip(reason="no")}, "skip"),
        ({"pytestmark": [pytest.mark.timeout(9), pytest.mark.xfail]}, "xfail"),
        ({"pytestmark": pytest.mark.skipif(True, reason="no")}, "skipif"),
        ({"test_of_my_own": lambda self: None}, "test_of_my_own"),
        ({"gaps": {"test_denied_by_name": Never("no")}}, "core tier"),
        ({"gaps": {"test_denied_by_nome": Never("no")}}, "no test of the kit"),
        ({"gaps": {"test_cancellation[tuesday]": Never("no")}}, "in brackets"),
        ({"gaps": {"test_cancellation": "no"}}, "Never, an Upstream or a Todo"),
        ({"gaps": {"test_cancellation": Never(" ")}}, "no reason"),
        ({"gaps": {"test_cancellation": Todo("no", AssertionError)}}, "findings"),
        ({"gaps": {"test_cancellation": Todo("no", Finding)}}, "findings"),
        ({"gaps": {"test_cancellation": Upstream("no", "somewhere", Mismatch)}}, "url"),
        ({"gaps": ["test_cancellation"]}, "maps names"),
        ({"optional": ("test_denied_by_name",)}, "no optional test"),
    ],
)
def test_a_class_cannot_let_itself_off(body: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as problem:
        type("LettingOff", (AdapterConformance,), body)
    assert named(problem, said)


def test_a_metaclass_cannot_hide_tests() -> None:
    meta = type("Meta", (type,), {"__dir__": lambda cls: []})
    with pytest.raises(TypeError) as problem:
        meta("Hidden", (AdapterConformance,), {})
    assert named(problem, "metaclass")


def test_allowed_marks_and_helpers_are_fine() -> None:
    class _Fine(AdapterConformance):
        pytestmark: ClassVar = [pytest.mark.timeout(60)]

        def helper(self) -> None:
            pass

    assert not list(replaced(_Fine, pristine(AdapterConformance)))


def test_what_has_to_be_declared_is_named() -> None:
    class _Bare(AdapterConformance):
        paths = ("sync", "sync")
        nesting = ()
        distributions = "toyagents"

        async def run(self, scene: Any) -> RunReport:
            return RunReport()

    said = "; ".join(declared_problems(_Bare))
    for word in ("adapter", "framework", "distributions", "kinds", "paths", "nesting"):
        assert f"`{word}`" in said


# When tests are collected and run

BASE = """
import pytest
from test_conformance import TestToy as Toy
from wardline_testing import *

class TestIt(Toy):
    paths = ("async",)
    nesting = ("call",)
    denials = {"message": Denial.REFUSED}
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a conformance module; `apart` does it in a process of its own, for what would leave a mark."""
    pytest.importorskip("toyagents", reason="needs packages/wardline-testing/toy installed")
    folders = [str(TEMPLATE / "src"), str(TEMPLATE / "tests")]
    monkeypatch.setattr(sys, "path", [*folders, *sys.path])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(folders))
    monkeypatch.delenv("CI", raising=False)

    def run(text: str, *args: str, conftest: str = "", apart: bool = False) -> pytest.RunResult:
        pytester.makepyfile(test_it=BASE + text)
        if conftest:
            pytester.makeconftest(conftest)
        play = pytester.runpytest_subprocess if apart else pytester.runpytest_inprocess
        return play("-p", "no:cacheprovider", "-rA", *args)

    return run


ONE = "test_it.py::TestIt::test_denied_by_argument"


def output(result: pytest.RunResult) -> str:
    return f"{result.stdout}\n{result.stderr}"


def test_one_test_passes(run: Any) -> None:
    result = run("", ONE)
    assert result.ret == 0
    result.assert_outcomes(passed=1)


def test_setattr_after_creation_is_noticed(run: Any) -> None:
    result = run("TestIt.test_denied_by_name = lambda self: None", ONE)
    assert result.ret != 0
    assert "test_denied_by_name" in output(result)


def test_setattr_on_the_base_is_noticed(run: Any) -> None:
    result = run("AdapterConformance.test_denied_by_name = lambda self: None", ONE, apart=True)
    assert result.ret != 0
    assert "test_denied_by_name" in output(result)


def test_a_mixin_that_stops_the_class_hook_is_noticed(run: Any) -> None:
    result = run(
        """
class Quiet:
    def __init_subclass__(cls):
        pass
    def test_denied_by_name(self):
        pass

class TestQuiet(Quiet, TestIt):
    pass
""",
        "test_it.py",
    )
    assert result.ret != 0
    assert "test_denied_by_name" in output(result)


@pytest.mark.parametrize(
    "select", [["-k", "not denied_by_name"], ["--deselect", ONE], [ONE], ["-m", "slow"]]
)
def test_a_deselected_test_is_noticed(run: Any, select: list[str]) -> None:
    result = run("", "--wardline-complete", "-W", "ignore", *select)
    assert result.ret not in (0, 5)
    assert "not complete" in output(result)


def test_ci_asks_for_completeness(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = run("", ONE)
    assert result.ret != 0
    assert "not complete" in output(result)


def test_a_class_that_is_not_collected_is_noticed(run: Any) -> None:
    result = run("class NotATest(Toy): pass\n", "--wardline-complete", "--collect-only", "-q")
    assert result.ret == 0
    result = run("class NotATest(Toy): pass\n", "--wardline-complete")
    assert result.ret != 0
    assert "NotATest.test_" in output(result)


SKIPS = {
    "a skip in run": """
class TestSkip(TestIt):
    async def run(self, scene):
        pytest.skip("not today")
""",
    "an xfail in run": """
class TestSkip(TestIt):
    async def run(self, scene):
        pytest.xfail("not today")
""",
    "a fixture that skips": """
@pytest.fixture(autouse=True)
def _skips():
    pytest.skip("not today")

class TestSkip(TestIt):
    pass
""",
    "a setup that skips": """
class TestSkip(TestIt):
    def setup_method(self):
        pytest.skip("not today")
""",
}


@pytest.mark.parametrize("way", SKIPS)
def test_a_skip_is_a_failure(run: Any, way: str) -> None:
    result = run(SKIPS[way], "test_it.py::TestSkip::test_denied_by_argument")
    assert result.ret == 1
    assert "skipped" not in result.parseoutcomes()
    assert "xfailed" not in result.parseoutcomes()


@pytest.mark.parametrize("mark", ["skip(reason='no')", "xfail(reason='no')"])
def test_a_mark_of_somebody_else_is_noticed(run: Any, mark: str) -> None:
    conftest = f"""
import pytest
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.{mark})
"""
    result = run("", ONE, conftest=conftest)
    assert result.ret != 0
    assert "let off by a gap alone" in output(result)


# Gaps

CANCEL = "test_it.py::TestGap::test_cancellation"


def test_never_is_printed_with_its_reason(run: Any) -> None:
    text = "class TestGap(TestIt): gaps = {'test_cancellation': Never('time only goes forward')}\n"
    result = run(text, CANCEL)
    assert result.ret == 0
    result.assert_outcomes(skipped=1)
    assert "never test_cancellation: time only goes forward" in output(result)


@pytest.mark.parametrize(
    "gap", ["Todo('later', Mismatch)", "Upstream('later', 'https://example.org/1', Mismatch)"]
)
def test_a_gap_that_is_none_is_a_failure(run: Any, gap: str) -> None:
    result = run(f"class TestGap(TestIt): gaps = {{'test_cancellation': {gap}}}\n", CANCEL)
    assert result.ret == 1
    result.assert_outcomes(failed=1)


BROKEN = """
from toyagents import Hook

class Absent(Hook):
    def __init__(self, guard, **options):
        pass

class TestGap(TestIt):
    governor = Absent
    gaps = {'test_cancellation[async]': Todo('it is not written', RAISES)}
"""


def test_a_true_gap_is_an_expected_failure(run: Any) -> None:
    result = run(BROKEN.replace("RAISES", "NotJudged"), CANCEL)
    assert result.ret == 0
    result.assert_outcomes(xfailed=1)
    assert "todo test_cancellation: it is not written" in output(result)


def test_a_gap_with_another_finding_is_a_failure(run: Any) -> None:
    result = run(BROKEN.replace("RAISES", "Leaked"), CANCEL)
    assert result.ret == 1
    result.assert_outcomes(failed=1)


# The framework

FAKES = {
    "not installed": ('    distributions = ("no-such-framework",)\n', "is not installed"),
    "stubbed": ('    distributions = ("pytest-timeout",)\n', "pytest-timeout was on the stack"),
    "never called": (
        """
    async def run(self, scene):
        said = scene.speak("root", "hello")
        for call in said.calls:
            tool = next(one for one in scene.agent.tools if one.name == call.tool)
            tool.function(**call.args)
        return RunReport(final=scene.speak("root", "again").text)
""",
        "was on the stack",
    ),
}


@pytest.mark.parametrize("way", FAKES)
def test_a_framework_that_is_not_there_is_noticed(run: Any, way: str) -> None:
    body, said = FAKES[way]
    result = run(
        f"class TestFake(TestIt):\n{body}", "test_it.py::TestFake::test_allowed_call_runs_once"
    )
    assert result.ret == 1
    assert "FrameworkMissing" in output(result)
    assert said in output(result)


def test_a_hang_is_a_failure_that_says_where(run: Any) -> None:
    text = """
import asyncio, wardline_testing.played as played
played.drive.__defaults__ = (1.0,)

class TestHang(TestIt):
    async def run(self, scene):
        await self.for_ever()

    async def for_ever(self):
        while True:
            import time; time.sleep(0.05)
"""
    result = run(text, "test_it.py::TestHang::test_allowed_call_runs_once", apart=True)
    assert result.ret == 1
    assert "did not end within 1 s" in output(result)
    assert "in for_ever" in output(result)


# What is left out, and what is told


def test_what_a_framework_has_not_is_absent(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "coverage.json"
    tests = ["test_stream_leaks_no_denied_call", "test_denied_by_argument", "test_cancellation"]
    text = "class TestGap(TestIt): gaps = {'test_cancellation': Never('no clocks')}\n"
    result = run(
        text, f"--wardline-coverage={file}", *(f"test_it.py::TestGap::{name}" for name in tests)
    )
    assert result.ret == 0
    result.assert_outcomes(passed=1, skipped=2)
    assert "the framework has no path `stream`" in output(result)
    said = json.loads(file.read_text())
    assert said["adapter"] == "wardline-toy"
    assert said["framework"] == {"toyagents": "1.2.0"}
    assert {name: said["tests"][name]["result"] for name in tests} == {
        "test_stream_leaks_no_denied_call": "absent",
        "test_denied_by_argument": "pass",
        "test_cancellation": "never",
    }
    assert said["tests"]["test_cancellation"]["reason"] == "no clocks"
    assert said["tests"]["test_denied_by_argument"]["variants"] == {"async-message": "pass"}
    assert "test_denied_by_name was not run" in "\n".join(missing(said))


def test_optional_tests_are_asked_for_by_name(run: Any) -> None:
    result = run("class TestNone(TestIt): optional = ()\n", "--collect-only", "-q")
    assert "TestIt::test_changed_input" in output(result)
    assert "TestNone::test_changed_input" not in output(result)
    assert "TestNone::test_denied_input" in output(result)
