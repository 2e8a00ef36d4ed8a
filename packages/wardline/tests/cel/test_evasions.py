"""`url()` and `path()` against the evasions that wardline-facets publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wardline.cel.nets import path, url

DATA = path("/srv/data")
FOLDER = Path(__file__).parents[3] / "wardline-facets" / "evasions"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the cases of wardline-facets are not in this checkout"
)


def _cases(name: str) -> list[Any]:
    file = FOLDER / f"{name}.yaml"
    cases = yaml.safe_load(file.read_text(encoding="utf-8"))["evasions"] if file.exists() else []
    return [pytest.param(case, id=f"{at}-{case['trick']}") for at, case in enumerate(cases)]


@pytest.mark.parametrize("case", _cases("url"))
def test_an_address_is_seen_through(case: dict[str, Any]) -> None:
    view = url(case["text"])
    if case.get("is_private"):
        assert view.is_private
    elif "host" in case:
        assert (view.host, view.is_private) == (case["host"], False)
    else:
        # Nothing is claimed: the name is plain, and where it leads is for whoever connects to see.
        assert case["unknown"] is True
        assert view.host
        assert not view.is_private


@pytest.mark.parametrize("case", _cases("path"))
def test_a_path_is_seen_through(case: dict[str, Any]) -> None:
    view = path(case["text"])
    if case.get("unknown"):
        # Nothing is claimed: to the text of the path these are ordinary names in the folder.
        assert (view.under(DATA), view.escapes) == (True, False)
        return
    assert view.under(DATA) is case["under"]
    assert view.escapes or not case.get("escapes")
