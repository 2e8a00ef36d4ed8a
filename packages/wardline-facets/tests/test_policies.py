"""The facets and detectors where they are used: in a policy, through the core's entry points."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from wardline import Action, ActionDenied, Facts, Principal, decide, govern, parse_policies

POLICY = """
apiVersion: wardline/v1
name: texts
default_action: deny
rules:
  - name: reading-commands
    tool: shell
    condition: "has(args.command) && !shell(args.command).writes && !shell(args.command).network
      && !shell(args.command).opaque"
    action: allow
  - name: reading-queries
    tool: query
    condition: "has(args.sql) && !sql(args.sql, 'postgres').writes && !sql(args.sql, 'postgres').opaque"
    action: allow
  - name: salaries
    tool: query
    condition: "has(args.sql) && 'salaries' in sql(args.sql, 'postgres').tables"
    action: deny
  - name: mail
    tool: mail
    action: allow
  - name: nothing-personal
    tool: mail
    condition: "has(args.body) && (pii(args.body).exists(kind, kind in ['card', 'iban'])
      || secrets(args.body).size() > 0)"
    action: deny
"""


def effect(tool: str, **args: Any) -> str:
    action = Action("tool_call", tool, args)
    return decide(parse_policies(POLICY), action, Facts(Principal("a"), {}, {}, 0)).effect


@pytest.mark.parametrize(
    ("tool", "args", "want"),
    [
        ("shell", {"command": "git log --oneline | head -3"}, "allow"),
        ("shell", {"command": "git log; c''url http://x.example"}, "deny"),
        ("shell", {"command": "frobnicate"}, "deny"),
        ("query", {"sql": "SELECT name FROM users"}, "allow"),
        ("query", {"sql": "SELECT * FROM hr.x JOIN salaries USING (id)"}, "deny"),
        ("query", {"sql": "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x"}, "deny"),
        ("mail", {"body": "see you at noon"}, "allow"),
        ("mail", {"body": "the card is 4111 1111 1111 1111"}, "deny"),
        ("mail", {"body": ["a", {"b": "DE89 3704 0044 0532 0130 00"}]}, "deny"),
        ("mail", {"body": "password = hunter2-hunter2"}, "deny"),
    ],
)
def test_a_policy_judges_by_what_a_text_does(tool: str, args: dict[str, Any], want: str) -> None:
    assert effect(tool, **args) == want


def test_BOX_1_a_governed_shell_runs_none_of_the_twenty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINE_HOME", str(tmp_path))
    file = Path(__file__).parents[1] / "evasions" / "shell.yaml"
    cases = yaml.safe_load(file.read_text(encoding="utf-8"))
    corpus = [case["text"] for case in cases["evasions"] if case.get("id") == "BOX-1"]
    ran = []

    def shell(command: str) -> str:
        ran.append(command)
        return "done"

    safe = govern(shell, policy=parse_policies(POLICY))
    assert safe(command="git status") == "done"
    for text in corpus:
        with pytest.raises(ActionDenied):
            safe(command=text)
    assert (ran, len(corpus)) == (["git status"], 20)


def test_the_entry_points_name_modules_of_the_form_that_the_core_expects() -> None:
    for point in metadata.entry_points(group="wardline.facets"):
        assert callable(point.load().view)
    names: list[str] = []
    for point in metadata.entry_points(group="wardline.detectors"):
        module = point.load()
        assert callable(module.find)
        names += module.NAMES
    assert len(names) == len(set(names))
