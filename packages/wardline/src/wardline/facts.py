"""What a decision is made on, beside the action itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline.action import Principal
    from wardline.policy.model import Limit
    from wardline.store.types import Switch
    from wardline.symlinks import SymbolicLinks
    from wardline.verdict import Verdict

__all__ = ["COUNTERS", "Facts"]

COUNTERS: Final = ("tool_calls", "model_calls", "tokens", "files_changed", "seconds", "denials")
"""What a session and a run count."""

_NO_MODES: Final[Mapping[str, str]] = {}
_NO_VERDICTS: Final[Mapping[str, Verdict]] = {}


class Facts:
    """A snapshot of everything outside the action that `decide` may look at. Treat as immutable.

    `session` and `run` map field names of the policy language to values. `now` is recorded time in
    microseconds. `switches` are the active ones that cover the action, `exceeded` the limits it would
    break. `registered` is False for a name that nobody registered. `modes` overrides the mode of
    documents by name, `verdicts` has what other engines say, by the name of their document. `links` says where paths lead; without it
    they are judged by their text. On `after`, `result` is the copy of what the action returned, `error` what it
    raised (`module.Class: message`, else None) and `duration_ms` how long it took.
    """

    __slots__ = (
        "duration_ms",
        "error",
        "exceeded",
        "links",
        "modes",
        "now",
        "principal",
        "registered",
        "result",
        "run",
        "session",
        "switches",
        "verdicts",
    )

    def __init__(
        self,
        principal: Principal,
        session: Mapping[str, Any],
        run: Mapping[str, Any],
        now: int,
        switches: tuple[Switch, ...] = (),
        exceeded: tuple[Limit, ...] = (),
        *,
        registered: bool = True,
        modes: Mapping[str, str] = _NO_MODES,
        verdicts: Mapping[str, Verdict] = _NO_VERDICTS,
        links: SymbolicLinks | None = None,
        result: Any = None,
        error: str | None = None,
        duration_ms: int = 0,
    ) -> None:
        self.principal = principal
        self.session = session
        self.run = run
        self.now = now
        self.switches = switches
        self.exceeded = exceeded
        self.registered = registered
        self.modes = modes
        self.verdicts = verdicts
        self.links = links
        self.result = result
        self.error = error
        self.duration_ms = duration_ms

    def with_exceeded(self, exceeded: tuple[Limit, ...]) -> Facts:
        """Return these facts with other limits exceeded."""
        return self._with(exceeded, self.verdicts, self.links)

    def with_verdicts(self, verdicts: Mapping[str, Verdict]) -> Facts:
        """Return these facts with the verdicts of other engines."""
        return self._with(self.exceeded, verdicts, self.links)

    def with_links(self, links: SymbolicLinks) -> Facts:
        """Return these facts with what is known of paths."""
        return self._with(self.exceeded, self.verdicts, links)

    def _with(
        self,
        exceeded: tuple[Limit, ...],
        verdicts: Mapping[str, Verdict],
        links: SymbolicLinks | None,
    ) -> Facts:
        return Facts(
            self.principal,
            self.session,
            self.run,
            self.now,
            self.switches,
            exceeded,
            registered=self.registered,
            modes=self.modes,
            verdicts=verdicts,
            links=links,
            result=self.result,
            error=self.error,
            duration_ms=self.duration_ms,
        )
