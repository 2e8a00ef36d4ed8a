"""What every store does, whatever it keeps its state in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from wardline.store.approvals import Answer, Approval, ApprovalStatus
    from wardline.store.types import (
        CallState,
        CallStatus,
        Charge,
        Reservation,
        Switch,
        SwitchChange,
        SwitchScope,
    )

__all__ = ["Store"]


class Store(Protocol):
    """Transactional state: counters, switches, approvals and the states of calls.

    `now` is recorded time in microseconds; a store reads no wall clock. Every method is safe under
    threads, is atomic (between processes too, where the store is shared) and raises `StoreError` when
    the state cannot be read or written within the store's deadline.
    """

    def reserve(self, charges: Sequence[Charge], now: int, force: bool = False) -> Reservation:
        """Count all the charges of an action, or none of them.

        A charge is exceeded when what is used plus its amount passes `at_most`. If that happens to a
        binding charge, nothing moves and the reservation is not `granted`, unless `force` says that
        somebody approved it. Charges on one plain total add up; two charges of one call on the same
        window, calendar bucket or set of items raise `ConfigurationError`, as does a negative amount.
        """
        ...

    def settle(self, reservation: Reservation, amounts: Mapping[int, int], now: int) -> None:
        """Put the actual amounts, by index of the charge, in the place of the reserved ones.

        It records the truth, above the bound if need be. In a sliding window the amount stays at the
        time of its reservation. An item can only be settled at 0, which means that it was not touched.
        """
        ...

    def release(self, reservation: Reservation) -> None:
        """Take the whole reservation back, because the action did not run; later calls change nothing."""
        ...

    def used(self, charges: Sequence[Charge], now: int) -> tuple[int, ...]:
        """Return what the charges' counters hold, without moving them."""
        ...

    def forget(self, keys: Iterable[str]) -> None:
        """Drop the counters with these keys, because their run or session is over."""
        ...

    def generation(self) -> int:
        """Return a number that every change of a switch, by any process, raises."""
        ...

    def switches(self) -> tuple[Switch, ...]:
        """Return the switches that are set."""
        ...

    def set_switch(self, switch: Switch) -> int:
        """Set a switch and return the generation; a freeze does not weaken a kill."""
        ...

    def clear_switch(self, scope: SwitchScope, value: str, by: str, reason: str, now: int) -> int:
        """Thaw or revive, and return the generation, which stays if nothing was set."""
        ...

    def switch_history(self) -> tuple[SwitchChange, ...]:
        """Return every change of a switch, oldest first."""
        ...

    def call(self, key: str, fingerprint: str) -> CallState | None:
        """Return where a call stands."""
        ...

    def calls(self, status: CallStatus | None = None) -> tuple[CallState, ...]:
        """Return all calls, or those with a status, in order of their last change."""
        ...

    def note_call(
        self,
        key: str,
        fingerprint: str,
        status: CallStatus,
        *,
        owner: str,
        policy: str,
        now: int,
        intent: str = "",
        approval: str = "",
    ) -> CallState:
        """Record that a call was `refused` or is `pending`; a call that is open or ran stays as it is."""
        ...

    def begin_call(
        self,
        key: str,
        fingerprint: str,
        *,
        owner: str,
        policy: str,
        now: int,
        intent: str = "",
        approval: str = "",
        idempotent: bool = False,
    ) -> CallState:
        """Open the next attempt at a call.

        Exactly one caller gets a state whose `opened` is True; all others get the state as it is. A
        call that is open, held or has succeeded is never opened again, an `unknown` one only if it is
        idempotent. `owner` becomes alive with its first call.
        """
        ...

    def finish_call(
        self,
        key: str,
        fingerprint: str,
        status: CallStatus,
        result: bytes | None,
        now: int,
        *,
        attempt: int | None = None,
    ) -> bool:
        """Record the outcome of an open, held or unknown call; False if the call is none of these.

        With `attempt`, the outcome of an earlier attempt changes nothing.
        """
        ...

    def mark_unknown(self, key: str, fingerprint: str, owner: str, now: int) -> bool:
        """Turn the call into `unknown` if it is open and `owner` holds it."""
        ...

    def abandon_calls(self, owner: str, now: int) -> int:
        """Turn every open call of an owner that is gone into `unknown`; return how many."""
        ...

    def owner_alive(self, owner: str) -> bool:
        """Whether the guard that opened calls under this name still exists."""
        ...

    def end_owner(self, owner: str) -> None:
        """Let an owner of this store object go; its open calls stay as they are."""
        ...

    def request_approval(self, approval: Approval) -> Approval:
        """Return the live approval for the same call and policy, or store this one.

        What is live is judged at `approval.created`.
        """
        ...

    def approval(self, id: str) -> Approval | None:
        """Return an approval."""
        ...

    def approvals(self, status: ApprovalStatus | None = None) -> tuple[Approval, ...]:
        """Return all approvals, or those with a status, oldest first."""
        ...

    def answer(self, id: str, answer: Answer, now: int) -> Approval:
        """Add an answer; raises `AnswerRefused` for one that does not count."""
        ...

    def consume_approval(self, id: str, fingerprint: str, policy: str, now: int) -> bool:
        """Use an approval up for exactly this action under this policy; True exactly once."""
        ...

    def finish_approval(self, id: str, status: ApprovalStatus, now: int) -> bool:
        """Record what came of the action that a consumed approval let run."""
        ...

    def cancel_approval(self, id: str, by: str, reason: str, now: int) -> bool:
        """Withdraw a live approval."""
        ...

    def expire_approvals(self, now: int) -> int:
        """Mark every approval that has run out; return how many."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """Join the calls made inside the block, by this thread, into one commit.

        It saves time and undoes nothing: what was done before the block raised stays done. Only when
        the store itself fails is the whole block lost, and then leaving it raises `StoreError`. Keep
        the block short: other writers wait for it.
        """
        ...

    def prune(self, before: int) -> int:
        """Drop what nobody needs any more and last changed before `before`; return how many rows.

        These are finished calls, approvals that are over, and counters of sliding windows and calendar
        buckets, so `before` has to lie further back than the longest of those. Plain totals, switches
        and their history stay.
        """
        ...

    def close(self) -> None:
        """Let go of everything that the store holds, its owners included."""
        ...
