"""Core: an error or a hang while judging is a denial."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

from wardline import MemoryStore, StoreError
from wardline_testing.findings import Mismatch
from wardline_testing.suite.base import Room
from wardline_testing.suite.core.decisions import one_call

if TYPE_CHECKING:
    from wardline_testing.played import Played
    from wardline_testing.scene import EntryPoint
    from wardline_testing.world import Kit, World

__all__ = ["BrokenMachinery"]

_ERRING = """
rules: [{name: erring, tool: shell, condition: "int(args.command) > 3", action: deny}]
"""
_COUNTED = """
limits: [{name: calls, count: calls, tool: shell, at_most: 9, per: session}]
"""
_PATIENCE = 0.4
"""Seconds that the guard waits for a store that hangs."""


class _BreakableStore(MemoryStore):
    """A store that can be read and written until `broken` is set."""

    __slots__ = ("broken",)

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def _broken(self) -> None:
        if self.broken:
            raise StoreError("the kit has broken this store")

    def reserve(self, *args: Any, **kwargs: Any) -> Any:
        """Reserve, or fail."""
        self._broken()
        return super().reserve(*args, **kwargs)

    def used(self, *args: Any, **kwargs: Any) -> Any:
        """Read counters, or fail."""
        self._broken()
        return super().used(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Look a call up, or fail."""
        self._broken()
        return super().call(*args, **kwargs)

    def begin_call(self, *args: Any, **kwargs: Any) -> Any:
        """Open a call, or fail."""
        self._broken()
        return super().begin_call(*args, **kwargs)


class BrokenMachinery(Room):
    """What judging stands on breaks when the model has answered."""

    def test_erring_condition_denies(self, kit: Kit, path: EntryPoint) -> None:
        """A rule whose condition fails denies."""
        world = kit.world(_ERRING)
        played = world.play(one_call(world, "shell", command="ls"), path)
        played.never_ran("shell")
        played.decided("shell", refused=1)
        played.visible("call-1", "erring")

    def test_broken_store_denies(self, kit: Kit, path: EntryPoint) -> None:
        """Nothing runs on state that cannot be read or written."""
        store = _BreakableStore()
        world = kit.world(_COUNTED, store=store)

        def breaks(_: str) -> None:
            store.broken = True

        _denied(world, world.play(one_call(world, "shell", command="ls"), path, spoke=breaks))

    def test_hanging_store_denies(self, kit: Kit, path: EntryPoint) -> None:
        """Nothing runs, and the run ends, where the state is held by somebody else for ever."""
        world = kit.world(_COUNTED, durable=True, deadline=_PATIENCE)
        other = sqlite3.connect(
            world.home / "state.db", check_same_thread=False, isolation_level=None
        )

        def hangs(_: str) -> None:
            if not other.in_transaction:
                other.execute("begin exclusive")

        try:
            _denied(world, world.play(one_call(world, "shell", command="ls"), path, spoke=hangs))
        finally:
            other.close()

    def test_broken_ledger_denies(self, kit: Kit, path: EntryPoint) -> None:
        """Nothing runs whose intent cannot be recorded."""
        world = kit.world()

        def breaks(_: str) -> None:
            world.ledger.broken = b'"name":"shell"'

        _denied(world, world.play(one_call(world, "shell", command="ls"), path, spoke=breaks))


def _denied(world: World, played: Played) -> None:
    """Expect that the tool did not run; where on its way the run was stopped is the adapter's affair."""
    played.never_ran("shell")
    played.noticed()
    if any(one.outcomes for one in world.decisions("shell") if not one.refused):
        raise Mismatch("the call was let through on machinery that was broken")
