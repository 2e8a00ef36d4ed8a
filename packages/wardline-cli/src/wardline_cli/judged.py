"""What became of the cases of a suite, and how it is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wardline_cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wardline.cases import CaseFile, CaseResult, Coverage, MutationScore, Suite

__all__ = ["SuiteRun", "show"]


class SuiteRun:
    """What became of the cases of one suite."""

    def __init__(self, suite: Suite, *, coverage: bool) -> None:
        from wardline.cases import coverage as covered
        from wardline.cases import run_cases

        self.suite = suite
        policies = suite.policies()
        self.files = [(file, run_cases(policies, file.cases)) for file in suite.files]
        self.failed = sum(not one.passed for _, results in self.files for one in results)
        self.passed = len(suite.cases) - self.failed
        self.coverage: Coverage | None = covered(policies, suite.cases) if coverage else None
        self.mutants: MutationScore | None = None

    @property
    def name(self) -> str:
        """The policies, as a person names them."""
        return ", ".join(map(str, self.suite.paths))

    def percentages(self) -> Iterator[tuple[str, int]]:
        """Yield what was measured."""
        if self.coverage is not None:
            yield "rules", self.coverage.rules_percent
            yield "terms", self.coverage.terms_percent
        if self.mutants is not None:
            yield "mutants", self.mutants.percent

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        made: dict[str, Any] = {
            "policies": [str(path) for path in self.suite.paths],
            "files": [_as_dict(file, results) for file, results in self.files],
        }
        if self.coverage is not None:
            made["coverage"] = self.coverage.as_dict()
        if self.mutants is not None:
            made["mutants"] = self.mutants.as_dict()
        return made


def show(ran: SuiteRun) -> None:
    """Print what became of a suite, for people."""
    for file, results in ran.files:
        _show_file(file, results)
    if ran.coverage is not None:
        output.say()
        _show_coverage(ran.name, ran.coverage)
    if ran.mutants is not None:
        output.say()
        _show_mutants(ran.name, ran.mutants)


def _show_coverage(name: str, found: Coverage) -> None:
    covered = sum(one.covered for one in found.rules)
    seen, outcomes = found.terms_seen
    output.say(output.paint(f"Coverage of {output.printable(name)}", "bold"))
    output.say(
        f"  rules  {found.rules_percent:>3} %  {covered} of {len(found.rules)} match some case and "
        "not another"
    )
    output.say(
        f"  terms  {found.terms_percent:>3} %  {seen} of {outcomes} outcomes of the terms of "
        "conditions"
    )
    for file, line, message in found.missing():
        where = f"{file}:{line}" if line else file
        output.say(f"  {output.printable(f'{where}: {message}')}")


def _show_mutants(name: str, score: MutationScore) -> None:
    output.say(output.paint(f"Mutants of {output.printable(name)}", "bold"))
    accepted = f", {len(score.accepted)} accepted" if score.accepted else ""
    output.say(
        f"  caught {score.percent:>3} %  {score.caught} of {score.caught + len(score.survived)}"
        f"{accepted}"
    )
    for one in score.survived:
        output.say()
        where = f"{one.source.file}:{one.line}:{one.column}"
        output.say(f"  {output.printable(f'{where}: {one.what}')}")
        for line in one.diff():
            if not line.startswith("@@"):
                colour = "red" if line.startswith("-") else "green"
                output.say(f"    {output.paint(output.printable(line), colour)}")
        output.say(f"    no case notices; mutant {output.printable(one.id)}")


def _as_dict(file: CaseFile, results: Sequence[CaseResult]) -> dict[str, Any]:
    return {
        "file": file.file,
        "policies": [str(path) for path in file.policies],
        "cases": [one.as_dict() for one in results],
    }


def _show_file(file: CaseFile, results: Sequence[CaseResult]) -> None:
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
    if value is None:
        return "nothing"
    return output.printable(
        value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    )
