"""Detectors: `pii(v)` and `secrets(v)` in conditions, and `redact` with `detectors`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wardline.action import Action, Principal
from wardline.canonical import private_copy
from wardline.decide import decide
from wardline.errors import PolicyError
from wardline.facts import Facts
from wardline.plugins import installed
from wardline.policy import parse_policies

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.decision import Decision

    Install = Callable[..., None]

pytestmark = pytest.mark.skipif(
    "pii" in installed("wardline.detectors"), reason="wardline-facets is installed"
)

PII = """
import re
NAMES = ("email", "number")
def find(text):
    found = [("email", *m.span()) for m in re.finditer(r"[a-z]+@[a-z]+", text)]
    return found + [("number", *m.span()) for m in re.finditer(r"[0-9]{8,}", text)]
"""
SECRETS = """
import re
NAMES = ("key",)
def find(text):
    return [("key", *m.span()) for m in re.finditer(r"sk-[a-z@]+", text)]
"""


@pytest.fixture(autouse=True)
def brought(install: Install) -> None:
    install("wardline.detectors", "pii", PII)
    install("wardline.detectors", "secrets", SECRETS)


def ask(rules: str, args: dict[str, Any], *, result: Any = None) -> Decision:
    policies = parse_policies(
        f"apiVersion: wardline/v1\nname: p\ndefault_action: allow\nrules:\n{rules}"
    )
    stage = "before" if result is None else "after"
    action = Action("tool_call", "t", private_copy(args).tree, stage=stage)
    return decide(policies, action, Facts(Principal("a"), {}, {}, 0, result=result))


def changed(rules: str, args: dict[str, Any]) -> Any:
    decision = ask(rules, args)
    assert decision.effect == "allow", decision.reason
    return None if decision.replacement is None else decision.replacement.tree


RULE = "- {name: r, action: redact, detectors: [%s]}\n"


@pytest.mark.parametrize(
    ("value", "hits"),
    [
        ("write to bob@example", "['email']"),
        ({"a": [{"b": "bob@example 12345678"}]}, "['email', 'number']"),
        ({"bob@example": 1}, "['email']"),
        (1234567890, "['number']"),
        (b"\xff bob@example", "['email']"),
        (["nothing", 5, None, True, 1.5], "[]"),
    ],
)
def test_a_condition_sees_the_detectors_that_hit(value: Any, hits: str) -> None:
    rules = f'- {{name: r, condition: "has(args.v) && pii(args.v) == {hits}", action: deny}}\n'
    assert ask(rules, {"v": value}).rule == "r"


def test_what_passes_by_reference_cannot_be_searched() -> None:
    from wardline.canonical import Opaque

    rules = '- {name: r, condition: "has(args.v) && pii(args.v) != []", action: deny}\n'
    policies = parse_policies(
        f"apiVersion: wardline/v1\nname: p\ndefault_action: allow\nrules:\n{rules}"
    )
    action = Action("tool_call", "t", {"v": [Opaque(object())]})
    decision = decide(policies, action, Facts(Principal("a"), {}, {}, 0))
    assert decision.effect == "deny"
    assert "cannot be searched" in decision.reason


def test_redact_replaces_what_a_detector_finds_and_leaves_the_rest() -> None:
    args = {"body": "to bob@example, sk-abc", "rows": [{"n": 1234567890, "ok": 5}], "plain": "hi"}
    assert changed(RULE % "pii, secrets", args) == {
        "body": "to [REDACTED:email], [REDACTED:key]",
        "rows": [{"n": "[REDACTED:number]", "ok": 5}],
        "plain": "hi",
    }
    assert changed(RULE % "email", args)["rows"] == args["rows"]
    assert changed(RULE % "secrets", {"body": "nothing"}) is None


def test_octets_stay_octets() -> None:
    assert changed(RULE % "pii", {"b": b"\xff bob@example \xfe"}) == {
        "b": b"\xff [REDACTED:email] \xfe"
    }


def test_paths_say_where_to_look() -> None:
    rules = "- {name: r, action: redact, detectors: [pii], paths: ['args.rows[*].mail']}\n"
    args = {"rows": [{"mail": "a@b", "note": "c@d"}], "mail": "e@f"}
    assert changed(rules, args) == {
        "rows": [{"mail": "[REDACTED:email]", "note": "c@d"}],
        "mail": "e@f",
    }


def test_several_rules_look_at_the_same_text() -> None:
    rules = RULE % "pii" + "- {name: s, action: redact, detectors: [secrets]}\n"
    assert changed(rules, {"x": "a@b sk-c@d"}) == {"x": "[REDACTED:email] [REDACTED:key]"}


def test_a_place_that_is_redacted_whole_covers_what_is_found_in_it() -> None:
    rules = RULE % "pii" + "- {name: s, action: redact, paths: [args.x]}\n"
    assert changed(rules, {"x": {"y": "a@b"}, "z": "c@d"}) == {
        "x": "[REDACTED]",
        "z": "[REDACTED:email]",
    }


def test_a_transform_of_the_same_place_denies() -> None:
    rules = RULE % "pii" + "- {name: s, action: transform, set: {args.x: \"'a'\"}}\n"
    decision = ask(rules, {"x": "a@b"})
    assert decision.effect == "deny"
    assert "overlap" in decision.reason


def test_a_find_in_a_key_denies() -> None:
    decision = ask(RULE % "pii", {"x": {"a@b": 1}})
    assert decision.effect == "deny"
    assert "a key holds what `email` finds" in decision.reason


def test_a_result_is_redacted_too() -> None:
    rules = "- {name: r, on: tool_call.after, action: redact, detectors: [pii]}\n"
    decision = ask(rules, {}, result={"mail": "a@b"})
    assert decision.replacement is not None
    assert decision.replacement.tree == {"mail": "[REDACTED:email]"}


def test_more_text_than_one_decision_may_search_denies() -> None:
    decision = ask(RULE % "pii, secrets", {"x": "x" * 500_000})
    assert decision.effect == "deny"
    assert "more steps" in decision.reason


def test_an_unknown_detector_is_a_load_error() -> None:
    with pytest.raises(PolicyError, match="there is no detector `emial`") as caught:
        ask(RULE % "emial", {})
    assert "did you mean `email`?" in str(caught.value)


def test_detectors_belong_to_redact() -> None:
    with pytest.raises(PolicyError, match="`detectors` belongs to `action: redact`"):
        ask("- {name: r, action: deny, detectors: [pii]}\n", {})


def test_a_redact_rule_says_what_to_redact() -> None:
    with pytest.raises(PolicyError, match="does not say what to redact"):
        ask("- {name: r, action: redact}\n", {})
