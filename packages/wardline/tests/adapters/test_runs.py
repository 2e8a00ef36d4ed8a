"""What is remembered of runs: the same for all who ask in one, and nothing once it has ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from wardline import ConfigurationError
from wardline.adapters import Runs


class Control:
    __slots__ = ()  # takes no weak references, as those of some frameworks


def test_all_who_ask_in_one_run_hear_the_same_and_others_something_else():
    runs, one, other = Runs("a"), Control(), Control()
    made: list[int] = []

    def make() -> int:
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: runs.of(one).known("session", make), range(64)))
    assert found == {1}
    assert runs.of(other).known("session", make) == 2
    assert runs.of(one).known("session", make) == 1


def test_runs_that_have_ended_are_forgotten_and_those_that_go_on_are_not():
    runs, kept = Runs("b"), [Control() for _ in range(10)]
    for number, control in enumerate(kept):
        runs.of(control).known("n", lambda number=number: number)
    for _ in range(5000):
        runs.of(Control())
    assert len(runs) < 200
    assert [runs.of(one).known("n", lambda: -1) for one in kept] == list(range(10))


def test_a_run_without_an_object_is_no_run():
    with pytest.raises(ConfigurationError, match="no object that stands for this run"):
        Runs("c").of(None)


def test_adapters_of_one_framework_remember_the_same():
    control = Control()
    assert Runs("d").of(control) is Runs("d").of(control)
    assert Runs("e").of(control) is not Runs("d").of(control)
