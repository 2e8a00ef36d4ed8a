"""The enforcement point in a process.

Screening may only refuse; authorising alone can allow. Whatever goes wrong while judging, in the
policy, the store, the ledger, a lock or the clock, is a denial that says so: this module is the
boundary at which every error becomes one.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from wardline.action import Action, Principal
from wardline.clock import Clock
from wardline.decision import DENY, Decision
from wardline.errors import (
    ActionDenied,
    ActionRefused,
    CanonicalError,
    ConfigurationError,
    LedgerError,
    StoreError,
    WardlineError,
)
from wardline.guard import messages
from wardline.guard.asking import Asking, Wait
from wardline.guard.judge import Judge
from wardline.guard.machinery import Machinery
from wardline.guard.outcomes import Outcomes
from wardline.guard.permit import Permit
from wardline.guard.session import Session, SessionLostError
from wardline.policy.people import answerable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

    from wardline.guard.approvers import Approver, Reply
    from wardline.guard.request import Request
    from wardline.ledger import Ledger
    from wardline.policy import PolicySet
    from wardline.store import Store
    from wardline.store.approvals import Approval

__all__ = ["DEFAULT_HOME", "Guard", "home_directory", "load"]

R = TypeVar("R")

DEFAULT_HOME: Final = ".wardline"

_OF_EVERY_RECORD: Final = frozenset({"type", "t", "seq", "hash"})

_log = logging.getLogger("wardline")


def home_directory(home: str | Path | None = None) -> Path:
    """Return the directory of state and ledger: `home`, else `WARDLINE_HOME`, else `.wardline`."""
    return Path(home or os.environ.get("WARDLINE_HOME") or DEFAULT_HOME)


class Guard:
    """Decides, before it happens, whether an action may run, and records what came of it.

    `policy` is a file, a directory, several of them, or a loaded `PolicySet`. State and ledger live
    in `home` (see `home_directory`) unless `store` and `ledger` are given; `durability` is `sync`,
    `batch` or `none`. `principal` is who acts by default, `environment` and `tenant` are what every
    principal gets. `approvers` maps the groups that policies name to principal ids such as
    `os:alice`; `approver` is whom this process can ask, and without one a question stays pending in
    the store for somebody else to answer. `deadline` in seconds bounds every wait for a lock, the
    store or the disk. `keep_results` keeps what calls with an id returned, to hand out again instead
    of running twice; `record_arguments` puts arguments into the ledger in full.

    Raises `PolicyError` for a policy that does not load, `ConfigurationError` for a set-up that
    cannot work, `StoreError` or `LedgerError` for state that cannot be opened.
    """

    def __init__(
        self,
        policy: str | Path | PolicySet | Sequence[str | Path],
        *,
        home: str | Path | None = None,
        store: Store | None = None,
        ledger: Ledger | None = None,
        principal: Principal | str = "agent",
        environment: str = "",
        tenant: str = "",
        approvers: Mapping[str, Sequence[str]] | None = None,
        approver: Approver | None = None,
        durability: Literal["batch", "sync", "none"] = "batch",
        deadline: float = 2.0,
        clock: Clock | None = None,
        keep_results: bool = False,
        record_arguments: bool = False,
    ) -> None:
        policies = load(policy)
        policies.start()
        if isinstance(principal, str):
            principal = Principal(principal)
        place = home_directory(home)
        clock = clock or Clock()
        self._owns_policies = policies is not policy
        self._owns_store = store is None
        self._owns_ledger = ledger is None
        groups = {name: tuple(members) for name, members in (approvers or {}).items()}
        self._machinery = Machinery(
            policies=policies,
            store=store if store is not None else _default_store(place, deadline),
            ledger=ledger
            if ledger is not None
            else _default_ledger(place, durability, deadline, clock),
            clock=clock,
            principal=replace(
                principal,
                tenant=tenant or principal.tenant,
                environment=environment or principal.environment,
            ),
            approvers=groups,
            approver=approver,
            deadline=deadline,
            keep_results=keep_results,
            record_arguments=record_arguments,
        )
        self._asking = Asking(self._machinery)
        self._outcomes = Outcomes(self._machinery, self._asking)
        self._judge = Judge(self._machinery, self._asking, self._outcomes)
        self._say_hello(durability)

    # What it governs

    @property
    def policies(self) -> PolicySet:
        """The policies in force."""
        return self._machinery.policies

    @property
    def store(self) -> Store:
        """The state that decisions read and move."""
        return self._machinery.store

    @property
    def principal(self) -> Principal:
        """Who acts where an action does not say otherwise, with this guard's tenant and environment."""
        return self._machinery.principal

    @property
    def ledger(self) -> Ledger:
        """Where decisions and outcomes are recorded."""
        return self._machinery.ledger

    def register(self, kind: str, name: str, owner: object = None) -> None:
        """Make `name` an action of `kind` that may be judged; any other name is refused.

        Raises `ConfigurationError` for two names that rules could not tell apart, or one name for two
        `owner`s.
        """
        self._machinery.registry.add(kind, name, owner)

    def session(self, id: str = "", *, parent: str = "") -> Session:
        """Return the session `id`, or a new one, below the session `parent` if given.

        Enter it to make calls belong to it.
        """
        return self._machinery.sessions.open(id, parent=parent)

    def here(self) -> Session | None:
        """Return the session that the calling code runs in, None where there is none.

        An adapter that finds one when an agent starts is inside another action: the new agent's
        session goes below it.
        """
        return self._machinery.sessions.here()

    def acting(self) -> Principal:
        """Return who acts in the calling code: the guard's own principal outside any action."""
        return self._machinery.sessions.acting() or self._machinery.principal

    def cover(self, adapter: str, kinds: Collection[str], unused: Collection[str] = ()) -> None:
        """Check that `adapter`, which sees actions of `kinds`, sees all that the policies speak of.

        `unused` are kinds that the application says never happen. Raises `ConfigurationError` for a
        rule that would never be asked.
        """
        blind = self.policies.kinds() - frozenset(kinds) - frozenset(unused)
        if blind:
            kind = min(blind)
            rule = next(rule for rule in self.policies.rules if any(k == kind for k, _ in rule.on))
            raise ConfigurationError(
                f"the rule `{rule.name}` ({rule.file}:{rule.line}) is on `{kind}`, which {adapter} "
                f"cannot see. Take the rule out for this agent, or say that it has none of these "
                f"actions with unused=({kind!r},)"
            )

    # Judging

    def screen(
        self, actions: Sequence[Action], *, opaque: Sequence[Collection[str]] = ()
    ) -> list[ActionRefused | None]:
        """Judge the actions of one model answer together, before any of them runs.

        Returns the refusal for each, or None. It only refuses: it issues no permit, reserves and
        changes nothing, and counts nothing but the denials. Limits are taken in the order of the answer. What is refused here has
        its one binding record; the rest gets it when it is authorised.
        """
        names = opaque or [()] * len(actions)
        refusals: list[ActionRefused | None] = []
        taken: dict[str, int] = {}
        for action, by_reference in zip(actions, names, strict=True):
            try:
                refusals.append(self._judge.screen(action, by_reference, taken))
            except Exception as error:  # noqa: BLE001 - the guard's boundary
                refusals.append(self._broken(action, error))
        return refusals

    def authorize(self, action: Action, *, opaque: Collection[str] = ()) -> Permit:
        """Return the permit to run `action` once, or raise an `ActionRefused`.

        Arguments named `opaque` pass by reference, and no condition can read them. Waits for the
        approver of this process where a rule asks and there is one.
        """
        request: Request | None = None
        try:
            request = self._judge.admit_action(action, opaque)
            answer = self._judge.attempt(request)
            return answer if type(answer) is Permit else self._asked(request, answer)
        except ActionRefused:
            raise
        except Exception as error:
            raise self._broken(action, error, request) from error

    def authorize_tool(
        self, name: str, arguments: dict[str, Any], opaque: Collection[str] = ()
    ) -> Permit:
        """Do what `authorize` does for the call of a tool in the session of the calling code."""
        request: Request | None = None
        try:
            request = self._judge.admit("tool_call", name, arguments, opaque)
            answer = self._judge.attempt(request)
            return answer if type(answer) is Permit else self._asked(request, answer)
        except ActionRefused:
            raise
        except Exception as error:
            raise self._broken(Action("tool_call", name, arguments), error, request) from error

    def _asked(self, request: Request, answer: Permit | Approval) -> Permit:
        """Put the question, and judge anew, until there is a permit."""
        while type(answer) is not Permit:
            wait = self._wait(answer)
            wait.wait()
            request.answered, request.why = wait.settled(), wait.why
            answer = self._judge.attempt(request)
        return answer

    async def aauthorize(self, action: Action, *, opaque: Collection[str] = ()) -> Permit:
        """Do what `authorize` does without holding up the event loop."""
        request: Request | None = None
        try:
            request = self._judge.admit_action(action, opaque)
            while True:
                answer = await self._machinery.aside(self._judge.attempt, request, lost=_withdraw)
                if type(answer) is Permit:
                    return answer
                wait = self._wait(answer)
                await wait.wait_async()
                request.answered, request.why = await self.aside(wait.settled), wait.why
        except ActionRefused:
            raise
        except Exception as error:
            raise self._broken(action, error, request) from error

    def call(
        self, action: Action, run: Callable[[dict[str, Any]], R], *, opaque: Collection[str] = ()
    ) -> R:
        """Authorise `action`, run it with the guard's copy of the arguments, and record the outcome.

        Raises an `ActionRefused` where it may not run or its result may not be released, and whatever
        `run` raises.
        """
        with self.authorize(action, opaque=opaque) as permit:
            released: R = permit.succeeded(run(permit.arguments))
        return released

    async def acall(
        self,
        action: Action,
        run: Callable[[dict[str, Any]], Awaitable[R]],
        *,
        opaque: Collection[str] = (),
    ) -> R:
        """Do what `call` does for an async `run`."""
        async with await self.aauthorize(action, opaque=opaque) as permit:
            result = await run(permit.arguments)
            released: R = await permit.aside(permit.succeeded, result)
        return released

    def answer(self, approval: str, reply: Reply) -> Approval:
        """Answer a pending approval, as whoever `reply.by` names.

        The caller vouches for that name. Raises `AnswerRefused` for an answer that does not count.
        """
        return self._asking.answer(approval, reply)

    def note(self, what: str, **fields: str | int) -> None:
        """Record that something happened about which nobody has decided; it lets nothing through.

        `what` says it in words, `fields` are kept beside it. Raises `LedgerError` where it cannot be
        recorded and `ConfigurationError` for a field that every record has of itself.
        """
        if taken := sorted(fields.keys() & _OF_EVERY_RECORD):
            raise ConfigurationError(
                f"a note has a field `{taken[0]}` of its own; name it otherwise"
            )
        self._machinery.note(what, **fields)

    def close(self) -> None:
        """Write what is buffered and let go of what this guard opened."""
        if self._machinery.consultant is not None:
            self._machinery.consultant.close()
        if self._owns_policies:
            self._machinery.policies.close()
        if self._owns_ledger:
            self._machinery.ledger.close()
        if self._owns_store:
            self._machinery.store.close()

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def aside(self, fn: Callable[..., R], *args: Any) -> R:
        """Call `fn`, on a thread of its own where state or disk could hold up the event loop."""
        return await self._machinery.aside(fn, *args)

    # The boundary

    @contextmanager
    def refusing(
        self, kind: str, name: str, *, passing: tuple[type[Exception], ...] = ()
    ) -> Iterator[None]:
        """Turn every error inside the block into a recorded refusal of the action `kind` `name`.

        For an adapter's own code, from the framework's event to the call of the guard. `passing`
        are the exceptions with which the framework steers itself.
        """
        try:
            yield
        except ActionRefused:
            raise
        except Exception as error:
            if isinstance(error, passing):
                raise
            raise self._broken(Action(kind, name, {}), error) from error

    def _wait(self, approval: Permit | Approval) -> Wait:
        assert not isinstance(approval, Permit)
        return Wait(self._machinery, self._asking, approval)

    def _broken(
        self, action: Action, error: Exception, request: Request | None = None
    ) -> ActionRefused:
        """Turn an error into a refusal, and record it if anything can still be recorded."""
        if isinstance(error, ActionRefused):
            return error
        rule = next((rule for kind, rule in _RULES if isinstance(error, kind)), "builtin:error")
        if rule == "builtin:error":
            _log.error("judging %r failed", action, exc_info=error)
        machinery = self._machinery
        reason = str(error) if isinstance(error, WardlineError) else _described(error)
        decision = Decision(DENY, rule=rule, policy=machinery.policies.digest, reason=reason)
        try:
            self._judge.record_broken(action, decision, request)
        except Exception as second:  # noqa: BLE001 - the guard's boundary
            _log.error("that refusal could not be recorded: %s", _described(second))
        return ActionDenied(
            messages.denied(action, decision, machinery.policies), action=action, decision=decision
        )

    def _say_hello(self, durability: str) -> None:
        """Record the start, and say what a person should know about this guard."""
        machinery = self._machinery
        unmapped = sorted(
            {
                name
                for name in machinery.policies.approver_names()
                if not answerable((name,), machinery.approvers)
            }
        )
        machinery.note(
            "a guard started",
            policy=machinery.policies.digest,
            documents=[f"{one.name} ({one.mode})" for one in machinery.policies.documents],
            durability=durability,
            unmapped_approvers=unmapped,
        )
        for name in unmapped:
            _log.warning(
                "nobody can answer for the approver %r: map it, as in "
                "Guard(..., approvers={%r: ['os:alice']})",
                name,
                name,
            )
        if durability == "none":
            _log.warning("durability is `none`: a crash may lose the latest records")


