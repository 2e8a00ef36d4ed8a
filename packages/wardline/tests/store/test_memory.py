from __future__ import annotations

import os
import time

import pytest

from wardline.errors import StoreError
from wardline.store import Charge, MemoryStore, Switch

NOW = 1_800_000_000_000_000


def test_a_lock_that_is_held_is_an_error_within_the_deadline() -> None:
    store = MemoryStore(deadline=0.1)
    started = time.monotonic()
    with store._lock, pytest.raises(StoreError, match=r"waited 0\.1 s"):
        store.reserve([Charge("a", 1, None)], NOW)
    assert time.monotonic() - started < 1
    assert store.reserve([Charge("a", 1, None)], NOW).before == (0,)


def test_X_2_memory_state_is_lost_with_its_store() -> None:
    store = MemoryStore()
    store.set_switch(Switch("everything", "", "killed", "os:a", "", NOW))
    assert MemoryStore().switches() == ()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_after_fork_has_a_working_copy_and_owns_no_calls() -> None:
    store = MemoryStore(deadline=0.5)
    store.begin_call("c", "f", owner="guard-1", policy="p", now=NOW)
    child = os.fork()
    if child == 0:
        works = store.reserve([Charge("a", 1, None)], NOW).granted
        os._exit(0 if works and not store.owner_alive("guard-1") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.owner_alive("guard-1")
    assert store.used([Charge("a", 1, None)], NOW) == (0,)
