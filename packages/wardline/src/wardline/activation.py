"""What the conditions of one decision read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.canonical import encode
from wardline.clock import as_datetime
from wardline.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from wardline.action import Action
    from wardline.facts import Facts
    from wardline.symlinks import SymbolicLinks

__all__ = ["BUDGET", "UNLISTED", "UNLISTED_FOR_ALLOW", "Activation"]

BUDGET: Final = 200_000
"""Steps of evaluation, of about 0.1 µs, that one decision may take."""

UNLISTED: Final[Mapping[str, Any]] = {
    "effects": ["unknown", "write", "network", "destructive"],
    "returns": ["untrusted"],
}
"""What a restricting rule sees of a tool that no catalogue lists: it may do anything."""

UNLISTED_FOR_ALLOW: Final[Mapping[str, Any]] = {"effects": ["unknown"], "returns": ["untrusted"]}
"""What an `allow` rule sees of it: nothing that could be on a list of harmless effects."""


class Activation:
    """The values behind the roots of the policy language, for one action and its facts.

    `args` and `result` are what conditions read, which need not be what came in. `type` and `tool`
    are set anew for each view a rule has of the action. `budget` is what is left of the steps that
    one decision may take, `facets` are the parsed views that conditions asked for.
    """

    __slots__ = ("_action", "_facts", "args", "budget", "facets", "result", "tool", "type")

    def __init__(self, action: Action, facts: Facts, args: Mapping[str, Any], result: Any) -> None:
        self._action = action
        self._facts = facts
        self.args = args
        self.budget = BUDGET
        self.facets: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.result = result
        self.tool = UNLISTED
        self.type = action.type

    # What few conditions read, and generated code reads once, is looked up when it is.

    @property
    def kind(self) -> str:
        """The kind of the action."""
        return self._action.kind

    @property
    def stage(self) -> str:
        """`before` or `after`."""
        return self._action.stage

    @property
    def name(self) -> str:
        """The tool, model or peer as it is registered."""
        return self._action.name

    @property
    def framework(self) -> str:
        """The framework that the action came through."""
        return self._action.framework

    @property
    def call_id(self) -> str:
        """The id of the call within its session."""
        return self._action.call_id

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the action, worked out only for a condition that asks."""
        return fingerprint(self._action, self._facts.principal, encode(self.args))

    @property
    def error(self) -> str | None:
        """What the action raised."""
        return self._facts.error

    @property
    def duration_ms(self) -> int:
        """How long the action took."""
        return self._facts.duration_ms

    @property
    def principal(self) -> Mapping[str, Any]:
        """Who acts."""
        return self._facts.principal.view

    @property
    def session(self) -> Mapping[str, Any]:
        """The session's fields that are known."""
        return self._facts.session

    @property
    def run(self) -> Mapping[str, Any]:
        """The run's fields that are known."""
        return self._facts.run

    @property
    def links(self) -> SymbolicLinks | None:
        """Where paths lead."""
        return self._facts.links

    def spend(self, steps: int) -> None:
        """Take steps from the budget. Raises `EvaluationError` when it does not hold them."""
        from wardline.cel.values import charge

        charge(self, steps)

    @property
    def now(self) -> datetime:
        """The recorded time of the decision."""
        return as_datetime(self._facts.now)
