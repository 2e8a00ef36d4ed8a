"""What every room of the suite stands on: the kit of one test, and what a test may need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pytest

from wardline_testing.harness import Harness
from wardline_testing.world import Kit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["NEEDS", "Room", "needs"]

Test = TypeVar("Test", bound="Callable[..., Any]")

NEEDS = "wardline_needs"
"""The attribute that says what a test of the core needs to mean anything."""


def needs(*, path: str = "", kind: str = "") -> Callable[[Test], Test]:
    """Say that a test of the core has no meaning without this path, or this kind of action."""

    def marked(test: Test) -> Test:
        setattr(test, NEEDS, (path, kind))
        return test

    return marked


class Room(Harness):
    """A part of the suite. Its tests take `path` and `on_denied` for each that the harness declares.

    `has_model` says whether a model is there that hears of results and refusals.
    """

    has_model: ClassVar[bool] = True

    @pytest.fixture
    def kit(self, tmp_path: Path) -> Iterator[Kit]:
        """Worlds to play in, closed with the test."""
        kit = Kit(self, tmp_path)
        yield kit
        kit.close()
