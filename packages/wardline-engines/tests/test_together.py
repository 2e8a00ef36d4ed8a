"""All engines beside a document of ours: the strictest counts, and whatever arrives is told exactly."""

from __future__ import annotations

import json
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from decision_points import behaving

from wardline import (
    ActionRefused,
    ConfigurationError,
    EngineError,
    Guard,
    MemoryStore,
    Verdict,
    govern,
)
from wardline_engines import authzen, cedar, latency, rego

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline import Engine

NATIVE = """
apiVersion: wardline/v1
name: own
default_action: allow
rules:
  - { name: not-ours, condition: "has(args.amount) && args.amount == 13", action: deny }
tools:
  pay: { effects: [write], args: { amount: number } }
"""


def write(folder: Path, url: str, opa: str) -> None:
    documents = {
        "cedar": {
            "policies": 'permit(principal, action, resource);\n@id("four")\n'
            "forbid(principal, action, resource) when { context.args.amount == 4 };\n"
        },
        "rego": {
            "policies": "package wardline\ndecision := input.action.args.amount != 5\n",
            "opa": opa,
        },
        "authzen": {"url": url},
    }
    (folder / "own.yaml").write_text(NATIVE)
    for engine, given_ in documents.items():
        document = {"apiVersion": "wardline/v1", "name": f"the-{engine}", "engine": engine}
        document |= {"deadline": "5s", "with": given_}
        (folder / f"{engine}.yaml").write_text(json.dumps(document))


@pytest.fixture
def governed(tmp_path: Path, opa: str) -> Iterator[Any]:
    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return {"decision": body["context"]["args"]["amount"] != 6}

    folder = tmp_path / "policies"
    folder.mkdir()
    with behaving(answer) as point:
        write(folder, point.url, opa)
        with Guard(folder, home=tmp_path / "home", store=MemoryStore()) as guard:

            def pay(amount: int) -> int:
                return amount

            tool = govern(pay, guard=guard)
            tool.point = point  # type: ignore[attr-defined]
            yield tool


def test_the_strictest_of_all_counts(governed: Any) -> None:
    assert [governed(amount) for amount in (1, 2, 3)] == [1, 2, 3]
    for amount, document, reason in [
        (4, "the-cedar", "cedar: forbidden by four"),
        (5, "the-rego", "rego: it says no"),
        (6, "the-authzen", "authzen: it says no"),
    ]:
        with pytest.raises(ActionRefused) as caught:
            governed(amount)
        assert caught.value.decision is not None
        assert (caught.value.decision.document, caught.value.decision.reason) == (document, reason)
    asked = len(governed.point.asked)
    with pytest.raises(ActionRefused) as caught:
        governed(13)
    assert caught.value.rule == "not-ours"
    assert len(governed.point.asked) == asked


def test_many_at_once_keep_their_answers(governed: Any) -> None:
    def one(number: int) -> str:
        try:
            return str(governed(number % 8))
        except ActionRefused as refusal:
            assert refusal.decision is not None
            return str(refusal.decision.document)

    refused = {4: "the-cedar", 5: "the-rego", 6: "the-authzen"}
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(one, range(120)))
    assert found == [refused.get(number % 8, str(number % 8)) for number in range(120)]


def test_ENG_4_a_guard_does_not_open_without_an_engine(
    tmp_path: Path, opa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "opa"
    # It checks policies, and ends at once where it should serve.
    broken.write_text(f'#!/bin/sh\n[ "$1" = run ] && exit 1\nexec {opa} "$@"\n')
    broken.chmod(0o755)
    (tmp_path / "policies").mkdir()
    write(tmp_path / "policies", "http://127.0.0.1:1", str(broken))
    monkeypatch.setattr("wardline_engines.opa.START", 0.5)
    with pytest.raises(
        ConfigurationError, match="the rego engine of `the-rego` cannot start: OPA was started"
    ):
        Guard(tmp_path / "policies", home=tmp_path / "home", store=MemoryStore())


# Whatever arrives

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["__entity", "__extn", "__expr", "type", "id", "fn", "arg", "", "ä"])
            | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
