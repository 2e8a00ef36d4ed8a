"""Approvals as a pure state machine, shared by every store.

::

    pending ─┬─► approved ─┬─► consumed ─► succeeded, failed, unknown
             ├─► denied    ├─► expired
             ├─► expired   └─► cancelled
             └─► cancelled

An approval names exactly one action: the fingerprint covers tool, arguments and principal, and the
digest the policy that asked. It is used at most once, and silence is always a denial.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from wardline.errors import AnswerRefused, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "LIVE",
    "Answer",
    "Approval",
    "ApprovalStatus",
    "Requirement",
    "answered",
    "cancelled",
    "consumed",
    "due",
    "finished",
    "is_live",
    "satisfied",
]

ApprovalStatus: TypeAlias = Literal[
    "pending",
    "approved",
    "denied",
    "expired",
    "cancelled",
    "consumed",
    "succeeded",
    "failed",
    "unknown",
]

LIVE: Final[frozenset[str]] = frozenset(("pending", "approved"))
"""The statuses in which an approval can still let its action run."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one rule asks for: `quorum` distinct people out of `approvers`.

    `approvers` are principal ids, groups already expanded. With `separation_of_duties` none of those
    who satisfy this requirement counts for another one.
    """

    document: str
    rule: str
    approvers: tuple[str, ...]
    quorum: int = 1
    separation_of_duties: bool = False
    reason: str = ""

    def __post_init__(self) -> None:
        if self.quorum < 1:
            raise ConfigurationError(
                f"rule {self.rule!r} of {self.document!r}: the quorum is {self.quorum}; "
                "at least one person has to answer"
            )


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered, how they were authenticated, what they said and when."""

    by: str
    how: str
    approved: bool
    t: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """One request for a human answer, bound to one action under one policy.

    `key` and `fingerprint` name the call, `policy` is the digest of the policies that asked. The
    fields from `kind` to `call_id` describe the action to whoever answers; `arguments` are the
    canonical bytes of exactly what will run, or on the stage `after` of what would be released. `created`, `expires` and `closed` are in microseconds;
    `closed` is the time of the last change of status and `note` why, where somebody said so.
    """

    id: str
    key: str
    fingerprint: str
    policy: str
    kind: str
    name: str
    principal: str
    chain: tuple[str, ...]
    session: str
    run: str
    call_id: str
    arguments: bytes
    requirements: tuple[Requirement, ...]
    created: int
    expires: int
    reason: str = ""
    answers: tuple[Answer, ...] = ()
    status: ApprovalStatus = "pending"
    closed: int = 0
    note: str = ""
    stage: str = "before"


def is_live(approval: Approval, now: int) -> bool:
    """Whether the approval is pending or approved and has not run out."""
    return approval.status in LIVE and now < approval.expires


def due(approval: Approval, now: int) -> Approval:
    """Return the approval as it stands at `now`: what is live and has run out is `expired`."""
    if approval.status in LIVE and now >= approval.expires:
        return replace(approval, status="expired", closed=now)
    return approval


def answered(approval: Approval, answer: Answer, now: int) -> Approval:
    """Return the approval with the answer added.

    One denial denies; it is approved once every requirement has its quorum. Raises `AnswerRefused`
    for an answer that does not count.
    """
    _refuse(approval, answer, now)
    answers = (*approval.answers, answer)
    if not answer.approved:
        return replace(approval, answers=answers, status="denied", closed=now, note=answer.note)
    if satisfied(approval.requirements, (given.by for given in answers)):
        return replace(approval, answers=answers, status="approved", closed=now)
    return replace(approval, answers=answers)


def _refuse(approval: Approval, answer: Answer, now: int) -> None:
    what = f"approval {approval.id}"
    status = due(approval, now).status
    if status != "pending":
        raise AnswerRefused(f"{what} is {status}; only a pending approval can be answered")
    if not answer.by:
        raise AnswerRefused(f"{what}: an answer needs the id of whoever gives it")
    if answer.by == approval.principal or answer.by in approval.chain:
        raise AnswerRefused(
            f"{what}: {answer.by} asked, directly or through a delegation, and cannot answer; "
            "somebody else has to"
        )
    named = {by for requirement in approval.requirements for by in requirement.approvers}
    if answer.by not in named:
        raise AnswerRefused(
            f"{what}: {answer.by} is not among its approvers "
            f"({', '.join(sorted(named)) or 'it has none'})"
        )
    if any(given.by == answer.by for given in approval.answers):
        raise AnswerRefused(f"{what}: {answer.by} has answered already")


def consumed(approval: Approval, fingerprint: str, policy: str, now: int) -> Approval | None:
    """Return the approval as used up, or None if it does not let this action run now."""
    if (
        approval.status != "approved"
        or now >= approval.expires
        or approval.fingerprint != fingerprint
        or approval.policy != policy
    ):
        return None
    return replace(approval, status="consumed", closed=now)


def cancelled(approval: Approval, by: str, reason: str, now: int) -> Approval | None:
    """Return the approval as withdrawn, or None if it is no longer live."""
    if not is_live(approval, now):
        return None
    note = f"cancelled by {by}: {reason}" if reason else f"cancelled by {by}"
    return replace(approval, status="cancelled", closed=now, note=note)


def finished(approval: Approval, status: ApprovalStatus, now: int) -> Approval | None:
    """Return the approval with the outcome of the action it let run, or None.

    As with calls, an `unknown` outcome gives way to the one that turns up late.
    """
    if status not in ("succeeded", "failed", "unknown"):
        return None
    if approval.status != "consumed" and approval.status != "unknown":
        return None
    return replace(approval, status=status, closed=now)


def satisfied(requirements: Sequence[Requirement], people: Iterable[str]) -> bool:
    """Whether those who approved meet every requirement at once.

    One person may count for several requirements, except that nobody who is counted for one with
    separation of duties counts for any other: there has to be a choice of people for each.
    """
    if not requirements:
        return False
    # People who may stand for the same requirements are interchangeable, so only their number counts.
    groups = Counter(
        frozenset(i for i, wanted in enumerate(requirements) if by in wanted.approvers)
        for by in set(people)
    )
    kinds = tuple(groups)
    apart = tuple(i for i, wanted in enumerate(requirements) if wanted.separation_of_duties)
    shared = tuple(i for i, wanted in enumerate(requirements) if not wanted.separation_of_duties)
    seen: set[tuple[int, tuple[int, ...]]] = set()

    def choose(step: int, left: tuple[int, ...]) -> bool:
        if step == len(apart):
            return all(
                sum(n for kind, n in zip(kinds, left, strict=True) if i in kind)
                >= requirements[i].quorum
                for i in shared
            )
        if (step, left) in seen:
            return False
        seen.add((step, left))
        index = apart[step]
        free = tuple(n if index in kind else 0 for kind, n in zip(kinds, left, strict=True))
        return any(
            choose(step + 1, tuple(n - k for n, k in zip(left, taken, strict=True)))
            for taken in _ways(requirements[index].quorum, free)
        )

    return choose(0, tuple(groups.values()))


def _ways(need: int, free: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every way to take `need` people out of groups of these sizes."""
    if not free:
        if need == 0:
            yield ()
        return
    for taken in range(min(need, free[0]) + 1):
        for rest in _ways(need - taken, free[1:]):
            yield (taken, *rest)
