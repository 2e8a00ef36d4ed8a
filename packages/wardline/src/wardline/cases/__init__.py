"""Cases: a policy's tests. One case is one action with the decision that is expected.

`find_suites` finds the cases of policies, `run_cases` judges them by the same `decide` that a guard
uses. `coverage` says what they never show, `mutate` what they would not notice. `read_cases` reads one file, `parse_given` an action and its facts from
text. All of it raises `PolicyError`, with every problem and its place.
"""

from __future__ import annotations

from wardline.cases.coverage import Coverage, coverage
from wardline.cases.expected import Difference
from wardline.cases.find import ACCEPTED, Suite, find_suites
from wardline.cases.given import Given, parse_given
from wardline.cases.model import Case, CaseFile, CaseResult
from wardline.cases.mutants import Mutant, MutationScore, mutate
from wardline.cases.read import read_cases
from wardline.cases.run import run_cases

__all__ = [
    "ACCEPTED",
    "Case",
    "CaseFile",
    "CaseResult",
    "Coverage",
    "Difference",
    "Given",
    "Mutant",
    "MutationScore",
    "Suite",
    "coverage",
    "find_suites",
    "mutate",
    "parse_given",
    "read_cases",
    "run_cases",
]
