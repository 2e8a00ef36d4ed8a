"""The acceptance table of conditions: what each must give, or that the policy must not load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wardline.cel import Program, Scope, compile, parse  # noqa: A004
from wardline.errors import EvaluationError, PolicyError

TABLE = json.loads(Path(__file__).parents[1].joinpath("probes.json").read_text())
ARGS, TYPES = TABLE["arguments"], TABLE["types"]
PROBES: list[tuple[str, bool | str]] = [(text, wanted) for text, wanted in TABLE["probes"]]
assert len(PROBES) == 30


def program(text: str, types: dict[str, str] | None = None) -> Program:
    return compile(parse(text), Scope(TYPES if types is None else types))


@pytest.mark.parametrize(("text", "expected"), PROBES)
def test_LANG_4_probe(make_env: Any, text: str, expected: bool | str) -> None:
    if expected == "LOAD":
        with pytest.raises(PolicyError) as raised:
            program(text)
        problem = raised.value.problems[0]
        assert problem.line == 1
        assert problem.column >= 1
        assert problem.source == text
    else:
        assert program(text).test(make_env(**ARGS)) is expected


@pytest.mark.parametrize("text", ["args.missing < 10", "args.missing != 'x'", "args.missing == 1"])
def test_LANG_6_missing_argument_that_is_declared_is_an_evaluation_error(
    make_env: Any, text: str
) -> None:
    with pytest.raises(EvaluationError, match="missing"):
        program(text, {"missing": "dyn"}).test(make_env())
