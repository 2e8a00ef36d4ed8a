"""The way of an action from a framework's hook through the guard, and of its result back."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from wardline.adapters.approvals import Suspended, question, take
from wardline.adapters.calls import Call
from wardline.adapters.results import Plain, ToolFailedError
from wardline.adapters.tickets import Ticket
from wardline.errors import (
    ActionRefused,
    AlreadyRan,
    ApprovalPending,
    ConfigurationError,
    ContentWithheld,
)
from wardline.guard.guard import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from wardline.action import Action
    from wardline.adapters.approvals import Suspend
    from wardline.adapters.place import Place
    from wardline.adapters.results import Result
    from wardline.adapters.tickets import Tickets
    from wardline.adapters.way import Way
    from wardline.guard.permit import Permit
    from wardline.policy import PolicySet

__all__ = ["Adapter"]


class Adapter:
    """What one adapter does with its guard.

    `framework` is the framework's name for readers and `guard` a `Guard`, or what one is made from.
    `kinds` are the kinds of action that the adapter sees, `unused` those that the application says
    never happen. `cannot_wait` are the kinds about which nobody can be asked, because what produced
    them has run by then. `passing` are the exceptions with which the framework steers itself, and
    `tickets` those of its backstop.

    Raises `ConfigurationError` for a rule that could never be asked, and what `Guard` raises.
    """

    def __init__(
        self,
        framework: str,
        guard: Guard | str | Path | PolicySet | Sequence[str | Path],
        kinds: Collection[str],
        *,
        unused: Collection[str] = (),
        cannot_wait: Collection[str] = (),
        passing: tuple[type[Exception], ...] = (),
        tickets: Tickets | None = None,
    ) -> None:
        self.framework = framework
        self.guard = guard if isinstance(guard, Guard) else Guard(guard)
        self.guard.cover(framework, kinds, unused)
        self.passing = (*passing, Suspended)
        self._tickets = tickets
        self._check_policies(frozenset(cannot_wait) - frozenset(unused))

    def _check_policies(self, cannot_wait: Collection[str]) -> None:
        """Refuse what the policy could mean elsewhere and cannot mean here."""
        for rule in self.guard.policies.rules:
            for kind, stage in rule.on:
                if rule.action == "require_approval" and stage == "before" and kind in cannot_wait:
                    raise ConfigurationError(
                        f"the rule `{rule.name}` ({rule.file}:{rule.line}) asks about `{kind}`, for "
                        f"which {self.framework} cannot wait: it comes after what produced it has run. "
                        "Deny it, or ask about the tool or model call before it"
                    )

    @property
    def counts_tokens(self) -> bool:
        """Whether a limit or a condition reads how many tokens a model call took."""
        policies = self.guard.policies
        limits = (limit.count for document in policies.documents for limit in document.limits)
        return "tokens" in limits or any(read.endswith(".tokens") for read in policies.reads)

    def reads(self, argument: str) -> bool:
        """Whether a condition reads `argument`, or all arguments at once; what none reads may be left out."""
        reads = self.guard.policies.reads
        return "args" in reads or f"args.{argument}" in reads

    async def screen(
        self, way: Way, place: Place, calls: Sequence[Call], *, kind: str = "tool_call"
    ) -> list[ActionRefused | None]:
        """Judge the calls of one model answer together, before any of them runs.

        Returns the refusal of each, or None. Whoever is not refused here has still to be authorised.
        """
        return await way.aside(self.guard, self._screen, place, calls, kind)

    def _screen(self, place: Place, calls: Sequence[Call], kind: str) -> list[ActionRefused | None]:
        refused: list[ActionRefused | None] = [None] * len(calls)
        actions: list[tuple[int, Action]] = []
        for number, call in enumerate(calls):
            try:
                with self.guard.refusing(call.kind or kind, call.name):
                    actions.append((number, self._action(place, call, call.kind or kind)))
            except ActionRefused as refusal:
                refused[number] = refusal
        verdicts = self.guard.screen(
            [action for _, action in actions], opaque=[calls[n].opaque for n, _ in actions]
        )
        for (number, _), verdict in zip(actions, verdicts, strict=True):
            refused[number] = verdict
        return refused

    def _action(self, place: Place, call: Call, kind: str) -> Action:
        """Return the action that a call is, and make its name known."""
        if call.known:
            self.guard.register(kind, call.name)
        args = dict(call.args) if call.bind is None else dict(call.bind(call.args))
        args.update(dict.fromkeys(sorted(set(call.opaque) - args.keys()), _INJECTED))
        return place.action(kind, call.name, args, call_id=call.id, parent=call.parent)

    async def permit(
        self,
        way: Way,
        place: Place,
        call: Call,
        *,
        kind: str = "tool_call",
        suspend: Suspend | None = None,
    ) -> Permit:
        """Return the permit for a call, or raise an `ActionRefused`.

        Where somebody has to be asked first and there is a `suspend`, the run is suspended by it. A
        resumed run comes by here again from the start: it is judged anew, because somebody may have
        answered elsewhere, and only if the question is still open does the answer count that it was
        resumed with.
        """
        guard = self.guard
        with guard.refusing(kind, call.name, passing=self.passing):
            action = self._action(place, call, kind)
            why = ""
            while True:
                try:
                    return await way.authorize(guard, action, call.opaque)
                except ApprovalPending as pending:
                    if suspend is None:
                        raise
                    approval = await way.aside(guard, guard.store.approval, pending.approval)
                    if approval is None:
                        raise
                    answer = suspend(question(pending, approval, call.opaque, why))
                    if inspect.isawaitable(answer):
                        answer = await answer
                    why = await way.aside(guard, take, guard, approval, answer)

    async def answer(self, way: Way, approval: str, answer: Mapping[str, Any]) -> str:
        """Give an answer to a pending approval; return why it does not count, or "".

        `answer` is `{"approved": bool, "by": "os:<login>"}`, and the application vouches for `by`. For
        frameworks whose suspended runs do not come back to the `suspend` that ended them.
        """
        found = await way.aside(self.guard, self.guard.store.approval, approval)
        if found is None:
            return f"there is no approval {approval}"
        return await way.aside(self.guard, take, self.guard, found, answer)

    async def act(
        self,
        way: Way,
        place: Place,
        call: Call,
        body: Callable[[dict[str, Any], Permit], Any],
        *,
        kind: str = "tool_call",
        result: Callable[[Any], Result] = Plain,
        stored: Callable[[Any], Any] | None = None,
        usage: Callable[[Any], Mapping[str, int]] | None = None,
        suspend: Suspend | None = None,
        permit: Permit | None = None,
    ) -> Any:
        """Authorise a call on its final arguments, run it on the guard's copy, judge what it returns.

        `body` gets those arguments, without the opaque ones, and the permit. `result` takes apart what
        it returns, `usage` says what it took. `stored` makes the framework's result of one that was
        kept, where this very call has run before. `permit` is the one of this very call, where the
        framework had to be told beforehand whether it waits. Raises an `ActionRefused`, or what `body`
        raises.
        """
        try:
            if permit is None:
                permit = await self.permit(way, place, call, kind=kind, suspend=suspend)
        except AlreadyRan as ran:
            if not ran.has_result or stored is None:
                raise
            return stored(ran.result)
        async with way.holding(permit):
            args = {key: value for key, value in permit.arguments.items() if key not in call.opaque}
            with self._running(kind, call, args):
                raw = await way.run(body, args, permit)
            try:
                shaped = result(raw)
            except ConfigurationError as error:
                await way.aside(self.guard, permit.failed, error)
                raise _withheld(permit, error) from error
            if shaped.failed:
                await way.aside(self.guard, permit.failed, ToolFailedError(shaped.failed))
                return raw
            used = usage(raw) if usage is not None else {}
            content = shaped.content
            released = await way.aside(self.guard, partial(permit.succeeded, content, usage=used))
            return raw if released is content else _rebuilt(shaped, released, permit)

    def _running(self, kind: str, call: Call, args: Mapping[str, Any]) -> Any:
        if self._tickets is None or kind != "tool_call":
            return nullcontext()
        return self._tickets.running(Ticket(self.guard, call.name, call.id, args, call.opaque))

    async def text(
        self,
        way: Way,
        place: Place,
        kind: str,
        text: str,
        *,
        call_id: str = "",
        suspend: Suspend | None = None,
    ) -> str:
        """Judge what goes in (`input`) or out (`output`) and return what of it may.

        Raises an `ActionRefused` where nothing of it may.
        """
        if not self.guard.policies.speaks_of(kind):
            return text
        call = Call(kind, {"text": str(text)}, id=call_id)
        try:
            permit = await self.permit(way, place, call, kind=kind, suspend=suspend)
        except AlreadyRan:  # judged before the run was suspended; reading it again is no harm
            call = Call(kind, {"text": str(text)})
            permit = await self.permit(way, place, call, kind=kind)
        async with way.holding(permit):
            await way.aside(self.guard, permit.succeeded)
        return str(permit.arguments["text"])

    async def astream(
        self,
        place: Place,
        call: Call,
        start: Callable[[dict[str, Any], Permit], Any],
        *,
        way: Way,
        kind: str = "model_call",
        whole: Callable[[list[Any]], Result] = Plain,
        usage: Callable[[list[Any]], Mapping[str, int]] | None = None,
        hold: bool = False,
        suspend: Suspend | None = None,
        permit: Permit | None = None,
    ) -> AsyncIterator[Any]:
        """Yield what `start` streams, as far as it may be released.

        It is authorised before the first item, unless there is a `permit` for it already. Where a rule can bind on what comes back, or with
        `hold`, it is read to its end and judged as the one result that `whole` makes of the items, and
        `released` of that result returns the items to yield. Otherwise items pass as they come.
        """
        if permit is None:
            permit = await self.permit(way, place, call, kind=kind, suspend=suspend)
        held = hold or permit.buffers
        items: list[Any] = []
        try:
            args = {key: value for key, value in permit.arguments.items() if key not in call.opaque}
            stream = start(args, permit)
            if inspect.isawaitable(stream):
                stream = await stream
            async for item in stream:
                items.append(item)
                if not held:
                    yield item
        except GeneratorExit as error:
            permit.ended(error)
            raise
        except BaseException as error:
            await permit.aside(permit.ended, error)
            raise
        for item in await permit.aside(self._close, permit, items, whole, usage, held):
            yield item

    def stream(
        self,
        permit: Permit,
        stream: Iterator[Any],
        *,
        whole: Callable[[list[Any]], Result] = Plain,
        usage: Callable[[list[Any]], Mapping[str, int]] | None = None,
        hold: bool = False,
    ) -> Iterator[Any]:
        """Do what `astream` does without an event loop, under a `permit` that is there already."""
        held = hold or permit.buffers
        items: list[Any] = []
        try:
            for item in stream:
                items.append(item)
                if not held:
                    yield item
        except BaseException as error:
            permit.ended(error)
            raise
        yield from self._close(permit, items, whole, usage, held)

    def _close(
        self,
        permit: Permit,
        items: list[Any],
        whole: Callable[[list[Any]], Result],
        usage: Callable[[list[Any]], Mapping[str, int]] | None,
        held: bool,
    ) -> list[Any]:
        """Close the permit of a stream that came to its end; return the items that were held back."""
        shaped = whole(items)
        content = shaped.content
        used = usage(items) if usage is not None else {}
        released = permit.succeeded(content, usage=used)
        if not held:
            return []
        return items if released is content else list(_rebuilt(shaped, released, permit))


def _rebuilt(shaped: Result, released: Any, permit: Permit) -> Any:
    """Return what the framework gets; a change that its result cannot take releases nothing."""
    try:
        return shaped.released(released)
    except ConfigurationError as error:
        raise _withheld(permit, error) from error


def _withheld(permit: Permit, error: ConfigurationError) -> ContentWithheld:
    return ContentWithheld(
        f"the result of `{permit.action.name}` is withheld: {error}", action=permit.action
    )


class _Injected:
    """Stands for a parameter that the framework fills in; no condition can read it."""


_INJECTED = _Injected()
