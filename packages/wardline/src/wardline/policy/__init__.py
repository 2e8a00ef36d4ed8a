"""The policy language: reading documents, checking them, and putting them together for `decide`.

`load_policies` reads files and directories, `parse_policies` reads text; both return a `PolicySet` or
raise a `PolicyError` that lists every mistake with its place. `lint` says what is allowed and
probably not meant, `schema` returns the JSON Schema of documents. The reader of YAML is imported when
the first document is read, not before.
"""

from __future__ import annotations

from typing import Any

from wardline.policy.compile import PolicySet
from wardline.policy.lint import lint
from wardline.policy.load import load_policies, parse_policies

__all__ = ["PolicySet", "lint", "load_policies", "parse_policies", "schema"]


def schema(*, toolkit: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of `wardline/v1`, or of `governance.toolkit/v1`, for editors.

    Whatever loads is valid; what only the loader can know, conditions above all, is not in it.
    """
    from wardline.policy.json_schema import build

    return build(toolkit=toolkit)
