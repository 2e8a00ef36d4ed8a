"""A policy that names what no installed distribution brings does not load."""

from __future__ import annotations

import pytest

from wardline.errors import PolicyError
from wardline.plugins import installed
from wardline.policy import parse_policies


@pytest.mark.skipif("pii" in installed("wardline.detectors"), reason="wardline-facets is installed")
def test_detectors_without_their_distribution() -> None:
    with pytest.raises(PolicyError, match="needs the package wardline-facets") as caught:
        parse_policies(
            "apiVersion: wardline/v1\nname: p\nrules:\n"
            "- {name: r, action: redact, detectors: [pii]}\n"
        )
    assert "pip install wardline-facets" in str(caught.value)


@pytest.mark.skipif(bool(installed("wardline.engines")), reason="wardline-engines is installed")
def test_an_engine_without_its_distribution() -> None:
    with pytest.raises(PolicyError, match="needs the package wardline-engines"):
        parse_policies("apiVersion: wardline/v1\nname: p\nengine: cedar\n")
