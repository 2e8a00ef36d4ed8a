"""Writing to the terminal, to a pipe, or as JSON.

Whatever comes from a policy, an argument or a ledger goes through `printable`, so that nothing an
agent or a model wrote can move the cursor or paint over a line.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "EFFECT_COLOURS",
    "complain",
    "count",
    "err_colour",
    "folded",
    "out_colour",
    "paint",
    "print_json",
    "printable",
    "say",
    "table",
]

EFFECT_COLOURS: Final = {"allow": "green", "deny": "red", "require_approval": "yellow"}

_CODES: Final = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_WIDE: Final = 100_000


def say(line: str = "") -> None:
    """Write a line to standard output."""
    sys.stdout.write(line + "\n")


def complain(line: str = "", *, end: str = "\n") -> None:
    """Write a line to standard error."""
    sys.stderr.write(line + end)


def print_json(document: Any, *, line: bool = False) -> None:
    """Write one JSON document to standard output, in ASCII; on one line if asked."""
    indent = None if line else 2
    sys.stdout.write(json.dumps(document, indent=indent, ensure_ascii=True) + "\n")


def folded(text: str, stream: TextIO, *, first: int = 0, then: int = 0) -> str:
    """Return text folded between words for a terminal; elsewhere a line stays a line.

    `first` columns of its first line are taken already; the others begin `then` columns in.
    """
    if not stream.isatty():
        return text
    import shutil
    import textwrap

    return textwrap.fill(
        text,
        max(shutil.get_terminal_size().columns, first + 20),
        initial_indent=" " * first,
        subsequent_indent=" " * then,
        break_long_words=False,
        break_on_hyphens=False,
    )[first:]


def printable(text: object) -> str:
    """Return text with its control and formatting characters, newlines among them, escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in str(text)
    )


def count(number: int, thing: str) -> str:
    """Return how many there are, as in `1 rule` or `2 rules`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def out_colour() -> bool:
    """Whether standard output shows colours."""
    return _colour(sys.stdout)


def err_colour() -> bool:
    """Whether standard error shows colours."""
    return _colour(sys.stderr)


def _colour(stream: Any) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty())


def paint(text: str, colour: str, *, on: bool | None = None) -> str:
    """Return text in a colour where colours are shown; `on` None asks standard output."""
    if colour not in _CODES or not (out_colour() if on is None else on):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table without lines; it wraps at the width of a terminal and nowhere else."""
    from io import StringIO

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    made = Table(
        box=None, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 2, 0, 0)
    )
    for header in headers:
        made.add_column(header, overflow="fold")
    for row in rows:
        made.add_row(*(Text(printable(cell), EFFECT_COLOURS.get(str(cell), "")) for cell in row))
    width = Console().width if terminal else _WIDE
    console = Console(
        file=StringIO(), force_terminal=out_colour(), no_color=not out_colour(), width=width
    )
    console.print(made)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    for line in text.splitlines():
        say(line.rstrip())
