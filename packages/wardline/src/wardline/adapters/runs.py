"""What adapters remember of a run for as long as the framework has it."""

from __future__ import annotations

import sys
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wardline.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Memory", "Runs"]

R = TypeVar("R")

_OURS: Final = 3  # the tuple, the variable of the loop, and the argument of `getrefcount`


class Memory:
    """What is remembered of one run. Safe under threads."""

    __slots__ = ("_known", "_lock")

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}
        self._lock = Lock()

    def known(self, key: Hashable, make: Callable[[], R]) -> R:
        """Return what stands under `key`, made by whoever asks first."""
        with self._lock:
            if key not in self._known:
                self._known[key] = make()
            found: R = self._known[key]
            return found


class _Known:
    """The runs of one framework."""

    __slots__ = ("full", "lock", "runs")

    def __init__(self) -> None:
        self.lock = Lock()
        self.runs: dict[int, tuple[object, Memory]] = {}
        self.full = 64


_FRAMEWORKS: dict[str, _Known] = {}


class Runs:
    """The runs of a framework in this process, each known by an object that the framework makes for it.

    For objects that take no weak references: they are held here until nobody else holds them. Adapters
    that give the same `framework` have their memories in common.
    """

    __slots__ = ("_known",)

    def __init__(self, framework: str) -> None:
        self._known = _FRAMEWORKS.setdefault(framework, _Known())

    def __len__(self) -> int:
        return len(self._known.runs)

    def of(self, run: object) -> Memory:
        """Return what is remembered of the run that the object `run` stands for.

        Raises `ConfigurationError` for None: nothing would say what belongs to that run.
        """
        if run is None:
            raise ConfigurationError(
                "the framework has no object that stands for this run, so nothing says what belongs to "
                "it; use a proved version of it"
            )
        known = self._known
        with known.lock:
            found = known.runs.get(id(run))
            if found is None:
                if len(known.runs) >= known.full:
                    self._forget()
                found = known.runs[id(run)] = (run, Memory())
            return found[1]

    def _forget(self) -> None:
        """Let go of the runs that have ended."""
        runs = self._known.runs
        for key in list(runs):
            run, _ = runs[key]
            if sys.getrefcount(run) <= _OURS:
                del runs[key]
        self._known.full = max(64, 2 * len(runs))
