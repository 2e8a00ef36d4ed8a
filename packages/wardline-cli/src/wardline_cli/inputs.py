"""Actions and facts as people give them on the command line: YAML or JSON, checked strictly."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wardline_cli.failures import UsageError

if TYPE_CHECKING:
    from wardline.cases import Given

__all__ = ["read_options"]


def read_options(action: str, facts: str) -> Given:
    """Return the action and the facts that the options of a command describe.

    Raises `UsageError` with everything that is wrong.
    """
    from wardline import Clock, PolicyError
    from wardline.cases import parse_given

    texts = (_text("--action", action), _text("--facts", facts))
    try:
        return parse_given(*texts, files=("--action", "--facts"), now=Clock().now())
    except PolicyError as error:
        raise UsageError(
            f"{error}\nwrite YAML or JSON, as in '{{name: read_file, args: {{path: /tmp}}}}' "
            "(mind the shell: single quotes outside)"
        ) from error


def _text(option: str, text: str) -> str:
    """Return what an option gives, in itself, in `@file` or on standard input (`@-`)."""
    try:
        if text == "@-":
            return sys.stdin.read()
        if text.startswith("@"):
            return Path(text[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option}: {error.filename} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{option}: {text[1:] or 'standard input'} is not UTF-8") from error
    return text
