"""Both stores against a model that remembers everything and forgets nothing."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardline.store import Charge, MemoryStore, Reservation, Store
from wardline.store.sqlite import SQLiteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

CHARGES = st.builds(
    Charge,
    key=st.sampled_from(["a", "b"]),
    amount=st.integers(0, 3),
    at_most=st.sampled_from([None, 0, 3, 6]),
    window=st.sampled_from([None, 10]),
    bucket=st.sampled_from(["", "", "today"]),
    item=st.sampled_from(["", "", "x", "y"]),
    binding=st.booleans(),
)


def counter(charge: Charge) -> tuple[str, str, bool, bool]:
    return charge.key, charge.bucket, charge.window is not None, charge.item != ""


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("reserve"),
            st.lists(CHARGES, min_size=1, max_size=3, unique_by=counter),
            st.booleans(),
        ),
        st.tuples(
            st.just("settle"),
            st.integers(0, 9),
            st.dictionaries(st.integers(0, 2), st.integers(0, 5)),
        ),
        st.tuples(st.just("release"), st.integers(0, 9), st.none()),
        st.tuples(st.just("time"), st.integers(-4, 12), st.none()),
    ),
    max_size=30,
)


@dataclass
class Use:
    """One entry: an amount, an item with those who hold it."""

    item: str
    t: int
    amount: int
    holders: int = 1


@dataclass
class Model:
    uses: dict[tuple[str, str, bool, bool], list[Use]] = field(default_factory=dict)
    latest: dict[tuple[str, str, bool, bool], int] = field(default_factory=dict)

    def live(self, charge: Charge, now: int) -> list[Use]:
        name = counter(charge)
        now = max(now, self.latest.get(name, 0))
        uses = self.uses.get(name, [])
        return [u for u in uses if charge.window is None or u.t > now - charge.window]

    def used(self, charge: Charge, now: int) -> int:
        return sum(use.amount for use in self.live(charge, now))

    def known(self, charge: Charge, now: int) -> Use | None:
        same = (u for u in self.live(charge, now) if charge.item and u.item == charge.item)
        return next(same, None)

    def reserve(
        self, charges: list[Charge], now: int, force: bool
    ) -> tuple[tuple[int, ...], tuple[int, ...], list[Use | None]]:
        before = tuple(self.used(charge, now) for charge in charges)
        exceeded = tuple(
            i
            for i, charge in enumerate(charges)
            if charge.at_most is not None
            and before[i] + (0 if self.known(charge, now) else charge.amount) > charge.at_most
        )
        if not force and any(charges[i].binding for i in exceeded):
            return before, exceeded, []
        return before, exceeded, [self.count(charge, now) for charge in charges]

    def count(self, charge: Charge, now: int) -> Use:
        known = self.known(charge, now)
        name = counter(charge)
        self.latest[name] = now = max(now, self.latest.get(name, 0))
        if known is not None:
            known.t = now
            known.holders += 1
            return known
        use = Use(charge.item, now, charge.amount)
        self.uses.setdefault(name, []).append(use)
        return use


@contextmanager
def opened(kind: str) -> Iterator[Store]:
    if kind == "memory":
        yield MemoryStore()
        return
    with tempfile.TemporaryDirectory() as directory:
        store = SQLiteStore(Path(directory) / "state.db")
        yield store
        store.close()


def check(kind: str, steps: list[tuple[str, object, object]]) -> None:
    now = 100
    model = Model()
    held: list[tuple[Reservation, list[Use | None]]] = []
    seen: dict[tuple[str, str, bool, bool], Charge] = {}
    with opened(kind) as store:
        for what, first, second in steps:
            if what == "time":
                now += first  # type: ignore[operator]
            elif what == "reserve":
                charges: list[Charge] = first  # type: ignore[assignment]
                seen.update((counter(charge), charge) for charge in charges)
                before, exceeded, uses = model.reserve(charges, now, bool(second))
                reservation = store.reserve(charges, now, bool(second))
                assert (reservation.before, reservation.exceeded) == (before, exceeded)
                assert reservation.granted is bool(uses)
                held.append((reservation, uses))
            elif held:
                reservation, uses = held[first % len(held)]  # type: ignore[operator]
                if what == "release":
                    store.release(reservation)
                    for use in uses:
                        give_back(use)
                    uses.clear()
                    continue
                amounts: dict[int, int] = {
                    i: n
                    for i, n in second.items()  # type: ignore[attr-defined]
                    if i < len(reservation.charges)
                }
                store.settle(reservation, amounts, now)
                settle(reservation, uses, amounts)
            wanted = tuple(model.used(charge, now) for charge in seen.values())
            assert store.used(list(seen.values()), now) == wanted


def give_back(use: Use | None) -> None:
    if use is not None:
        use.holders -= 1
        if not use.holders:
            use.amount, use.item = 0, "gone"


def settle(reservation: Reservation, uses: list[Use | None], amounts: dict[int, int]) -> None:
    for index, amount in amounts.items() if uses else ():
        use = uses[index]
        if not reservation.charges[index].item:
            assert use is not None
            use.amount = amount
        elif amount == 0:
            give_back(use)
            uses[index] = None


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_memory_counts_as_the_model_does(steps: list[tuple[str, object, object]]) -> None:
    check("memory", steps)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_sqlite_counts_as_the_model_does(steps: list[tuple[str, object, object]]) -> None:
    check("sqlite", steps)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_model_would_notice_a_wrong_count(kind: str) -> None:
    charge = Charge("a", 1, None)
    with opened(kind) as store:
        store.reserve([charge], 100)
        assert store.used([charge], 100) != (Model().used(charge, 100),)
