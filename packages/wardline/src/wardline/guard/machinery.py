"""What a guard is made of, shared by the rooms that judge, ask and record."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

from wardline.action import type_of
from wardline.consult import Consultant
from wardline.decide import decide
from wardline.decision import ASK
from wardline.guard.charges import Meters
from wardline.guard.records import Who, body
from wardline.guard.registry import Registry
from wardline.guard.session import Session, Sessions, new_id
from wardline.store import MemoryStore

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from wardline.action import Action, Principal
    from wardline.clock import Clock
    from wardline.decision import Decision
    from wardline.facts import Facts
    from wardline.guard.approvers import Approver
    from wardline.ledger import Ledger, RecordRef
    from wardline.policy import PolicySet
    from wardline.store import Store
    from wardline.store.types import Switch

__all__ = ["Machinery"]

_MOST_PRINCIPALS: Final = 512

R = TypeVar("R")


class Machinery:
    """Policies, store, ledger and clock of one guard, and its configuration.

    `approvers` maps the groups that policies name to principal ids. `deadline` is in seconds. `owner`
    is the id under which this guard holds calls open in the store.
    """

    __slots__ = (
        "__weakref__",
        "_own",
        "_principals",
        "_switches",
        "approver",
        "approvers",
        "asks_after",
        "clock",
        "consultant",
        "deadline",
        "keep_results",
        "ledger",
        "meters",
        "owner",
        "policies",
        "principal",
        "record_arguments",
        "registry",
        "sessions",
        "store",
    )

    def __init__(
        self,
        *,
        policies: PolicySet,
        store: Store,
        ledger: Ledger,
        clock: Clock,
        principal: Principal,
        approvers: Mapping[str, tuple[str, ...]],
        approver: Approver | None,
        deadline: float,
        keep_results: bool,
        record_arguments: bool,
    ) -> None:
        self.policies = policies
        self.store = store
        self.ledger = ledger
        self.clock = clock
        self.principal = principal
        self.approvers = approvers
        self.approver = approver
        self.deadline = deadline
        self.keep_results = keep_results
        self.record_arguments = record_arguments
        self.owner = new_id("guard")
        self.meters = Meters(policies)
        self.consultant = Consultant(policies) if policies.engines or policies.reads_paths else None
        self.sessions = Sessions()
        self.registry = Registry(policies)
        # One object, so that no thread ever sees the switches of one generation under another.
        self._switches: tuple[int, tuple[Switch, ...]] = (-1, ())
        self.asks_after = approver is not None and any(
            rule.action == ASK and stage == "after"
            for rule in policies.rules
            for _, stage in rule.on
        )
        _MACHINES.add(self)
        self._own = (principal, Who(principal))
        self._principals: dict[Principal, tuple[Principal, Who]] = {}

    def acting(self, claimed: Principal | None) -> tuple[Principal, Who]:
        """Return who acts where an action claims `claimed`, and the same for a record.

        Tenant and environment are always the guard's own; an action cannot name them.
        """
        if claimed is None or claimed is self.principal:
            return self._own
        known = self._principals.get(claimed)
        if known is None:
            if len(self._principals) >= _MOST_PRINCIPALS:
                self._principals.clear()
            own = self.principal
            acting = replace(claimed, tenant=own.tenant, environment=own.environment)
            known = self._principals[claimed] = (acting, Who(acting))
        return known

    def decided(self, action: Action, facts: Facts) -> tuple[Decision, Facts]:
        """Return the decision on an action, and the facts it is made on.

        They say where paths lead and what other engines answer, where the policies read it.
        """
        if self.consultant is None:
            return decide(self.policies, action, facts), facts
        return self.consultant.decide(action, facts)

    def switches(
        self, action: Action, principal: Principal, session: Session
    ) -> tuple[Switch, ...]:
        """Return the active switches that cover an action, as the store has them at this moment."""
        generation = self.store.generation()
        known, active = self._switches
        if generation != known:
            active = self.store.switches()
            self._switches = (generation, active)
        if not active:
            return ()
        covers = {
            "everything": ("",),
            "tenant": (principal.tenant,),
            "agent": (principal.id, principal.name, *principal.chain),
            "session": (session.id, session.root),
            "kind": (action.kind,),
        }
        return tuple(
            switch
            for switch in active
            if (
                type_of(switch.value) == action.type
                if switch.scope == "tool"
                else switch.value in covers[switch.scope]
            )
        )

    def generation(self) -> int:
        """Return the generation of the switches as they were last read."""
        return self._switches[0]

    @property
    def quick(self) -> bool:
        """Whether nothing that is done under a lock waits for a disk, a process or a person."""
        return (
            isinstance(self.store, MemoryStore)
            and self.ledger.durability != "sync"
            and not self.asks_after
            and not self.policies.engines
        )

    async def aside(
        self, fn: Callable[..., R], *args: Any, lost: Callable[[R], None] | None = None
    ) -> R:
        """Call `fn`, on a thread of its own where it could hold up the event loop.

        `lost` gets the result for which a cancelled caller no longer waits.
        """
        if self.quick:
            return fn(*args)
        import asyncio
        import contextvars

        context = contextvars.copy_context()
        task = asyncio.get_running_loop().run_in_executor(None, context.run, fn, *args)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if lost is not None:
                task.add_done_callback(partial(_hand_over, lost))
            raise

    def after_fork(self) -> None:
        """In a child, which shares nothing with its parent but the store and the ledger's directory."""
        self.owner = new_id("guard")
        self.sessions.after_fork()
        if self.consultant is not None:
            self.consultant.after_fork()

    def note(self, what: str, **fields: Any) -> None:
        """Record something about the guard itself."""
        self.write({"type": "note", "t": self.clock.now(), "what": what, **fields})

    def write(self, fields: dict[str, Any]) -> RecordRef:
        """Append one record. Raises `LedgerError` when it is not acknowledged."""
        if self.clock.jumped:
            self.note_jump()
        return self.ledger.append(body(fields))

    def note_jump(self) -> None:
        """Record that the wall clock stepped forward by more than an hour."""
        what = "the wall clock stepped forward"
        note = {"type": "note", "t": self.clock.last(), "what": what, "by_us": self.clock.jumped}
        self.ledger.append(body(note))
        self.clock.jumped = 0


def _hand_over(lost: Callable[[R], None], task: asyncio.Future[R]) -> None:
    if not task.cancelled() and task.exception() is None:
        lost(task.result())


_MACHINES: WeakSet[Machinery] = WeakSet()


def _after_fork_in_child() -> None:
    for machinery in list(_MACHINES):
        machinery.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
