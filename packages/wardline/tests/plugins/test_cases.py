"""Cases of policies that ask another engine, or that ask where paths lead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wardline import explain
from wardline.cases import find_suites, mutate, run_cases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENGINE = """
from wardline import Verdict
KEYS = {}

class _Engine:
    ready = False

    def start(self):
        self.ready = True

    def judge(self, request, deadline):
        assert self.ready
        path = request["action"]["args"].get("path", "")
        return Verdict("deny" if path.startswith("/etc") else "allow", "by rule 7")

    def close(self):
        pass

def open(settings, read):
    return _Engine()
"""
CASES = """\
policy: [../own.yaml, ../other.yaml]
cases:
  - name: the engine is asked
    action: {name: read, args: {path: /etc/passwd}}
    expect: {effect: deny, rule: "builtin:engine", reason: "mine: by rule 7"}
  - name: and lets this through
    action: {name: read, args: {path: /srv/a}}
    expect: allow
  - name: its answer can be given
    action: {name: read, args: {path: /srv/a}}
    facts: {verdicts: {other: {effect: deny, reason: so}}}
    expect: {effect: deny, reason: "mine: so"}
  - name: in one word too
    action: {name: read, args: {path: /etc/passwd}}
    facts: {verdicts: {other: allow}}
    expect: allow
  - name: where a path leads is given
    action: {name: read, args: {path: /srv/link}}
    facts: {links: {/srv/link: /root/x}}
    expect: {effect: deny, rule: inside}
"""


@pytest.fixture
def place(tmp_path: Path, install: Callable[..., None]) -> Path:
    install("wardline.engines", "mine", ENGINE)
    folder = tmp_path / "policies"
    (folder / "cases").mkdir(parents=True)
    (folder / "own.yaml").write_text(
        "apiVersion: wardline/v1\nname: own\ndefault_action: allow\n"
        "rules:\n  - name: inside\n    action: deny\n"
        "    condition: \"has(args.path) && args.path != '/etc/passwd' && !path(args.path).under('/srv')\"\n"
    )
    (folder / "other.yaml").write_text("apiVersion: wardline/v1\nname: other\nengine: mine\n")
    (folder / "cases" / "a.yaml").write_text(CASES)
    return folder


def test_an_engine_is_asked_unless_its_verdict_is_given(place: Path) -> None:
    (suite,) = find_suites([place])
    results = run_cases(suite.policies(), suite.cases)
    assert [
        (one.case.name, one.differences, one.problem) for one in results if not one.passed
    ] == []


def test_mutants_of_such_a_set_are_judged(place: Path) -> None:
    (suite,) = find_suites([place])
    score = mutate(suite)
    assert score.caught > 3
    assert all(one.source.file.endswith("own.yaml") for one in score.survived)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ("{verdicts: {others: allow}}", "did you mean `other`?"),
        ("{verdicts: {other: alow}}", "did you mean `allow`?"),
        ("{verdicts: {other: {reason: x}}}", "has no `effect`"),
        ("{verdicts: {other: {effect: deny, rules: x}}}", "no key `rules`"),
        ("{verdicts: []}", "`verdicts` is a map"),
        ("{links: {/a: 1}}", "`/a` is a string"),
    ],
)
def test_what_means_nothing_is_refused(place: Path, facts: str, says: str) -> None:
    text = CASES.split("  - name: and")[0].replace("    expect", f"    facts: {facts}\n    expect")
    (place / "cases" / "a.yaml").write_text(text)
    try:
        (suite,) = find_suites([place])
        (result,) = run_cases(suite.policies(), suite.cases)
        assert result.problem is not None
        found = str(result.problem)
    except ValueError as error:
        found = str(error)
    assert says in found


def test_no_change_is_looked_for_where_an_engine_would_have_to_be_asked(place: Path) -> None:
    (suite,) = find_suites([place])
    policies = suite.policies()
    given = suite.cases[0].given
    found = explain(policies, given.action, given.facts(policies))
    assert (found.decision.effect, found.flips) == ("deny", None)
    assert found.as_dict()["flips"] is None
