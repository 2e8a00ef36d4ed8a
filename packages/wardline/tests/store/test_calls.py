from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from wardline.errors import ConfigurationError
from wardline.store import CallState, Store

NOW = 1_800_000_000_000_000


def begin(store: Store, owner: str = "guard-1", now: int = NOW, **more: object) -> CallState:
    return store.begin_call("s1:c1", "f1", owner=owner, policy="p1", now=now, **more)  # type: ignore[arg-type]


def test_a_call_opens_once_and_others_see_it_open(store: Store) -> None:
    first = begin(store, intent="i1", approval="a1")
    assert first == CallState(
        "s1:c1", "f1", "open", 1, "guard-1", "p1", "i1", "a1", None, NOW, True
    )
    second = begin(store, owner="guard-2", now=NOW + 1)
    assert second == first._replace(opened=False)
    assert store.call("s1:c1", "f1") == second
    assert store.call("s1:c1", "f2") is None


def test_another_fingerprint_is_another_action(store: Store) -> None:
    assert begin(store).opened
    other = store.begin_call("s1:c1", "f2", owner="guard-1", policy="p1", now=NOW)
    assert other.opened
    assert len(store.calls()) == 2


def test_a_success_keeps_its_result_and_never_runs_again(store: Store) -> None:
    begin(store)
    assert store.finish_call("s1:c1", "f1", "succeeded", b"42", NOW + 1)
    again = begin(store, now=NOW + 2, idempotent=True)
    assert (again.status, again.result, again.opened, again.t) == (
        "succeeded",
        b"42",
        False,
        NOW + 1,
    )
    assert not store.finish_call("s1:c1", "f1", "failed", None, NOW + 3)


def test_a_failure_opens_the_next_attempt_and_late_outcomes_miss_it(store: Store) -> None:
    assert begin(store).attempt == 1
    assert store.finish_call("s1:c1", "f1", "failed", None, NOW, attempt=1)
    assert begin(store).attempt == 2
    assert not store.finish_call("s1:c1", "f1", "succeeded", b"late", NOW, attempt=1)
    assert store.finish_call("s1:c1", "f1", "succeeded", b"2", NOW, attempt=2)


def test_an_unknown_call_runs_again_only_if_it_is_idempotent(store: Store) -> None:
    begin(store)
    assert not store.mark_unknown("s1:c1", "f1", "guard-2", NOW)
    assert store.mark_unknown("s1:c1", "f1", "guard-1", NOW + 1)
    assert begin(store, owner="guard-2").status == "unknown"
    again = begin(store, owner="guard-2", idempotent=True)
    assert (again.opened, again.attempt, again.owner) == (True, 2, "guard-2")


def test_an_unknown_call_takes_the_outcome_that_turns_up_late(store: Store) -> None:
    begin(store)
    assert store.mark_unknown("s1:c1", "f1", "guard-1", NOW)
    assert store.finish_call("s1:c1", "f1", "succeeded", b"1", NOW + 1, attempt=1)
    assert not store.mark_unknown("s1:c1", "f1", "guard-1", NOW + 2)


def test_a_held_result_waits_and_is_never_run_again(store: Store) -> None:
    begin(store)
    assert store.finish_call("s1:c1", "f1", "held", b"secret", NOW)
    assert not begin(store, idempotent=True).opened
    assert not store.finish_call("s1:c1", "f1", "held", b"other", NOW)
    assert store.finish_call("s1:c1", "f1", "succeeded", b"secret", NOW)


def test_refusals_and_waits_are_noted_and_give_way_to_a_new_judgement(store: Store) -> None:
    noted = store.note_call(
        "s1:c1", "f1", "pending", owner="g", policy="p1", now=NOW, approval="a1"
    )
    assert (noted.status, noted.attempt, noted.approval, noted.opened) == (
        "pending",
        0,
        "a1",
        False,
    )
    store.note_call("s1:c1", "f1", "refused", owner="g", policy="p2", now=NOW + 1)
    state = store.call("s1:c1", "f1")
    assert state is not None
    assert (state.status, state.policy) == ("refused", "p2")
    assert begin(store).attempt == 1
    kept = store.note_call("s1:c1", "f1", "refused", owner="g", policy="p1", now=NOW + 2)
    assert kept.status == "open"


def test_statuses_that_mean_something_else_are_errors(store: Store) -> None:
    with pytest.raises(ConfigurationError, match="begin_call"):
        store.note_call("k", "f", "open", owner="g", policy="p", now=NOW)
    begin(store)
    with pytest.raises(ConfigurationError, match="no outcome"):
        store.finish_call("s1:c1", "f1", "open", None, NOW)
    assert not store.finish_call("no such", "call", "failed", None, NOW)


def test_the_calls_of_an_owner_that_is_gone_become_unknown(store: Store) -> None:
    for number in range(3):
        store.begin_call(f"c{number}", "f", owner="guard-1", policy="p", now=NOW + number)
    store.begin_call("c3", "f", owner="guard-2", policy="p", now=NOW + 3)
    store.finish_call("c0", "f", "succeeded", None, NOW + 4)
    assert store.owner_alive("guard-1")
    assert not store.owner_alive("nobody")
    store.end_owner("guard-1")
    assert not store.owner_alive("guard-1")
    assert store.owner_alive("guard-2")
    assert store.abandon_calls("guard-1", NOW + 5) == 2
    assert [(s.key, s.status) for s in store.calls()] == [
        ("c3", "open"),
        ("c0", "succeeded"),
        ("c1", "unknown"),
        ("c2", "unknown"),
    ]
    assert [s.key for s in store.calls("open")] == ["c3"]


def test_pruning_drops_finished_calls_only(store: Store) -> None:
    for number, status in enumerate(["succeeded", "failed", "unknown", "held"]):
        store.begin_call(status, "f", owner="g", policy="p", now=NOW)
        store.finish_call(status, "f", status, None, NOW + number)  # type: ignore[arg-type]
    store.begin_call("open", "f", owner="g", policy="p", now=NOW)
    store.note_call("pending", "f", "pending", owner="g", policy="p", now=NOW)
    store.note_call("refused", "f", "refused", owner="g", policy="p", now=NOW)
    assert store.prune(NOW + 2) == 3
    assert {s.key for s in store.calls()} == {"unknown", "held", "open", "pending"}


def test_X_3_exactly_one_of_64_threads_opens_a_call(store: Store) -> None:
    with ThreadPoolExecutor(64) as pool:
        states = list(pool.map(lambda n: begin(store, owner=f"guard-{n % 2}"), range(64)))
    assert sum(state.opened for state in states) == 1
    assert {state.status for state in states} == {"open"}


def test_calls_made_together_are_all_there(store: Store) -> None:
    with store.together(), store.together():
        assert begin(store).opened
        assert store.call("s1:c1", "f1") is not None
        assert store.generation() == 0
        assert not begin(store).opened
    assert store.finish_call("s1:c1", "f1", "succeeded", None, NOW)


def test_what_was_done_together_stays_done_when_the_block_raises(store: Store) -> None:
    with pytest.raises(KeyError), store.together():
        begin(store)
        raise KeyError
    state = store.call("s1:c1", "f1")
    assert state is not None
    assert state.status == "open"
