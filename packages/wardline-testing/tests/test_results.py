"""What a run has shown, and the check before a release."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from wardline_testing import AdapterConformance, Never
from wardline_testing.results import Results, main, missing
from wardline_testing.suite.conformance import tests_of as listed


@pytest.fixture
def shown() -> Any:
    """A class, made here so that no run of pytest collects it."""

    class Shown(AdapterConformance):
        adapter = "wardline-testing"
        framework = "pytest"
        distributions = ("pytest",)
        kinds = ("tool_call",)
        gaps: ClassVar = {"test_memory_read": Never("nothing is remembered")}

    return Shown


@pytest.fixture
def run(shown: Any) -> dict[str, Any]:
    """What a class would have shown that passes everything but one gap."""
    results = Results()
    for name, tier in listed(AdapterConformance).items():
        if tier == "optional":
            continue
        for variant in ("sync", "async"):
            result = "never" if name in shown.gaps else "pass"
            results.add(shown, name, variant, result, "")
    return results.written()


def test_a_complete_run_may_be_published(run: dict[str, Any], tmp_path: Path) -> None:
    assert missing(run) == []
    (entry,) = run["classes"]
    assert run["tests"] == entry["tests"]
    assert entry["framework"]["pytest"]
    assert entry["tests"]["test_memory_read"] == {
        "tier": "standard",
        "result": "never",
        "variants": {"sync": "never", "async": "never"},
        "reason": "nothing is remembered",
    }
    assert entry["tests"]["test_changed_input"]["result"] == "undeclared"
    file = tmp_path / "coverage.json"
    file.write_text(json.dumps(run))
    assert main([str(file)]) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one["tests"].pop("test_denied_by_name"), "test_denied_by_name was not run"),
        (lambda one: one["tests"].update(test_x={"result": "pass"}), "has no test test_x"),
        (lambda one: one["tests"]["test_denied_by_name"].update(result="never"), "is `never`"),
        (lambda one: one["tests"]["test_cancellation"].update(result="fail"), "is `fail`"),
        (lambda one: one["tests"]["test_memory_read"].pop("reason"), "without a reason"),
        (lambda one: one.update(kit="0.0.0"), "kit 0.0.0"),
        (lambda one: one.update(suite="MyConformance"), "no suite MyConformance"),
    ],
)
def test_what_is_missing_is_named(
    run: dict[str, Any], tmp_path: Path, change: Any, said: str
) -> None:
    changed = copy.deepcopy(run)
    change(changed["classes"][0])
    (problem,) = missing(changed)
    assert said in problem
    file = tmp_path / "coverage.json"
    file.write_text(json.dumps(changed))
    assert main([str(file)]) == 1


def test_nothing_run_is_nothing_shown() -> None:
    assert missing({}) == ["no conformance class was run"]


def test_one_failed_variant_is_a_failure(shown: Any) -> None:
    results = Results()
    for variant, result in (("sync", "pass"), ("async", "fail"), ("stream", "pass")):
        results.add(shown, "test_cancellation", variant, result, "")
    entry = results.written()
    assert entry["tests"]["test_cancellation"]["result"] == "fail"
    assert entry["tests"]["test_cancellation"]["variants"]["stream"] == "pass"


def test_several_classes_count_as_their_worst(shown: Any) -> None:
    other = type("Other", (AdapterConformance,), {**vars(shown), "gaps": {}})
    results = Results()
    results.add(shown, "test_memory_read", "async", "never", "")
    results.add(other, "test_memory_read", "async", "pass", "")
    results.add(shown, "test_cancellation", "async", "pass", "")
    results.add(other, "test_cancellation", "async", "fail", "")
    said = results.written()
    assert said["tests"]["test_memory_read"]["result"] == "never"
    assert said["tests"]["test_cancellation"]["result"] == "fail"
    assert [one["class"] for one in said["classes"]] == ["Shown", "Other"]


def test_every_test_has_one_tier_and_a_sentence() -> None:
    tests = listed(AdapterConformance)
    assert set(tests.values()) == {"core", "standard", "optional"}
    for name in tests:
        assert (getattr(AdapterConformance, name).__doc__ or "").strip().endswith("."), name
