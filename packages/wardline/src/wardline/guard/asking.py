"""Approvals as the guard uses them: the request, the wait, the answer."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from wardline.canonical import digest
from wardline.clock import MINUTE, SECOND
from wardline.errors import AnswerRefused, StoreError
from wardline.guard.approvers import Reply
from wardline.guard.boundary import caught
from wardline.guard.session import new_id
from wardline.policy.people import answerable
from wardline.store.approvals import Answer, Approval, Requirement

if TYPE_CHECKING:
    from wardline.canonical import Plain
    from wardline.decision import Ask, Decision
    from wardline.guard.machinery import Machinery
    from wardline.guard.request import Request

__all__ = ["Asking", "Wait", "covers", "refusal_reason"]

_log = logging.getLogger("wardline")

_IN_PROCESS: Final = 5 * MINUTE
_DURABLE: Final = 15 * MINUTE
_LOOK: Final = 0.1
"""Seconds between two looks at whether somebody answered elsewhere."""


def covers(approval: Approval, asks: tuple[Ask, ...]) -> bool:
    """Whether all that is asked for now was asked for in `approval`."""
    asked = {(need.document, need.rule) for need in approval.requirements}
    return all((ask.document, ask.rule) in asked for ask in asks)


class Asking:
    """Puts requests into the store, and to the approver of this process if there is one."""

    __slots__ = ("_machinery",)

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery

    def request(self, request: Request, decision: Decision, now: int) -> Approval:
        """Return the live approval for this call, or a new one."""
        return self._put(
            request, decision, request.key, request.fingerprint, request.bytes, now, "before"
        )

    def request_release(
        self, request: Request, decision: Decision, plain: Plain | None, now: int
    ) -> Approval:
        """Return the live approval for releasing what this call returned, or a new one."""
        result = plain.encode() if plain is not None else b'"a result that cannot be shown"'
        return self._put(
            request,
            decision,
            _release_key(request),
            digest(result),
            b'{"result":' + result + b"}",
            now,
            "after",
        )

    def held(self, request: Request) -> Approval | None:
        """Return the last approval that the result of this call waits for."""
        key = _release_key(request)
        found = [one for one in self._machinery.store.approvals() if one.key == key]
        return found[-1] if found else None

    def consume(self, approval: Approval) -> bool:
        """Use an approval up for what it shows."""
        machinery = self._machinery
        return machinery.store.consume_approval(
            approval.id, approval.fingerprint, approval.policy, machinery.clock.now()
        )

    def _put(
        self,
        request: Request,
        decision: Decision,
        key: str,
        fingerprint: str,
        shown: bytes,
        now: int,
        stage: str,
    ) -> Approval:
        machinery = self._machinery
        action = request.action
        wanted = Approval(
            id=new_id("approval"),
            key=key,
            fingerprint=fingerprint,
            policy=decision.policy,
            kind=action.kind,
            name=action.name,
            principal=request.principal.id,
            chain=request.principal.chain,
            session=request.session.id,
            run=request.run,
            call_id=action.call_id,
            arguments=shown,
            stage=stage,
            requirements=tuple(self._requirement(ask) for ask in decision.asks),
            created=now,
            expires=min(now + self._expires_in(ask) for ask in decision.asks),
            reason=decision.reason,
        )
        approval = machinery.store.request_approval(wanted)
        if approval.id != wanted.id and not covers(approval, decision.asks):
            why = "more has to be approved by now"
            machinery.store.cancel_approval(approval.id, "wardline", why, now)
            approval = machinery.store.request_approval(wanted)
        if approval.id == wanted.id:
            machinery.write(
                {
                    "type": "approval",
                    "t": now,
                    "approval": approval.id,
                    "status": approval.status,
                    "fingerprint": approval.fingerprint,
                    "policy": approval.policy,
                    "session": approval.session,
                    "run": approval.run,
                    "call_id": approval.call_id,
                    "name": approval.name,
                    "expires": approval.expires,
                    "requirements": [
                        [f"{need.document}/{need.rule}", list(need.approvers), need.quorum]
                        for need in approval.requirements
                    ],
                }
            )
        return approval

    def answer(self, id: str, reply: Reply) -> Approval:
        """Give an answer to an approval and record it.

        Raises `AnswerRefused` for one that does not count.
        """
        machinery = self._machinery
        now = machinery.clock.now()
        answer = Answer(reply.by, reply.how, reply.approved, now, reply.note)
        approval = machinery.store.answer(id, answer, now)
        machinery.write(
            {
                "type": "approval",
                "t": now,
                "approval": id,
                "status": approval.status,
                "fingerprint": approval.fingerprint,
                "by": reply.by,
                "how": reply.how,
                "approved": reply.approved,
                "note": reply.note,
            }
        )
        return approval

    def _requirement(self, ask: Ask) -> Requirement:
        return Requirement(
            document=ask.document,
            rule=ask.rule,
            approvers=answerable(ask.approvers, self._machinery.approvers),
            quorum=ask.quorum,
            separation_of_duties=ask.separation_of_duties,
            reason=ask.reason,
        )

    def _expires_in(self, ask: Ask) -> int:
        if ask.expires_in is not None:
            return ask.expires_in
        return _DURABLE if self._machinery.approver is None else _IN_PROCESS


class Wait:
    """One question put to the approver of this process, on a thread of its own.

    The thread may outlive the wait, because nothing can stop a callback that hangs; its answer then
    comes too late to count.
    """

    __slots__ = (
        "_asking",
        "_counted",
        "_done",
        "_machinery",
        "_stop",
        "approval",
        "seconds",
        "why",
    )

    def __init__(self, machinery: Machinery, asking: Asking, approval: Approval) -> None:
        self._machinery = machinery
        self._asking = asking
        self._done = threading.Event()
        self._stop = threading.Event()
        self.approval = approval
        self._counted = False
        self.why = ""
        self.seconds = max(approval.expires - machinery.clock.now(), 0) / SECOND
        threading.Thread(target=self._ask, name="wardline-approver", daemon=True).start()

    def wait(self) -> None:
        """Wait for the answer, from whomever, at most until the request expires."""
        try:
            self._watch()
        finally:
            self._stop.set()

    def _watch(self) -> None:
        end = time.monotonic() + self.seconds
        while (left := end - time.monotonic()) > 0:
            if self._done.wait(min(left, _LOOK)) or self._stop.is_set():
                return
            if self.settled().status != "pending":
                return  # somebody answered in another process

    async def wait_async(self) -> None:
        """Do the same without holding up the event loop, or a thread of its pool."""
        import asyncio

        loop = asyncio.get_running_loop()
        answered = asyncio.Event()
        failure: list[Exception] = []

        def tell() -> None:
            try:
                self._watch()
            except StoreError as error:
                failure.append(error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(answered.set)

        threading.Thread(target=tell, name="wardline-wait", daemon=True).start()
        try:
            await answered.wait()
        finally:
            self._stop.set()
        if failure:
            raise failure[0]

    def settled(self) -> Approval:
        """Return the approval as it stands now that nobody waits any more."""
        approval = self._machinery.store.approval(self.approval.id)
        return approval or self.approval

    def _ask(self) -> None:
        _, error = caught(self._put)
        if isinstance(error, AnswerRefused):
            self.why = str(error)
        elif error is not None:
            self.why = f"the approver failed: {type(error).__name__}: {error}"
            _log.error("the approver failed", exc_info=error)
        # After a first answer that counts, the others may still come from elsewhere.
        if not self._counted or caught(self._over) != (False, None):
            self._done.set()

    def _put(self) -> None:
        """Put the question until it is settled or nobody answers."""
        approver = self._machinery.approver
        assert approver is not None
        while True:
            reply: object = approver.ask(self.approval, self._stop)
            if self._stop.is_set():
                return
            if reply is None:
                self.why = "nobody answered"
                return
            if not isinstance(reply, Reply):
                self.why = f"the approver returned {type(reply).__name__}, not a Reply"
                return
            if self._asking.answer(self.approval.id, reply).status != "pending":
                return
            self._counted = True  # and somebody else has to answer too

    def _over(self) -> bool:
        return self.settled().status != "pending"


def _release_key(request: Request) -> str:
    return f"{request.key}/result"


def refusal_reason(approval: Approval, why: str) -> tuple[str, dict[str, Any]]:
    """Return why an approval that was asked for does not let the action run, and who said so."""
    if approval.status == "denied":
        answer = approval.answers[-1]
        note = f": {answer.note}" if answer.note else ""
        return f"{answer.by} said no{note}", {"by": answer.by}
    if approval.status == "pending":
        if approval.answers:
            said = ", ".join(answer.by for answer in approval.answers)
            why = f"only {said} said yes in time, and more have to"
        return why or "no answer in time", {}
    if approval.status == "approved":
        return "its approval came too late, or was for another action or policy", {}
    return f"its approval is {approval.status}", {}
