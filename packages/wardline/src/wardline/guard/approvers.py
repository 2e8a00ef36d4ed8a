"""Who answers when a rule asks, while the call waits.

An approver is called on a thread of its own with a request that shows exactly what will run, and has
until the request expires. No answer in time, an error, or an answer by somebody who may not give it
is a denial.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Protocol, TextIO, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.store.approvals import Approval

__all__ = ["Approver", "CallbackApprover", "ConsoleApprover", "Reply", "login", "render_request"]


class Reply:
    """An approver's answer: who gave it, whether it is a yes, and a note for the record."""

    __slots__ = ("approved", "by", "how", "note")

    def __init__(self, by: str, *, approved: bool, note: str = "", how: str = "callback") -> None:
        self.by = by
        self.approved = approved
        self.note = note
        self.how = how


@runtime_checkable
class Approver(Protocol):
    """Anything that can put a request to somebody."""

    def ask(self, request: Approval, stop: threading.Event) -> Reply | None:
        """Return the answer, or None for none. `stop` is set once nobody waits any more."""


class CallbackApprover:
    """Asks a function of the application. It gets the request and returns a `Reply` or None."""

    __slots__ = ("_fn",)

    def __init__(self, fn: Callable[[Approval], Reply | None]) -> None:
        self._fn = fn

    def ask(self, request: Approval, stop: threading.Event) -> Reply | None:  # noqa: ARG002
        """Return what the function answers."""
        return self._fn(request)


class ConsoleApprover:
    """Asks whoever sits at the terminal, who answers as `os:<login>`.

    Without a terminal nobody is asked, which is a denial. `source` and `sink` replace the terminal
    in tests.
    """

    __slots__ = ("_sink", "_source")

    _one_at_a_time = threading.Lock()

    def __init__(self, source: TextIO | None = None, sink: TextIO | None = None) -> None:
        self._source = source
        self._sink = sink

    def ask(self, request: Approval, stop: threading.Event) -> Reply | None:
        """Show the request and read one line; only `yes` is a yes."""
        source = self._source or sys.stdin
        sink = self._sink or sys.stderr
        if self._source is None and not source.isatty():
            return None
        with self._one_at_a_time:
            if stop.is_set():
                return None
            sink.write(render_request(request) + "\nRun it? Type yes or no: ")
            sink.flush()
            line = source.readline()
        if not line or stop.is_set():
            return None
        approved = line.strip().casefold() in {"y", "yes"}
        return Reply(login(), approved=approved, how="console")


def login() -> str:
    """Return `os:<login>` of the user this process really runs as; no environment variable counts."""
    try:
        import pwd
    except ImportError:  # Windows has no pwd
        return f"os:{os.getlogin()}"
    try:
        return f"os:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"os:{os.getuid()}"


def render_request(request: Approval) -> str:
    """Return the request as text: who wants what, why it is asked, and what exactly is approved.

    Control and formatting characters are escaped, so that no argument can paint over the prompt.
    """
    on_behalf = f", for {' > '.join(request.chain)}" if request.chain else ""
    before = request.stage == "before"
    wants = "wants to run" if before else "wants to see the result of"
    lines = [
        "",
        f"Approval {request.id}",
        f"  {request.principal}{on_behalf} {wants} {request.kind} {request.name}",
        *(f"  rule {need.rule}: {need.reason}".rstrip(": ") for need in request.requirements),
        "  with exactly these arguments:" if before else "  which is exactly this:",
        *(f"    {line}" for line in _pretty(request.arguments)),
    ]
    return "\n".join(_visible(line) for line in lines)


def _pretty(arguments: bytes) -> list[str]:
    import json

    return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False).splitlines()


def _visible(line: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in line
    )
