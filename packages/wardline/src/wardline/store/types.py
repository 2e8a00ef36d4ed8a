"""What a store holds: charges and reservations, switches, the states of calls.

Times are integers in microseconds since the Unix epoch (UTC) and come from the caller. `Charge`,
`Reservation` and `CallState` are made for every governed action and are therefore kept cheap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from wardline.action import KINDS
from wardline.errors import ConfigurationError

__all__ = [
    "FINISHED",
    "CallState",
    "CallStatus",
    "Charge",
    "Reservation",
    "Switch",
    "SwitchChange",
    "SwitchScope",
    "SwitchState",
    "stricter",
]

SwitchScope: TypeAlias = Literal["everything", "tenant", "agent", "session", "tool", "kind"]
SwitchState: TypeAlias = Literal["frozen", "killed"]
CallStatus: TypeAlias = Literal[
    "pending", "open", "succeeded", "failed", "unknown", "refused", "held"
]

FINISHED: Final[frozenset[str]] = frozenset(("succeeded", "failed", "unknown", "refused"))
"""The statuses of calls that nobody works on any more; only these are ever pruned."""


class Charge:
    """One counter that an action moves, and by how much.

    `key` names the limit and its scope, as in `limit/payments/task-calls/run:abc`; two charges with
    one key and bucket move one counter. `at_most` is the bound, None for a plain meter. `window` is
    the length of a sliding window in microseconds, None to count for ever. `bucket` is the calendar
    period that the caller is in (`2026-11-21`): amounts count within it only. With an `item`, each
    distinct item counts once. A charge that is not `binding` counts and reports but never refuses.
    """

    __slots__ = ("amount", "at_most", "binding", "bucket", "item", "key", "window")

    def __init__(
        self,
        key: str,
        amount: int,
        at_most: int | None,
        window: int | None = None,
        bucket: str = "",
        item: str = "",
        binding: bool = True,
    ) -> None:
        self.key = key
        self.amount = amount
        self.at_most = at_most
        self.window = window
        self.bucket = bucket
        self.item = item
        self.binding = binding

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"Charge({fields})"


class Reservation:
    """What `Store.reserve` found and did.

    `before[i]` is what charge `i` had used before it was counted; `exceeded` holds the indices of the
    charges whose bound it would pass, binding or not. If `granted` is False, nothing has moved.
    `token` belongs to the store that issued it.
    """

    __slots__ = ("before", "charges", "exceeded", "granted", "token")

    def __init__(
        self,
        before: tuple[int, ...],
        exceeded: tuple[int, ...],
        charges: tuple[Charge, ...],
        token: object,
        granted: bool,
    ) -> None:
        self.before = before
        self.exceeded = exceeded
        self.charges = charges
        self.token = token
        self.granted = granted

    def __repr__(self) -> str:
        return (
            f"Reservation(granted={self.granted}, before={self.before}, exceeded={self.exceeded})"
        )


@dataclass(frozen=True, slots=True)
class Switch:
    """A freeze or a kill, by scope. `value` names the tenant, agent, session, tool or kind."""

    scope: SwitchScope
    value: str
    state: SwitchState
    by: str
    reason: str
    t: int

    def __post_init__(self) -> None:
        if self.scope not in get_args(SwitchScope):
            scopes = ", ".join(get_args(SwitchScope))
            raise ConfigurationError(f"no switch has the scope {self.scope!r}; use one of {scopes}")
        if self.state not in get_args(SwitchState):
            raise ConfigurationError(
                f"a switch is 'frozen' or 'killed', not {self.state!r}; clear it to thaw"
            )
        if (self.scope == "everything") is not (self.value == ""):
            raise ConfigurationError(
                f"the switch {self.scope}:{self.value!r} names the wrong thing; 'everything' takes "
                "no value, every other scope needs one"
            )
        if self.scope == "kind" and self.value not in KINDS:
            raise ConfigurationError(
                f"there is no kind {self.value!r}; the kinds are {', '.join(KINDS)}"
            )
        if not self.by:
            raise ConfigurationError("a switch needs the name of whoever sets it")


def stricter(current: Switch | None, wanted: Switch) -> Switch:
    """Return the switch that holds after `wanted` is set: a freeze never weakens a kill."""
    if current is not None and current.state == "killed" and wanted.state == "frozen":
        return current
    return wanted


@dataclass(frozen=True, slots=True)
class SwitchChange:
    """One line of a store's switch history; `generation` is the one that the change began."""

    generation: int
    scope: SwitchScope
    value: str
    state: Literal["frozen", "killed", "thawed"]
    by: str
    reason: str
    t: int


class CallState(NamedTuple):
    """Where one call stands. `key` and `fingerprint` together name it.

    `attempt` counts how often it was opened and is 0 for a call that has not been. `owner` is the
    guard that holds or held it open, `policy` the digest it was judged under, `intent` its record in
    the ledger, `approval` the id it waits for or ran with, `result` what it returned where results
    are kept, `t` the time of the last change. `opened` is True only in the answer of the `begin_call`
    that opened this attempt: whoever sees it may run the action, nobody else may.
    """

    key: str
    fingerprint: str
    status: CallStatus
    attempt: int
    owner: str
    policy: str
    intent: str
    approval: str
    result: bytes | None
    t: int
    opened: bool = False
