"""The exit codes, the same for every command. No others are used."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BROKEN_PIPE",
    "DENY",
    "EXIT_CODES",
    "FAILED",
    "INTERNAL",
    "INTERRUPTED",
    "NOTHING_RECORDED",
    "OK",
    "REQUIRE_APPROVAL",
    "USAGE",
    "epilogue",
]

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
DENY: Final = 3
REQUIRE_APPROVAL: Final = 4
NOTHING_RECORDED: Final = 5
INTERNAL: Final = 70
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

EXIT_CODES: Final = {
    OK: "done; for `explain`: the action is allowed",
    FAILED: "a check failed, or what was asked could not be done",
    USAGE: "the command line is wrong",
    DENY: "`explain`: the action is denied",
    REQUIRE_APPROVAL: "`explain`: the action needs approval",
    NOTHING_RECORDED: "nothing is recorded where the command looked",
    INTERNAL: "an error in Wardline itself",
    INTERRUPTED: "interrupted from the keyboard",
    BROKEN_PIPE: "the reader of the output went away",
}
"""What each exit code means."""


def epilogue() -> str:
    """Return the exit codes as the last lines of every help text."""
    return "Exit codes:\n" + "\n".join(f"  {code:<3}  {text}" for code, text in EXIT_CODES.items())
