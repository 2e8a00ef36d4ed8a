"""What the README of the package shows is loaded and asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from wardline import COUNTERS, ActionRefused, Principal, load_policies
from wardline_engines import authzen, authzen_terms, cedar, rego

if TYPE_CHECKING:
    from wardline import Verdict

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
DOCUMENTS = {
    text.split("engine: ")[1].split("\n")[0]: text for kind, text in BLOCKS if "engine: " in text
}
(SCHEMA,) = (text for kind, text in BLOCKS if kind == "cedarschema")


def shown(name: str) -> dict[str, Any]:
    """Return the settings that the README shows for an engine."""
    return dict(yaml.safe_load(DOCUMENTS[name])["with"])


def test_the_documents_load(tmp_path: Path, opa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDLINE_OPA", opa)
    monkeypatch.setenv("PDP_AUTHORIZATION", "Bearer x")
    assert set(DOCUMENTS) == {"cedar", "rego", "authzen"}
    for name, text in DOCUMENTS.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    policies = load_policies(tmp_path)
    assert len(policies.engines) == 3
    policies.close()


def expect(verdicts: list[Verdict]) -> None:
    small, large = verdicts
    assert (small.effect, small.failed) == ("allow", False)
    assert (large.effect, large.reason) == ("deny", "payments over 100 need a person")


@pytest.mark.parametrize("schema", [False, True])
def test_cedar_decides_as_it_says(asking: Any, schema: bool) -> None:
    asked = asking("cedar", {**shown("cedar"), **({"schema": SCHEMA} if schema else {})})
    counted = dict.fromkeys(COUNTERS, 0)
    verdicts = [
        asked.verdict({"amount": amount, "to": None}, session=counted, run=counted)
        for amount in (99.5, 100.5)
    ]
    expect(verdicts)
    assert asked.verdict(principal=Principal("x"), session=counted, run=counted).effect == "deny"


def test_the_schema_fits_what_a_guard_sends(governed: Any) -> None:
    def pay(amount: float, to: str | None = None) -> str:
        return "paid"

    policies = "permit(principal, action, resource);"
    tool = governed(pay, "cedar", {"policies": policies, "schema": SCHEMA})
    assert [tool(99.5), tool(5.5, "ann")] == ["paid", "paid"]
    with pytest.raises(ActionRefused, match="failed to build request"):
        tool(7)


def test_rego_decides_as_it_says(asking: Any, opa: str) -> None:
    asked = asking("rego", {**shown("rego"), "opa": opa})
    asked.policies.start()
    expect([asked.verdict({"amount": amount}) for amount in (100, 101)])
    assert asked.verdict(name="look").effect == "allow"


def test_the_default_mapping_is_the_one_it_shows() -> None:
    (text,) = (text for kind, text in BLOCKS if text.startswith("subject:"))
    assert yaml.safe_load(text) == authzen_terms.template({})


@pytest.mark.parametrize("module", [cedar, rego, authzen])
def test_every_setting_is_in_a_table(module: Any) -> None:
    for key in module.KEYS:
        assert f"| `{key}` |" in README


def test_the_entities_of_the_example(asking: Any) -> None:
    entities = [
        {"uid": {"type": "Tool", "id": "pay"}, "attrs": {}, "parents": [{"type": "Group", "id": "payments"}]},
        {"uid": {"type": "Group", "id": "payments"}, "attrs": {}, "parents": []},
    ]  # fmt: skip
    policies = 'permit(principal, action, resource in Group::"payments");'
    asked = asking("cedar", {"policies": policies, "entities": entities})
    assert asked.verdict().effect == "allow"
    assert asked.verdict(name="look").effect == "deny"
