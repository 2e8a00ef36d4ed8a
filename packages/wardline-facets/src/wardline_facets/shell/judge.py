"""What a script does: every command, redirection and variable in it, judged one by one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wardline_facets.shell import table
from wardline_facets.shell.handlers import HANDLERS
from wardline_facets.shell.options import Row, read_options
from wardline_facets.shell.shape import parseable
from wardline_facets.shell.steps import Assignment, Command, Redirect, Script
from wardline_facets.shell.subcommands import SUBCOMMANDS
from wardline_facets.shell.syntax import read
from wardline_facets.shell.variables import harmless_name, harmless_variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wardline_facets.shell.words import Word

__all__ = ["Findings"]

_MAX_NESTED: Final = 6
_SILENT: Final = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})
_DESCRIPTOR: Final = re.compile(r"\d{1,3}-?|-")
_CONNECTION: Final = re.compile(r"/+dev/+(?:\./+)*(?:tcp|udp)(?:/|$)")
_NAME: Final = re.compile(r"[\w.+:\[-]+", re.ASCII)
_ASSIGNMENT: Final = re.compile(r"([A-Za-z_]\w*)=", re.ASCII)
_ASSIGN: Final = frozenset({"read", "mapfile", "readarray", "getopts", "eval"})
_EXTENSION: Final = re.compile(r"\.(?:exe|cmd|bat|com)$", re.IGNORECASE)
_VERSION: Final = re.compile(r"-?\d+(?:\.\d+)*$")


class Findings:
    """What was found so far: programs in order, and what any of them does.

    `elsewhere` is set once the working folder may lie outside the working copy, and `local` once
    something was judged that believes what lies in the working folder. Both together are opaque, in
    whatever order: a loop may come back.
    """

    def __init__(self) -> None:
        self.programs: dict[str, None] = {}
        self.writes = False
        self.network = False
        self.opaque = False
        self.elsewhere = False
        self.local = False
        self._nested = 0

    def add(self, effects: str) -> None:
        """Add effects by their names: `writes`, `network`, `unknown`."""
        for effect in effects.split():
            if effect == "unknown":
                self.opaque = True
            else:
                self.writes = self.writes or effect == "writes"
                self.network = self.network or effect == "network"

    # Scripts

    def text(self, text: str) -> None:
        """Judge a text that a shell will read."""
        self._nested += 1
        if self._nested > _MAX_NESTED or not parseable(text):
            self.opaque = True
        else:
            self.script(read(text))
        self._nested -= 1

    def script(self, script: Script) -> None:
        """Judge all steps of a script."""
        self.opaque = self.opaque or script.opaque
        self._calculations(script)
        for step in script.steps:
            if isinstance(step, Assignment):
                self._assignment(step)
                continue
            for redirect in step.redirects:
                self._redirect(redirect)
            if step.words:
                self._variables(step)
                self.command(step.words)
            elif step.variables:
                self.opaque = True

    def _calculations(self, script: Script) -> None:
        """Arithmetic runs what stands in subscripts: every variable in it has to be a number."""
        numbers: dict[str, bool] = {}
        since: dict[str, int] = {}
        certain = True  # no text that is evaluated assigns something else
        for at, step in enumerate(script.steps):
            if isinstance(step, Assignment):
                numbers[step.name] = numbers.get(step.name, True) and step.numeric
                if step.certain:
                    since.setdefault(step.name, at)
            elif any(word.text in _ASSIGN for word in step.words):
                numbers.update((word.text or "", False) for word in step.words)
                certain = certain and not any(word.text == "eval" for word in step.words)
        if script.calculated and not certain:
            self.opaque = True
        for name, before in script.calculated:
            if not numbers.get(name, False) or since.get(name, before) >= before:
                self.opaque = True

    def _assignment(self, step: Assignment) -> None:
        if step.exported:
            self.opaque = self.opaque or not harmless_variable(step.name, step.value)
        elif not harmless_name(step.name):
            self.opaque = True

    def _variables(self, command: Command) -> None:
        for variable in command.variables:
            reading = variable.name == "IFS" and command.words[0].text == "read"
            if not reading and not harmless_variable(variable.name, variable.value):
                self.opaque = True

    def _redirect(self, redirect: Redirect) -> None:
        operator, target = redirect.operator, redirect.target
        if operator in ("<<", "<<<") or target is None:
            # `>&-` and `<&-` close; nothing else may come without a target.
            self.opaque = self.opaque or not (target or operator in ("<<", ">&-", "<&-"))
            return
        text = target.text
        if operator in (">&", "<&") and text is not None and _DESCRIPTOR.fullmatch(text):
            return
        if _CONNECTION.match(text or target.prefix):
            self.network = True
        known = text is not None or (target.single and target.prefix.startswith("/dev/fd/"))
        if not known and (not target.prefix or target.prefix.startswith("/") or not target.single):
            self.opaque = True
        if operator in ("<", "<&"):
            return
        if operator not in (">", ">>", ">|", "&>", "&>>", ">&", "<>"):
            self.opaque = True
        self.writes = self.writes or text not in _SILENT

    # Commands

    def command(self, words: Sequence[Word]) -> None:
        """Judge one command, and what it runs in its turn."""
        word = words[0]
        if not word.text or not word.single:
            self.opaque = True
            return
        folder, slash, full = word.text.rpartition("/")
        name = _EXTENSION.sub("", full)
        if name != full:
            self.opaque = True  # on another system, or another program
        self.programs[name or word.text] = None
        if not _NAME.fullmatch(name) or (slash and folder not in table.FOLDERS):
            self.opaque = True
            return
        self._nested += 1
        if self._nested > _MAX_NESTED:
            self.opaque = True
        else:
            self._program(name, words[1:])
        self._nested -= 1

    def _program(self, name: str, words: Sequence[Word]) -> None:
        plain = _VERSION.sub("", name)
        if plain in table.NUMBERED and name not in table.INTERPRETERS:
            name = plain
        if len(words) == 1 and words[0].text in ("--version", "-V") and name in table.VERSIONED:
            return
        handler = HANDLERS.get(name)
        if handler is not None:
            handler(self, words)
        elif name in table.READS or name in table.BUILTINS:
            pass
        elif name in table.WRITES or name.startswith("mkfs."):
            self.writes = True
        elif name in table.NETWORK:
            self.network = True
        elif name in table.WRITES_AND_NETWORK:
            self.writes = self.network = True
        elif name in table.ROWS:
            self.options(words, table.ROWS[name])
        elif name in table.WRAPPERS:
            self._wrapper(name, words)
        elif name in SUBCOMMANDS:
            self.subcommand(SUBCOMMANDS[name], words)
        else:
            self.opaque = True

    def options(self, words: Sequence[Word], known: Row) -> list[Word]:
        """Judge words by a row of the table; return the operands."""
        found = read_options(words, known)
        self.opaque = self.opaque or found.unknown
        self.writes = self.writes or found.writes
        self.network = self.network or found.network
        return found.operands

    def _wrapper(self, name: str, words: Sequence[Word]) -> None:
        if name == "command" and words and words[0].text in ("-v", "-V"):
            return  # looks names up
        known, own, effects = table.WRAPPERS[name]
        operands = self.options(words, known)
        self.add(effects)
        if name == "sudo":
            while operands and _ASSIGNMENT.match(operands[0].prefix):
                operands = operands[1:]
        if len(operands) > own:
            self.command(operands[own:])
        elif not effects and name not in ("exec", "time"):
            self.opaque = True

    def subcommand(self, rows: dict[str, str | Row], words: Sequence[Word]) -> None:
        """Judge a program whose first word decides."""
        known = rows.get(words[0].text or "", "unknown") if words else "unknown"
        if isinstance(known, Row):
            self.options(words[1:], known)
        else:
            self.add(known)
