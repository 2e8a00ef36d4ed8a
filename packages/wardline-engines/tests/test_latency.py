"""The measurements can be made; what they come to is no reason to fail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from decision_points import behaving

from wardline_engines import authzen, cedar, latency, rego


def nothing(name: str) -> bytes:
    raise AssertionError(name)


def table(name: str, engine: Any) -> None:
    try:
        engine.start()
        taken = latency.sample(engine, 200)
    finally:
        engine.close()
    assert len(taken) == 200
    assert taken == sorted(taken)
    print(f"{name}: p50 {taken[100] * 1e6:.0f} µs, p99 {taken[198] * 1e6:.0f} µs")


@pytest.mark.parametrize("rules", [1, 100])
def test_cedar_can_be_measured(rules: int) -> None:
    table(f"cedar {rules}", cedar.open({"policies": latency.cedar_policies(rules)}, nothing))


@pytest.mark.parametrize("rules", [1, 100])
def test_rego_can_be_measured(rules: int, opa: str) -> None:
    settings = {"policies": latency.rego_policy(rules), "opa": opa}
    table(f"rego {rules}", rego.open(settings, nothing))


def test_authzen_can_be_measured() -> None:
    with behaving(lambda _: {"decision": True}) as point:
        table("authzen", authzen.open({"url": point.url}, nothing))


def test_a_refusal_is_not_measured() -> None:
    engine = cedar.open({"policies": "permit(principal, action, resource) when {false};"}, nothing)
    with pytest.raises(ValueError, match="every answer should be allow"):
        latency.sample(engine, 1)
