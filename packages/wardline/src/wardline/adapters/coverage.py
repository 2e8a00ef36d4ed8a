"""What of an application an adapter governs, for `wardline doctor`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Covered"]


@dataclass(frozen=True, slots=True)
class Covered:
    """One thing that an agent can reach.

    `kind` is the kind of action it would be, `name` its name, `owner` the agent that has it.
    `governed` says whether a guard decides about it; `why` says what stands against it where not.
    """

    kind: str
    name: str
    owner: str
    governed: bool
    why: str = ""
