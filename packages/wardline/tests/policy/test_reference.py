"""The reference of the language says what the tables of the code say, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wardline.action import KINDS
from wardline.cel.types import NOT_YET, ROOTS, VIEWS
from wardline.policy import keys, lint, parse_policies

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "policy.md").read_text("utf-8")


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> set[str]:
    """The words in code style of the first column of every table in a section."""
    cells = re.findall(r"^\| (`[^|]*) \|", section(title), re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(
    ("title", "table"),
    [
        ("The document", keys.DOCUMENT_KEYS),
        ("Rules", keys.RULE_KEYS),
        ("The catalogue", keys.TOOL_KEYS),
        ("Limits", keys.LIMIT_KEYS),
    ],
)
def test_every_key_has_its_row(title: str, table: tuple[str, ...]) -> None:
    assert rows(title) == set(table)


def test_engine_documents_have_the_keys_that_are_named() -> None:
    text = section("Other engines")
    assert all(f"`{key}`" in text for key in keys.ENGINE_DOCUMENT_KEYS if key != "apiVersion")


def test_closed_sets_are_whole() -> None:
    for words in (
        KINDS,
        keys.ACTIONS,
        keys.EFFECTS,
        keys.MODES,
        keys.COUNTS,
        keys.SCOPES,
        keys.PERIODS,
    ):
        missing = [word for word in words if f"`{word}`" not in PAGE]
        assert not missing


def test_every_root_and_every_view_is_whole() -> None:
    text = section("What conditions can read")
    for root, fields in ROOTS.items():
        assert f"`{root}`" in text
        assert all(f"`{field}`" in text for field in fields)
    for view, fields in VIEWS.items():
        if view in ("path", "url", "sql", "shell"):
            assert f"`{view}(v)`" in text
            assert all(f"`.{field}`" in text for field in fields)


def test_what_cannot_be_enforced_is_listed() -> None:
    text = section("What this version cannot enforce")
    words = set(re.findall(r"`([\w.]+)`", text))
    later = {word for _, word in keys.LATER}
    assert later <= words
    policy_words = {
        name
        for name in NOT_YET
        if name.startswith(("session.", "principal."))
        or name in ("origin", "from_untrusted", "labels", "flows_to")
    }
    policy_words -= {"session.cost_usd"}
    assert policy_words <= words
    assert words <= later | NOT_YET


def test_the_examples_load() -> None:
    first = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    assert lint(parse_policies(first)) == ()
