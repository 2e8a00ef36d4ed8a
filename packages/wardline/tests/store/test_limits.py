from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from wardline.errors import ConfigurationError
from wardline.store import Charge, Store

NOW = 1_800_000_000_000_000
HOUR = 3_600_000_000


def test_a_charge_counts_up_to_its_bound_and_no_further(store: Store) -> None:
    charge = Charge("calls", 1, 2)
    first, second, third = (store.reserve([charge], NOW) for _ in range(3))
    assert (first.before, first.exceeded, first.granted) == ((0,), (), True)
    assert (second.before, second.exceeded, second.granted) == ((1,), (), True)
    assert (third.before, third.exceeded, third.granted) == ((2,), (0,), False)
    assert store.used([charge], NOW) == (2,)


def test_one_exceeded_charge_leaves_all_of_them_unmoved(store: Store) -> None:
    charges = [
        Charge("meter", 7, None),
        Charge("day", 1, 5, bucket="2026-11-21"),
        Charge("rate", 1, 5, window=HOUR),
        Charge("files", 1, 5, item="a"),
        Charge("full", 3, 2),
    ]
    reservation = store.reserve(charges, NOW)
    assert not reservation.granted
    assert reservation.exceeded == (4,)
    assert store.used(charges, NOW) == (0, 0, 0, 0, 0)
    store.settle(reservation, {0: 3}, NOW)
    store.release(reservation)
    assert store.used(charges, NOW) == (0, 0, 0, 0, 0)


def test_force_charges_beyond_the_bound(store: Store) -> None:
    reservation = store.reserve([Charge("spend", 10, 5), Charge("n", 1, 1)], NOW, force=True)
    assert reservation.granted
    assert reservation.exceeded == (0,)
    assert store.used(reservation.charges, NOW) == (10, 1)


def test_a_charge_that_does_not_bind_counts_and_reports_but_refuses_nothing(store: Store) -> None:
    charge = Charge("audit", 4, 3, binding=False)
    reservation = store.reserve([charge], NOW)
    assert reservation.granted
    assert reservation.exceeded == (0,)
    assert store.used([charge], NOW) == (4,)
    refused = store.reserve([charge, Charge("full", 1, 0)], NOW)
    assert refused.exceeded == (0, 1)
    assert not refused.granted
    assert store.used([charge], NOW) == (4,)


def test_charges_on_one_total_add_up(store: Store) -> None:
    charge = Charge("calls", 1, 1)
    reservation = store.reserve([charge, charge], NOW)
    assert reservation.before == (0, 1)
    assert not reservation.granted
    assert store.used([charge], NOW) == (0,)


@pytest.mark.parametrize(
    "charge",
    [Charge("x", 1, 9, window=5), Charge("x", 1, 9, bucket="b"), Charge("x", 1, 9, item="i")],
)
def test_two_charges_on_one_meter_are_refused_and_nothing_moves(
    store: Store, charge: Charge
) -> None:
    plain = Charge("plain", 1, None)
    with pytest.raises(ConfigurationError, match="'x'"):
        store.reserve([plain, charge, charge], NOW)
    assert store.used([plain, charge], NOW) == (0, 0)


def test_negative_amounts_are_refused_and_nothing_moves(store: Store) -> None:
    good = Charge("good", 1, 9)
    with pytest.raises(ConfigurationError, match="less than zero"):
        store.reserve([good, Charge("bad", -1, 9)], NOW)
    assert store.used([good], NOW) == (0,)
    reservation = store.reserve([good], NOW)
    with pytest.raises(ConfigurationError, match="less than zero"):
        store.settle(reservation, {0: -1}, NOW)


def test_settling_records_the_truth_even_above_the_bound(store: Store) -> None:
    charges = [
        Charge("tokens", 100, 1000),
        Charge("hourly", 100, 1000, window=HOUR),
        Charge("daily", 100, 1000, bucket="2026-11-21"),
    ]
    reservation = store.reserve(charges, NOW)
    store.settle(reservation, {0: 4000, 1: 40, 2: 1001}, NOW + 1)
    assert store.used(charges, NOW + 1) == (4000, 40, 1001)
    store.settle(reservation, {0: 50}, NOW + 2)
    assert store.used(charges, NOW + 2) == (50, 40, 1001)
    store.release(reservation)
    assert store.used(charges, NOW + 2) == (0, 0, 0)


def test_release_gives_everything_back_once(store: Store) -> None:
    charges = [
        Charge("n", 1, None),
        Charge("rate", 1, 5, window=HOUR),
        Charge("files", 1, 5, item="a"),
        Charge("day", 2, 5, bucket="d"),
    ]
    store.reserve(charges, NOW)
    reservation = store.reserve(charges, NOW)
    for _ in range(2):
        store.release(reservation)
        assert store.used(charges, NOW) == (1, 1, 1, 2)
    store.settle(reservation, {0: 9, 1: 9, 3: 9}, NOW)
    assert store.used(charges, NOW) == (1, 1, 1, 2)


def test_a_window_slides_exactly(store: Store) -> None:
    charge = Charge("rate", 1, 2, window=HOUR)
    assert store.reserve([charge], NOW).granted
    assert store.reserve([charge], NOW + 10).granted
    assert not store.reserve([charge], NOW + HOUR - 1).granted
    assert store.reserve([charge], NOW + HOUR).before == (1,)
    assert not store.reserve([charge], NOW + HOUR + 9).granted
    assert store.used([charge], NOW + HOUR + 10) == (1,)
    assert store.used([charge], NOW + 3 * HOUR) == (0,)


