"""A sample of Cedar's own corpus; `nox -s conformance_cedar` runs all of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import cedar_corpus

FOLDER = Path(os.environ.get("WARDLINE_TEST_DATA", ""), "cedar-integration-tests")


@pytest.mark.skipif(
    not FOLDER.is_dir(), reason="WARDLINE_TEST_DATA has no cedar-integration-tests/"
)
def test_the_corpus_agrees(tmp_path: Path) -> None:
    counts, differences = cedar_corpus.run(FOLDER, tmp_path, sample=150)
    assert differences == []
    assert counts["written: agree"] >= 70
    assert counts["generated: agree"] >= 1000
    assert counts["generated: agree, an error"] >= 10
