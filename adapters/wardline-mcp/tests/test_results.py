"""Results of any form: what is judged is all of it, and what was taken out is out of all of it."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wardline import ConfigurationError
from wardline_mcp._methods import ACTS
from wardline_mcp._results import stored_result

SECRET = "SECRET-9f3c"
busy = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # other work, other clocks
words = st.text(max_size=8) | st.just(SECRET)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
texts = st.builds(lambda text: {"type": "text", "text": text}, words)
images = st.builds(lambda data: {"type": "image", "data": data, "mimeType": "image/png"}, words)
blocks = st.lists(texts | images, max_size=3)
meta = st.fixed_dictionaries(
    {}, optional={"_meta": st.dictionaries(words, words, max_size=2), "x-more": words}
)


def structured(value):
    """Return a result as servers make one: the value, and the same as text."""
    text = value if isinstance(value, str) else json.dumps(value)
    both = {"result": value} if not isinstance(value, dict) else value
    return {"content": [{"type": "text", "text": text}], "structuredContent": both}


tool_results = st.builds(
    lambda one, more: {**one, **more},
    st.builds(lambda content: {"content": content}, blocks)
    | st.builds(structured, values)
    | st.builds(
        lambda content, value: {"content": content, "structuredContent": value}, blocks, values
    ),
    meta,
)
resources = st.builds(
    lambda parts: {"contents": parts},
    st.lists(st.builds(lambda text: {"uri": "a:b", "text": text}, words), max_size=3),
)
prompts = st.builds(
    lambda parts, said: {"messages": parts, "description": said},
    st.lists(st.builds(lambda one: {"role": "user", "content": one}, texts | images), max_size=3),
    words,
)
answers = st.builds(
    lambda one: {"role": "assistant", "model": "m", "content": one}, texts | images | blocks
)
results = (
    st.tuples(st.just("tools/call"), tool_results)
    | st.tuples(st.just("resources/read"), resources)
    | st.tuples(st.just("prompts/get"), prompts)
    | st.tuples(st.just("sampling/createMessage"), answers)
)


def without(value):
    """Return a value with the secret taken out of every string and key."""
    if isinstance(value, str):
        return value.replace(SECRET, "GONE")
    if isinstance(value, dict):
        return {without(key): without(one) for key, one in value.items()}
    return [without(one) for one in value] if isinstance(value, list) else value


@busy
@given(results)
def test_what_a_rule_takes_out_is_in_no_part_of_what_is_released(case):
    method, raw = case
    shaped = ACTS[method].result(raw)
    released = shaped.released(without(shaped.content))
    assert SECRET not in json.dumps({k: v for k, v in released.items() if k != "model"})


@busy
@given(tool_results)
def test_what_is_released_unchanged_says_the_same_again(raw):
    act = ACTS["tools/call"]
    shaped = act.result(raw)
    again = act.result(shaped.released(shaped.content))
    assert again.content == shaped.content
    assert "_meta" not in shaped.released(shaped.content)


def test_a_result_of_an_extension_is_judged_whole():
    raw = {"resultType": "x/later", "handle": SECRET, "_meta": {"a": SECRET}}
    shaped = ACTS["tools/call"].result(raw)
    assert shaped.content == {"handle": SECRET}
    assert shaped.released({"handle": ""}) == {"resultType": "x/later", "handle": ""}


@busy
@given(tool_results)
def test_a_kept_result_comes_back_with_its_content(raw):
    act = ACTS["tools/call"]
    content = act.result(raw).content
    kept = stored_result(content, structured="structuredContent" in raw)
    assert isinstance(kept["content"], list)
    assert ("structuredContent" in kept) >= isinstance(raw.get("structuredContent"), dict)


@pytest.mark.parametrize(
    ("method", "raw", "content"),
    [
        ("tools/call", {"content": [], "structuredContent": {"a": 1}}, "gone"),
        ("tools/call", {"content": [], "structuredContent": {"a": 1}}, {"a": 2}),
        ("resources/read", {"contents": []}, "gone"),
        ("prompts/get", {"messages": []}, "gone"),
        ("elicitation/create", {"action": "accept"}, "gone"),
        ("tools/call", {"resultType": "input_required", "inputRequests": {}}, {}),
    ],
)
def test_a_change_that_a_result_has_no_place_for_releases_nothing(method, raw, content):
    with pytest.raises(ConfigurationError):
        ACTS[method].result(raw).released(content)


def test_what_the_protocol_itself_attaches_stays():
    raw = {
        "content": [{"type": "text", "text": "a"}],
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s"}, "x/y": "a"},
    }
    released = ACTS["tools/call"].result(raw).released("b")
    assert released["_meta"] == {"io.modelcontextprotocol/serverInfo": {"name": "s"}}
