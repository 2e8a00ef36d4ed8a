"""The policy language: reading documents, checking them, and putting them together for `decide`.

`load_policies` reads files and directories, `parse_policies` reads text; both return a `PolicySet` or
raise a `PolicyError` that lists every mistake with its place. `lint` says what is allowed and
probably not meant. The reader of YAML is imported when the first document is read, not before.
"""

from __future__ import annotations

from wardline.policy.compile import PolicySet
from wardline.policy.lint import lint
from wardline.policy.load import load_policies, parse_policies

__all__ = ["PolicySet", "lint", "load_policies", "parse_policies"]
