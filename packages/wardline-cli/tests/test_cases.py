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
    bad, good = made["suites"][0]["files"]
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


def test_a_policy_that_does_not_load_does_not_keep_others_from_being_judged(cli, cases, here):
    other = here / "other"
    (other / "cases").mkdir(parents=True)
    (other / "policy.yaml").write_text("apiVersion: wardline/v1\nname: x\nrulez: []\n")
    (other / "cases" / "a.yaml").write_text(CASES)
    ran = cli("test", ".")
    assert ran.code == 1
    assert ran.out == "cases/good.yaml: 2 passed\n\n2 passed, 0 failed\n"
    assert "other/policy.yaml:3:1: error" in ran.err
    made = cli("test", ".", "--json").json
    assert (made["ok"], made["passed"], len(made["problems"])) == (False, 2, 1)


# Coverage and mutants


def test_coverage_and_mutants_are_shown_with_their_places(cli, cases):
    ran = cli("test", ".", "--coverage", "--mutate")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert "Coverage of policy.yaml" in lines
    assert "  rules  100 %  2 of 2 match some case and not another" in lines
    assert "  terms  100 %  0 of 0 outcomes of the terms of conditions" in lines
    assert "  policy.yaml: document test: no case comes to `default_action: deny`" in lines
    assert "Mutants of policy.yaml" in lines
    at = lines.index("  policy.yaml:4:17: `default_action`: deny becomes allow")
    assert lines[at + 1 : at + 3] == ["    -default_action: deny", "    +default_action: allow"]
    assert lines[at + 3].startswith("    no case notices; mutant document.default_action.")
    assert lines[-1] == "2 passed, 0 failed"


def test_what_is_measured_can_be_demanded(cli, cases):
    assert cli("test", ".", "--coverage", "--fail-under", "100").code == 0
    ran = cli("test", ".", "--coverage", "--mutate", "--fail-under", "95")
    assert ran.code == 1
    assert "policy.yaml: mutants " in ran.out
    assert " %, under 95 %" in ran.out
    made = cli("test", ".", "--coverage", "--mutate", "--json").json
    (suite,) = made["suites"]
    assert suite["coverage"]["rules"] == {"percent": 100, "of": 2}
    survived = suite["mutants"]["survived"]
    assert {"mutant", "what", "file", "line", "column", "diff"} == set(survived[0])
    (cases / "mutants.yaml").write_text(
        "".join(f"- {{mutant: {one['mutant']}, reason: x}}\n" for one in survived)
    )
    ran = cli("test", ".", "--mutate", "--fail-under", "100")
    assert ran.code == 0
    assert f", {len(survived)} accepted" in ran.out
    (cases / "mutants.yaml").write_text("- {mutant: gone, reason: x}\n")
    ran = cli("test", ".", "--mutate")
    assert (ran.code, ran.out) == (1, "")
    assert "cases/mutants.yaml:1:3: error: there is no mutant `gone`" in ran.err


def test_no_mutants_are_made_where_a_case_fails(cli, cases):
    (cases / "bad.yaml").write_text(FAILING)
    ran = cli("test", ".", "--mutate")
    assert ran.code == 1
    assert "where a case fails no mutants were made" in ran.out
    assert "mutants" not in cli("test", ".", "--mutate", "--json").json["suites"][0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--fail-under", "95"), "add --coverage"),
        (("--accept", "x.yaml", "--coverage"), "add --mutate"),
        (("--coverage", "--fail-under", "101"), "from 0 to 100"),
        (("--coverage", "--fail-under", "many"), "many"),
    ],
)
def test_options_that_mean_nothing_are_refused(cli, cases, options, says):
    ran = cli("test", ".", *options)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err


def test_one_list_of_accepted_mutants_is_for_one_policy(cli, cases, here, policy):
    (here / "more.yaml").write_text(policy.read_text().replace("name: test", "name: more"))
    (cases / "more.yaml").write_text("policy: ../more.yaml\n" + CASES)
    ran = cli("test", ".", "--mutate", "--accept", "x.yaml")
    assert (ran.code, ran.out) == (2, "")
    assert "mutants.yaml beside them" in ran.err
