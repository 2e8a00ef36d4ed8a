from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from wardline.errors import ConfigurationError
from wardline.store import Store, Switch, SwitchChange

NOW = 1_800_000_000_000_000


@pytest.mark.parametrize(
    ("scope", "value"),
    [
        ("everything", ""),
        ("tenant", "acme"),
        ("agent", "agent-1"),
        ("session", "s1"),
        ("tool", "send_email"),
        ("kind", "tool_call"),
    ],
)
def test_KILL_3_every_scope_can_be_frozen_and_thawed(store: Store, scope: str, value: str) -> None:
    switch = Switch(scope, value, "frozen", "os:alice", "drill", NOW)  # type: ignore[arg-type]
    before = store.generation()
    set_at = store.set_switch(switch)
    assert set_at == store.generation() > before
    assert store.switches() == (switch,)
    thawed = store.clear_switch(scope, value, "os:bob", "over", NOW + 1)  # type: ignore[arg-type]
    assert thawed == store.generation() > set_at
    assert store.switches() == ()
    assert store.switch_history() == (
        SwitchChange(set_at, scope, value, "frozen", "os:alice", "drill", NOW),  # type: ignore[arg-type]
        SwitchChange(thawed, scope, value, "thawed", "os:bob", "over", NOW + 1),  # type: ignore[arg-type]
    )


def test_KILL_2_a_freeze_does_not_weaken_a_kill(store: Store) -> None:
    killed = Switch("agent", "a", "killed", "os:alice", "stolen key", NOW)
    store.set_switch(killed)
    store.set_switch(Switch("agent", "a", "frozen", "os:bob", "", NOW + 1))
    assert store.switches() == (killed,)
    assert [change.state for change in store.switch_history()] == ["killed", "frozen"]


def test_a_freeze_can_become_a_kill(store: Store) -> None:
    store.set_switch(Switch("agent", "a", "frozen", "os:bob", "", NOW))
    killed = Switch("agent", "a", "killed", "os:alice", "", NOW + 1)
    store.set_switch(killed)
    assert store.switches() == (killed,)


def test_thawing_what_is_not_frozen_changes_nothing(store: Store) -> None:
    before = store.set_switch(Switch("tool", "t", "frozen", "os:bob", "", NOW))
    assert store.clear_switch("tool", "other", "os:bob", "", NOW) == before
    assert len(store.switch_history()) == 1


@pytest.mark.parametrize(
    "fields",
    [
        ("planet", "earth", "frozen", "me"),
        ("agent", "a", "thawed", "me"),
        ("agent", "", "frozen", "me"),
        ("everything", "x", "frozen", "me"),
        ("agent", "a", "frozen", ""),
    ],
)
def test_a_switch_that_means_nothing_is_an_error(fields: tuple[str, str, str, str]) -> None:
    scope, value, state, by = fields
    with pytest.raises(ConfigurationError):
        Switch(scope, value, state, by, "", NOW)  # type: ignore[arg-type]


def test_X_3_every_change_raises_the_generation(store: Store) -> None:
    def change(number: int) -> int:
        return store.set_switch(Switch("agent", str(number), "frozen", "os:a", "", NOW))

    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(change, range(48)))
    assert sorted(numbers) == list(range(1, 49))
    assert store.generation() == 48
    assert len(store.switches()) == 48


def test_pruning_keeps_switches_and_their_history(store: Store) -> None:
    store.set_switch(Switch("agent", "a", "killed", "os:a", "", NOW))
    store.prune(NOW * 2)
    assert len(store.switches()) == len(store.switch_history()) == 1
