"""How long engines take to answer, as the guard asks them: one question after the other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline import Engine

__all__ = ["REQUEST", "cedar_policies", "rego_policy", "sample"]

REQUEST: Final[Mapping[str, Any]] = {
    "action": {
        "kind": "tool_call",
        "stage": "before",
        "type": "pay",
        "name": "pay",
        "verb": "",
        "framework": "",
        "call_id": "c1",
        "args": {"amount": 5, "to": "ann@example.com", "note": "x" * 100},
    },
    "principal": {
        "id": "bot",
        "name": "bot",
        "chain": [],
        "roles": ["clerk"],
        "tenant": "",
        "environment": "",
        "assurance": "",
    },
    "session": {"id": "s1", "depth": 0, "tool_calls": 1},
    "run": {"id": "r1", "depth": 0, "tool_calls": 1},
    "tool": {"effects": ["write"]},
    "now": "2026-01-01T00:00:00Z",
}
"""A call of about 600 bytes that the policies below let through after looking at every rule."""

_WARM: Final = 100
_DEADLINE: Final = 5.0


def cedar_policies(rules: int) -> str:
    """Return a permit and as many forbids, none of which an index could leave out."""
    forbids = (
        f'@id("r{n}") forbid(principal, action, resource) '
        f'when {{ context.args.to like "x{n}*" && context.args.amount > {n} }};\n'
        for n in range(rules)
    )
    return "permit(principal, action, resource);\n" + "".join(forbids)


def rego_policy(rules: int) -> str:
    """Return the same in Rego."""
    denials = (
        f'deny contains "r{n}" if {{ startswith(input.action.args.to, "x{n}"); '
        f"input.action.args.amount > {n} }}\n"
        for n in range(rules)
    )
    return "package wardline\ndecision := count(deny) == 0\n" + "".join(denials)


def sample(engine: Engine, times: int, request: Mapping[str, Any] = REQUEST) -> list[float]:
    """Return the seconds that each of `times` answers took, sorted, after some that do not count.

    Raises whatever the engine does, and `ValueError` for an answer that is not allow: a refusal could
    be quicker than the work that is measured.
    """
    taken = []
    for _ in range(_WARM + times):
        started = time.perf_counter()
        verdict = engine.judge(request, _DEADLINE)
        taken.append(time.perf_counter() - started)
        if verdict.effect != "allow":
            raise ValueError(f"{verdict!r}, where every answer should be allow")
    return sorted(taken[_WARM:])