def test_X_1_a_clock_that_is_set_back_shortens_no_window(store: Store) -> None:
    charge = Charge("rate", 1, 1, window=HOUR)
    assert store.reserve([charge], NOW).granted
    assert not store.reserve([charge], NOW - 5 * HOUR).granted
    assert store.used([charge], NOW - 5 * HOUR) == (1,)


def test_outcomes_that_come_after_the_window_change_nothing(store: Store) -> None:
    charge = Charge("rate", 3, 9, window=HOUR)
    reservation = store.reserve([charge], NOW)
    store.reserve([charge], NOW + 2 * HOUR)
    store.settle(reservation, {0: 8}, NOW + 2 * HOUR)
    store.release(reservation)
    assert store.used([charge], NOW + 2 * HOUR) == (3,)


def test_calendar_buckets_are_counters_of_their_own(store: Store) -> None:
    monday, tuesday = (Charge("spend", 5, 5, bucket=day) for day in ("2026-11-23", "2026-11-24"))
    assert store.reserve([monday], NOW).granted
    assert not store.reserve([monday], NOW).granted
    assert store.reserve([tuesday], NOW).granted
    assert store.used([monday, tuesday], NOW) == (5, 5)


def test_an_item_counts_once_however_often_it_is_used(store: Store) -> None:
    a, b, c = (Charge("files", 1, 2, item=name) for name in "abc")
    first = store.reserve([a], NOW)
    again = store.reserve([a], NOW + 1)
    assert again.before == (1,)
    assert store.reserve([b], NOW + 2).granted
    assert not store.reserve([c], NOW + 3).granted
    assert store.reserve([a], NOW + 4).granted
    store.release(first)
    assert store.used([a], NOW) == (2,), "others still hold it"
    store.settle(again, {0: 0}, NOW)
    store.settle(again, {0: 0}, NOW)
    assert store.used([a], NOW) == (2,)
    store.release(again)
    assert store.used([a], NOW) == (2,)


def test_an_item_goes_with_the_last_reservation_that_named_it(store: Store) -> None:
    charge = Charge("files", 1, 1, item="a")
    one, two = store.reserve([charge], NOW), store.reserve([charge], NOW)
    store.settle(one, {0: 0}, NOW)
    assert store.used([charge], NOW) == (1,)
    store.release(two)
    assert store.used([charge], NOW) == (0,)
    assert store.reserve([Charge("files", 1, 1, item="b")], NOW).granted


def test_items_in_a_window_count_from_their_last_use(store: Store) -> None:
    a, b = (Charge("files", 1, 1, item=name, window=HOUR) for name in "ab")
    old = store.reserve([a], NOW)
    assert store.reserve([a], NOW + HOUR - 1).granted
    assert not store.reserve([b], NOW + HOUR).granted
    assert store.reserve([b], NOW + 2 * HOUR - 1).granted
    store.release(old)
    assert store.used([a], NOW + 2 * HOUR - 1) == (1,)


def test_forgotten_counters_start_anew(store: Store) -> None:
    charges = [
        Charge("run:1", 1, None),
        Charge("run:1", 1, 5, window=HOUR),
        Charge("run:1", 1, 5, item="a"),
        Charge("run:1", 1, 5, bucket="d"),
        Charge("run:2", 1, None),
    ]
    reservation = store.reserve(charges, NOW)
    store.forget(["run:1", "never seen"])
    assert store.used(charges, NOW) == (0, 0, 0, 0, 1)
    store.settle(reservation, {0: 7, 1: 7, 3: 7}, NOW)
    store.release(reservation)
    assert store.used(charges, NOW) == (0, 0, 0, 0, 0)


def test_pruning_drops_old_windows_and_buckets_and_keeps_totals(store: Store) -> None:
    forever = [Charge("total", 1, None), Charge("files", 1, 5, item="a")]
    passing = [Charge("rate", 1, 5, window=HOUR), Charge("day", 1, 5, bucket="d")]
    store.reserve(forever + passing, NOW)
    assert store.prune(NOW) == 0
    assert store.used(passing, NOW) == (1, 1)
    assert store.prune(NOW + 1) == 2
    assert store.used(passing, NOW) == (0, 0)
    assert store.used(forever, NOW) == (1, 1)


def test_X_3_64_threads_count_exactly_and_never_overrun(store: Store) -> None:
    charges = [
        Charge("meter", 2, None),
        Charge("bound", 1, 500),
        Charge("rate", 1, 700, window=HOUR),
    ]
    start = threading.Barrier(64)

    def work(number: int) -> int:
        start.wait()
        granted = 0
        for turn in range(12):
            reservation = store.reserve(charges, NOW + turn)
            if reservation.granted:
                granted += 1
                if turn % 4 == 0:
                    store.release(reservation)
                    granted -= 1
                elif turn % 4 == 1:
                    store.settle(reservation, {0: 3}, NOW)
                    store.settle(reservation, {0: 2}, NOW)
        return granted

    with ThreadPoolExecutor(64) as pool:
        granted = sum(pool.map(work, range(64)))
    assert granted <= 500
    assert store.used(charges, NOW) == (2 * granted, granted, granted)


def test_X_3_threads_never_hold_more_than_the_bound(store: Store) -> None:
    charge = Charge("slots", 1, 3)
    holding: list[int] = []
    most = 0

    def work(number: int) -> None:
        nonlocal most
        for _ in range(20):
            reservation = store.reserve([charge], NOW)
            if reservation.granted:
                holding.append(number)
                most = max(most, len(holding))
                holding.remove(number)
                store.release(reservation)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert 1 <= most <= 3
    assert store.used([charge], NOW) == (0,)
