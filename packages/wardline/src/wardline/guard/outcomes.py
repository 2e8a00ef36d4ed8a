"""What came of an action: the record, the counters, and whether its result may be released."""

from __future__ import annotations

import json
import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from wardline.action import assemble
from wardline.canonical import Opaque, Plain, digest, private_copy
from wardline.decision import ALLOW, ASK, DENY, Decision
from wardline.errors import (
    CanonicalError,
    ConfigurationError,
    ContentWithheld,
    LedgerError,
    StoreError,
)
from wardline.facts import Facts
from wardline.guard import messages
from wardline.guard.asking import Asking, Wait
from wardline.guard.boundary import caught
from wardline.guard.records import failures, matched_names, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wardline.action import Action
    from wardline.guard.machinery import Machinery
    from wardline.guard.permit import Permit
    from wardline.guard.request import Request
    from wardline.store.types import CallState

__all__ = ["Outcomes", "read_result"]

_Final: TypeAlias = Literal["succeeded", "failed", "unknown"]
_Status: TypeAlias = Literal["succeeded", "failed", "unknown", "withheld"]

R = TypeVar("R")

_log = logging.getLogger("wardline")


def read_result(stored: bytes | None) -> Any:
    """Return a kept result; results are kept as JSON."""
    return None if stored is None else json.loads(stored)


