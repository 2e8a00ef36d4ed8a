"""The counters behind limits, held in memory; `MemoryStore` puts the lock around them.

Four kinds of counter share this arithmetic with every other store:

- a **total** (no window, no item): a number, one for each calendar bucket;
- a **sliding** counter: the amounts with `t > now - window`, exact, one entry each;
- **items**: the amounts of distinct items; an item goes when every reservation that named it does;
- **sliding items**: distinct items whose last use lies in the window.

A counter never runs backwards: where `now` is earlier than its last entry, that entry's time stands.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from wardline.errors import ConfigurationError
from wardline.store.types import Reservation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wardline.store.types import Charge

__all__ = ["Counters", "refuse_negative", "refuse_twice"]


def refuse_negative(key: str) -> ConfigurationError:
    """Return the error for an amount below zero, which would take back what others used."""
    return ConfigurationError(
        f"the counter {key!r} was to move by less than zero; amounts count up"
    )


def refuse_twice(key: str) -> ConfigurationError:
    """Return the error for two charges of one action on one window or set of items."""
    return ConfigurationError(
        f"two charges of one action move the counter {key!r}; give each limit a key of its own"
    )


class _Entry:
    """An amount at a time; `holders` counts the reservations that named its item."""

    __slots__ = ("amount", "holders", "live", "name", "t")

    def __init__(self, name: object, t: int, amount: int) -> None:
        self.name = name
        self.t = t
        self.amount = amount
        self.holders = 1
        self.live = True


class _Meter:
    """A counter that remembers its entries, in the order of their times."""

    __slots__ = ("entries", "latest", "total")

    def __init__(self) -> None:
        self.total = 0
        self.latest = 0
        self.entries: OrderedDict[object, _Entry] = OrderedDict()

    def look(self, charge: Charge, now: int) -> tuple[int, int]:
        """Return what is used, and what this charge would add to it."""
        used = self.total
        added = charge.amount
        known = self.entries.get(charge.item) if charge.item else None
        if charge.window is not None:
            start = max(now, self.latest) - charge.window
            for entry in self.entries.values():
                if entry.t > start:
                    break
                used -= entry.amount
            if known is not None and known.t <= start:
                known = None
        return used, 0 if known is not None else added

    def count(self, charge: Charge, now: int) -> _Entry:
        """Add the charge and forget what has left its window."""
        entries = self.entries
        now = self.latest = max(now, self.latest)
        if charge.window is not None:
            start = now - charge.window
            while entries:
                oldest = next(iter(entries.values()))
                if oldest.t > start:
                    break
                self.drop(oldest)
        if charge.item:
            known = entries.get(charge.item)
            if known is not None:
                known.t = now
                known.holders += 1
                entries.move_to_end(charge.item)
                return known
        entry = _Entry(charge.item or object(), now, charge.amount)
        entries[entry.name] = entry
        self.total += charge.amount
        return entry

    def drop(self, entry: _Entry) -> None:
        """Remove an entry."""
        entry.live = False
        self.total -= entry.amount
        del self.entries[entry.name]

    def give_back(self, entry: _Entry) -> None:
        """Take one reservation's hold off an entry, and the entry with the last one."""
        if entry.live:
            entry.holders -= 1
            if not entry.holders:
                self.drop(entry)


class _Held:
    """What a granted reservation moved, as far as it is not plain from its charges."""

    __slots__ = ("amounts", "entries")

    def __init__(self) -> None:
        self.amounts: dict[int, int] = {}
        self.entries: dict[int, tuple[_Meter, _Entry]] = {}


