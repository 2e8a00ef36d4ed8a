"""`wardline test`: whether a policy decides what its cases expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline_cli import exits, output
from wardline_cli.failures import UsageError
from wardline_cli.options import Json, TestPaths, group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.cases import CaseFile, CaseResult

__all__ = ["app", "run"]

app = group("test")


@app.default
def run(*paths: TestPaths, as_json: Json = False) -> int:
    """Judge the cases of policies: one action each, with the decision that is expected.

    A policy's cases are in cases/*.yaml beside it; of a folder, all folders called
    cases are taken. A file of cases can be named itself.

    For example:
        wardline test policy.yaml
        wardline test policies/ --json

    Exits with 0 if every case passes, with 1 if one fails or does not load.
    """
    from wardline.cases import find_suites, run_cases

    if not paths:
        raise UsageError("name a policy, a folder or a file of cases: `wardline test policy.yaml`")
    ran: list[tuple[CaseFile, Sequence[CaseResult]]] = []
    for suite in find_suites(paths):
        policies = suite.policies()
        ran += [(file, run_cases(policies, file.cases)) for file in suite.files]
    failed = sum(not one.passed for _, results in ran for one in results)
    passed = sum(len(results) for _, results in ran) - failed
    if as_json:
        output.print_json(
            {
                "ok": not failed,
                "passed": passed,
                "failed": failed,
                "files": [_as_dict(file, results) for file, results in ran],
            }
        )
        return exits.FAILED if failed else exits.OK
    for file, results in ran:
        _show(file, results)
    output.say()
    output.say(output.paint(f"{passed} passed, {failed} failed", "red" if failed else "green"))
    return exits.FAILED if failed else exits.OK


def _as_dict(file: CaseFile, results: Sequence[CaseResult]) -> dict[str, Any]:
    return {
        "file": file.file,
        "policies": [str(path) for path in file.policies],
        "cases": [one.as_dict() for one in results],
    }


def _show(file: CaseFile, results: Sequence[CaseResult]) -> None:
    failed = [one for one in results if not one.passed]
    line = f"{output.printable(file.file)}: {len(results) - len(failed)} passed"
    output.say(line + (f", {len(failed)} failed" if failed else ""))
    for one in failed:
        output.say()
        name = output.paint(output.printable(one.case.name), "bold")
        output.say(f"  {output.printable(one.case.file)}:{one.case.line}: {name}")
        for text in _why(one):
            output.say(f"      {text}")


def _why(result: CaseResult) -> list[str]:
    if result.problem is not None:
        hint = f"; {result.problem.hint}" if result.problem.hint else ""
        return [output.printable(f"cannot be judged: {result.problem.message}{hint}")]
    found = result.as_dict()
    lines = []
    width = max(len(one["key"]) for one in found["differences"])
    for one in found["differences"]:
        lines.append(f"{one['key']:<{width}}  expected {_value(one['expected'])}")
        lines.append(f"{'':<{width}}       got {_value(one['got'])}")
    decision = result.decision
    assert decision is not None
    where = f", {decision.file}:{decision.line}" if decision.line else ""
    of = f" of document {decision.document}" if decision.document else ""
    lines.append(output.printable(f"decided by {decision.rule}{of}{where}"))
    return lines + [output.printable(hint) for hint in result.hints]


def _value(value: Any) -> str:
    """Return a value on one line: texts as they are, the rest as JSON."""
    import json

    if value is None:
        return "nothing"
    return output.printable(
        value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    )
