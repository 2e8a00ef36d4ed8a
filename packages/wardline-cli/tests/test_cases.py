"""`wardline test`, as somebody sees it who writes cases."""

from __future__ import annotations

import pytest

CASES = """\
cases:
  - name: reading is allowed
    action: {name: read_file, args: {path: a}}
    expect: {effect: allow, rule: reading}
  - name: mail is asked about
    action: {name: send_email, args: {to: a}}
    expect: {effect: require_approval, reason: mail leaves the house}
"""
FAILING = """\
cases:
  - name: mail is refused
    action: {name: send_email, args: {to: a}}
    expect: {effect: deny, rule: sendin, reason: "no \\e[2J"}
  - name: of a limit that is not there
    action: {name: read_file}
    facts: {exceeded: [calls]}
    expect: deny
"""


@pytest.fixture
def cases(policy, here):
    (here / "cases").mkdir()
    (here / "cases" / "good.yaml").write_text(CASES)
    return here / "cases"


def test_what_passes_is_counted(cli, cases):
    for named in ("policy.yaml", ".", "cases/good.yaml"):
        ran = cli("test", named)
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == "cases/good.yaml: 2 passed\n\n2 passed, 0 failed\n"


def test_what_fails_is_shown_with_its_place_what_was_expected_and_why(cli, cases):
    (cases / "bad.yaml").write_text(FAILING)
    ran = cli("test", ".")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.splitlines() == [
        "cases/bad.yaml: 0 passed, 2 failed",
        "",
        "  cases/bad.yaml:2: mail is refused",
        "      effect  expected deny",
        "                   got require_approval",
        "      rule    expected sendin",
        "                   got sending",
        "      reason  expected no \\x1b[2J",
        "                   got mail leaves the house",
        "      decided by sending of document test, policy.yaml:9",
        "      there is no rule sendin; did you mean sending?",
        "",
        "  cases/bad.yaml:5: of a limit that is not there",
        "      cannot be judged: the policy has no limit `calls`; the policy has no limits",
        "cases/good.yaml: 2 passed",
        "",
        "2 passed, 2 failed",
    ]


def test_the_same_as_json(cli, cases):
    (cases / "bad.yaml").write_text(FAILING)
    ran = cli("test", ".", "--json")
    assert ran.code == 1
    made = ran.json
    assert (made["ok"], made["passed"], made["failed"]) == (False, 2, 2)
    bad, good = made["files"]
    assert (bad["file"], good["file"]) == ("cases/bad.yaml", "cases/good.yaml")
    first, second = bad["cases"]
    assert (first["line"], first["passed"], first["decision"]["effect"]) == (
        2,
        False,
        "require_approval",
    )
    assert first["differences"][0] == {
        "key": "effect",
        "expected": "deny",
        "got": "require_approval",
    }
    assert "no limit `calls`" in second["problem"]
    assert all(one["passed"] for one in good["cases"])


def test_cases_that_do_not_load_exit_with_1(cli, cases):
    (cases / "broken.yaml").write_text("cases:\n  - {name: a, action: {name: b}, expct: deny}\n")
    ran = cli("test", ".")
    assert (ran.code, ran.out) == (1, "")
    assert "cases/broken.yaml:2:" in ran.err
    assert "did you mean `expect`?" in ran.err
    assert cli("test", ".", "--json").json["error"]["kind"] == "policy"


def test_a_policy_without_cases_exits_with_1_and_says_where_they_go(cli, policy):
    ran = cli("test", "policy.yaml")
    assert ran.code == 1
    assert "no cases for this policy" in ran.err
    assert "cases/<name>.yaml" in ran.err


def test_a_policy_that_does_not_load_exits_with_1(cli, cases, policy):
    policy.write_text("apiVersion: wardline/v1\nname: x\nrulez: []\n")
    ran = cli("test", "policy.yaml")
    assert (ran.code, ran.out) == (1, "")
    assert "did you mean `rules`?" in ran.err
