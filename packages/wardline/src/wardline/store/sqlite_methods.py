"""What `SQLiteStore` does with its tables; how it reaches them is in `wardline.store.sqlite`."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from wardline.errors import AnswerRefused, StoreError
from wardline.store import sqlite_counters as counters
from wardline.store import sqlite_rows as rows
from wardline.store.types import CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from wardline.store.approvals import Answer, Approval, ApprovalStatus
    from wardline.store.leases import Leases
    from wardline.store.sqlite_schema import Execute
    from wardline.store.types import (
        CallStatus,
        Charge,
        Reservation,
        Switch,
        SwitchChange,
        SwitchScope,
    )

__all__ = ["SQLiteMethods"]

P = ParamSpec("P")
T = TypeVar("T")


class SQLiteMethods(ABC):
    """The methods of `Store` over two ways to run statements, which the subclass brings."""

    path: Path
    deadline: float

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._lease_lock = threading.Lock()

    @abstractmethod
    def _run(
        self,
        write: bool,
        work: Callable[Concatenate[Execute, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do `work`, in one transaction if it writes."""

    @abstractmethod
    def _run_synced(
        self, work: Callable[Concatenate[Execute, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do `work` in one transaction that is on the disk afterwards."""

    def reserve(self, charges: Sequence[Charge], now: int, force: bool = False) -> Reservation:
        """See `Store.reserve`."""
        return self._run(True, counters.reserve, charges, now, force)

    def settle(self, reservation: Reservation, amounts: Mapping[int, int], now: int) -> None:
        """See `Store.settle`; amounts that came out as reserved cost nothing."""
        if counters.changes(reservation, amounts):
            reservation.token = self._run(True, counters.settle, reservation, amounts, now)

    def release(self, reservation: Reservation) -> None:
        """See `Store.release`."""
        if isinstance(reservation.token, dict):
            self._run(True, counters.release, reservation)
            reservation.token = False

    def used(self, charges: Sequence[Charge], now: int) -> tuple[int, ...]:
        """See `Store.used`."""
        return self._run(False, counters.used, charges, now)

    def forget(self, keys: Iterable[str]) -> None:
        """See `Store.forget`."""
        self._run(True, counters.forget, keys)

    def switches(self) -> tuple[Switch, ...]:
        """See `Store.switches`."""
        return self._run(False, rows.switches)

    def set_switch(self, switch: Switch) -> int:
        """See `Store.set_switch`."""
        return self._run_synced(rows.set_switch, switch)

    def clear_switch(self, scope: SwitchScope, value: str, by: str, reason: str, now: int) -> int:
        """See `Store.clear_switch`."""
        return self._run_synced(rows.clear_switch, scope, value, by, reason, now)

    def switch_history(self) -> tuple[SwitchChange, ...]:
        """See `Store.switch_history`."""
        return self._run(False, rows.history)

    def call(self, key: str, fingerprint: str) -> CallState | None:
        """See `Store.call`."""
        return self._run(False, rows.call, key, fingerprint)

    def calls(self, status: CallStatus | None = None) -> tuple[CallState, ...]:
        """See `Store.calls`."""
        return self._run(False, rows.calls, status)

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
        """See `Store.note_call`."""
        new = CallState(key, fingerprint, status, 0, owner, policy, intent, approval, None, now)
        return self._run(True, rows.note_call, new)

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
        """See `Store.begin_call`."""
        if owner not in self._leases:
            with self._leasing():
                if owner not in self._leases:
                    self._leases.take(owner, self.deadline)
        return self._run(
            True,
            rows.begin_call,
            key,
            fingerprint,
            owner,
            policy,
            intent,
            approval,
            now,
            idempotent,
        )

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
        """See `Store.finish_call`."""
        return self._run(True, rows.finish_call, key, fingerprint, status, result, now, attempt)

    def mark_unknown(self, key: str, fingerprint: str, owner: str, now: int) -> bool:
        """See `Store.mark_unknown`."""
        return self._run(True, rows.mark_unknown, key, fingerprint, owner, now)

    def abandon_calls(self, owner: str, now: int) -> int:
        """See `Store.abandon_calls`."""
        return self._run(True, rows.abandon_calls, owner, now)

    @contextmanager
    def _leasing(self) -> Iterator[None]:
        if not self._lease_lock.acquire(timeout=self.deadline):
            raise StoreError(
                f"{self.path}: waited {self.deadline:g} s for another thread that takes a lease; "
                "look for a thread that is stuck, or raise the store's deadline"
            )
        try:
            yield
        finally:
            self._lease_lock.release()

    def owner_alive(self, owner: str) -> bool:
        """See `Store.owner_alive`; an owner lives as long as its process holds its lease."""
        with self._leasing():
            return self._leases.alive(owner)

    def end_owner(self, owner: str) -> None:
        """See `Store.end_owner`."""
        with self._leasing():
            self._leases.end(owner)

    def request_approval(self, approval: Approval) -> Approval:
        """See `Store.request_approval`."""
        return self._run_synced(rows.request, approval)

    def approval(self, id: str) -> Approval | None:
        """See `Store.approval`."""
        return self._run(False, rows.approval, id)

    def approvals(self, status: ApprovalStatus | None = None) -> tuple[Approval, ...]:
        """See `Store.approvals`."""
        return self._run(False, rows.approvals, status)

    def answer(self, id: str, answer: Answer, now: int) -> Approval:
        """See `Store.answer`."""
        result = self._run_synced(rows.answer, id, answer, now)
        if isinstance(result, AnswerRefused):
            raise result
        return result

    def consume_approval(self, id: str, fingerprint: str, policy: str, now: int) -> bool:
        """See `Store.consume_approval`."""
        return self._run_synced(rows.consume, id, fingerprint, policy, now)

    def finish_approval(self, id: str, status: ApprovalStatus, now: int) -> bool:
        """See `Store.finish_approval`."""
        return self._run(True, rows.finish, id, status, now)

    def cancel_approval(self, id: str, by: str, reason: str, now: int) -> bool:
        """See `Store.cancel_approval`."""
        return self._run_synced(rows.cancel, id, by, reason, now)

    def expire_approvals(self, now: int) -> int:
        """See `Store.expire_approvals`."""
        return self._run(True, rows.expire, now)

    def prune(self, before: int) -> int:
        """See `Store.prune`; the files of dead owners go too."""
        with self._leasing():
            self._leases.sweep()
        return self._run(True, _prune, before)


def _prune(execute: Execute, before: int) -> int:
    return rows.prune(execute, before) + counters.prune(execute, before)
