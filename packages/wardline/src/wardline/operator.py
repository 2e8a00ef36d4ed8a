"""What a person does from outside: answer approvals, freeze and thaw, and leave a record of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.clock import Clock
from wardline.errors import ConfigurationError, StoreError
from wardline.guard.approvers import login
from wardline.guard.guard import home_directory
from wardline.guard.records import body
from wardline.store.types import Switch

if TYPE_CHECKING:
    from pathlib import Path

    from wardline.store import Approval, Store
    from wardline.store.approvals import ApprovalStatus
    from wardline.store.types import SwitchScope

__all__ = ["Operator"]


class Operator:
    """The hand of a person on the state and ledger in `home` (see `home_directory`).

    Acts as `os:<login>` of whoever runs the process, and nobody else. Reading never creates state.
    Raises `StoreError` where there is none yet.
    """

    def __init__(self, home: str | Path | None = None, *, clock: Clock | None = None) -> None:
        self.home = home_directory(home)
        self.by = login()
        self._clock = clock or Clock()
        self._store: Store | None = None

    @property
    def state(self) -> Path:
        """The file that holds the state."""
        return self.home / "state.db"

    def approvals(self, status: ApprovalStatus | None = None) -> tuple[Approval, ...]:
        """Return all approvals, or those with a status, oldest first; none if there is no state."""
        if not self.state.exists():
            return ()
        store = self._open()
        store.expire_approvals(self._clock.now())
        return store.approvals(status)

    def approval(self, id: str) -> Approval:
        """Return one approval. Raises `ConfigurationError` if there is none with this id."""
        store = self._open()
        store.expire_approvals(self._clock.now())
        approval = store.approval(id)
        if approval is None:
            raise ConfigurationError(
                f"there is no approval {id!r} in {self.state}; list them with "
                "`wardline approvals list`"
            )
        return approval

    def answer(self, id: str, *, approved: bool, note: str = "") -> Approval:
        """Answer a pending approval. Raises `AnswerRefused` if this person may not."""
        from wardline.store.approvals import Answer

        self.approval(id)
        now = self._clock.now()
        answer = Answer(self.by, "command line", approved, now, note)
        approval = self._open().answer(id, answer, now)
        self._record(
            {
                "type": "approval",
                "t": now,
                "approval": id,
                "status": approval.status,
                "fingerprint": approval.fingerprint,
                "by": self.by,
                "how": answer.how,
                "approved": approved,
                "note": note,
            }
        )
        return approval

    def switches(self) -> tuple[Switch, ...]:
        """Return the switches that are set; none if there is no state."""
        return self._open().switches() if self.state.exists() else ()

    def freeze(self, scope: SwitchScope, value: str, reason: str) -> None:
        """Refuse every action in scope from now on, in every process that shares this state."""
        now = self._clock.now()
        switch = Switch(scope, value, "frozen", self.by, reason, now)
        # A stop must not wait for a record that cannot be written, so here the record comes last.
        self._open(create=True).set_switch(switch)
        self._record_switch("freeze", scope, value, reason, now)

    def thaw(self, scope: SwitchScope, value: str, reason: str) -> bool:
        """Lift a freeze; return whether there was one. It is recorded before it is lifted."""
        if not any(s.scope == scope and s.value == value for s in self.switches()):
            return False
        now = self._clock.now()
        self._record_switch("thaw", scope, value, reason, now)
        self._open().clear_switch(scope, value, self.by, reason, now)
        return True

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self, *, create: bool = False) -> Store:
        if self._store is None:
            if not create and not self.state.exists():
                raise StoreError(
                    f"there is no state in {self.home}; run an agent there first, or name its "
                    "directory with --home or WARDLINE_HOME"
                )
            from wardline.store.sqlite import SQLiteStore

            self._store = SQLiteStore(self.state)
        return self._store

    def _record_switch(
        self, what: str, scope: SwitchScope, value: str, reason: str, now: int
    ) -> None:
        self._record(
            {
                "type": "switch",
                "t": now,
                "switch": what,
                "scope": scope,
                "value": value,
                "by": self.by,
                "reason": reason,
            }
        )

    def _record(self, fields: dict[str, object]) -> None:
        from wardline.ledger import Ledger

        with Ledger(self.home / "ledger", durability="sync", clock=self._clock) as ledger:
            ledger.append(body(fields))
