"""The arithmetic of `wardline.store.counters` in SQL; the caller holds the transaction.

What a reservation moved is its token: for each charge the reserved total or the id of its entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.store.counters import refuse_negative, refuse_twice
from wardline.store.types import Reservation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wardline.store.sqlite_schema import Execute
    from wardline.store.types import Charge

__all__ = ["changes", "forget", "prune", "release", "reserve", "settle", "used"]

_ADD: Final = """
    INSERT INTO counters VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET total = total + excluded.total, latest = max(latest, excluded.latest)
    RETURNING total"""
_READ: Final = "SELECT total, latest FROM counters WHERE key = ? AND bucket = ? AND kind = ?"
_MOVE: Final = """
    UPDATE counters SET total = max(0, total + ?), latest = max(latest, ?)
    WHERE key = ? AND bucket = ? AND kind = ?"""
_EXPIRED: Final = """
    SELECT coalesce(sum(amount), 0) FROM entries
    WHERE key = ? AND bucket = ? AND kind = ? AND t <= ?"""
_EXPIRE: Final = "DELETE FROM entries WHERE key = ? AND bucket = ? AND kind = ? AND t <= ?"
_ITEM: Final = """
    SELECT id, t FROM entries
    WHERE key = ? AND bucket = ? AND kind = ? AND item = ? AND item <> ''"""
_ENTER: Final = """
    INSERT INTO entries (key, bucket, kind, item, t, amount, holders) VALUES (?, ?, ?, ?, ?, ?, 1)"""
_TOUCH: Final = "UPDATE entries SET t = ?, holders = holders + 1 WHERE id = ?"
_LET_GO: Final = "UPDATE entries SET holders = holders - 1 WHERE id = ? RETURNING holders, amount"
_DROP: Final = "DELETE FROM entries WHERE id = ?"

_Slot = tuple[str, str, int]


def _slot(charge: Charge) -> _Slot:
    kind = (charge.window is not None) + 2 * (charge.item != "")
    return charge.key, charge.bucket, kind


class _Look:
    """A counter with entries, as one charge finds it."""

    __slots__ = ("added", "charge", "index", "item", "latest", "slot", "start", "used")

    def __init__(self, execute: Execute, index: int, charge: Charge, slot: _Slot, now: int) -> None:
        row = execute(_READ, slot).fetchone()
        self.index = index
        self.charge = charge
        self.slot = slot
        self.used: int = row[0] if row is not None else 0
        latest: int = row[1] if row is not None else 0
        self.latest = max(now, latest)
        self.start: int | None = None
        self.item: int | None = None
        self.added = charge.amount
        if charge.window is not None:
            self.start = self.latest - charge.window
            if row is not None:
                self.used -= execute(_EXPIRED, (*slot, self.start)).fetchone()[0]
        if charge.item:
            known = execute(_ITEM, (*slot, charge.item)).fetchone()
            if known is not None and (self.start is None or known[1] > self.start):
                self.item, self.added = known[0], 0

    def count(self, execute: Execute) -> int:
        """Count the charge and return the id of its entry."""
        now = self.latest
        if self.start is not None:
            execute(_EXPIRE, (*self.slot, self.start))
        # The total is set rather than moved: what has just expired leaves it here.
        execute(
            "INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?)",
            (*self.slot, self.used + self.added, now),
        )
        if self.item is not None:
            execute(_TOUCH, (now, self.item))
            return self.item
        entry = execute(_ENTER, (*self.slot, self.charge.item, now, self.charge.amount)).lastrowid
        assert entry is not None, "an insert has a row id"
        return entry


def _checked(charges: Sequence[Charge]) -> list[_Slot]:
    """Return the slots of the charges, before anything is written."""
    slots: list[_Slot] = []
    for charge in charges:
        if charge.amount < 0:
            raise refuse_negative(charge.key)
        slot = _slot(charge)
        if (slot[2] or slot[1]) and slot in slots:
            raise refuse_twice(charge.key)
        slots.append(slot)
    return slots


def reserve(execute: Execute, charges: Sequence[Charge], now: int, force: bool) -> Reservation:
    """See `Store.reserve`."""
    before: list[int] = []
    exceeded: list[int] = []
    granted = True
    totals: list[tuple[int, str, str, int]] = []
    looks: list[_Look] = []
    held: dict[int, int] = {}
    for index, (charge, slot) in enumerate(zip(charges, _checked(charges), strict=True)):
        amount = charge.amount
        if slot[2]:
            look = _Look(execute, index, charge, slot, now)
            looks.append(look)
            used_before, amount = look.used, look.added
        else:
            used_before = execute(_ADD, (*slot, amount, now)).fetchone()[0] - amount
            totals.append((-amount, charge.key, charge.bucket, now))
            held[index] = amount
        at_most = charge.at_most
        if at_most is not None and used_before + amount > at_most:
            exceeded.append(index)
            if charge.binding and not force:
                granted = False
        before.append(used_before)
    if granted:
        for look in looks:
            held[look.index] = look.count(execute)
    else:
        for amount, key, bucket, _ in totals:
            execute(_MOVE, (amount, 0, key, bucket, 0))
    return Reservation(
        tuple(before), tuple(exceeded), tuple(charges), held if granted else None, granted
    )


def changes(reservation: Reservation, amounts: Mapping[int, int]) -> bool:
    """Whether settling these amounts would change anything, so that most calls need not write."""
    held = reservation.token
    if not isinstance(held, dict):
        return False
    for index, amount in amounts.items():
        charge = reservation.charges[index]
        if amount < 0:
            raise refuse_negative(charge.key)
        if charge.item:
            if amount == 0 and index in held:
                return True
        elif charge.window is not None or held[index] != amount:
            return True
    return False


def settle(
    execute: Execute, reservation: Reservation, amounts: Mapping[int, int], now: int
) -> dict[int, int]:
    """See `Store.settle`; returns the reservation's new token."""
    held = reservation.token
    assert isinstance(held, dict), "an open reservation of this store"
    held = dict(held)
    for index, amount in amounts.items():
        charge = reservation.charges[index]
        slot = _slot(charge)
        if charge.item:
            if amount == 0 and index in held:
                _let_go(execute, slot, held.pop(index))
        elif charge.window is not None:
            row = execute("SELECT amount FROM entries WHERE id = ?", (held[index],)).fetchone()
            if row is not None:
                execute("UPDATE entries SET amount = ? WHERE id = ?", (amount, held[index]))
                execute(_MOVE, (amount - row[0], 0, *slot))
        else:
            execute(_MOVE, (amount - held[index], now, *slot))
            held[index] = amount
    return held


