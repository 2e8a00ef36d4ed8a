"""Finding the state and the ledger, and saying so plainly where there is none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from wardline_cli import output
from wardline_cli.failures import NothingRecordedError
from wardline_cli.times import age_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wardline import Operator

__all__ = ["ledger_directory", "nothing", "operator", "reading"]

_WHAT_TO_DO = "run an agent there first, or name its directory with --home or WARDLINE_HOME"


def nothing(place: Path, missing: str) -> NothingRecordedError:
    """Return the error that says that nothing is recorded in a directory."""
    return NothingRecordedError(f"nothing is recorded in {place}: {missing}; {_WHAT_TO_DO}")


def operator(home: Path | None, *, create: bool = False) -> Operator:
    """Return the operator on the state in `home`.

    Raises `NothingRecordedError` where there is none, unless it may be made.
    """
    from wardline import Operator

    made = Operator(home)
    if not create and not made.state.exists():
        raise nothing(made.home, f"it has no {made.state.name}")
    return made


@contextmanager
def reading(home: Path | None) -> Iterator[tuple[Operator, str]]:
    """Open the state in `home`; yields the operator, and a line that names the file and its age."""
    hand = operator(home)
    # Opening the file may tidy it up, which is no change that anybody asks about.
    source = f"from {output.printable(hand.state)}, last changed {age_of(hand.state)}"
    with hand:
        yield hand, source


def ledger_directory(directory: Path | None, home: Path | None) -> Path:
    """Return the directory of the ledger: the one named, or the one inside it, or the home's.

    Raises `NothingRecordedError` where it has no segment.
    """
    from wardline import home_directory

    place = directory if directory is not None else home_directory(home) / "ledger"
    for candidate in (place, place / "ledger"):
        if candidate.is_dir() and next(candidate.glob("*.jsonl"), None) is not None:
            return candidate
    raise nothing(place, "it has no segment of a ledger" if place.is_dir() else "it does not exist")
