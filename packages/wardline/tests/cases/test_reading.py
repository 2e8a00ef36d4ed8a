"""A file of cases that could mean nothing does not load; what loads is found where it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardline.cases import ACCEPTED, find_suites, read_cases
from wardline.errors import PolicyError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
policy: ../policy.yaml
defaults: {action: {name: sql_query}, facts: {principal: {id: a, chain: [b]}}}
cases:
  - name: one
    action: { kind: tool_call, stage: before, name: sql_query, args: { query: "x" }, call_id: c }
    facts: { now: 2026-01-01T00:00:00Z, session: { id: s, tool_calls: 3 }, exceeded: [calls] }
    expect: { effect: deny, rule: "builtin:limits" }
  - name: two
    expect: require_approval
"""

ONE = "cases:\n  - name: one\n    action: {name: x}\n    expect: deny\n"

WRONG = [
    ("", 0, "the document is empty"),
    ("[]", 1, "a file of cases is a map"),
    ("policy: ../policy.yaml\n", 1, "has no `cases`"),
    ("cases: []", 1, "there is no case in it"),
    ("cases: {}", 1, "`cases` is a list"),
    ("case: []", 1, "did you mean `cases`?"),
    ("cases:\n  - 1\n", 2, "a case is a map"),
    ("cases:\n  - {name: a, action: {name: x}}\n", 2, "does not say what it expects"),
    ("cases:\n  - {name: a, expect: deny}\n", 2, "has no `action`"),
    ("cases:\n  - {action: {name: x}, expect: deny}\n", 2, "has no `name`"),
    ("cases:\n  - {name: a, acton: {}, action: {name: x}, expect: deny}\n", 2, "did you mean `action`?"),
    ("cases:\n  - {name: a, action: {nam: x}, expect: deny}\n", 2, "did you mean `name`?"),
    ("cases:\n  - {name: a, action: {name: x}, expect: dny}\n", 2, "did you mean `deny`?"),
    ("cases:\n  - {name: a, action: {name: x}, expect: {rule: r}}\n", 2, "has no `effect`"),
    ("cases:\n  - {name: a, action: {name: x}, expect: {effect: deny, rul: r}}\n", 2, "did you mean `rule`?"),
    ("cases:\n  - {name: a, action: {name: x}, expect: {effect: deny, quorum: 2}}\n", 2, "belongs to"),
    ("cases:\n  - {name: a, action: {name: x}, expect: {effect: deny, result: 2}}\n", 2, "nothing changes"),
    ("cases:\n  - {name: a, action: {name: x}, expect: [deny]}\n", 2, "is an effect or a map"),
    ("cases:\n  - {name: a, action: {name: x}, expect: {effect: allow, args: {a: {$x: 1}}}}\n", 2, "no notation"),
    ("cases:\n  - {name: a, action: {name: x, args: {$x: 1, b: 2}}, expect: deny}\n", 2, "written `$$x`"),
    ("cases:\n  - {name: a, action: {name: x, args: {b: {$bytes: '='}}}, expect: deny}\n", 2, "cannot be read"),
    ("cases:\n  - {name: a, action: {name: x, args: {b: {$int: []}}}, expect: deny}\n", 2, "takes a string"),
    ("cases:\n  - {name: a, action: {name: x}, facts: {sesion: {}}, expect: deny}\n", 2, "did you mean `session`?"),
    ("cases:\n  - {name: a, name: b}\n", 2, "is here twice"),
    (ONE + ONE.removeprefix("cases:\n"), 5, "there are two cases named `one`; the first is on line 2"),
    ("policy: ../other.yaml\n" + ONE, 1, "there is no policy at"),
    ("policy: []\n" + ONE, 1, "is an empty list"),
    ("defaults: {fact: {}}\n" + ONE, 1, "did you mean `facts`?"),
    ("defaults: {facts: {sesion: {}}}\n" + ONE, 1, "did you mean `session`?"),
    ("defaults: {action: {names: x}}\n" + ONE, 1, "did you mean `name`?"),
    ("cases:\n  - &a {}\n", 2, "anchors"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "says"), WRONG)
