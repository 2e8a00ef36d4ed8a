"""A store in the memory of one process.

Everything in it, switches and approvals included, is lost when the process ends, and a child after
`fork` starts from its own copy. Where a kill or a pending approval has to survive a restart, or
several processes share a limit, use `SQLiteStore`.
"""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING
from weakref import WeakSet

from wardline.errors import AnswerRefused, StoreError
from wardline.store import approvals as flow
from wardline.store import calls as transitions
from wardline.store.counters import Counters
from wardline.store.types import FINISHED, CallState, SwitchChange, stricter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from wardline.store.approvals import Answer, Approval, ApprovalStatus
    from wardline.store.types import CallStatus, Charge, Reservation, Switch, SwitchScope

__all__ = ["MemoryStore"]


class MemoryStore:
    """State of one process behind one lock; `deadline` bounds the wait for it, in seconds."""

    __slots__ = (
        "__weakref__",
        "_approvals",
        "_calls",
        "_counters",
        "_generation",
        "_history",
        "_live",
        "_lock",
        "_owners",
        "_switches",
        "deadline",
    )

    def __init__(self, deadline: float = 2.0) -> None:
        self.deadline = deadline
        self._lock = threading.Lock()
        self._counters = Counters()
        self._generation = 0
        self._switches: dict[tuple[str, str], Switch] = {}
        self._history: list[SwitchChange] = []
        self._calls: dict[tuple[str, str], CallState] = {}
        self._owners: set[str] = set()
        self._approvals: dict[str, Approval] = {}
        self._live: dict[tuple[str, str, str], str] = {}
        _STORES.add(self)

    def _wait(self) -> None:
        if not self._lock.acquire(timeout=self.deadline):
            raise StoreError(
                f"memory store: waited {self.deadline:g} s for its lock, which another thread of this "
                "process holds; look for a thread that is stuck, or raise the store's deadline"
            )

    def reserve(self, charges: Sequence[Charge], now: int, force: bool = False) -> Reservation:
        """See `Store.reserve`."""
        if not self._lock.acquire(False):
            self._wait()
        try:
            return self._counters.reserve(charges, now, force)
        finally:
            self._lock.release()

    def settle(self, reservation: Reservation, amounts: Mapping[int, int], now: int) -> None:
        """See `Store.settle`."""
        if not self._lock.acquire(False):
            self._wait()
        try:
            self._counters.settle(reservation, amounts, now)
        finally:
            self._lock.release()

    def release(self, reservation: Reservation) -> None:
        """See `Store.release`."""
        self._wait()
        try:
            self._counters.release(reservation)
        finally:
            self._lock.release()

    def used(self, charges: Sequence[Charge], now: int) -> tuple[int, ...]:
        """See `Store.used`."""
        if not self._lock.acquire(False):
            self._wait()
        try:
            return self._counters.used(charges, now)
        finally:
            self._lock.release()

    def forget(self, keys: Iterable[str]) -> None:
        """See `Store.forget`."""
        self._wait()
        try:
            self._counters.forget(keys)
        finally:
            self._lock.release()

    def generation(self) -> int:
        """See `Store.generation`."""
        return self._generation

    def switches(self) -> tuple[Switch, ...]:
        """See `Store.switches`."""
        self._wait()
        try:
            return tuple(self._switches[name] for name in sorted(self._switches))
        finally:
            self._lock.release()

    def set_switch(self, switch: Switch) -> int:
        """See `Store.set_switch`."""
        self._wait()
        try:
            name = (switch.scope, switch.value)
            self._switches[name] = stricter(self._switches.get(name), switch)
            generation = self._generation + 1
            self._history.append(
                SwitchChange(
                    generation,
                    switch.scope,
                    switch.value,
                    switch.state,
                    switch.by,
                    switch.reason,
                    switch.t,
                )
            )
            self._generation = generation
            return generation
        finally:
            self._lock.release()

    def clear_switch(self, scope: SwitchScope, value: str, by: str, reason: str, now: int) -> int:
        """See `Store.clear_switch`."""
        self._wait()
        try:
            if (scope, value) not in self._switches:
                return self._generation
            del self._switches[scope, value]
            generation = self._generation + 1
            self._history.append(SwitchChange(generation, scope, value, "thawed", by, reason, now))
            self._generation = generation
            return generation
        finally:
            self._lock.release()

    def switch_history(self) -> tuple[SwitchChange, ...]:
        """See `Store.switch_history`."""
        self._wait()
        try:
            return tuple(self._history)
        finally:
            self._lock.release()

    def call(self, key: str, fingerprint: str) -> CallState | None:
        """See `Store.call`."""
        return self._calls.get((key, fingerprint))

    def calls(self, status: CallStatus | None = None) -> tuple[CallState, ...]:
        """See `Store.calls`."""
        self._wait()
        try:
            found = [s for s in self._calls.values() if status is None or s.status == status]
        finally:
            self._lock.release()
        return tuple(sorted(found, key=lambda state: (state.t, state.key, state.fingerprint)))

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
        self._wait()
        try:
            old = self._calls.get((key, fingerprint))
            state = transitions.noted(old, new)
            if state is None:
                assert old is not None, "a call without a state can always be noted"
                return old
            self._calls[key, fingerprint] = state
            return state
        finally:
            self._lock.release()

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
        name = (key, fingerprint)
        if not self._lock.acquire(False):
            self._wait()
        try:
            self._owners.add(owner)
            old = self._calls.get(name)
            state = transitions.begun(
                old, key, fingerprint, owner, policy, intent, approval, now, idempotent
            )
            if state is None:
                assert old is not None, "a call without a state can always begin"
                return old
            self._calls[name] = CallState(*state[:10])
            return state
        finally:
            self._lock.release()

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
        name = (key, fingerprint)
        if not self._lock.acquire(False):
            self._wait()
        try:
            state = transitions.finished(self._calls.get(name), status, result, now, attempt)
            if state is None:
                return False
            self._calls[name] = state
            return True
        finally:
            self._lock.release()

    def mark_unknown(self, key: str, fingerprint: str, owner: str, now: int) -> bool:
        """See `Store.mark_unknown`."""
        self._wait()
        try:
            return self._abandon((key, fingerprint), owner, now)
        finally:
            self._lock.release()

    def abandon_calls(self, owner: str, now: int) -> int:
        """See `Store.abandon_calls`."""
        self._wait()
        try:
            return sum(self._abandon(name, owner, now) for name in list(self._calls))
        finally:
            self._lock.release()

    def _abandon(self, name: tuple[str, str], owner: str, now: int) -> bool:
        state = transitions.abandoned(self._calls.get(name), owner, now)
        if state is not None:
            self._calls[name] = state
        return state is not None

    def owner_alive(self, owner: str) -> bool:
        """See `Store.owner_alive`; an owner in memory lives until it ends or the process does."""
        return owner in self._owners

    def end_owner(self, owner: str) -> None:
        """See `Store.end_owner`."""
        self._owners.discard(owner)

    def request_approval(self, approval: Approval) -> Approval:
        """See `Store.request_approval`."""
        name = (approval.key, approval.fingerprint, approval.policy)
        self._wait()
        try:
            live = self._approvals.get(self._live.get(name, ""))
            if live is not None:
                if flow.is_live(live, approval.created):
                    return live
                self._keep(flow.due(live, approval.created))
            if approval.id in self._approvals:
                raise StoreError(f"memory store: the approval {approval.id} exists; ids are unique")
            self._keep(approval)
            return approval
        finally:
            self._lock.release()

    def _keep(self, approval: Approval) -> None:
        self._approvals[approval.id] = approval
        name = (approval.key, approval.fingerprint, approval.policy)
        if approval.status in flow.LIVE:
            self._live[name] = approval.id
        elif self._live.get(name) == approval.id:
            del self._live[name]

    def approval(self, id: str) -> Approval | None:
        """See `Store.approval`."""
        return self._approvals.get(id)

    def approvals(self, status: ApprovalStatus | None = None) -> tuple[Approval, ...]:
        """See `Store.approvals`."""
        self._wait()
        try:
            found = [a for a in self._approvals.values() if status is None or a.status == status]
        finally:
            self._lock.release()
        return tuple(sorted(found, key=lambda approval: (approval.created, approval.id)))

    def answer(self, id: str, answer: Answer, now: int) -> Approval:
        """See `Store.answer`."""
        self._wait()
        try:
            if id not in self._approvals:
                raise AnswerRefused(
                    f"there is no approval {id}; list those that wait and try again"
                )
            approval = flow.due(self._approvals[id], now)
            self._keep(approval)
            approval = flow.answered(approval, answer, now)
            self._keep(approval)
            return approval
        finally:
            self._lock.release()

    def _step(self, approval: Approval | None) -> bool:
        if approval is not None:
            self._keep(approval)
        return approval is not None

    def consume_approval(self, id: str, fingerprint: str, policy: str, now: int) -> bool:
        """See `Store.consume_approval`."""
        self._wait()
        try:
            found = self._approvals.get(id)
            return found is not None and self._step(flow.consumed(found, fingerprint, policy, now))
        finally:
            self._lock.release()

    def finish_approval(self, id: str, status: ApprovalStatus, now: int) -> bool:
        """See `Store.finish_approval`."""
        self._wait()
        try:
            found = self._approvals.get(id)
            return found is not None and self._step(flow.finished(found, status, now))
        finally:
            self._lock.release()

    def cancel_approval(self, id: str, by: str, reason: str, now: int) -> bool:
        """See `Store.cancel_approval`."""
        self._wait()
        try:
            found = self._approvals.get(id)
            return found is not None and self._step(flow.cancelled(found, by, reason, now))
        finally:
            self._lock.release()

    def expire_approvals(self, now: int) -> int:
        """See `Store.expire_approvals`."""
        self._wait()
        try:
            over = [
                approval
                for approval in map(self._approvals.__getitem__, list(self._live.values()))
                if now >= approval.expires
            ]
            for approval in over:
                self._keep(flow.due(approval, now))
            return len(over)
        finally:
            self._lock.release()

    def together(self) -> AbstractContextManager[None]:
        """See `Store.together`; memory has nothing to commit."""
        return nullcontext()

    def prune(self, before: int) -> int:
        """See `Store.prune`."""
        self._wait()
        try:
            calls = [n for n, s in self._calls.items() if s.status in FINISHED and s.t < before]
            for name in calls:
                del self._calls[name]
            over = [
                a.id
                for a in self._approvals.values()
                if a.status not in flow.LIVE and a.closed < before
            ]
            for id_ in over:
                del self._approvals[id_]
            return len(calls) + len(over) + self._counters.prune(before)
        finally:
            self._lock.release()

    def close(self) -> None:
        """See `Store.close`."""
        self._owners.clear()


_STORES: WeakSet[MemoryStore] = WeakSet()
_HELD: dict[int, list[MemoryStore]] = {}


def _before_fork() -> None:
    """Take every lock, so that no thread of the parent is half-way through a change."""
    _HELD[threading.get_ident()] = [
        store for store in list(_STORES) if store._lock.acquire(timeout=store.deadline)
    ]


def _after_fork() -> None:
    for store in _HELD.pop(threading.get_ident(), ()):
        store._lock.release()


def _after_fork_in_child() -> None:
    _after_fork()
    for store in list(_STORES):
        store._owners.clear()  # the parent runs those calls, not this process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )
