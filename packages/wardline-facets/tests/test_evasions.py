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


def test_the_tables_of_the_readmes_count_the_cases() -> None:
    for readme in ("README.md", "evasions/README.md"):
        text = (HERE / readme).read_text(encoding="utf-8")
        for name in ("shell", "sql", "url", "path"):
            data = yaml.safe_load((HERE / "evasions" / f"{name}.yaml").read_text(encoding="utf-8"))
            row = re.search(rf"^\| `{name}\.yaml` \| (\d+) \| (\d*) ?\|", text, re.MULTILINE)
            assert row, (readme, name)
            assert int(row[1]) == len(data["evasions"])
            assert int(row[2] or 0) == len(data.get("harmless", []))
