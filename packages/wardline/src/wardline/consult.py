"""What a decision needs from outside: where paths lead, and the verdicts of other engines.

Paths are looked up on the disk as conditions ask for them. Engines are asked in time, on threads of
their own, and only where it matters. `decide` itself does neither.
"""

from __future__ import annotations

import logging
import os
import time
from base64 import b64encode
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from wardline.activation import UNLISTED
from wardline.canonical import Opaque
from wardline.clock import as_datetime
from wardline.decide import decide, is_consulted
from wardline.decision import DENY, EFFECTS
from wardline.errors import EngineError, EvaluationError
from wardline.symlinks import SymbolicLinks
from wardline.verdict import ENGINE_RULE, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from wardline.action import Action
    from wardline.decision import Decision
    from wardline.facts import Facts
    from wardline.policy.compile import PolicySet
    from wardline.policy.model import Document

__all__ = ["Consultant", "request_of"]

_AT_ONCE: Final = 16
_MOST_ROUNDS: Final = 8

_log = logging.getLogger("wardline")


class Consultant:
    """Decides with what the policies need to know from outside."""

    __slots__ = ("_policies", "_pool")

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self._pool: ThreadPoolExecutor | None = None

    def decide(self, action: Action, facts: Facts) -> tuple[Decision, Facts]:
        """Return the decision, and the facts that it is made on.

        Engines are asked unless a document of ours already denies. Each is asked about the arguments
        as received and, where rules change them, about those that would run: the stricter counts.
        Raises `EvaluationError` where every answer makes conditions ask for more paths.
        """
        decision, facts = self._linked(action, facts)
        if decision.effect == DENY and decision.rule != ENGINE_RULE:
            return decision, facts
        documents = [
            document
            for document, _ in self._policies.applicable(facts.principal)
            if document.consulted is not None and document.name not in facts.verdicts
        ]
        if not documents or not is_consulted(action):
            return decision, facts
        requests = [request_of(self._policies, action, facts, action.args)]
        if decision.replacement is not None:
            requests.append(request_of(self._policies, action, facts, decision.replacement.tree))
        asked = self._ask(documents, requests)
        return self._linked(action, facts.with_verdicts({**facts.verdicts, **asked}))

    def _linked(self, action: Action, facts: Facts) -> tuple[Decision, Facts]:
        """Decide, look up the paths that conditions asked for, and decide again while there are any."""
        if not self._policies.reads_paths:
            return decide(self._policies, action, facts), facts
        known = dict(facts.links.known) if facts.links is not None else {}
        for _ in range(_MOST_ROUNDS):
            facts = facts.with_links(SymbolicLinks(known))
            decision = decide(self._policies, action, facts)
            assert facts.links is not None
            if not facts.links.asked:
                return decision, facts
            known.update((path, _real(path)) for path in sorted(facts.links.asked))
        raise EvaluationError("conditions ask for more paths with every answer")

    def close(self) -> None:
        """Let go of the threads; engines belong to the policies."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = None

    def after_fork(self) -> None:
        """In a child, which has none of the threads."""
        self._pool = None

    def _ask(
        self, documents: list[Document], requests: Sequence[Mapping[str, Any]]
    ) -> dict[str, Verdict]:
        """Ask all engines at once, each within its own deadline."""
        pool = self._threads()
        started = time.monotonic()
        answers = [
            (document, pool.submit(consulted.engine.judge, request, consulted.deadline))
            for document in documents
            if (consulted := document.consulted) is not None
            for request in requests
        ]
        verdicts: dict[str, Verdict] = {}
        for document, answer in answers:
            found = _verdict(document, answer, started)
            known = verdicts.get(document.name)
            if known is None or _strictness(found) > _strictness(known):
                verdicts[document.name] = found
        return verdicts

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="wardline-engine")
        return self._pool


def request_of(
    policies: PolicySet, action: Action, facts: Facts, args: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the roots of the policy language as plain data, with `args` for the arguments."""
    entry = policies.tool(action.name)
    return {
        "action": {
            "kind": action.kind,
            "stage": action.stage,
            "type": action.type,
            "name": action.name,
            "verb": action.verb_of(args),
            "framework": action.framework,
            "call_id": action.call_id,
            "args": _json(args),
        },
        "principal": dict(facts.principal.view),
        "session": _json(facts.session),
        "run": _json(facts.run),
        "tool": dict(UNLISTED if entry is None else entry.view),
        "now": as_datetime(facts.now).isoformat().replace("+00:00", "Z"),
    }


def _real(path: str) -> str:
    """Return where an absolute path leads; what does not exist yet leads where its folder does."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a name that no file can have leads nowhere
        return path


def _json(value: Any) -> Any:
    """Return a plain value as JSON has it; what JSON lacks is text, what is opaque only named."""
    kind = type(value)
    if kind is dict:
        return {key: _json(item) for key, item in value.items()}
    if kind in (list, tuple):
        return [_json(item) for item in value]
    if kind is datetime:
        return value.isoformat()
    if kind is Decimal:
        return str(value)
    if kind is bytes:
        return b64encode(value).decode("ascii")
    return {"$opaque": value.type_name} if kind is Opaque else value


def _verdict(document: Document, answer: Future[Verdict], started: float) -> Verdict:
    """Return what an engine said; an error, no answer in time or no verdict is a denial."""
    consulted = document.consulted
    assert consulted is not None
    left = consulted.deadline - (time.monotonic() - started)
    try:
        error = answer.exception(max(left, 0))
    except TimeoutError:
        answer.cancel()
        late = f"it did not answer within {consulted.deadline * 1000:g} ms"
        return Verdict(DENY, late, failed=True)
    if isinstance(error, EngineError):
        return Verdict(DENY, f"it could not answer: {error}", failed=True)
    if error is not None:
        _log.error("the engine of %r failed", document.name, exc_info=error)
        return Verdict(DENY, f"it failed ({type(error).__name__}: {error})", failed=True)
    found = answer.result()
    if type(found) is not Verdict or found.effect not in EFFECTS:
        return Verdict(DENY, f"it gave no verdict but {type(found).__name__}", failed=True)
    return found


def _strictness(verdict: Verdict) -> tuple[int, bool]:
    return EFFECTS.index(verdict.effect), verdict.failed
