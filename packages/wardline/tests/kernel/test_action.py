"""Actions: what rules match, the verb, and that nothing can be changed afterwards."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardline.action import Action, Principal, type_of


@pytest.mark.parametrize(
    "variant",
    [
        "drop",
        "DROP",
        "DrOp",
        "drop ",
        "\tdrop\n",
        "\u3000drop\u3000",  # ideographic space
        "ｄｒｏｐ",  # full width
        "ＤＲＯＰ",
        "d\u200brop",  # zero-width space
        "dr\u200dop",  # zero-width joiner
        "dro\u00adp",  # soft hyphen
        "\ufeffdrop",  # byte order mark
        "dr\u2060op",  # word joiner
        "\u202edrop",  # right-to-left override
        "dr\ufe0fop",  # variation selector
        "dr\u034fop",  # combining grapheme joiner
        "drop\u3164",  # Hangul filler
        "dr\U000e0100op",  # supplementary variation selector
        "𝐝𝐫𝐨𝐩",  # mathematical bold
        "ⓓⓡⓞⓟ",  # circled
        "\u200b drop",
    ],
)
def test_LANG_7_variants_of_a_name_have_one_type(variant: str) -> None:
    assert type_of(variant) == "drop"
    assert Action("tool_call", variant, {}).type == "drop"
    assert Action("tool_call", "t", {"action": variant}).verb == "drop"


@pytest.mark.parametrize("other", ["drops", "dr op", "d-rop", "droр"])  # the last is Cyrillic
def test_other_names_have_other_types(other: str) -> None:
    assert type_of(other) != "drop"


@given(st.text())
def test_LANG_7_the_type_of_a_type_is_itself(text: str) -> None:
    assert type_of(type_of(text)) == type_of(text)


@given(st.text(), st.sampled_from(["\u200b", "\u00ad", "\ufe0f", "\ufeff"]), st.integers(0, 20))
def test_LANG_7_an_invisible_mark_anywhere_changes_no_type(text: str, mark: str, at: int) -> None:
    assert type_of(text[:at] + mark + text[at:]) == type_of(text)


def test_the_name_stays_as_it_is_registered() -> None:
    assert Action("tool_call", " DROP ", {}).name == " DROP "


@pytest.mark.parametrize("value", [1, None, ["drop"], {"a": 1}, b"drop"])
def test_only_a_string_is_a_verb(value: Any) -> None:
    assert Action("tool_call", "t", {"action": value}).verb == ""


def test_only_a_tool_call_has_a_verb() -> None:
    assert Action("message", "t", {"action": "drop"}).verb == ""
    assert Action("message", "t", {}).verb_of({"action": "drop"}) == ""
    assert Action("tool_call", "t", {}).verb_of({"action": "DROP"}) == "drop"


@pytest.mark.parametrize("field", ["name", "type", "verb", "kind", "args", "principal", "new"])
def test_an_action_cannot_be_changed(field: str) -> None:
    action = Action("tool_call", "t", {})
    with pytest.raises(AttributeError, match="immutable"):
        setattr(action, field, "x")
    with pytest.raises(AttributeError):
        delattr(action, field)
    assert action.name == "t"


def test_an_action_shows_what_it_is() -> None:
    assert repr(Action("tool_call", "t", {"a": 1})) == "<Action tool_call 't' {'a': 1}>"
    assert repr(Action("tool_call", "t", {}, stage="after")) == "<Action tool_call.after 't' {}>"


def test_a_principal_is_a_value() -> None:
    one = Principal("a", chain=["x"], roles=["r"])  # type: ignore[arg-type]
    assert one == Principal("a", chain=("x",), roles=("r",))
    assert hash(one) == hash(Principal("a", chain=("x",), roles=("r",)))
    assert one.view["name"] == "a"
    with pytest.raises(AttributeError):
        one.id = "b"  # type: ignore[misc]
    assert copy.copy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one
