"""What the conditions of one decision read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.clock import as_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from wardline.action import Action
    from wardline.facts import Facts

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

    `type` and `tool` are set anew for each view a rule has of the action. `budget` is what is left of
    the steps that one decision may take, `facets` are the parsed views that conditions asked for,
    `links` says where paths lead.
    """

    __slots__ = (
        "_fingerprint",
        "_now",
        "args",
        "budget",
        "call_id",
        "duration_ms",
        "error",
        "facets",
        "framework",
        "kind",
        "links",
        "name",
        "principal",
        "result",
        "run",
        "session",
        "stage",
        "tool",
        "type",
    )

    def __init__(
        self,
        action: Action,
        facts: Facts,
        args: Mapping[str, Any],
        result: Any,
        fingerprint: Callable[[], str],
    ) -> None:
        self.kind = action.kind
        self.stage = action.stage
        self.type = action.type
        self.name = action.name
        self.framework = action.framework
        self.call_id = action.call_id
        self.args = args
        self.result = result
        self.error = facts.error
        self.duration_ms = facts.duration_ms
        self.principal = facts.principal.view
        self.session = facts.session
        self.run = facts.run
        self.tool = UNLISTED
        self.budget = BUDGET
        self.facets: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.links = facts.links
        self._now = facts.now
        self._fingerprint = fingerprint

    @property
    def now(self) -> datetime:
        """The recorded time of the decision."""
        return as_datetime(self._now)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the action, worked out only for a condition that asks."""
        return self._fingerprint()
