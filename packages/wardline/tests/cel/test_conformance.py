"""Every conformance case of the CEL specification that needs no protocol buffers.

The folder that holds `cel-spec/` (the cases as JSON) is named by WARDLINE_TEST_DATA.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import conformance
import pytest

from wardline.activation import BUDGET
from wardline.cel.macros import MACROS
from wardline.cel.parser import MAX_BYTES, MAX_DEPTH, MAX_NODES
from wardline.cel.types import BROUGHT, FUNCTIONS, METHODS

_PAGE = Path(__file__).parents[4] / "docs" / "reference" / "cel.md"
_FOLDER = os.environ.get("WARDLINE_TEST_DATA")
# Value and error cases that run; fewer would mean that something got lost.
_RAN = {
    "basic": (41, 2), "comparisons": (317, 17), "conversions": (98, 11), "fields": (44, 16), "fp_math": (29, 1),
    "integer_math": (45, 19), "lists": (32, 7), "logic": (21, 9), "macros": (38, 6), "namespace": (14, 0),
    "parse": (193, 0), "plumbing": (4, 1), "string": (51, 0), "timestamps": (62, 16), "string_ext": (163, 50),
    "math_ext": (182, 17), "optionals": (56, 3), "macros2": (38, 8), "network_ext": (60, 9), "bindings_ext": (8, 0),
    "encoders_ext": (4, 0),
}  # fmt: skip


@pytest.mark.skipif(_FOLDER is None, reason="WARDLINE_TEST_DATA is not set")
@pytest.mark.parametrize("suite", conformance.SUITES)
def test_LANG_2_conformance(suite: str) -> None:
    assert _FOLDER is not None
    result = conformance.run(Path(_FOLDER), suite)
    assert not result.failed, "\n".join(result.failed)
    assert (result.values, result.errors) == _RAN[suite]


@pytest.mark.skipif(_FOLDER is None, reason="WARDLINE_TEST_DATA is not set")
@pytest.mark.parametrize("suite", conformance.SUITES)
def test_what_CEL_gives_a_value_loads(suite: str) -> None:
    """The check is strict about what must fail, and about nothing else."""
    assert _FOLDER is not None
    assert conformance.refused(Path(_FOLDER), suite) == []


@pytest.mark.skipif(_FOLDER is None, reason="WARDLINE_TEST_DATA is not set")
def test_no_file_of_the_suite_is_forgotten() -> None:
    assert _FOLDER is not None
    files = {path.stem for path in (Path(_FOLDER) / "cel-spec").glob("*.json")} - {"index"}
    assert files == {*conformance.SUITES, *conformance.SKIPPED}
    core = [_RAN[suite] for suite in conformance.CORE]
    assert sum(map(sum, core)) == 1094


def test_the_reference_lists_what_does_not_run() -> None:
    """The page and the runner have one list; the bounds on it are those of the code."""
    text = _PAGE.read_text("utf-8")
    table = text.partition("What does not run:")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    assert rows == conformance.SKIPPED
    for bound in (MAX_BYTES, MAX_DEPTH, MAX_NODES, BUDGET):
        assert f"| {bound:,}" in text


def test_the_reference_names_every_function_and_macro() -> None:
    text = _PAGE.read_text("utf-8")
    ours = {"path", "url", "under", *BROUGHT}
    for name in {*FUNCTIONS, *METHODS, *MACROS} - ours:
        assert f"`{name}`" in text, name


@pytest.mark.skipif(_FOLDER is None, reason="WARDLINE_TEST_DATA is not set")
def test_the_reference_says_how_many_cases_do_not_run() -> None:
    assert _FOLDER is not None
    text = _PAGE.read_text("utf-8")
    for suite in conformance.SUITES:
        skipped = conformance.run(Path(_FOLDER), suite).skipped
        found = re.search(rf"`{suite}` \((\d+)", text)
        assert skipped == (int(found[1]) if found else 0), suite
