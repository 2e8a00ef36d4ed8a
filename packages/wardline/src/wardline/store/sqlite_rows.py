"""Switches, calls and approvals in SQL; the caller holds the transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.errors import AnswerRefused, StoreError
from wardline.store import approvals as flow
from wardline.store import calls as transitions
from wardline.store.sqlite_schema import APPROVAL, CALL, approval_of, approval_row
from wardline.store.types import FINISHED, CallState, Switch, SwitchChange, stricter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline.store.approvals import Answer, Approval, ApprovalStatus
    from wardline.store.sqlite_schema import Execute
    from wardline.store.types import CallStatus, SwitchScope

__all__ = [
    "GENERATION",
    "abandon_calls",
    "answer",
    "approval",
    "approvals",
    "begin_call",
    "call",
    "calls",
    "cancel",
    "clear_switch",
    "consume",
    "expire",
    "finish",
    "finish_call",
    "generation",
    "history",
    "mark_unknown",
    "note_call",
    "prune",
    "request",
    "set_switch",
    "switches",
]

GENERATION: Final = "SELECT value FROM wardline WHERE name = 'generation'"
"""The look-up that every governed action makes."""

_RAISE: Final = "UPDATE wardline SET value = value + 1 WHERE name = 'generation' RETURNING value"
_SWITCH: Final = "SELECT scope, value, state, set_by, reason, t FROM switches"
_CALL: Final = f"SELECT {CALL} FROM calls WHERE key = ? AND fingerprint = ?"  # noqa: S608
_KEEP_CALL: Final = "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UPDATE_CALL: Final = """
    UPDATE calls SET status = ?, result = ?, t = ? WHERE key = ? AND fingerprint = ?"""
_APPROVAL: Final = f"SELECT {APPROVAL} FROM approvals"  # noqa: S608
_KEEP_APPROVAL: Final = "INSERT OR REPLACE INTO approvals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LIVE: Final = "status IN ('pending', 'approved')"


def generation(execute: Execute) -> int:
    """See `Store.generation`."""
    row = execute(GENERATION).fetchone()
    if row is None:
        raise StoreError("the store has lost the generation of its switches; restore its file")
    return int(row[0])


def switches(execute: Execute) -> tuple[Switch, ...]:
    """See `Store.switches`."""
    return tuple(Switch(*row) for row in execute(_SWITCH + " ORDER BY scope, value").fetchall())


def _change(
    execute: Execute, scope: str, value: str, state: str, by: str, reason: str, t: int
) -> int:
    number = int(execute(_RAISE).fetchone()[0])
    execute(
        "INSERT INTO switch_history VALUES (?, ?, ?, ?, ?, ?, ?)",
        (number, scope, value, state, by, reason, t),
    )
    return number


def set_switch(execute: Execute, switch: Switch) -> int:
    """See `Store.set_switch`."""
    row = execute(
        _SWITCH + " WHERE scope = ? AND value = ?", (switch.scope, switch.value)
    ).fetchone()
    holds = stricter(Switch(*row) if row is not None else None, switch)
    execute(
        "INSERT OR REPLACE INTO switches VALUES (?, ?, ?, ?, ?, ?)",
        (holds.scope, holds.value, holds.state, holds.by, holds.reason, holds.t),
    )
    return _change(
        execute, switch.scope, switch.value, switch.state, switch.by, switch.reason, switch.t
    )


def clear_switch(
    execute: Execute, scope: SwitchScope, value: str, by: str, reason: str, now: int
) -> int:
    """See `Store.clear_switch`."""
    gone = execute("DELETE FROM switches WHERE scope = ? AND value = ?", (scope, value)).rowcount
    if not gone:
        return generation(execute)
    return _change(execute, scope, value, "thawed", by, reason, now)


def history(execute: Execute) -> tuple[SwitchChange, ...]:
    """See `Store.switch_history`."""
    rows = execute(
        "SELECT generation, scope, value, state, set_by, reason, t FROM switch_history "
        "ORDER BY generation"
    ).fetchall()
    return tuple(SwitchChange(*row) for row in rows)


def call(execute: Execute, key: str, fingerprint: str) -> CallState | None:
    """See `Store.call`."""
    row = execute(_CALL, (key, fingerprint)).fetchone()
    return CallState(*row) if row is not None else None


def calls(execute: Execute, status: CallStatus | None) -> tuple[CallState, ...]:
    """See `Store.calls`."""
    rows = execute(
        f"""SELECT {CALL} FROM calls WHERE ? IN (status, '')
            ORDER BY t, key, fingerprint""",  # noqa: S608 - a constant
        (status or "",),
    ).fetchall()
    return tuple(CallState(*row) for row in rows)


def note_call(execute: Execute, new: CallState) -> CallState:
    """See `Store.note_call`."""
    old = call(execute, new.key, new.fingerprint)
    state = transitions.noted(old, new)
    if state is None:
        assert old is not None, "a call without a state can always be noted"
        return old
    execute(_KEEP_CALL, state[:10])
    return state


def begin_call(
    execute: Execute,
    key: str,
    fingerprint: str,
    owner: str,
    policy: str,
    intent: str,
    approval: str,
    now: int,
    idempotent: bool,
) -> CallState:
    """See `Store.begin_call`."""
    old = call(execute, key, fingerprint)
    state = transitions.begun(
        old, key, fingerprint, owner, policy, intent, approval, now, idempotent
    )
    if state is None:
        assert old is not None, "a call without a state can always begin"
        return old
    execute(_KEEP_CALL, state[:10])
    return state


def finish_call(
    execute: Execute,
    key: str,
    fingerprint: str,
    status: CallStatus,
    result: bytes | None,
    now: int,
    attempt: int | None,
) -> bool:
    """See `Store.finish_call`."""
    state = transitions.finished(call(execute, key, fingerprint), status, result, now, attempt)
    if state is None:
        return False
    execute(_UPDATE_CALL, (status, result, now, key, fingerprint))
    return True


def mark_unknown(execute: Execute, key: str, fingerprint: str, owner: str, now: int) -> bool:
    """See `Store.mark_unknown`."""
    state = transitions.abandoned(call(execute, key, fingerprint), owner, now)
    if state is None:
        return False
    execute(_UPDATE_CALL, (state.status, state.result, state.t, key, fingerprint))
    return True


def abandon_calls(execute: Execute, owner: str, now: int) -> int:
    """See `Store.abandon_calls`."""
    return execute(
        "UPDATE calls SET status = 'unknown', t = ? WHERE owner = ? AND status = 'open'",
        (now, owner),
    ).rowcount


def approval(execute: Execute, id_: str) -> Approval | None:
    """See `Store.approval`."""
    row = execute(_APPROVAL + " WHERE id = ?", (id_,)).fetchone()
    return approval_of(row) if row is not None else None


def approvals(execute: Execute, status: ApprovalStatus | None) -> tuple[Approval, ...]:
    """See `Store.approvals`."""
    rows = execute(
        _APPROVAL + " WHERE ? IN (status, '') ORDER BY created, id", (status or "",)
    ).fetchall()
    return tuple(approval_of(row) for row in rows)


def _keep(execute: Execute, found: Approval | None) -> bool:
    if found is None:
        return False
    execute(_KEEP_APPROVAL, approval_row(found))
    return True


def request(execute: Execute, wanted: Approval) -> Approval:
    """See `Store.request_approval`."""
    row = execute(
        f"{_APPROVAL} WHERE key = ? AND fingerprint = ? AND policy = ? AND {_LIVE}",
        (wanted.key, wanted.fingerprint, wanted.policy),
    ).fetchone()
    live = approval_of(row) if row is not None else None
    if live is not None and flow.is_live(live, wanted.created):
        return live
    if approval(execute, wanted.id) is not None:
        raise StoreError(f"the approval {wanted.id} exists already; ids are unique")
    if live is not None:
        _keep(execute, flow.due(live, wanted.created))
    _keep(execute, wanted)
    return wanted


def answer(execute: Execute, id_: str, given: Answer, now: int) -> Approval | AnswerRefused:
    """See `Store.answer`; a refusal is returned, so that an expiry found on the way is kept."""
    found = approval(execute, id_)
    if found is None:
        return AnswerRefused(f"there is no approval {id_}; list those that wait and try again")
    current = flow.due(found, now)
    try:
        result: Approval | AnswerRefused = flow.answered(current, given, now)
    except AnswerRefused as error:
        result = error
    latest = result if isinstance(result, flow.Approval) else current
    if latest is not found:
        _keep(execute, latest)
    return result


def consume(execute: Execute, id_: str, fingerprint: str, policy: str, now: int) -> bool:
    """See `Store.consume_approval`."""
    found = approval(execute, id_)
    return found is not None and _keep(execute, flow.consumed(found, fingerprint, policy, now))


def finish(execute: Execute, id_: str, status: ApprovalStatus, now: int) -> bool:
    """See `Store.finish_approval`."""
    found = approval(execute, id_)
    return found is not None and _keep(execute, flow.finished(found, status, now))


def cancel(execute: Execute, id_: str, by: str, reason: str, now: int) -> bool:
    """See `Store.cancel_approval`."""
    found = approval(execute, id_)
    return found is not None and _keep(execute, flow.cancelled(found, by, reason, now))


def expire(execute: Execute, now: int) -> int:
    """See `Store.expire_approvals`."""
    return execute(
        f"UPDATE approvals SET status = 'expired', closed = ? WHERE {_LIVE} AND expires <= ?",  # noqa: S608
        (now, now),
    ).rowcount


def prune(execute: Execute, before: int) -> int:
    """Drop finished calls and approvals that are over; see `Store.prune`."""
    finished: Sequence[str] = sorted(FINISHED)
    marks = ", ".join("?" for _ in finished)
    dropped = execute(
        f"DELETE FROM calls WHERE t < ? AND status IN ({marks})",  # noqa: S608 - only marks
        (before, *finished),
    ).rowcount
    over = execute(
        f"DELETE FROM approvals WHERE closed < ? AND NOT {_LIVE}",  # noqa: S608 - a constant
        (before,),
    ).rowcount
    return dropped + over
