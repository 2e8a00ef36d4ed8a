"""Reading a map of a document key by key: wrong keys, types and values become problems."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wardline.clock import HOUR, MINUTE, SECOND
from wardline.errors import PolicyError, Problem
from wardline.policy.globs import Globs
from wardline.policy.keys import SYNONYMS, later
from wardline.policy.reader import A_KIND, Kind, Node
from wardline.policy.source import Source, nearest, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["DURATION", "LARGEST_INTEGER", "Fields", "Report", "is_duration"]

LARGEST_INTEGER: Final = 2**53 - 1

DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS: Final = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": 24 * HOUR}
_MOST_REPORTED: Final = 200
_LONGESTDURATION: Final = 3660 * 24 * HOUR


class Report:
    """The problems of one document, in the order in which they were found."""

    __slots__ = ("problems", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def at(self, place: Node | tuple[int, int], message: str, hint: str = "") -> None:
        """Add a problem at a node, or at a line and column."""
        line, column = (place.line, place.column) if isinstance(place, Node) else place
        self.problems.append(self.source.problem(message, line, column, hint))

    def finish(self) -> None:
        """Raise what was found."""
        if self.problems:
            problems = sorted(self.problems, key=lambda problem: (problem.line, problem.column))
            more = len(problems) - _MOST_REPORTED
            if more > 0:
                rest = Problem(f"there are {more:,} more problems", self.source.file)
                problems[_MOST_REPORTED:] = [rest]
            raise PolicyError(problems)


class Fields:
    """The keys of one map.

    `section` is the name of the kind of map in `keys`, `subject` what messages call this one. Every
    getter returns its default where the key is absent or its value wrong; the latter is reported.
    """

    __slots__ = ("keys", "node", "report", "section", "subject", "values")

    def __init__(
        self, report: Report, node: Node, section: str, subject: str, known: Sequence[str]
    ) -> None:
        self.report = report
        self.node = node
        self.section = section
        self.subject = subject
        self.values: dict[str, Node] = {}
        self.keys: dict[str, tuple[int, int]] = {}
        if node.kind != "map":
            report.at(node, f"{subject} is a map, and this is {A_KIND[node.kind]}", _listed(known))
            return
        self.values = node.value
        self.keys = node.keys
        for key in self.values:
            if key not in known:
                self._unknown(key, known)

    def _unknown(self, key: str, known: Sequence[str]) -> None:
        postponed = later(self.section, key)
        if postponed is not None:
            self.report.at(self.keys[key], *postponed)
            return
        meant = SYNONYMS.get((self.section, key), "") or nearest(key, known)
        hint = f"did you mean `{meant}`?" if meant else _listed(known)
        self.report.at(self.keys[key], f"{self.subject} has no key `{_short(key)}`", hint)

    def place(self, key: str) -> tuple[int, int]:
        """Return where `key` stands, or the map where it is absent."""
        return self.keys.get(key, (self.node.line, self.node.column))

    def complain(self, key: str, message: str, hint: str = "") -> None:
        """Report a problem with the value of `key`."""
        self.report.at(self.values.get(key) or self.place(key), message, hint)

    def get(self, key: str, kind: Kind, hint: str = "") -> Node | None:
        """Return the value of `key` if it is of `kind`; report any other kind."""
        node = self.values.get(key)
        if node is None or node.kind == kind:
            return node
        self.report.at(node, f"`{key}` is {A_KIND[kind]}, and this is {A_KIND[node.kind]}", hint)
        return None

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        """Return a string that is not blank."""
        node = self.values.get(key)
        if node is None:
            if required and self.node.kind == "map":
                self.report.at(self.node, f"{self.subject} has no `{key}`", f"add `{key}:`")
            return default
        if node.kind != "string":
            hint = "" if node.kind in ("list", "map", "null") else "put it in quotes"
            self.get(key, "string", hint)
            return default
        if not node.value.strip():
            self.report.at(node, f"`{key}` is empty", "give it a value or leave the key out")
            return default
        return str(node.value)

    def choice(self, key: str, options: Sequence[str], default: str) -> str:
        """Return one of `options`."""
        text = self.text(key)
        if not text or text in options:
            return text or default
        postponed = later(key, text)
        if postponed is not None:
            self.report.at(self.values[key], *postponed)
        else:
            hint = suggestion(text, options)
            self.report.at(self.values[key], f"`{_short(text)}` is no value for `{key}`", hint)
        return default

    def boolean(self, key: str, default: bool = False) -> bool:
        """Return `true` or `false`."""
        node = self.get(key, "boolean", "write true or false")
        return default if node is None else bool(node.value)

    def integer(self, key: str, least: int, most: int = LARGEST_INTEGER) -> int | None:
        """Return an integer between `least` and `most`, None where there is none."""
        node = self.get(key, "integer", "write a whole number, without quotes")
        if node is None:
            return None
        if not least <= node.value <= most:
            self.report.at(node, f"`{key}` is a whole number from {least:,} to {most:,}")
            return None
        return int(node.value)

    def duration(self, key: str) -> int | None:
        """Return a duration such as `90s`, `5m`, `24h` or `7d` in microseconds."""
        text = self.text(key)
        if not text:
            return None
        found = DURATION.fullmatch(text)
        length = int(found[1]) * _UNITS[found[2]] if found else 0
        if not 0 < length <= _LONGESTDURATION:
            self.complain(key, f"`{_short(text)}` is no duration", "write 90s, 5m, 24h or 7d")
            return None
        return length

    def texts(self, key: str, *, empty: bool = False) -> tuple[str, ...]:
        """Return a list of different strings, or one string; `empty` allows a list without items."""
        return tuple(text for text, _ in self.items(key, empty=empty))

    def items(self, key: str, *, empty: bool = False) -> list[tuple[str, Node]]:
        """Return what `texts` does, with the place of each."""
        node = self.values.get(key)
        if node is None:
            return []
        if node.kind == "string":
            return [(self.text(key), node)] if self.text(key) else []
        if node.kind != "list":
            self.report.at(
                node, f"`{key}` is a list of strings, and this is {A_KIND[node.kind]}", "write […]"
            )
            return []
        if not node.value and not empty:
            self.report.at(node, f"`{key}` is an empty list", "name something or leave the key out")
        return list(self._strings(key, node))

    def _strings(self, key: str, node: Node) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for item in node.value:
            if item.kind != "string":
                self.report.at(
                    item, f"`{key}` is a list of strings, and this is {A_KIND[item.kind]}"
                )
            elif not item.value.strip():
                self.report.at(item, f"`{key}` has an empty item", "remove it")
            elif item.value in seen:
                self.report.at(item, f"`{_short(item.value)}` is in `{key}` twice", "keep one")
            else:
                seen.add(item.value)
                yield item.value, item

    def choices(self, key: str, options: Sequence[str]) -> tuple[str, ...]:
        """Return a list of some of `options`."""
        chosen = []
        for text, node in self.items(key):
            if text in options:
                chosen.append(text)
            else:
                hint = suggestion(text, options)
                self.report.at(node, f"`{_short(text)}` is no value for `{key}`", hint)
        return tuple(chosen)

    def globs(self, key: str, normal: Callable[[str], str] = str) -> Globs | None:
        """Return patterns with `*` and `?`, each passed through `normal`; None where there are none."""
        patterns = []
        for text, node in self.items(key):
            if "[" in text or "]" in text:
                self.report.at(
                    node,
                    f"`{_short(text)}` is no pattern: brackets mean nothing here",
                    "use `*` for any characters and `?` for one, or list several patterns",
                )
            elif not normal(text):
                self.report.at(node, "this pattern has only invisible characters", "write a name")
            else:
                patterns.append(normal(text))
        return Globs(patterns) if patterns else None

    def maps(self, key: str) -> list[Node]:
        """Return the items of a list; what each of them is, its reader checks."""
        node = self.get(key, "list", "write each on a line of its own, after `- `")
        return list(node.value) if node is not None else []

    def entries(self, key: str) -> dict[str, Node]:
        """Return the entries of a map whose keys are names."""
        node = self.get(key, "map", "write `name: value` lines")
        return dict(node.value) if node is not None else {}

    def key_place(self, key: str, name: str) -> tuple[int, int]:
        """Return where the key `name` stands in the map that `key` holds."""
        return self.values[key].keys[name]

    def raw(self, key: str) -> Any:
        """Return the plain value of a scalar, None for anything else."""
        node = self.values.get(key)
        return None if node is None or node.kind in ("list", "map") else node.value


def is_duration(text: str) -> bool:
    """Return whether `text` has the form of a duration."""
    return DURATION.fullmatch(text) is not None


def _listed(known: Sequence[str]) -> str:
    return "its keys are " + ", ".join(known)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
