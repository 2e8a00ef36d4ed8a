"""The right to run one action once, and the duty to say what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from wardline.action import Action
    from wardline.decision import Decision
    from wardline.guard.outcomes import Outcomes
    from wardline.guard.request import Request
    from wardline.guard.session import Place
    from wardline.ledger import RecordRef

__all__ = ["Permit"]

R = TypeVar("R")


class Permit:
    """The right to run `action` once, with `arguments`, which are the guard's own copy.

    Close it with exactly one of `succeeded`, `failed` and `unknown`. As a context manager it makes
    nested calls know the call they happen inside, turns an exception into `failed`, and what was
    left unsaid into `unknown`. `intent` names its record in the ledger.
    """

    _place: Place

    __slots__ = (
        "_handed_over",
        "_outcomes",
        "_place",
        "arguments",
        "closed",
        "decision",
        "intent",
        "request",
        "started",
    )

    def __init__(
        self,
        outcomes: Outcomes,
        request: Request,
        decision: Decision,
        intent: RecordRef,
        started: int,
    ) -> None:
        self._outcomes = outcomes
        self.request = request
        self.decision = decision
        self.intent = intent
        self.started = started
        self.arguments: dict[str, Any] = outcomes.arguments(request)
        self.closed = False
        self._handed_over = False

    @property
    def action(self) -> Action:
        """What may run."""
        return self.request.action

    @property
    def buffers(self) -> bool:
        """Whether a rule can bind on what the action returns, so that nothing is released early."""
        return self._outcomes.binds_after(self.request.action.kind)

    def succeeded(self, result: Any = None, *, usage: Mapping[str, int] | None = None) -> Any:
        """Record that the action ran, judge what it returned, and return what may be released.

        `usage` counts what it took, such as `{"tokens": 812}`. Raises `ContentWithheld` where a rule
        does not release the result or the outcome cannot be recorded.
        """
        return self._outcomes.succeeded(self, result, usage or {})

    def failed(self, error: BaseException, *, usage: Mapping[str, int] | None = None) -> None:
        """Record that the action raised `error`, for the caller to raise again.

        Raises `ContentWithheld` in its place where a rule does not release it.
        """
        if refusal := self._outcomes.failed(self, error, usage or {}):
            raise refusal from None

    def unknown(self, reason: str) -> None:
        """Record that nobody knows what came of the action, and why."""
        self._outcomes.unknown(self, reason)

    def withdraw(self) -> None:
        """Record that the action did not start after all, because nobody waits for it any more."""
        self._outcomes.withdrawn(self)

    def hand_over(self) -> None:
        """Leave the duty to close this permit to somebody who outlives the `with` block."""
        self._handed_over = True

    def __enter__(self) -> Permit:
        request = self.request
        self._place = request.session.owner.enter(
            request.session, request.run, self.intent, request.principal
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.request.session.owner.leave(self._place)
        if not self.closed:
            self.ended(error)

    async def __aenter__(self) -> Permit:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.request.session.owner.leave(self._place)
        if not self.closed:
            await self.aside(self.ended, error)

    async def aside(self, fn: Callable[..., R], *args: Any) -> R:
        """Call `fn`, on a thread of its own where it could hold up the event loop."""
        return await self._outcomes.aside(fn, *args)

    def ended(self, error: BaseException | None) -> None:
        """Close the permit as the code that ran the action ended: with `error`, or without a word.

        Raises `ContentWithheld` in the place of an error that a rule does not release.
        """
        if error is None:
            if not self._handed_over:
                self.unknown("the permit was left without an outcome")
        elif isinstance(error, Exception):
            self.failed(error)
        else:
            # It was stopped in the middle, and nobody knows where that was.
            abandoned = isinstance(error, GeneratorExit)
            self.unknown("abandoned" if abandoned else f"stopped by {type(error).__name__}")
