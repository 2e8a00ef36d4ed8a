"""The policy language: reading documents, checking them, and putting them together for `decide`.

`load_policies` reads files and directories, `parse_policies` reads text; both return a `PolicySet` or
raise a `PolicyError` that lists every mistake with its place. `lint` says what is allowed and
probably not meant, `convert` writes a governance.toolkit/v1 document as wardline/v1, `schema` returns
the JSON Schema of documents. The reader of YAML is imported when the first document is read, not
before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wardline.policy.compile import PolicySet
from wardline.policy.load import load_policies, parse_policies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wardline.errors import Problem

__all__ = ["PolicySet", "convert", "lint", "load_policies", "parse_policies", "schema"]


def convert(path: str | Path) -> str:
    """Return a document of governance.toolkit/v1 as wardline/v1 that decides the same.

    Comments say what the original's own engine judges otherwise. Raises `PolicyError` where the
    document does not load, and for one in another language.
    """
    from wardline.policy.conversion import converted

    return converted(path)


def lint(
    policies: PolicySet, *, approvers: Mapping[str, Sequence[str]] | None = None
) -> tuple[Problem, ...]:
    """Return warnings about what loads and is probably not meant, by document and line.

    `approvers` is what a guard will be given; without it nothing is said of who can answer.
    """
    from wardline.policy.linting import warnings

    return warnings(policies, approvers)


def schema(*, toolkit: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of `wardline/v1`, or of `governance.toolkit/v1`, for editors.

    Whatever loads is valid; what only the loader can know, conditions above all, is not in it.
    """
    from wardline.policy.json_schema import build

    return build(toolkit=toolkit)
