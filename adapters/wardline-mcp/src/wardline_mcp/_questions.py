"""Approvals asked by the protocol's own elicitation, and the answer to them.

Whoever sits at the client answers, so this is only for clients whose person the application vouches
for: it says under which name their answer counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import anyio
from mcp.shared.exceptions import MCPError

from wardline import Approval, ApprovalPending
from wardline.adapters import Suspended, Way
from wardline_mcp._governor import is_modern

if TYPE_CHECKING:
    from wardline.adapters import Adapter, Suspend

__all__ = ["Asking", "interim"]

_Ask: TypeAlias = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]
"""Sends an elicitation to a client, and returns what came back."""

_KEY: Final = "wardline"
"""The key of a question among those that stand in the way of a result."""

_SCHEMA: Final = {
    "type": "object",
    "properties": {
        "approve": {"type": "boolean", "title": "Approve", "description": "Let this run once"},
        "note": {"type": "string", "title": "Note", "description": "For the record"},
    },
    "required": ["approve"],
}


def _asked(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return a question as the parameters of an elicitation."""
    shown = ", ".join(f"{name}={value!r}" for name, value in question["arguments"].items())
    reason = f" ({question['reason']})" if question["reason"] else ""
    return {
        "mode": "form",
        "message": f"May `{question['tool']}` run with {shown or 'no arguments'}? The rule "
        f"`{question['rule']}` asks{reason}. Approval {question['approval']}.",
        "requestedSchema": _SCHEMA,
    }


class Asking:
    """Asks the person at a client about approvals, and counts what they answer as `by`; "" asks nobody."""

    def __init__(self, adapter: Adapter, by: str) -> None:
        self._adapter = adapter
        self._by = by

    def suspend(
        self, params: Mapping[str, Any], ask: _Ask, asked: Approval | None, *, able: bool
    ) -> Suspend | None:
        """Return how a call waits for an answer, None where nobody can be asked.

        `able` says whether the client can ask its person. Where the protocol has the client call
        again with the answer the call ends in a question, otherwise `ask` puts it meanwhile. `asked`
        is what this call has been asked about before: nobody is asked twice.
        """
        if not self._by or not able or asked is not None:
            return None
        if is_modern(params):
            return None if "requestState" in params else _end
        return partial(self._put, ask)

    async def _put(self, ask: _Ask, question: dict[str, Any]) -> Mapping[str, Any]:
        if "why" in question:
            # An answer that did not count is no reason to ask the same person again.
            raise ApprovalPending(question["message"], approval=question["approval"])
        left = datetime.fromisoformat(question["expires"]) - datetime.now(UTC)
        found = None
        with anyio.move_on_after(max(left.total_seconds(), 0)), suppress(MCPError):
            found = _answer(await ask(_asked(question)), question["approval"], self._by)
        if found is None:
            raise ApprovalPending(question["message"], approval=question["approval"])
        return found

    async def answered(self, params: dict[str, Any]) -> tuple[dict[str, Any], Approval | None]:
        """Take the answer to a question that ended a call.

        Returns the new call without it, and what was asked about, None where nothing was.
        """
        answers = params.get("inputResponses") or {}
        if not self._by or _KEY not in answers:
            return params, None
        guard, name = self._adapter.guard, str(params.get("requestState", ""))
        answer = _answer(answers[_KEY], name, self._by)
        if answer is not None:
            await self._adapter.answer(Way(loop=True), name, answer)
        rest = {key: value for key, value in answers.items() if key != _KEY}
        left = {k: v for k, v in params.items() if k not in {"inputResponses", "requestState"}}
        asked = await guard.aside(guard.store.approval, name)
        return ({**left, "inputResponses": rest} if rest else left), asked


def _end(question: dict[str, Any]) -> NoReturn:
    raise Suspended(question)


def _answer(answer: Any, approval: str, by: str) -> dict[str, Any] | None:
    """Return what a client answered as an answer to an approval; None where it answered nothing."""
    action = answer.get("action") if isinstance(answer, dict) else None
    if action == "decline":
        return {"approved": False, "by": by, "approval": approval}
    content = answer.get("content") if action == "accept" else None
    if not isinstance(content, dict) or type(content.get("approve")) is not bool:
        return None
    note = content.get("note")
    return {
        "approved": content["approve"],
        "by": by,
        "approval": approval,
        "note": note if isinstance(note, str) else "",
    }


def interim(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result that asks a question, for a protocol in which the client calls again."""
    return {
        "resultType": "input_required",
        "inputRequests": {_KEY: {"method": "elicitation/create", "params": _asked(question)}},
        "requestState": question["approval"],
    }