def test_LANG_2_a_file_that_means_nothing_is_refused_with_its_place(
    shop: Path, text: str, line: int, says: str
) -> None:
    path = shop / "cases" / "some.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        read_cases(path)
    assert all(problem.file.endswith("cases/some.yaml") for problem in caught.value.problems)
    assert any(
        problem.line == line and says in f"{problem.message} {problem.hint}"
        for problem in caught.value.problems
    ), caught.value


def test_a_mistake_in_the_defaults_is_said_once(shop: Path) -> None:
    path = shop / "cases" / "some.yaml"
    path.write_text("defaults: {facts: {sesion: {}}}\n" + ONE)
    with pytest.raises(PolicyError) as caught:
        read_cases(path)
    assert len(caught.value.problems) == 1


def test_what_loads_says_where_it_stands(shop: Path) -> None:
    path = shop / "cases" / "some.yaml"
    path.write_text(GOOD)
    file = read_cases(path)
    assert [(case.name, case.line) for case in file.cases] == [("one", 4), ("two", 8)]
    assert file.policies == (shop / "cases" / "../policy.yaml",)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_is_done_to_a_file_it_loads_or_says_why_not(
    shop: Path, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(at, min(len(GOOD), at + 12)))
    piece = data.draw(
        st.sampled_from(["", "{", "]", ": ", "null", "1", "\n", "  ", "- ", "$x", "'", "effect"])
    )
    path = shop / "cases" / "some.yaml"
    path.write_text(GOOD[:at] + piece + GOOD[end:])
    try:
        file = read_cases(path)
    except PolicyError as error:
        assert all(problem.message for problem in error.problems)
    else:
        assert file.cases


# Finding


def test_cases_are_found_by_policy_folder_and_file(shop: Path) -> None:
    path = shop / "cases" / "some.yaml"
    path.write_text(GOOD)
    (shop / "cases" / ACCEPTED).write_text("- {mutant: x, reason: y}\n")
    (shop / "cases" / "notes.txt").write_text("no yaml")
    for named in (shop / "policy.yaml", shop, shop / "cases", path):
        (suite,) = find_suites([named])
        assert [case.name for case in suite.cases] == ["one", "two"], named
        assert len(suite.policies().documents) == 1
    (suite,) = find_suites([shop, path, shop / "policy.yaml"])
    assert len(suite.cases) == 2


def test_cases_that_name_another_policy_are_not_those_of_this_one(shop: Path) -> None:
    text = (shop / "policy.yaml").read_text()
    (shop / "strict.yaml").write_text(
        text.replace("name: shop", "name: strict").split("  - name: mask")[0]
    )
    (shop / "cases" / "a.yaml").write_text(GOOD)
    (shop / "cases" / "b.yaml").write_text(GOOD.replace("../policy.yaml", "../strict.yaml"))
    both = GOOD.replace("../policy.yaml", "[../policy.yaml, ../strict.yaml]")
    (shop / "cases" / "c.yaml").write_text(both)
    found = find_suites([shop / "strict.yaml"])
    assert [[file.path.name for file in suite.files] for suite in found] == [["b.yaml"], ["c.yaml"]]
    assert [len(suite.policies().documents) for suite in found] == [1, 2]
    assert len(find_suites([shop])) == 3


def test_hidden_folders_are_left_out(shop: Path) -> None:
    hidden = shop / ".venv" / "x" / "cases"
    hidden.mkdir(parents=True)
    (hidden / "a.yaml").write_text("nonsense")
    (shop / "cases" / "a.yaml").write_text(GOOD)
    (suite,) = find_suites([shop])
    assert len(suite.files) == 1


def test_no_cases_is_an_error_that_says_where_they_go(shop: Path) -> None:
    with pytest.raises(PolicyError, match=r"no cases for this policy[\s\S]*cases/<name>\.yaml"):
        find_suites([shop / "policy.yaml"])
    with pytest.raises(PolicyError, match="no cases in this folder"):
        find_suites([shop])
    with pytest.raises(PolicyError, match="no such file or folder"):
        find_suites([shop / "nothing.yaml"])
    (shop / "cases" / "a.yaml").write_text("cases: []")
    with pytest.raises(PolicyError) as caught:
        find_suites([shop / "policy.yaml", shop])
    assert [problem.message for problem in caught.value.problems] == ["there is no case in it"]
