"""Every pack holds what it promises: it loads, its cases pass and cover it, its README tells all of it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from wardline import PolicyError, lint, load_policies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wardline import PolicySet

NAMES = {
    "baseline",
    "coding-agent",
    "customer-support",
    "data-analyst",
    "finance",
    "healthcare",
    "mcp-client",
    "read-only",
    "write-gate",
}
LEAST_CASES = 25
STRICT = {"customer-support", "data-analyst", "finance", "healthcare", "mcp-client", "read-only"}
"""The packs that refuse what they do not list; the others ask."""


def rules(policies: PolicySet) -> set[str]:
    """Return the names of all rules and limits."""
    return {
        one.name for document in policies.documents for one in (*document.rules, *document.limits)
    }


def approvers(folder: Path) -> set[str]:
    """Return the groups that a pack names."""
    return set(load_policies(folder / "policy.yaml").approver_names())


def fenced(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_there_are_nine_packs_and_nothing_else(shared: Path) -> None:
    found = {path.name for path in shared.iterdir()}
    assert found == NAMES | {"README.md"}


def test_a_pack_is_data_and_nothing_else(pack: Path) -> None:
    files = {str(path.relative_to(pack)) for path in pack.rglob("*") if path.is_file()}
    cases = {name for name in files if re.fullmatch(r"cases/[a-z-]+\.yaml", name)}
    assert files - cases == {"policy.yaml", "README.md"}
    assert cases - {"cases/mutants.yaml"}


def test_a_pack_is_called_like_its_folder(pack: Path) -> None:
    (document,) = load_policies(pack / "policy.yaml").documents
    assert document.name == pack.name
    assert document.description


def test_the_linter_has_nothing_to_say(pack: Path, wardline: Callable[..., Any]) -> None:
    ran = wardline("lint", "--strict", pack)
    assert ran.code == 0, ran.out


def test_the_cases_pass_and_cover_every_rule_and_term(
    pack: Path, wardline: Callable[..., Any]
) -> None:
    ran = wardline("test", pack, "--coverage", "--fail-under", "100", "--json")
    found = ran.json()
    assert ran.code == 0, ran.out
    assert found["passed"] >= LEAST_CASES
    (suite,) = found["suites"]
    assert suite["coverage"]["missing"] == []


@pytest.mark.timeout(600)
def test_the_cases_notice_when_the_policy_changes(pack: Path, wardline: Callable[..., Any]) -> None:
    ran = wardline("test", pack, "--mutate", "--fail-under", "95")
    assert ran.code == 0, ran.out


def test_every_rule_says_what_it_is_and_every_refusal_what_to_do(pack: Path) -> None:
    (document,) = load_policies(pack / "policy.yaml").documents
    for rule in document.rules:
        assert rule.description, rule.name
        if rule.action in ("deny", "require_approval"):
            assert rule.reason, rule.name


def test_the_readme_names_every_rule_limit_and_approver(pack: Path) -> None:
    text = (pack / "README.md").read_text()
    policies = load_policies(pack / "policy.yaml")
    named = set(re.findall(r"`([a-z-]+)`", text))
    assert rules(policies) - named == set()
    table = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
    (document,) = policies.documents
    assert table == {rule.name for rule in document.rules}
    for group in policies.approver_names():
        assert f'"{group}": [' in text, group


def test_a_readme_says_what_it_does_not_cover_and_how_to_adapt_it(pack: Path) -> None:
    headings = re.findall(r"^## (.*)$", (pack / "README.md").read_text(), re.MULTILINE)
    assert headings == ["What to set up", "How to adapt it", "What it does not cover"]


def test_what_is_not_listed_never_just_runs(pack: Path) -> None:
    (document,) = load_policies(pack / "policy.yaml").documents
    assert document.mode == "strict"
    assert (document.unlisted_tools == "deny") == (pack.name in STRICT)
    assert document.default_action in ("deny", "require_approval")


def test_every_adapter_reports_what_a_pack_has_rules_for(pack: Path) -> None:
    known = {"input", "model_call", "tool_call", "delegation", "output"}
    assert load_policies(pack / "policy.yaml").kinds() <= known


def test_all_packs_fit_into_one_set(shared: Path) -> None:
    policies = load_policies(*sorted(shared.glob("*/policy.yaml")))
    assert {document.name for document in policies.documents} == NAMES


def test_a_pack_can_be_extended_but_not_loosened(pack: Path, tmp_path: Path) -> None:
    parent = tmp_path / "policy.yaml"
    parent.write_text((pack / "policy.yaml").read_text())
    (document,) = load_policies(parent).documents
    child = tmp_path / "child.yaml"
    stricter: dict[str, Any] = {
        "apiVersion": "wardline/v1",
        "name": "ours",
        "extends": ["policy.yaml"],
        "approvers": ["owner"],
        "rules": [{"name": "never", "tool": "launch", "action": "deny", "reason": "never"}],
    }
    if document.limits:
        stricter["limits"] = [{"name": document.limits[0].name, "at_most": 1}]
    child.write_text(yaml.safe_dump(stricter))
    policies = load_policies(child)
    assert {one.name for one in policies.documents} == {"ours", pack.name}
    assert [one for one in lint(policies) if one.file.endswith("child.yaml")] == []

    taken = {"name": document.rules[0].name, "action": "allow"}
    child.write_text(yaml.safe_dump({**stricter, "rules": [taken]}))
    with pytest.raises(PolicyError, match="has a rule named"):
        load_policies(child)
    if document.limits:
        looser = [{"name": document.limits[0].name, "at_most": 10**9}]
        child.write_text(yaml.safe_dump({**stricter, "limits": looser}))
        with pytest.raises(PolicyError, match="loosens"):
            load_policies(child)


def test_the_readme_of_all_packs_is_true(
    shared: Path, tmp_path: Path, wardline: Callable[..., Any]
) -> None:
    text = (shared / "README.md").read_text()
    assert set(re.findall(r"^\| \[([a-z-]+)\]\(\1/README\.md\)", text, re.MULTILINE)) == NAMES
    for line in fenced(text, "sh")[0].splitlines():
        ran = wardline(*shlex.split(line)[1:])
        assert ran.code == 0, ran.out + ran.err
    (snippet,) = fenced(text, "python")
    function = "def create_payment(amount: float) -> None: pass\n"
    subprocess.run(
        [sys.executable, "-c", function + snippet],
        cwd=shared.parent,
        env={**os.environ, "WARDLINE_HOME": str(tmp_path / "home")},
        check=True,
    )
    (child,) = fenced(text, "yaml")
    parent = tmp_path / "shared-policies" / "finance"
    parent.mkdir(parents=True)
    (parent / "policy.yaml").write_text((shared / "finance" / "policy.yaml").read_text())
    (tmp_path / "ours.yaml").write_text(child)
    assert len(load_policies(tmp_path / "ours.yaml").documents) == 2
    rows = text.partition("| pack | approver groups |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(rows) >= 7
    for row in rows:
        packs, named = (part.strip() for part in row.strip("|").split("|"))
        for name in packs.split(", "):
            assert approvers(shared / name) == set(re.findall(r"`([a-z-]+)`", named)), name
