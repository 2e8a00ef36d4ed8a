"""Recorded time never runs backwards; deadlines do not read the wall clock (X-1)."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from wardline.clock import HOUR, MINUTE, SECOND, Clock, as_datetime

START = 1_800_000_000_000_000


class Hands:
    """A wall clock and a monotonic one that a test moves."""

    def __init__(self) -> None:
        self.wall = START
        self.mono = 5 * SECOND
        self.clock = Clock(lambda: self.wall * 1000, lambda: self.mono * 1000)

    def pass_(self, us: int) -> None:
        self.wall += us
        self.mono += us


def test_X_1_a_step_back_stops_time_until_the_wall_catches_up() -> None:
    hands = Hands()
    first = hands.clock.now()
    hands.wall -= 24 * HOUR
    assert hands.clock.now() == first
    hands.pass_(23 * HOUR)
    assert hands.clock.now() == first
    hands.pass_(HOUR + SECOND)
    assert hands.clock.now() == first + SECOND
    assert hands.clock.last() == first + SECOND
    assert not hands.clock.jumped


def test_X_1_a_step_forward_over_an_hour_is_noticed_once() -> None:
    hands = Hands()
    hands.clock.now()
    hands.wall += 24 * HOUR
    hands.pass_(SECOND)
    hands.clock.now()
    assert hands.clock.jumped == 24 * HOUR
    hands.clock.jumped = 0
    hands.pass_(MINUTE)
    hands.clock.now()
    assert not hands.clock.jumped


def test_X_1_an_idle_night_is_no_jump() -> None:
    hands = Hands()
    hands.clock.now()
    hands.pass_(12 * HOUR)
    assert hands.clock.now() == START + 12 * HOUR
    assert not hands.clock.jumped


def test_X_1_a_jump_of_the_wall_moves_no_deadline() -> None:
    hands = Hands()
    before = hands.clock.monotonic()
    for step in (24 * HOUR, -24 * HOUR):
        hands.wall += step
        assert hands.clock.monotonic() == before


def test_the_first_reading_is_no_jump() -> None:
    hands = Hands()
    assert hands.clock.last() == 0
    hands.clock.now()
    assert not hands.clock.jumped


@given(st.lists(st.integers(-2 * 24 * HOUR, 2 * 24 * HOUR), max_size=30))
def test_X_1_time_never_runs_backwards(steps: list[int]) -> None:
    hands = Hands()
    previous = hands.clock.now()
    for step in steps:
        hands.wall += step
        hands.mono += max(step, 0) // 2
        now = hands.clock.now()
        assert now >= previous
        assert now >= hands.wall
        previous = now


def test_X_3_time_never_runs_backwards_under_16_threads() -> None:
    clock = Clock()
    failures: list[str] = []

    def read() -> None:
        previous = 0
        for _ in range(3_000):
            now = clock.now()
            if now < previous:
                failures.append(f"{now} < {previous}")
            previous = now

    threads = [threading.Thread(target=read) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_recorded_time_as_a_date() -> None:
    assert as_datetime(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert as_datetime(1_700_000_000_123_456).microsecond == 123_456
