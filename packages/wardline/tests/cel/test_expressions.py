"""The made-up conditions that other tests rely on: they load, and they are not all alike."""

from __future__ import annotations

import random
import re
from typing import Any

import expressions
from hypothesis import HealthCheck, given, settings

from wardline.cel import Scope, compile, parse  # noqa: A004
from wardline.errors import EvaluationError


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(expressions.cases(), expressions.facts())
def test_made_up_conditions_load_and_give_a_boolean_or_an_evaluation_error(
    make_env: Any, case: expressions.Case, facts: dict[str, Any]
) -> None:
    program = compile(parse(case.text), Scope(expressions.TYPES))
    env = make_env(**case.args)
    for name, value in facts.items():
        setattr(env, name, value)
    try:
        assert program.test(env) in (True, False)
    except EvaluationError as error:
        assert str(error)


def test_they_cover_the_language_and_both_outcomes(make_env: Any) -> None:
    chance = random.Random(5)
    texts = [
        expressions.grow(chance.randbytes(96), kind)
        for kind in expressions.KINDS
        for _ in range(800)
    ]
    for rows in (*expressions.TEMPLATES.values(), *expressions.OURS.values()):
        for row in rows:
            longest = max(re.split(r"\{[a-z]+\}|[+=],", row), key=len)
            assert any(longest in text for text in texts), row
    outcomes = set()
    loading = [text for text in texts if expressions.loads(text)]
    assert len(loading) > len(texts) * 2 // 3
    for text in loading:
        program = compile(parse(text), Scope(expressions.TYPES), condition=False)
        try:
            outcomes.add(type(program.value(make_env(x=1, s="a", n=1.5, f=True, l=["a"]))))
        except EvaluationError:
            outcomes.add(None)
    assert {bool, int, float, str, bytes, list, dict, None} <= outcomes
