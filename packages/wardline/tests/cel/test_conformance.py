"""Every conformance case of the CEL specification that needs no protocol buffers.

The folder that holds `cel-spec/` (the cases as JSON) is named by WARDLINE_TEST_DATA.
"""

from __future__ import annotations

import os
from pathlib import Path

import conformance
import pytest

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
def test_no_file_of_the_suite_is_forgotten() -> None:
    assert _FOLDER is not None
    files = {path.stem for path in (Path(_FOLDER) / "cel-spec").glob("*.json")} - {"index"}
    assert files == {*conformance.SUITES, *conformance.SKIPPED}
    core = [_RAN[suite] for suite in conformance.CORE]
    assert sum(map(sum, core)) == 1094
