"""The acceptance table of conditions: what each must give, or that the policy must not load."""

from __future__ import annotations

from typing import Any

import pytest

from wardline.cel import Program, Scope, compile, parse  # noqa: A004
from wardline.errors import EvaluationError, PolicyError

ARGS = {
    "path": "/etc/passwd", "command": "rm -rf /", "amount": 5000, "s": "x or y",
    "empty": "", "flag": True, "q": "it's",
}  # fmt: skip
TYPES = {
    "path": "string", "command": "string", "amount": "number", "s": "string",
    "empty": "string", "flag": "boolean", "q": "string",
}  # fmt: skip
PROBES: list[tuple[str, bool | str]] = [
    ("args.path.startsWith('/etc')", True),
    ("args.command.matches('rm -rf')", True),
    ("action.type == 'drop' && args.amount > 10", True),
    ("action.type == 'drop' && action.name == 'other'", False),
    ("(action.type == 'drop')", True),
    ("not action.type == 'read'", "LOAD"),
    ("!(action.type == 'read')", True),
    ("action.type == 'read' || action.type == 'drop'", True),
    ("args.s == 'x or y'", True),
    ("action.type not in ['read']", "LOAD"),
    ("args.amount == 5000", True),
    ("'drop' == action.type", True),
    ("args.amount >= -1", True),
    ("has(args.path)", True),
    ("action.type=='drop' or", "LOAD"),
    ("this is garbage", "LOAD"),
    ("size(args.path) > 3", True),
    ("args.command contains 'rm'", "LOAD"),
    ('action.type in ["dr,op"]', False),
    ("args.missing < 10", "LOAD"),
    ("args.empty == ''", True),
    ("'admin' in principal.roles", True),
    ("principal.roles.exists(r, r == 'admin')", True),
    ("args.flag == true", True),
    ('args.q == "it\'s"', True),
    ("args.amount + 1 > 5000", True),
    ("args.missing != 'x'", "LOAD"),
    ("args.path == '/etc/passwd' garbage here", "LOAD"),
    ("action.type in ['drop'", "LOAD"),
    (" && ".join(["action.type == 'drop'"] * 118), True),
]


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
