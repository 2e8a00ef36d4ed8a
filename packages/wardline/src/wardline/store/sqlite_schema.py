"""Tables and row formats of the SQLite store; SQL and JSON, no connection."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, Final, Protocol

from wardline.errors import StoreError
from wardline.store.approvals import Answer, Approval, Requirement

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "APPROVAL",
    "CALL",
    "SCHEMA",
    "VERSION",
    "Execute",
    "Rows",
    "approval_of",
    "approval_row",
]

VERSION: Final = 1
"""The version of the tables below. A store refuses a database of a later one."""

SCHEMA: Final = (
    # `schema` is VERSION, `generation` the number that every change of a switch raises.
    "CREATE TABLE wardline (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    f"INSERT INTO wardline VALUES ('schema', {VERSION}), ('generation', 0)",  # noqa: S608
    # kind: 0 total, 1 sliding, 2 items, 3 sliding items. `total` includes entries that have left the
    # window since the counter last moved; `latest` is when it did.
    """CREATE TABLE counters (
        key TEXT NOT NULL, bucket TEXT NOT NULL, kind INTEGER NOT NULL,
        total INTEGER NOT NULL, latest INTEGER NOT NULL,
        PRIMARY KEY (key, bucket, kind)) WITHOUT ROWID""",
    # Ids are never used twice: a reservation may outlive its entries.
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL, bucket TEXT NOT NULL, kind INTEGER NOT NULL,
        item TEXT NOT NULL, t INTEGER NOT NULL, amount INTEGER NOT NULL, holders INTEGER NOT NULL)""",
    "CREATE INDEX entries_by_time ON entries (key, bucket, kind, t, amount)",
    "CREATE UNIQUE INDEX entries_by_item ON entries (key, bucket, kind, item) WHERE item <> ''",
    """CREATE TABLE switches (
        scope TEXT NOT NULL, value TEXT NOT NULL, state TEXT NOT NULL,
        set_by TEXT NOT NULL, reason TEXT NOT NULL, t INTEGER NOT NULL,
        PRIMARY KEY (scope, value)) WITHOUT ROWID""",
    """CREATE TABLE switch_history (
        generation INTEGER PRIMARY KEY,
        scope TEXT NOT NULL, value TEXT NOT NULL, state TEXT NOT NULL,
        set_by TEXT NOT NULL, reason TEXT NOT NULL, t INTEGER NOT NULL)""",
    """CREATE TABLE calls (
        key TEXT NOT NULL, fingerprint TEXT NOT NULL, status TEXT NOT NULL,
        attempt INTEGER NOT NULL, owner TEXT NOT NULL, policy TEXT NOT NULL,
        intent TEXT NOT NULL, approval TEXT NOT NULL, result BLOB, t INTEGER NOT NULL,
        PRIMARY KEY (key, fingerprint)) WITHOUT ROWID""",
    """CREATE TABLE approvals (
        id TEXT PRIMARY KEY,
        key TEXT NOT NULL, fingerprint TEXT NOT NULL, policy TEXT NOT NULL, status TEXT NOT NULL,
        created INTEGER NOT NULL, expires INTEGER NOT NULL, closed INTEGER NOT NULL,
        arguments BLOB NOT NULL, body TEXT NOT NULL)""",
    """CREATE UNIQUE INDEX approvals_live ON approvals (key, fingerprint, policy)
        WHERE status IN ('pending', 'approved')""",
)

CALL: Final = "key, fingerprint, status, attempt, owner, policy, intent, approval, result, t"
APPROVAL: Final = "id, key, fingerprint, policy, status, created, expires, closed, arguments, body"

_TEXTS: Final = (
    "kind",
    "name",
    "principal",
    "session",
    "run",
    "call_id",
    "reason",
    "note",
    "stage",
)


class Rows(Protocol):
    """As much of a cursor as the store's statements use."""

    @property
    def rowcount(self) -> int: ...  # noqa: D102
    @property
    def lastrowid(self) -> int | None: ...  # noqa: D102
    def fetchone(self) -> Any: ...  # noqa: D102
    def fetchall(self) -> list[Any]: ...  # noqa: D102


class Execute(Protocol):
    """Runs one statement."""

    def __call__(self, statement: str, values: Sequence[object] = ..., /) -> Rows: ...  # noqa: D102


def approval_row(approval: Approval) -> tuple[object, ...]:
    """Return the columns of `APPROVAL`."""
    body: dict[str, object] = {name: getattr(approval, name) for name in _TEXTS}
    body["chain"] = approval.chain
    body["requirements"] = [astuple(requirement) for requirement in approval.requirements]
    body["answers"] = [astuple(answer) for answer in approval.answers]
    return (
        approval.id,
        approval.key,
        approval.fingerprint,
        approval.policy,
        approval.status,
        approval.created,
        approval.expires,
        approval.closed,
        approval.arguments,
        json.dumps(body),
    )


def approval_of(row: Sequence[Any]) -> Approval:
    """Return the approval of a row of `APPROVAL` columns."""
    id_, key, fingerprint, policy, status, created, expires, closed, arguments, text = row
    try:
        body = json.loads(text)
        return Approval(
            id=id_,
            key=key,
            fingerprint=fingerprint,
            policy=policy,
            arguments=arguments,
            status=status,
            created=created,
            expires=expires,
            closed=closed,
            chain=tuple(body["chain"]),
            requirements=tuple(
                Requirement(document, rule, tuple(approvers), *rest)
                for document, rule, approvers, *rest in body["requirements"]
            ),
            answers=tuple(Answer(*answer) for answer in body["answers"]),
            **{name: body[name] for name in _TEXTS},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the approval {id_} in the store is damaged ({error}); it cannot be answered, ask anew"
        ) from error
