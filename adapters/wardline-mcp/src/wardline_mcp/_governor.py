"""The way of one request through the guard: the same for a client, a server and a proxy between them."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, PROTOCOL_VERSION_META_KEY, REQUEST_TIMEOUT

from wardline import ActionRefused, ApprovalPending, ConfigurationError
from wardline.adapters import Adapter, Call, Way
from wardline_mcp._context import call_id, with_context, without_context
from wardline_mcp._methods import ACTS, PASSING, Act
from wardline_mcp._results import refusal_result, stored_result

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wardline import Approval, Permit
    from wardline.adapters import Place, Suspend
    from wardline_mcp._listing import Listing

__all__ = [
    "FRAMEWORK",
    "KINDS",
    "PATIENCE",
    "REFUSED",
    "Bind",
    "Forward",
    "Governor",
    "as_error",
    "is_modern",
]

FRAMEWORK: Final = "mcp"

KINDS: Final = frozenset({"tool_call", "retrieval", "model_call", "message"})
"""The kinds of action that the protocol has requests for."""

REFUSED: Final = -32040
"""The code of the protocol error that a refusal is where a result cannot say it."""

PATIENCE: Final = 30.0
"""Seconds that a server may take to list what it has, when a call waits for that."""

_LOST: Final = frozenset({CONNECTION_CLOSED, REQUEST_TIMEOUT})
_LETTERS_A_TOKEN: Final = 4
_LOOP: Final = Way(loop=True)

Forward: TypeAlias = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Sends a request on with these parameters and returns its result."""

Bind: TypeAlias = Callable[["Mapping[str, Any]"], "Mapping[str, Any]"]


def is_modern(params: Mapping[str, Any]) -> bool:
    """Whether a request is of a version in which each carries what a handshake said before."""
    meta = params.get("_meta")
    return isinstance(meta, dict) and PROTOCOL_VERSION_META_KEY in meta


def as_error(refusal: ActionRefused) -> MCPError:
    """Return a refusal as an error of the protocol; its data name the rule and what is pending."""
    data = {"rule": refusal.rule} if refusal.rule else {}
    if isinstance(refusal, ApprovalPending):
        data["approval"] = refusal.approval
    error = MCPError(code=REFUSED, message=str(refusal), data=data or None)
    error.__cause__ = refusal
    return error


class Governor:
    """Judges the requests of one connection, or of one server.

    `message` says that a refused tool call is answered with a result that reports the failure;
    otherwise, and for all that has no such result, the refusal is raised. `share` tells the server in
    whose session and name a call happens. `harmless` are requests beyond the protocol's that pass.
    """

    def __init__(
        self,
        adapter: Adapter,
        listing: Listing,
        *,
        message: bool = True,
        share: bool = False,
        harmless: Collection[str] = (),
    ) -> None:
        self.adapter = adapter
        self.listing = listing
        self._message = message
        self._share = share
        self._harmless = frozenset(harmless) - ACTS.keys()

    def acts(self, method: str, passing: Collection[str] = PASSING) -> bool:
        """Whether a request has to be judged; `passing` are those of its direction that pass.

        Raises `ActionRefused` for one of which nobody here knows what it would do.
        """
        if method in ACTS:
            return True
        if method not in passing and method not in self._harmless:
            with self.adapter.guard.refusing("tool_call", method):
                raise ConfigurationError(
                    f"`{method}` is no request that Wardline knows, so it cannot judge what it would do. "
                    "If it does nothing worth judging, name it in `harmless`"
                )
        return False

    async def handle(
        self,
        place: Callable[[], Place],
        method: str,
        params: dict[str, Any],
        forward: Forward,
        fetch: Callable[[str, dict[str, Any]], Awaitable[Any]],
        *,
        bind: Callable[[str], Bind | None] | None = None,
        suspend: Suspend | None = None,
        asked: Approval | None = None,
    ) -> dict[str, Any]:
        """Return the result of a request that acts, as far as it may be released.

        `place` says where it happens, `forward` sends it on and `fetch` another request to the same
        server. `bind` returns how the tool of a name binds its arguments, by default what its schema
        says. `suspend` asks somebody, and `asked` is what was asked before about this call. Raises an
        `ActionRefused`, or what `forward` raises.
        """
        act = ACTS[method]
        guard = self.adapter.guard
        try:
            with guard.refusing(act.kind, method):
                name = act.name(params)
            with guard.refusing(act.kind, self.listing.prefix + name):
                known = await self.listing.admit(act, name, fetch)
                call = Call(
                    self.listing.prefix + name,
                    act.args(params, self.adapter.reads),
                    id=call_id(params) or _own_id(suspend, asked),
                    bind=self._bound(act, name, bind) if known else None,
                    known=known,
                )
                there = place()
            return await self._act(there, act, call, params, forward, suspend)
        except ActionRefused as refusal:
            if method == "tools/call" and self._message:
                return refusal_result(str(refusal), modern=is_modern(params))
            raise

    def _bound(self, act: Act, name: str, bind: Callable[[str], Bind | None] | None) -> Bind | None:
        """Return how a tool binds its arguments, as far as that is known here."""
        if act.listed != "tools":
            return None
        found = bind(name) if bind is not None else None
        return found or partial(self.listing.with_defaults, name)

    async def _act(
        self,
        place: Place,
        act: Act,
        call: Call,
        params: dict[str, Any],
        forward: Forward,
        suspend: Suspend | None,
    ) -> dict[str, Any]:
        async def body(args: dict[str, Any], permit: Permit) -> dict[str, Any]:
            sent = without_context(act.put(params, call.args, args))
            if self._share:
                sent = with_context(sent, place, permit)
            try:
                return await forward(sent)
            except MCPError as error:
                if error.code in _LOST:
                    await permit.aside(permit.unknown, f"no answer came: {error.message}")
                raise

        counted = act.kind == "model_call" and self.adapter.counts_tokens
        result: dict[str, Any] = await self.adapter.act(
            _LOOP,
            place,
            call,
            body,
            kind=act.kind,
            result=act.result,
            stored=partial(self._stored, params) if act.method == "tools/call" else None,
            usage=(lambda raw: {"tokens": _tokens(params) + _tokens(raw)}) if counted else None,
            suspend=suspend,
        )
        return result

    def _stored(self, params: Mapping[str, Any], content: Any) -> dict[str, Any]:
        """Return the result of a call that ran before, from the content that was released of it."""
        return stored_result(content, structured=self.listing.promises(str(params.get("name"))))

    def withholds(self, method: str) -> bool:
        """Whether a rule can bind on what a request returns, so that no part of it may come early."""
        act = ACTS.get(method)
        return act is not None and self.adapter.guard.policies.speaks_of(act.kind, "after")


def _own_id(suspend: Suspend | None, asked: Approval | None) -> str:
    """Return an id for a call that may be asked about, so that an answer is for this one alone."""
    if asked is not None:
        return asked.call_id
    return f"asked-{os.urandom(12).hex()}" if suspend is not None else ""


def _tokens(value: Any) -> int:
    """Return about how many tokens a value is: the protocol reports none."""
    return len(json.dumps(value, ensure_ascii=False, default=str)) // _LETTERS_A_TOKEN + 1
