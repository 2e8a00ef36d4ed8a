"""One call on its way through the guard: the private copy of its arguments and what they amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline.action import assemble
from wardline.canonical import Opaque, Plain, private_copy
from wardline.errors import CanonicalError
from wardline.fingerprint import fingerprint

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wardline.action import Action, Principal
    from wardline.guard.charges import Plan
    from wardline.guard.records import Who
    from wardline.guard.registry import Registered
    from wardline.guard.session import Session
    from wardline.store.approvals import Approval
    from wardline.store.types import Reservation

__all__ = ["MAX_ARGUMENT_BYTES", "Request"]

MAX_ARGUMENT_BYTES: Final = 1 << 20
"""The largest canonical form of arguments that is judged; beyond it no bound on time could hold."""


class Request:
    """One call that asks for a permit.

    `plain` is the private copy of the arguments with `Opaque` marks where `by_reference` holds the
    real objects; `action` is what is judged. All three change when a rule transforms the arguments.
    `who` is the principal for a record, `known` what the registry has under the name,
    None for an unregistered one. `reserved` is what was counted for it so far, `approval` what let it
    run, `answered` and `why` what came of asking. `fingerprint` is of what would run, `claimed` of
    what came in: a call that is tried again is known by that.
    """

    __slots__ = (
        "action",
        "answered",
        "approval",
        "attempt",
        "by_reference",
        "bytes",
        "claimed",
        "fingerprint",
        "known",
        "plain",
        "principal",
        "received",
        "reserved",
        "run",
        "session",
        "who",
        "why",
    )

    action: Action
    plain: Plain
    bytes: bytes
    fingerprint: str
    claimed: str

    def __init__(
        self,
        session: Session,
        run: str,
        principal: Principal,
        who: Who,
        known: Registered | None,
    ) -> None:
        self.session = session
        self.run = run
        self.principal = principal
        self.who = who
        self.known = known
        self.by_reference: dict[str, object] = {}
        self.received: tuple[Plain, dict[str, object]] | None = None
        self.approval: Approval | None = None
        self.answered: Approval | None = None
        self.attempt = 1
        self.why = ""
        self.reserved: list[tuple[Plan, Reservation]] = []

    def take(
        self,
        kind: str,
        name: str,
        args: Mapping[str, Any],
        opaque: Collection[str],
        call_id: str,
        framework: str,
        parent: str,
    ) -> None:
        """Copy the arguments of the action and fix what is judged.

        Raises `CanonicalError` for arguments without a canonical form, or with too large a one.
        """
        if opaque:
            self.by_reference = {one: args[one] for one in opaque if one in args}
            args = {
                one: Opaque(value) if one in self.by_reference else value
                for one, value in args.items()
            }
        plain = private_copy(args if type(args) is dict else dict(args))
        self._fix(kind, name, plain, call_id, framework, parent)
        self.claimed = self.fingerprint

    def adopt(self, replacement: Plain) -> None:
        """Run `replacement` instead of the arguments that came in."""
        if self.received is None:
            self.received = (self.plain, self.by_reference)
        tree = replacement.tree
        self.by_reference = {
            name: value
            for name, value in self.by_reference.items()
            if type(tree.get(name)) is Opaque
        }
        self._put(private_copy(tree))

    def begin(self) -> None:
        """Go back to the arguments that came in: each attempt is judged, and changed, from there."""
        if self.received is not None:
            (plain, self.by_reference), self.received = self.received, None
            self._put(plain)

    def _put(self, plain: Plain) -> None:
        action = self.action
        self._fix(action.kind, action.name, plain, action.call_id, action.framework, action.parent)

    def _fix(
        self, kind: str, name: str, plain: Plain, call_id: str, framework: str, parent: str
    ) -> None:
        self.plain = plain
        self.bytes = data = plain.encode()
        if len(data) > MAX_ARGUMENT_BYTES:
            raise CanonicalError(
                f"are {len(data):,} bytes in canonical form; at most {MAX_ARGUMENT_BYTES:,} can be "
                "judged in bounded time. Pass a reference to the data instead",
                "args",
            )
        self.action = action = assemble(
            kind,
            name,
            plain.tree,
            self.principal,
            self.session.id,
            self.run,
            call_id,
            framework,
            parent,
        )
        self.fingerprint = fingerprint(action, self.principal, data)

    @property
    def run_view(self) -> Mapping[str, Any]:
        """What conditions see as `run`, without its counters."""
        session = self.session
        if self.run == session.id:
            return session.view
        return {"id": self.run, "depth": session.depth}

    @property
    def key(self) -> str:
        """What the store knows this call by: its id in its session, or what it is."""
        scope = "-" if self.session.implicit else self.session.id
        call_id = self.action.call_id
        return f"{scope}/{call_id}" if call_id else f"{scope}/#{self.fingerprint}"
