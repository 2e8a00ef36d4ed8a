"""What a decision is made on, beside the action itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wardline.action import Principal
    from wardline.policy.model import Limit
    from wardline.store.types import Switch

__all__ = ["COUNTERS", "Facts"]

COUNTERS: Final = ("tool_calls", "model_calls", "tokens", "files_changed", "seconds", "denials")
"""What a session and a run count."""

_NO_MODES: Final[Mapping[str, str]] = {}


class Facts:
    """A snapshot of everything outside the action that `decide` may look at. Treat as immutable.

    `session` and `run` map field names of the policy language to values. `now` is recorded time in
    microseconds. `switches` are the active ones that cover the action, `exceeded` the limits it would
    break. `registered` is False for a name that nobody registered. `modes` overrides the mode of
    documents by name. On `after`, `result` is the copy of what the action returned, `error` what it
    raised (`module.Class: message`, else None) and `duration_ms` how long it took.
    """

    __slots__ = (
        "duration_ms",
        "error",
        "exceeded",
        "modes",
        "now",
        "principal",
        "registered",
        "result",
        "run",
        "session",
        "switches",
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
        self.result = result
        self.error = error
        self.duration_ms = duration_ms
