"""No trick that is known to hide what a command or a query does gets past a pack."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from wardline import Action, Facts, Principal, decide, load_policies

ROOT = Path(__file__).parents[2]
EVASIONS = ROOT / "packages" / "wardline-facets" / "evasions"
SHELLS = [
    ("baseline", "bash"),
    ("write-gate", "bash"),
    ("read-only", "bash"),
    ("coding-agent", "bash"),
]
UNSAID = {"", "postgres", "mysql", "sqlite", "tsql"}
"""The dialects under which a query is judged where a policy names none, as the packs do."""

DATABASES = [
    ("baseline", "sql_query"),
    ("write-gate", "sql_query"),
    ("read-only", "sql_query"),
    ("data-analyst", "run_query"),
]


@cache
def texts(kind: str) -> dict[str, list[dict[str, Any]]]:
    """Return the evasions and the harmless texts of one kind."""
    found: dict[str, list[dict[str, Any]]] = yaml.safe_load((EVASIONS / f"{kind}.yaml").read_text())
    return found


def effect(pack: str, name: str, args: dict[str, Any]) -> str:
    """Return what a pack makes of one call."""
    policies = load_policies(ROOT / "shared-policies" / pack / "policy.yaml")
    return decide(policies, Action("tool_call", name, args), Facts(Principal(), {}, {}, 0)).effect


@cache
def effects(pack: str, name: str, kind: str, harmless: bool) -> dict[str, str]:
    """Return what a pack makes of every text of a kind."""
    policies = load_policies(ROOT / "shared-policies" / pack / "policy.yaml")
    argument = "command" if kind == "shell" else "query"
    rows = texts(kind)["harmless" if harmless else "evasions"]
    rows = [row for row in rows if row.get("dialect", "") in UNSAID]
    return {
        row["text"]: decide(
            policies,
            Action("tool_call", name, {argument: row["text"]}),
            Facts(Principal(), {}, {}, 0),
        ).effect
        for row in rows
    }


@pytest.mark.parametrize(("pack", "name"), SHELLS)
def test_no_command_that_hides_what_it_does_runs(pack: str, name: str) -> None:
    """BOX-2"""
    found = effects(pack, name, "shell", False)
    assert len(found) > 300
    assert [text for text, effect in found.items() if effect == "allow"] == []


def test_the_corpus_of_commands_is_refused() -> None:
    """BOX-1"""
    corpus = [row["text"] for row in texts("shell")["evasions"] if row.get("id") == "BOX-1"]
    assert len(corpus) >= 20
    found = effects("read-only", "bash", "shell", False)
    assert {found[text] for text in corpus} == {"deny"}


@pytest.mark.parametrize(("pack", "name"), DATABASES)
def test_no_query_that_hides_what_it_does_runs(pack: str, name: str) -> None:
    found = effects(pack, name, "sql", False)
    assert len(found) > 100
    assert [text for text, effect in found.items() if effect == "allow"] == []


@pytest.mark.parametrize(
    ("pack", "name", "kind", "share"),
    [
        *((pack, name, "shell", 0.99) for pack, name in SHELLS[:3]),
        ("coding-agent", "bash", "shell", 0.8),
        *((pack, name, "sql", 0.8) for pack, name in DATABASES),
    ],
)
def test_what_does_no_harm_runs(pack: str, name: str, kind: str, share: float) -> None:
    found = list(effects(pack, name, kind, True).values())
    assert found.count("allow") >= share * len(found)


@pytest.mark.parametrize("name", ["filesystem_read", "read_file", "read_text_file"])
def test_a_key_is_read_under_no_name(name: str) -> None:
    """MCP-5"""
    assert effect("mcp-client", name, {"path": "/root/.ssh/id_rsa"}) == "deny"


@pytest.mark.parametrize(
    "path",
    [
        "/projectsd/secret",
        "/projects/abc/../../../../etc/passwd",
        "/projects/../projectsd/secret",
        "//etc/passwd",
        "/projects\\..\\..\\etc\\passwd",
    ],
)
def test_no_path_leads_out_of_the_folder(path: str) -> None:
    """BOX-3"""
    for pack, tool in (("mcp-client", "read_text_file"), ("coding-agent", "read_file")):
        moved = path.replace("/projects", "/workspace") if pack == "coding-agent" else path
        assert effect(pack, tool, {"path": moved}) == "deny", moved
