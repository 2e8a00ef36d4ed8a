"""The tree of commands: those of this package, and those that other distributions add."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points, version
from typing import TYPE_CHECKING, Final

from cyclopts import App

from wardline_cli import output
from wardline_cli.commands import (
    approvals,
    convert,
    doctor,
    explain,
    init,
    ledger,
    lint,
    schema,
    switch,
    test,
)
from wardline_cli.options import group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["GROUP", "build", "command_names"]

GROUP: Final = "wardline.commands"
"""The group of entry points under which other distributions add commands."""

_OWN: Final = (init, lint, test, explain, convert, schema, approvals, switch, ledger, doctor)
_META: Final = frozenset({"--help", "-h", "--version"})


def build(tokens: Sequence[str] = ()) -> App:
    """Return the application that can run `tokens`.

    The commands of other distributions are imported only for what they add and for help, so that a
    broken one is never in the way of a freeze.
    """
    root = group(
        "wardline",
        "Runtime governance for AI agents: write, check and explain policies, answer approvals,\n"
        "stop agents, and verify what was recorded.\n\n"
        "Begin with:\n"
        "    wardline init\n"
        "    wardline lint policy.yaml\n"
        "    wardline COMMAND --help",
    )
    root.suppress_keyboard_interrupt = False
    root.version = _version
    root.version_flags = ("--version",)
    for module in _OWN:
        root.command(module.app)
    if not _is_own(root, tokens):
        for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
            _add(root, point)
    return root


def command_names(app: App, above: str = "") -> Iterator[str]:
    """Yield the full name of every command below `app`, as in `ledger verify`."""
    for name in app:
        if name.startswith("-"):
            continue
        child = app[name]
        below = list(command_names(child, f"{above}{name} "))
        yield from below or [f"{above}{name}"]


def _is_own(root: App, tokens: Sequence[str]) -> bool:
    """Whether the tokens lead to a command of this package, and do not ask for help on the way."""
    app = root
    for token in tokens:
        if token.startswith("-") or token not in list(app):
            break
        app = app[token]
    return app.default_command is not None and app is not root


def _add(root: App, point: EntryPoint) -> None:
    """Add the command of an entry point; `ledger.export` goes below `ledger`."""
    *above, name = point.name.split(".")
    parent = root
    for part in above:
        if part not in list(parent):
            parent.command(group(part))
        parent = parent[part]
    if name in list(parent):
        _skip(point, "there is a command of this name already")
        return
    try:
        app = point.load()
    except (ImportError, AttributeError) as error:
        _skip(point, f"{type(error).__name__}: {error}")
        return
    if not isinstance(app, App):
        _skip(point, f"{point.value} is no cyclopts App")
        return
    parent.command(app, name=name)


def _skip(point: EntryPoint, why: str) -> None:
    owner = point.dist.name if point.dist is not None else "a distribution"
    command = point.name.replace(".", " ")
    output.complain(
        output.printable(
            f"warning: `wardline {command}` of {owner} is left out: {why}; upgrade or remove {owner}"
        )
    )


def _version() -> str:
    return f"wardline {version('wardline')}, wardline-cli {version('wardline-cli')}"