def _withdraw(answer: Permit | Approval) -> None:
    """Close the permit that a cancelled caller no longer waits for; nothing has run."""
    if isinstance(answer, Permit) and not answer.closed:
        answer.withdraw()


_RULES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (CanonicalError, "builtin:arguments"),
    (SessionLostError, "builtin:session"),
    (StoreError, "builtin:store"),
    (LedgerError, "builtin:ledger"),
)


def _described(error: Exception) -> str:
    return f"judging it failed ({type(error).__name__}: {error})"


def load(policy: str | Path | PolicySet | Sequence[str | Path]) -> PolicySet:
    """Return the policy set of a file, a directory or several of them, or the one given."""
    from wardline.policy import PolicySet, load_policies

    if isinstance(policy, PolicySet):
        return policy
    if isinstance(policy, str | Path):
        return load_policies(policy)
    if not policy:
        raise ConfigurationError("no policy was given; name a file or a directory")
    return load_policies(*policy)


def _default_store(home: Path, deadline: float) -> Store:
    from wardline.store.sqlite import SQLiteStore

    return SQLiteStore(home / "state.db", deadline=deadline)


def _default_ledger(
    home: Path, durability: Literal["batch", "sync", "none"], deadline: float, clock: Clock
) -> Ledger:
    from wardline.ledger import Ledger

    return Ledger(home / "ledger", durability=durability, deadline=deadline, clock=clock)
