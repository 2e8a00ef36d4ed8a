"""How a harness says what its adapter or its framework does not do. All of it is strict."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Gap", "Never", "Todo", "Upstream"]


@dataclass(frozen=True, slots=True)
class Never:
    """The concept does not exist in the framework. The test is skipped, and printed with the reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """The framework cannot do it yet. The test must fail with `raises`, one of the kit's findings."""

    reason: str
    url: str
    raises: type[AssertionError]


@dataclass(frozen=True, slots=True)
class Todo:
    """Ours to do. The test must fail with `raises`, one of the kit's findings."""

    reason: str
    raises: type[AssertionError]


Gap = Never | Upstream | Todo