class Outcomes:
    """Closes the permits of one guard."""

    __slots__ = ("_after", "_asking", "_machinery")

    def __init__(self, machinery: Machinery, asking: Asking) -> None:
        self._machinery = machinery
        self._asking = asking
        self._after = machinery.policies.after

    def binds_after(self, kind: str) -> bool:
        """Whether a rule can bind on the `after` stage of `kind`."""
        return kind in self._after

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return what the tool is called with: a copy nobody else holds, and what is opaque."""
        tree: dict[str, Any] = request.plain.tree
        if request.action.kind in self._after:
            # The tool may change its arguments; rules on `after` read those that were judged.
            tree = private_copy(tree).tree
        return {**tree, **request.by_reference} if request.by_reference else tree

    def succeeded(self, permit: Permit, result: Any, usage: Mapping[str, int]) -> Any:
        """Close the permit and return what may be released; see `Permit.succeeded`."""
        self._claim(permit)
        plain, mark = _copy_of(result)
        fields: dict[str, Any] = {}
        released = result
        refusal: ContentWithheld | None = None
        if permit.request.action.kind in self._after:
            released, plain, refusal = self._judged(permit, result, plain, "", fields)
        status: _Status = "succeeded" if refusal is None else "withheld"
        try:
            self._finish(permit, status, usage, fields.pop("result", mark), fields, plain)
        except (LedgerError, StoreError) as error:
            raise ContentWithheld(
                f"`{permit.action.name}` ran, but its outcome could not be recorded: {error}",
                action=permit.action,
                decision=permit.decision,
            ) from error
        if refusal is not None:
            raise refusal
        return released

    def failed(
        self, permit: Permit, error: BaseException, usage: Mapping[str, int]
    ) -> ContentWithheld | None:
        """Close the permit of an action that raised.

        Returns what to raise in the place of `error` where a rule that reads `action.error` does not
        release it.
        """
        self._claim(permit)
        fields: dict[str, Any] = {"error": _name(error)}
        refusal = None
        if permit.action.kind in self._after:
            text = f"{_name(error)}: {error}"
            _, _, refusal = self._judged(permit, None, Plain(None, simple=True), text, fields)
        self._close(permit, "failed", usage, fields)
        return refusal

    def unknown(self, permit: Permit, reason: str) -> None:
        """Close the permit of an action of which nobody knows what came."""
        self._claim(permit)
        self._close(permit, "unknown", {}, {"reason": reason})

    def withdrawn(self, permit: Permit) -> None:
        """Close the permit of an action that did not start."""
        self._claim(permit)
        self._close(permit, "failed", {}, {"reason": "withdrawn before it started"})

    def _close(
        self, permit: Permit, status: _Status, usage: Mapping[str, int], fields: dict[str, Any]
    ) -> None:
        try:
            self._finish(permit, status, usage, None, fields, None)
        except (LedgerError, StoreError) as error:
            # An exception is already on its way to the caller, and the open intent tells the rest.
            _log.error("the outcome of %s could not be recorded: %s", permit.intent, error)

    @staticmethod
    def _claim(permit: Permit) -> None:
        if permit.closed:
            raise ConfigurationError(
                f"the permit for `{permit.action.name}` is closed; it has one outcome"
            )
        permit.closed = True

    def _finish(
        self,
        permit: Permit,
        status: _Status,
        usage: Mapping[str, int],
        result: object,
        more: dict[str, Any],
        plain: Plain | None,
    ) -> None:
        machinery = self._machinery
        request = permit.request
        times, error = caught(self._times, permit)
        if times is None:
            _log.error("the clock failed", exc_info=error)
            times = machinery.clock.last(), 0
        now, duration = times
        if usage:
            more["usage"] = dict(usage)
        held = more.pop("held", None)
        machinery.ledger.append(
            outcome(now, permit.intent, status, duration, result, more), reserved=True
        )
        final: _Final = "succeeded" if status == "withheld" else status
        for plan, reservation in request.reserved:
            if amounts := plan.settled({**usage, "seconds": duration}):
                machinery.store.settle(reservation, amounts, now)
        if request.action.call_id:
            keep = held or (machinery.keep_results and status == "succeeded")
            machinery.store.finish_call(
                request.key,
                request.claimed,
                "held" if held else final,
                _kept(plain) if keep else None,
                now,
                attempt=request.attempt,
            )
        if request.approval is not None:
            machinery.store.finish_approval(request.approval.id, final, now)

    def _times(self, permit: Permit) -> tuple[int, int]:
        """Return the recorded time and how long the action took, in microseconds."""
        clock = self._machinery.clock
        return clock.now(), clock.monotonic() - permit.started

    async def aside(self, fn: Callable[..., R], *args: Any) -> R:
        """See `Machinery.aside`."""
        return await self._machinery.aside(fn, *args)

    # The stage `after`

    def _judged(
        self,
        permit: Permit,
        result: Any,
        plain: Plain | None,
        error: str,
        fields: dict[str, Any],
    ) -> tuple[Any, Plain | None, ContentWithheld | None]:
        """Do what `_judge` does; what goes wrong while judging withholds."""
        judged, broken = caught(self._judge, permit, result, plain, error, fields)
        if judged is not None:
            return judged
        action = permit.action
        _log.error("judging what %r returned failed", action, exc_info=broken)
        fields["after"] = {"effect": DENY, "rule": "builtin:error"}
        decision = Decision(
            DENY,
            rule="builtin:error",
            policy=self._machinery.policies.digest,
            reason=f"judging what came of it failed ({type(broken).__name__}: {broken})",
        )
        message = messages.withheld(action, decision)
        return None, plain, ContentWithheld(message, action=action, decision=decision)

    def _judge(
        self,
        permit: Permit,
        result: Any,
        plain: Plain | None,
        error: str,
        fields: dict[str, Any],
    ) -> tuple[Any, Plain | None, ContentWithheld | None]:
        """Return what to release, its copy, and why it is withheld if it is; fill in `fields`."""
        machinery = self._machinery
        request = permit.request
        action = _after(request.action)
        now = machinery.clock.now()
        session, run = self._counted(request, now)
        facts = Facts(
            request.principal,
            session,
            run,
            now,
            result=plain.tree if plain is not None else Opaque(result),
            error=error or None,
            duration_ms=(machinery.clock.monotonic() - permit.started) // 1000,
        )
        decision, facts = machinery.decided(action, facts)
        fields["after"] = {
            "effect": decision.effect,
            "rule": decision.rule,
            "matched": matched_names(decision),
            "failed": failures(decision),
        }
        if decision.replacement is not None:
            plain = private_copy(decision.replacement.tree, root="result")
            result = plain.tree
            fields["result"] = digest(plain.encode())
            fields["after"]["changed"] = True
        if decision.effect == ASK:
            decision = self._ask(permit, decision, plain, fields)
        if decision.effect == ALLOW:
            return result, plain, None
        refusal = ContentWithheld(
            messages.withheld(action, decision), action=action, decision=decision
        )
        return None, plain, refusal

    def _counted(self, request: Request, now: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return the views of session and run, with the counters that conditions read as they are."""
        machinery = self._machinery
        session, run = request.session.view, request.run_view
        if machinery.meters.idle:
            return session, run
        plan = machinery.meters.plan(
            request.action, request.principal, request.session, request.run, now
        )
        used = machinery.store.used(plan.charges, now) if plan.charges else ()
        return plan.views(session, run, used)

    def _ask(
        self, permit: Permit, decision: Decision, plain: Plain | None, fields: dict[str, Any]
    ) -> Decision:
        """Ask whether the result may be released; hold it until somebody outside has answered."""
        machinery = self._machinery
        request = permit.request
        approval = self._asking.request_release(request, decision, plain, machinery.clock.now())
        if machinery.approver is not None:
            wait = Wait(machinery, self._asking, approval)
            wait.wait()
            approval = wait.settled()
            fields["after"]["approval"] = approval.id
            if approval.status == "approved" and self._asking.consume(approval):
                return Decision(ALLOW, rule=decision.rule, policy=decision.policy)
            return decision
        fields["after"]["approval"] = approval.id
        if request.action.call_id and _kept(plain) is not None:
            fields["held"] = approval.id
        return decision

    def release_held(self, request: Request, state: CallState, now: int) -> CallState:
        """Return the call as succeeded once the approval that its result waits for is given."""
        approval = self._asking.held(request)
        if approval is None or not self._asking.consume(approval):
            return state
        store = self._machinery.store
        store.finish_call(
            request.key, request.claimed, "succeeded", state.result, now, attempt=state.attempt
        )
        return state._replace(status="succeeded")


def _after(action: Action) -> Action:
    return assemble(
        action.kind,
        action.name,
        action.args,
        action.principal,
        action.session,
        action.run,
        action.call_id,
        action.framework,
        action.parent,
        "after",
    )


def _copy_of(result: Any) -> tuple[Plain | None, Any]:
    """Return a private copy of a result and its digest, or the mark of one without canonical form."""
    try:
        if type(result) is str:
            plain = Plain(result, simple=True, root="result")
        else:
            plain = private_copy(result, root="result")
        return plain, sha256(plain.encode()).hexdigest()
    except (CanonicalError, RuntimeError):  # the latter when another thread changes it meanwhile
        return None, {"$opaque": Opaque(result).type_name}


def _kept(plain: Plain | None) -> bytes | None:
    """Return the JSON of a result that can be kept and given back as it was, else None."""
    return plain.encode() if plain is not None and plain.simple else None


def _name(error: BaseException) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}"
