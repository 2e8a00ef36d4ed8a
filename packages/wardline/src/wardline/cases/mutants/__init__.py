"""Mutants: small changes to a policy, each of which some case should notice.

`mutate` makes them all, loads each as any policy is loaded, and judges the cases again. The changes
are made to the text of the document, so a report can show them where they stand.
"""

from __future__ import annotations

from wardline.cases.mutants.mutant import Mutant
from wardline.cases.mutants.score import MutationScore, mutate

__all__ = ["Mutant", "MutationScore", "mutate"]