class Counters:
    """Totals and meters by key. Not safe under threads by itself."""

    __slots__ = ("_dated", "_meters", "_totals")

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._dated: dict[str, dict[str, list[int]]] = {}
        self._meters: dict[str, dict[tuple[str, bool, bool], _Meter]] = {}

    def reserve(self, charges: Sequence[Charge], now: int, force: bool) -> Reservation:
        """Count all charges, or none if a binding one would pass its bound."""
        totals = self._totals
        before: list[int] = []
        exceeded: list[int] = []
        granted = True
        others: list[tuple[int, Charge, _Meter | list[int]]] | None = None
        moved = 0
        try:
            for charge in charges:
                amount = charge.amount
                if amount < 0:
                    raise refuse_negative(charge.key)
                if charge.window is None and not charge.item and not charge.bucket:
                    used = totals.get(charge.key, 0)
                    totals[charge.key] = used + amount
                else:
                    others = [] if others is None else others
                    used, amount = self._look(len(before), charge, now, others)
                moved += 1
                at_most = charge.at_most
                if at_most is not None and used + amount > at_most:
                    exceeded.append(len(before))
                    if charge.binding and not force:
                        granted = False
                before.append(used)
        except BaseException:
            self._undo(charges[:moved])
            raise
        token: _Held | None = None
        if not granted:
            self._undo(charges)
        elif others is not None:
            token = self._count(others, now)
        return Reservation(tuple(before), tuple(exceeded), tuple(charges), token, granted)

    def _look(
        self,
        index: int,
        charge: Charge,
        now: int,
        others: list[tuple[int, Charge, _Meter | list[int]]],
    ) -> tuple[int, int]:
        cell: _Meter | list[int]
        if charge.window is None and not charge.item:
            cell = self._dated.setdefault(charge.key, {}).setdefault(charge.bucket, [0, 0])
            found = cell[0], charge.amount
        else:
            cell = self._meter(charge)
            found = cell.look(charge, now)
        for _, other, seen in others:
            if seen is cell:
                raise refuse_twice(other.key)
        others.append((index, charge, cell))
        return found

    def _undo(self, charges: Sequence[Charge]) -> None:
        for charge in charges:
            if charge.window is None and not charge.item and not charge.bucket:
                self._totals[charge.key] -= charge.amount

    @staticmethod
    def _count(others: list[tuple[int, Charge, _Meter | list[int]]], now: int) -> _Held:
        held = _Held()
        for index, charge, cell in others:
            if isinstance(cell, list):
                cell[0] += charge.amount
                cell[1] = max(cell[1], now)
            else:
                held.entries[index] = (cell, cell.count(charge, now))
        return held

    def _meter(self, charge: Charge) -> _Meter:
        which = (charge.bucket, charge.window is not None, charge.item != "")
        meters = self._meters.setdefault(charge.key, {})
        meter = meters.get(which)
        if meter is None:
            meter = meters[which] = _Meter()
        return meter

    def settle(self, reservation: Reservation, amounts: Mapping[int, int], now: int) -> None:
        """Put actual amounts in the place of reserved ones."""
        held = reservation.token
        if not reservation.granted or held is False:
            return
        if held is None:
            for index, amount in amounts.items():
                if reservation.charges[index].amount != amount:
                    break
            else:
                return  # it came out as reserved
            held = reservation.token = _Held()
        assert isinstance(held, _Held), "a reservation of another store"
        for index, amount in amounts.items():
            charge = reservation.charges[index]
            if amount < 0:
                raise refuse_negative(charge.key)
            found = held.entries.get(index)
            if charge.item:
                if found is not None and amount == 0:
                    del held.entries[index]
                    found[0].give_back(found[1])
            elif found is not None:
                meter, entry = found
                if entry.live:
                    meter.total += amount - entry.amount
                    entry.amount = amount
            else:
                change = amount - held.amounts.get(index, charge.amount)
                held.amounts[index] = amount
                self._move(charge, change, now)

    def release(self, reservation: Reservation) -> None:
        """Take back everything the reservation holds."""
        held = reservation.token
        if not reservation.granted or held is False:
            return
        if held is None:
            held = _Held()
        assert isinstance(held, _Held), "a reservation of another store"
        reservation.token = False
        for index, charge in enumerate(reservation.charges):
            if charge.window is None and not charge.item:
                self._move(charge, -held.amounts.get(index, charge.amount), 0)
        for meter, entry in held.entries.values():
            meter.give_back(entry)

    def _move(self, charge: Charge, change: int, now: int) -> None:
        """Move a total that is still there by a positive or negative amount."""
        if not charge.bucket:
            if charge.key in self._totals:
                self._totals[charge.key] = max(0, self._totals[charge.key] + change)
            return
        cell = self._dated.get(charge.key, {}).get(charge.bucket)
        if cell is not None:
            cell[0] = max(0, cell[0] + change)
            cell[1] = max(cell[1], now)

    def used(self, charges: Sequence[Charge], now: int) -> tuple[int, ...]:
        """Return what each charge's counter holds at `now`."""
        found = []
        for charge in charges:
            if charge.window is not None or charge.item:
                which = (charge.bucket, charge.window is not None, charge.item != "")
                meter = self._meters.get(charge.key, {}).get(which)
                found.append(meter.look(charge, now)[0] if meter is not None else 0)
            elif charge.bucket:
                found.append(self._dated.get(charge.key, {}).get(charge.bucket, (0,))[0])
            else:
                found.append(self._totals.get(charge.key, 0))
        return tuple(found)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop every counter with one of these keys."""
        for key in keys:
            self._totals.pop(key, None)
            self._dated.pop(key, None)
            self._meters.pop(key, None)

    def prune(self, before: int) -> int:
        """Drop calendar and sliding counters that last moved before `before`; return how many."""
        gone = 0
        for key, cells in list(self._dated.items()):
            old = [bucket for bucket, cell in cells.items() if cell[1] < before]
            for bucket in old:
                del cells[bucket]
            gone += len(old)
            if not cells:
                del self._dated[key]
        for key, meters in list(self._meters.items()):
            stale = [w for w, m in meters.items() if (w[0] or w[1]) and m.latest < before]
            for which in stale:
                del meters[which]
            gone += len(stale)
            if not meters:
                del self._meters[key]
        return gone
