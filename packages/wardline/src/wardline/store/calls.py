"""The life of a call as pure transitions, shared by every store.

::

    (none) ─┬─► pending, refused ─┐
            └─────────────────────┴─► open ─┬─► held ─► succeeded, failed
                       ▲    ▲               ├─► succeeded
                       │    └───────────────├─► failed      the next attempt
                       └ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─└─► unknown     again only if the action is idempotent

Each function returns the new state, or None where the transition is not allowed and the row must
stay as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.errors import ConfigurationError
from wardline.store.types import CallState

if TYPE_CHECKING:
    from wardline.store.types import CallStatus

__all__ = ["abandoned", "begun", "finished", "noted"]

_NEVER_RAN = frozenset(("pending", "refused"))
_OUTCOMES = frozenset(("succeeded", "failed", "unknown", "refused", "held"))


def begun(
    state: CallState | None,
    key: str,
    fingerprint: str,
    owner: str,
    policy: str,
    intent: str,
    approval: str,
    now: int,
    idempotent: bool,
) -> CallState | None:
    """Open the next attempt; only an idempotent call is opened again after `unknown`."""
    attempt = 1
    if state is not None:
        status = state[2]
        if (
            status != "failed"
            and status not in _NEVER_RAN
            and not (idempotent and status == "unknown")
        ):
            return None
        attempt = state[3] + 1
    return CallState(
        key, fingerprint, "open", attempt, owner, policy, intent, approval, None, now, True
    )


def noted(state: CallState | None, new: CallState) -> CallState | None:
    """Record that a call was refused or waits, unless it is open or has run."""
    if new.status not in _NEVER_RAN:
        raise ConfigurationError(
            f"a call can be noted as pending or refused, not as {new.status!r}; "
            "begin_call opens it and finish_call closes it"
        )
    if state is None:
        return new._replace(attempt=0)
    if state.status not in _NEVER_RAN and state.status != "failed":
        return None
    return new._replace(attempt=state.attempt)


def finished(
    state: CallState | None,
    status: CallStatus,
    result: bytes | None,
    now: int,
    attempt: int | None,
) -> CallState | None:
    """Close an attempt.

    An `unknown` call whose outcome turns up late takes it; an outcome never changes once it is
    known, and never reaches an attempt other than its own.
    """
    if status not in _OUTCOMES:
        raise ConfigurationError(
            f"{status!r} is no outcome of a call; use one of {', '.join(sorted(_OUTCOMES))}"
        )
    if state is None:
        return None
    before = state[2]
    if before != "open" and before != "unknown" and not (before == "held" and status != "held"):
        return None
    if attempt is not None and attempt != state[3]:
        return None
    return CallState(
        state[0],
        state[1],
        status,
        state[3],
        state[4],
        state[5],
        state[6],
        state[7],
        result,
        now,
    )


def abandoned(state: CallState | None, owner: str, now: int) -> CallState | None:
    """Turn an open call of `owner`, who is gone, into `unknown`."""
    if state is None or state.status != "open" or state.owner != owner:
        return None
    return state._replace(status="unknown", t=now)
