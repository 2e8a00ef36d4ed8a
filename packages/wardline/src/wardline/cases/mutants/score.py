"""Whether the cases of a suite notice when the policy changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from wardline.cases.coverage import percent
from wardline.cases.find import ACCEPTED
from wardline.cases.mutants.accepted import read_accepted
from wardline.cases.mutants.document import mutants_of
from wardline.cases.run import holds
from wardline.errors import PolicyError, Problem
from wardline.policy.load import display, load_changed, policy_files
from wardline.policy.source import Source, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wardline.cases.find import Suite
    from wardline.cases.model import Case
    from wardline.cases.mutants.accepted import Accepted
    from wardline.cases.mutants.mutant import Mutant
    from wardline.policy.compile import PolicySet

__all__ = ["MutationScore", "mutate"]


class MutationScore:
    """How many mutants there are, those that no case catches, and those that people have accepted."""

    __slots__ = ("accepted", "caught", "survived")

    def __init__(
        self, caught: int, survived: tuple[Mutant, ...], accepted: tuple[Mutant, ...]
    ) -> None:
        self.caught = caught
        self.survived = survived
        self.accepted = accepted

    @property
    def percent(self) -> int:
        """How many of the mutants that are not accepted are caught, rounded down."""
        return percent(self.caught, self.caught + len(self.survived))

    def as_dict(self) -> dict[str, Any]:
        """Return the score as plain data."""
        return {
            "percent": self.percent,
            "mutants": self.caught + len(self.survived) + len(self.accepted),
            "caught": self.caught,
            "survived": [one.as_dict() for one in self.survived],
            "accepted": [one.id for one in self.accepted],
        }


def mutate(
    suite: Suite,
    accept: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MutationScore:
    """Change the policies of a suite in every small way there is, and judge its cases each time.

    `accept` is a file of accepted mutants; without it, `mutants.yaml` beside the cases is taken where
    it exists. `progress` is called with how many mutants are done and how many there are. Raises
    `PolicyError` where a case fails already, and for accepted mutants that are caught or unknown.
    """
    policies = suite.policies()
    cases = suite.cases
    _all_pass(policies, cases)
    accepted = {one.mutant: one for path in _files(suite, accept) for one in read_accepted(path)}
    made = _mutants(suite, policies)
    caught: list[Mutant] = []
    survived: list[Mutant] = []
    for number, mutant in enumerate(made):
        if progress is not None:
            progress(number, len(made))
        assert mutant.source.path is not None
        try:
            changed = load_changed(suite.paths, mutant.source.path, mutant.text)
        except PolicyError:
            continue  # what does not load cannot be put in the place of the policy
        (survived if all(holds(changed, case) for case in cases) else caught).append(mutant)
        changed.close()
    _check_accepted(accepted.values(), caught, survived)
    return MutationScore(
        len(caught),
        tuple(one for one in survived if one.id not in accepted),
        tuple(one for one in survived if one.id in accepted),
    )


def _mutants(suite: Suite, policies: PolicySet) -> list[Mutant]:
    found: dict[tuple[str, str], Mutant] = {}
    for path in policy_files(suite.paths):
        source = Source.load(path, display(path.resolve()))
        for mutant in mutants_of(source, policies):
            text = mutant.text
            if text != source.text:
                found.setdefault((source.file, text), mutant)
    return list(found.values())


def _all_pass(policies: PolicySet, cases: Sequence[Case]) -> None:
    failing = [case for case in cases if not holds(policies, case)]
    if failing:
        raise PolicyError(
            [
                Problem(
                    f"the case `{case.name}` fails already",
                    case.file,
                    case.line,
                    1,
                    hint="mutants say something only where every case passes",
                )
                for case in failing
            ]
        )


def _files(suite: Suite, accept: str | Path | None) -> list[Path]:
    if accept is not None:
        return [Path(accept)]
    beside = dict.fromkeys(file.path.parent / ACCEPTED for file in suite.files)
    return [path for path in beside if path.is_file()]


def _check_accepted(
    accepted: Iterable[Accepted], caught: Sequence[Mutant], survived: Sequence[Mutant]
) -> None:
    problems = []
    by_id = {one.id: one for one in caught}
    known = {one.id for one in survived}
    for one in accepted:
        if one.mutant in known:
            continue
        message, hint = f"there is no mutant `{one.mutant}`", suggestion(one.mutant, known)
        if one.mutant in by_id:
            message, hint = f"a case catches the mutant `{one.mutant}`", "remove it from the list"
        problems.append(one.source.problem(message, one.line, one.column, hint))
    if problems:
        raise PolicyError(problems)
