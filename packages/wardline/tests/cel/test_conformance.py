"""The conformance cases of the CEL specification that use what this version has.

The folder that holds `cel-spec/` (the cases as JSON) is named by WARDLINE_TEST_DATA.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from wardline.cel.parser import parse
from wardline.cel.program import compile_open
from wardline.errors import EvaluationError, PolicyError

_FOLDER = os.environ.get("WARDLINE_TEST_DATA")
_FILES = [
    "basic", "comparisons", "conversions", "fields", "fp_math", "integer_math", "lists", "logic",
    "macros", "namespace", "parse", "plumbing", "string", "timestamps", "string_ext",
]  # fmt: skip
# Fewer than these accepted would mean that something got lost.
_LEAST = {
    "basic": 25, "comparisons": 100, "conversions": 25, "fp_math": 25, "integer_math": 35,
    "lists": 20, "logic": 25, "macros": 30, "parse": 120, "plumbing": 2, "string": 40,
}  # fmt: skip


class _Env:
    budget = 10_000_000


class _NotHereError(Exception):
    """A value that this version has no type for."""


def _decode(value: dict[str, Any]) -> Any:
    ((tag, held),) = value.items()
    if tag in ("null", "bool", "int", "string"):
        return held
    if tag == "double":
        return float(held)
    if tag == "bytes":
        return bytes.fromhex(held)
    if tag == "list":
        return [_decode(item) for item in held]
    if tag == "map":
        pairs = [(_decode(key), _decode(item)) for key, item in held]
        if all(type(key) is str for key, _ in pairs):
            return dict(pairs)
    raise _NotHereError(tag)


def _same(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if type(left) is float:
        if math.isnan(left) or math.isnan(right):
            return math.isnan(left) and math.isnan(right)
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    if type(left) is list:
        return len(left) == len(right) and all(map(_same, left, right))
    if type(left) is dict:
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return bool(left == right)


@pytest.mark.parametrize("name", _FILES)
def test_agrees_with_the_specification(
    name: str, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if not _FOLDER:
        pytest.skip("WARDLINE_TEST_DATA does not name the folder that holds cel-spec/")
    cases = json.loads((Path(_FOLDER) / "cel-spec" / f"{name}.json").read_text("utf-8"))
    ran = refused = 0
    wrong: list[str] = []
    for case in cases:
        if case.get("check_only") or "needs" in case or case.get("container"):
            continue
        expects_error = "error" in case["expect"]
        try:
            bindings = {key: _decode(value) for key, value in case.get("bindings", {}).items()}
            expected = None if expects_error else _decode(case["expect"]["value"])
        except _NotHereError:
            refused += 1
            continue
        try:
            run = compile_open(parse(case["expr"]), sorted(bindings))
        except PolicyError:
            refused += 1
            continue
        ran += 1
        try:
            result = run(_Env(), bindings)  # type: ignore[arg-type]
        except EvaluationError as error:
            if not expects_error:
                wrong.append(f"{case['id']}: {case['expr']}: {error}")
            continue
        if expects_error:
            wrong.append(f"{case['id']}: {case['expr']} gave {result!r}, not an error")
        elif not _same(result, expected):
            wrong.append(f"{case['id']}: {case['expr']} gave {result!r}, not {expected!r}")
    record_property("ran", ran)
    with capsys.disabled():
        print(f"\n{name}: ran {ran}, refused when loading {refused}, wrong {len(wrong)}")
    assert not wrong, "\n".join(wrong)
    assert ran >= _LEAST.get(name, 0)
