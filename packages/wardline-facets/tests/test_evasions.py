"""Every published case: no evasion is called harmless, and next to nothing harmless is flagged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from wardline_facets import shell, sql

HERE = Path(__file__).parents[1]


def _cases(name: str, part: str) -> list[Any]:
    data = yaml.safe_load((HERE / "evasions" / f"{name}.yaml").read_text(encoding="utf-8"))
    return [
        pytest.param(case, id=f"{at}-{case.get('id', part)}") for at, case in enumerate(data[part])
    ]


def _harmless(view: dict[str, Any]) -> bool:
    return not (view["opaque"] or view["writes"] or view.get("network"))


@pytest.mark.parametrize("case", _cases("shell", "evasions"))
def test_no_command_evades(case: dict[str, Any]) -> None:
    view = shell.view(case["text"])
    assert view["opaque"] or all(view[effect] for effect in case["does"]), view


@pytest.mark.parametrize("case", _cases("sql", "evasions"))
def test_no_query_evades(case: dict[str, Any]) -> None:
    view = sql.view(case["text"], case.get("dialect", ""))
    assert view["opaque"] or view["writes"], view


@pytest.mark.parametrize("case", _cases("shell", "harmless"))
def test_a_harmless_command_is_harmless(case: dict[str, Any]) -> None:
    assert _harmless(shell.view(case["text"])), shell.view(case["text"])


@pytest.mark.parametrize("case", _cases("sql", "harmless"))
def test_a_harmless_query_is_harmless(case: dict[str, Any]) -> None:
    view = sql.view(case["text"], case.get("dialect", ""))
    assert _harmless(view), view


def test_BOX_1_the_twenty_commands_are_seen_through() -> None:
    corpus = [case.values[0] for case in _cases("shell", "evasions") if case.values[0].get("id")]
    assert len(corpus) == 20
    assert not any(_harmless(shell.view(case["text"])) for case in corpus)


def _row(readme: str, name: str) -> list[str]:
    text = (HERE / readme).read_text(encoding="utf-8")
    found = re.search(rf"^\| `{name}\.yaml` \|(.*)\|$", text, re.MULTILINE)
    assert found, (readme, name)
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.parametrize("name", ["shell", "sql", "url", "path"])
def test_the_readme_beside_the_cases_counts_them(name: str) -> None:
    data = yaml.safe_load((HERE / "evasions" / f"{name}.yaml").read_text(encoding="utf-8"))
    counted = [str(len(data[part])) if part in data else "" for part in ("evasions", "harmless")]
    assert _row("evasions/README.md", name) == counted


@pytest.mark.parametrize("name", ["shell", "sql"])
def test_the_results_in_the_readme_are_these(name: str) -> None:
    views: dict[str, list[dict[str, Any]]] = {}
    for part in ("evasions", "harmless"):
        cases = [case.values[0] for case in _cases(name, part)]
        views[part] = [
            shell.view(case["text"])
            if name == "shell"
            else sql.view(case["text"], case.get("dialect", ""))
            for case in cases
        ]
    evasions, harmless = views["evasions"], views["harmless"]
    assert _row("README.md", name) == [
        str(len(evasions)),
        str(sum(map(_harmless, evasions))),
        str(sum(not view["opaque"] for view in evasions)),
        str(sum(view["opaque"] for view in evasions)),
        str(len(harmless)),
        str(sum(not _harmless(view) for view in harmless)),
    ]
