"""The entry point: runs a command, and turns every way to fail into a message and an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from cyclopts import CycloptsError

from wardline_cli import exits, output
from wardline_cli.app import build
from wardline_cli.failures import CommandError, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "run"]


def run() -> None:
    """Run the command line of this process and end it."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal cannot encode is escaped; output never fails for a character.
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    sys.exit(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run `wardline` with these arguments, by default those of the process; return the exit code."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in tokens
    try:
        result = build(tokens)(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
        sys.stdout.flush()
    except CommandError as error:
        return tell(error.code, error.kind, str(error), as_json=as_json)
    except CycloptsError as error:
        return _usage(error, as_json=as_json)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the entry point: everything becomes an exit code
        return _failed(error, as_json=as_json)
    return result if isinstance(result, int) else exits.OK


def _usage(error: CycloptsError, *, as_json: bool) -> int:
    chain = " ".join(("wardline", *(error.command_chain or ())))
    message = f"{' '.join(str(error).split())}\nsee `{chain} --help`"
    return tell(exits.USAGE, "usage", message, as_json=as_json)


def _failed(error: Exception, *, as_json: bool) -> int:
    from wardline import PolicyError, WardlineError

    if isinstance(error, PolicyError):
        return tell(exits.FAILED, "policy", str(error), as_json=as_json, problems=error.problems)
    if isinstance(error, WardlineError):
        kind = type(error).__name__.removesuffix("Error")
        return tell(exits.FAILED, _snake(kind), str(error), as_json=as_json)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return tell(exits.FAILED, "os", f"{where}{error.strerror or error}", as_json=as_json)
    if not as_json:
        import traceback

        output.complain("".join(traceback.format_exception(error)), end="")
    message = (
        f"this is a bug in Wardline: {type(error).__name__}: {error}\n"
        "please report it with the command line and `wardline doctor --json`"
    )
    return tell(exits.INTERNAL, "internal", message, as_json=as_json)


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")