OFTEN = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def request(**args: Any) -> dict[str, Any]:
    return {**latency.REQUEST, "action": {**latency.REQUEST["action"], "args": args}}


def answer(engine: Engine, **args: Any) -> Verdict | None:
    """Return the verdict, None where there is no answer; anything else is a mistake of ours."""
    try:
        return engine.judge(request(**args), 10)
    except EngineError:
        return None


def has_escape(value: Any) -> bool:
    if isinstance(value, dict):
        inside = any(has_escape(item) for item in value.values())
        return inside or bool({"__entity", "__extn", "__expr"} & value.keys())
    return isinstance(value, list) and any(map(has_escape, value))


@OFTEN
@given(PLAIN)
def test_cedar_holds_what_it_is_told_or_gives_no_answer(value: Any) -> None:
    same = (
        'permit(principal, action, resource) when { context.args.m["a"] == context.args.m["b"] };'
    )
    verdict = answer(_cedar(same), m={"a": value, "b": value, "kept": 1})
    if has_escape(value):
        assert verdict is None
    elif verdict is not None and value is not None:
        assert verdict.effect == "allow"


@OFTEN
@given(
    st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-1000, 1000).map(lambda x: round(x, 4))
)
def test_a_float_is_exact_in_cedar_or_gives_no_answer(value: float) -> None:
    shown = f"{value:.4f}"
    if abs(value) > 9e13:
        return
    verdict = answer(
        _cedar(
            f'permit(principal, action, resource) when {{ context.args.v == decimal("{shown}") }};'
        ),
        v=value,
    )
    assert (verdict is not None) == (float(shown) == value and "e" not in repr(value))
    assert verdict is None or verdict.effect == "allow"


def _cedar(policies: str) -> Engine:
    return cedar.open({"policies": policies}, lambda name: b"")


@OFTEN
@given(data=st.data())
def test_a_decision_point_reads_what_was_meant(data: Any, point: Any) -> None:
    value = data.draw(PLAIN)
    engine, asked = point
    asked.clear()
    verdict = answer(engine, v=value)
    if verdict is None:
        assert _inexact(value)
        assert asked == []
    else:
        assert repr(asked[0]["context"]["args"]) == repr({"v": value})


@pytest.fixture(scope="module")
def point() -> Iterator[Any]:
    with behaving(lambda _: {"decision": True}) as running:
        engine = authzen.open({"url": running.url}, lambda name: b"")
        yield engine, running.asked
        engine.close()


@OFTEN
@given(data=st.data())
def test_opa_reads_what_was_meant(data: Any, equal: Engine) -> None:
    value, other = data.draw(PLAIN), data.draw(PLAIN)
    verdict = answer(equal, a=value, b=value, c=json.dumps(value))
    if verdict is None:
        assert _inexact(value, wide=True)
    else:
        assert verdict.effect == "allow"
    verdict = answer(equal, a=value, b=other, c=json.dumps(value))
    if verdict is not None and not _alike(value, other):
        assert verdict.effect == "deny"


@pytest.fixture(scope="module")
def equal(opa: str) -> Iterator[Engine]:
    policies = (
        "package wardline\n"
        "decision if { input.action.args.a == input.action.args.b\n"
        "  input.action.args.a == json.unmarshal(input.action.args.c) }\n"
    )
    engine = rego.open({"policies": policies, "opa": opa}, lambda name: b"")
    engine.start()
    yield engine
    engine.close()


def _inexact(value: Any, *, wide: bool = False) -> bool:
    """Whether a number in there is none that the reader of JSON takes for the same."""
    if isinstance(value, dict):
        return any(_inexact(item, wide=wide) for item in value.values())
    if isinstance(value, list):
        return any(_inexact(item, wide=wide) for item in value)
    if type(value) is float:
        return not math.isfinite(value)
    return type(value) is int and abs(value) > 2**53 - 1 and not wide


def _alike(one: Any, other: Any) -> bool:
    """Whether JSON has one form for both: 1 and 1.0 are one number, true is none."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)