def release(execute: Execute, reservation: Reservation) -> None:
    """See `Store.release`."""
    held = reservation.token
    assert isinstance(held, dict), "an open reservation of this store"
    for index, value in held.items():
        slot = _slot(reservation.charges[index])
        if slot[2]:
            _let_go(execute, slot, value)
        else:
            execute(_MOVE, (-value, 0, *slot))


def _let_go(execute: Execute, slot: _Slot, entry: int) -> None:
    row = execute(_LET_GO, (entry,)).fetchone()
    if row is not None and row[0] <= 0:
        execute(_DROP, (entry,))
        execute(_MOVE, (-row[1], 0, *slot))


def used(execute: Execute, charges: Sequence[Charge], now: int) -> tuple[int, ...]:
    """See `Store.used`."""
    found = []
    for charge in charges:
        slot = _slot(charge)
        row = execute(_READ, slot).fetchone()
        total = row[0] if row is not None else 0
        if row is not None and charge.window is not None:
            start = max(now, row[1]) - charge.window
            total -= execute(_EXPIRED, (*slot, start)).fetchone()[0]
        found.append(total)
    return tuple(found)


def forget(execute: Execute, keys: Iterable[str]) -> None:
    """See `Store.forget`."""
    for key in keys:
        execute("DELETE FROM entries WHERE key = ?", (key,))
        execute("DELETE FROM counters WHERE key = ?", (key,))


def prune(execute: Execute, before: int) -> int:
    """See `Store.prune`."""
    old = "latest < ? AND (bucket <> '' OR kind IN (1, 3))"
    execute(
        f"""DELETE FROM entries WHERE (key, bucket, kind) IN
            (SELECT key, bucket, kind FROM counters WHERE {old})""",  # noqa: S608 - a constant
        (before,),
    )
    return execute(f"DELETE FROM counters WHERE {old}", (before,)).rowcount  # noqa: S608
