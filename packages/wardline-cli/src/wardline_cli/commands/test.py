"""`wardline test`: whether a policy decides what its cases expect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from wardline_cli import exits, output
from wardline_cli.failures import UsageError, problem_as_dict, show_problem
from wardline_cli.judged import SuiteRun, show
from wardline_cli.options import Json, TestPaths, group
from wardline_cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline import Problem

__all__ = ["app", "run"]

app = group("test")

_Coverage = Annotated[
    bool,
    Parameter(
        name="--coverage",
        negative="",
        show_default=False,
        help="Say what of the policy no case shows.",
    ),
]
_Mutate = Annotated[
    bool,
    Parameter(
        name="--mutate",
        negative="",
        show_default=False,
        help="Change the policy in small ways, and say which no case notices.",
    ),
]
_Accept = Annotated[
    Path | None,
    Parameter(
        name="--accept",
        help="A list of mutants that are no mistake. Default: mutants.yaml beside the cases.",
    ),
]
_FailUnder = Annotated[
    int, Parameter(name="--fail-under", help="Fail where a percentage is lower than this.")
]


@app.default
def run(
    *paths: TestPaths,
    coverage: _Coverage = False,
    mutate: _Mutate = False,
    accept: _Accept = None,
    fail_under: _FailUnder = 0,
    as_json: Json = False,
) -> int:
    """Judge the cases of policies: one action each, and the decision expected.

    A policy's cases are in cases/*.yaml beside it; of a folder, all folders called
    cases are taken. A file of cases can be named itself.

    --coverage: every rule should match some case and not match another, and every
    term of a condition should be true in some case and false in another.
    --mutate: a small change to the policy should make some case fail. The changes
    are made in memory; mutants.yaml lists those that make no difference.

    For example:
        wardline test policy.yaml
        wardline test policies/ --coverage --mutate --fail-under 95

    Exits with 0 if every case passes and no percentage is under --fail-under,
    otherwise with 1.
    """
    from wardline import PolicyError
    from wardline.cases import find_suites
    from wardline.cases import mutate as mutated

    _check(paths, coverage=coverage, mutate=mutate, accept=accept, fail_under=fail_under)
    ran: list[SuiteRun] = []
    broken: list[Problem] = []
    suites = find_suites(paths)
    if accept is not None and len(suites) > 1:
        raise UsageError(
            "--accept is for the cases of one policy; mutants.yaml beside them is found"
        )
    for suite in suites:
        try:
            one = SuiteRun(suite, coverage=coverage)
            if mutate and not one.failed:
                with progress(f"changing {one.name}", quiet=as_json) as step:
                    one.mutants = mutated(one.suite, accept, step)
        except PolicyError as error:  # the others are judged all the same
            broken += error.problems
        else:
            ran.append(one)
    failed, passed = sum(one.failed for one in ran), sum(one.passed for one in ran)
    low = [
        (one.name, what, value)
        for one in ran
        for what, value in one.percentages()
        if value < fail_under
    ]
    ok = not (failed or low or broken)
    if as_json:
        output.print_json(
            {
                "ok": ok,
                "passed": passed,
                "failed": failed,
                "suites": [one.as_dict() for one in ran],
                "problems": [problem_as_dict(one, "error") for one in broken],
            }
        )
        return exits.OK if ok else exits.FAILED
    for one in ran:
        show(one)
    for problem in broken:
        for line in show_problem(problem, "error", colour=output.err_colour()):
            output.complain(line)
    if not ran:
        return exits.FAILED
    if mutate and failed:
        output.say("\nwhere a case fails no mutants were made: they would say nothing")
    output.say()
    for name, what, value in low:
        output.say(
            output.paint(f"{output.printable(name)}: {what} {value} %, under {fail_under} %", "red")
        )
    output.say(output.paint(f"{passed} passed, {failed} failed", "green" if ok else "red"))
    return exits.OK if ok else exits.FAILED


def _check(
    paths: Sequence[Path], *, coverage: bool, mutate: bool, accept: Path | None, fail_under: int
) -> None:
    """Refuse options that mean nothing."""
    if not paths:
        raise UsageError("name a policy, a folder or a file of cases: `wardline test policy.yaml`")
    if fail_under and not (coverage or mutate):
        raise UsageError("--fail-under needs a percentage: add --coverage, --mutate or both")
    if accept is not None and not mutate:
        raise UsageError("--accept says something about mutants: add --mutate")
    if not 0 <= fail_under <= 100:
        raise UsageError("--fail-under is a percentage from 0 to 100")
