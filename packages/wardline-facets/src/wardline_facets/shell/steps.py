"""What a text for a shell consists of, once it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wardline_facets.shell.words import Word

__all__ = ["Assignment", "Command", "Redirect", "Script"]


@dataclass(slots=True)
class Redirect:
    """One redirection: its operator without the descriptor, and what it names, if anything."""

    operator: str
    target: Word | None


@dataclass(slots=True)
class Assignment:
    """A variable that gets a value; `certain` where nothing decides whether that happens."""

    name: str
    value: Word
    numeric: bool
    certain: bool
    exported: bool = False


@dataclass(slots=True)
class Command:
    """One simple command: its words after quote removal, its own variables, its redirections."""

    words: list[Word] = field(default_factory=list)
    variables: list[Assignment] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)


@dataclass(slots=True)
class Script:
    """What a text consists of; `opaque` where some of it could not be resolved.

    `calculated` holds the variables whose values are evaluated as arithmetic, each with the number
    of steps that stand before it.
    """

    steps: list[Command | Assignment] = field(default_factory=list)
    calculated: list[tuple[str, int]] = field(default_factory=list)
    opaque: bool = False
