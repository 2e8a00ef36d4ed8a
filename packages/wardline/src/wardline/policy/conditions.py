"""Conditions: what tools a rule can meet, hence what it may read, and where its mistakes stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline import cel
from wardline.action import type_of
from wardline.cel.tree import Binary, ListOf, Literal, dotted, walk
from wardline.errors import PolicyError
from wardline.policy.globs import intersect
from wardline.policy.places import locate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wardline.cel import Anchors, Expr, Program
    from wardline.errors import Problem
    from wardline.policy.fields import Report
    from wardline.policy.globs import Globs
    from wardline.policy.model import Catalogue, ToolEntry
    from wardline.policy.reader import Node

__all__ = ["Condition", "Conditions", "Written"]


class Written:
    """The text of a condition as CEL, and the node that it was written in.

    `origin[i]` is the offset in the node's value from which character i of the text comes; None where
    text and value are the same.
    """

    __slots__ = ("node", "origin", "text")

    def __init__(self, node: Node, text: str = "", origin: Sequence[int] | None = None) -> None:
        self.node = node
        self.text: str = text if origin is not None else node.value
        self.origin = origin

    def offset(self, at: int) -> int:
        """Return the offset in the node's value of character `at` of the text."""
        if self.origin is None:
            return at
        return self.origin[min(at, len(self.origin) - 1)] if self.origin else 0


class Condition:
    """A condition that has been parsed: its tree, and what it says about type and name."""

    __slots__ = ("expr", "names", "types", "written")

    def __init__(self, written: Written, expr: Expr, anchors: Anchors) -> None:
        self.written = written
        self.expr = expr
        self.types = anchors.types
        self.names = anchors.names


class _Met:
    """What the tools that a rule can meet declare in common."""

    __slots__ = ("arguments", "closed", "opaque")

    def __init__(self, entries: Sequence[ToolEntry], closed: bool) -> None:
        self.closed = closed and bool(entries) and any(entry.args for entry in entries)
        self.arguments: dict[str, str] = {}
        self.opaque: frozenset[str] = frozenset()
        if closed and entries:
            self.opaque = frozenset.intersection(*(frozenset(entry.opaque) for entry in entries))
            for name in entries[0].args:
                types = {entry.args[name].type if name in entry.args else "" for entry in entries}
                if "" not in types:
                    self.arguments[name] = types.pop() if len(types) == 1 else "dyn"


class Conditions:
    """Parses and compiles the conditions of one document against its catalogue.

    `listed_only` says that unlisted tools are refused, by this document or one that it extends.
    """

    __slots__ = ("_catalogue", "_listed_only", "_met", "_report", "_verbs")

    def __init__(self, report: Report, catalogue: Catalogue, *, listed_only: bool) -> None:
        self._report = report
        self._catalogue = catalogue
        self._listed_only = listed_only
        self._met: dict[tuple[object, ...], _Met] = {}
        self._verbs = tuple(entry for entry in catalogue.entries if entry.type_from)

    def parse(self, written: Written) -> Condition | None:
        """Return the parsed condition; report what is wrong with it."""
        try:
            expr = cel.parse(written.text, file=self._report.source.file)
        except PolicyError as error:
            self._relocate(written, error.problems)
            return None
        condition = Condition(written, expr, cel.anchors(expr))
        self._check_types(condition)
        return condition

    def compile(
        self,
        condition: Condition,
        subject: str,
        on: Iterable[tuple[str, str]],
        tool: Globs | None,
        gate: Condition | None = None,
        *,
        value: bool = False,
    ) -> Program | None:
        """Return the program; `gate` is the condition that says what tools can be met, if another.

        `value` allows results other than true and false.
        """
        gate = gate or condition
        met = self._tools(on, tool, gate)
        scope = cel.Scope(
            arguments=met.arguments,
            closed=met.closed,
            after=all(stage == "after" for _, stage in on),
            subject=subject,
        )
        try:
            program = cel.compile(condition.expr, scope, condition=not value)
        except PolicyError as error:
            self._relocate(condition.written, error.problems)
            return None
        for name in sorted(met.opaque):
            if any(
                read == f"args.{name}" or read.startswith(f"args.{name}.") for read in program.reads
            ):
                self._at(
                    condition.written,
                    max(condition.written.text.find(name), 0),
                    f"`{name}` is declared opaque, so no condition can read it",
                    "remove it from the condition, or from `opaque`",
                )
        return program

    def _tools(self, on: Iterable[tuple[str, str]], tool: Globs | None, gate: Condition) -> _Met:
        if any(kind != "tool_call" for kind, _ in on):
            return _Met((), closed=False)
        key = (tool.patterns if tool else None, gate.types, gate.names)
        met = self._met.get(key)
        if met is None:
            met = self._met[key] = self._meet(tool, gate)
        return met

    def _meet(self, tool: Globs | None, gate: Condition) -> _Met:
        """Collect every entry that the rule can meet; unknown tools leave the answer open."""
        types = gate.types
        if gate.names is not None:
            names = {type_of(name) for name in gate.names}
            types = frozenset(names)
        elif types is None and tool is not None and not tool.wild:
            types = frozenset(tool.exact)
        if types is None:
            return self._meet_many(tool)
        entries = []
        for type_ in types:
            if tool is None or tool.match(type_):
                entry = self._catalogue.find(type_)
                if entry is not None:
                    entries.append(entry)
                elif not self._listed_only:
                    return _Met((), closed=False)
        if gate.names is None and gate.types is not None:
            # A tool that is many verbs has any type.
            entries += [entry for entry in self._verbs if entry not in entries]
        return _Met(entries, closed=True)

    def _meet_many(self, tool: Globs | None) -> _Met:
        if not self._listed_only:
            return _Met((), closed=False)
        entries = [
            entry for name, entry in self._catalogue.exact() if tool is None or tool.match(name)
        ]
        entries += [
            entry
            for pattern, entry in self._catalogue.wild()
            if tool is None or any(intersect(pattern, other) for other in tool.patterns)
        ]
        return _Met(entries, closed=True)

    def _check_types(self, condition: Condition) -> None:
        """Refuse `action.type == 'DROP'`: types are in lower case, so it could never hold."""
        mentions = condition.written.text.count("action.type")
        if mentions <= (condition.types is not None) and all(
            type_of(literal) == literal for literal in condition.types or ()
        ):
            return  # the usual case: one anchor, in order
        for node, _ in walk(condition.expr.root):
            if not isinstance(node, Binary) or node.op not in ("==", "!=", "in"):
                continue
            if "action.type" not in (dotted(node.left), dotted(node.right)):
                continue
            items = node.right.items if isinstance(node.right, ListOf) else (node.left, node.right)
            for item in items:
                if isinstance(item, Literal) and isinstance(item.value, str):
                    self._check_type(condition, item.value, item.at)

    def _check_type(self, condition: Condition, literal: str, at: int) -> None:
        normal = type_of(literal)
        if normal != literal:
            self._at(
                condition.written,
                at,
                f"`action.type` is never `{literal}`: types are in lower case and normal form",
                f"write `{normal}`; `action.name` is the name as it is registered",
            )

    def _relocate(self, written: Written, problems: Iterable[Problem]) -> None:
        for problem in problems:
            lines = written.text.split("\n")
            row = max(problem.line, 1) - 1
            at = sum(len(line) + 1 for line in lines[:row]) + max(problem.column, 1) - 1
            self._at(written, at, problem.message, problem.hint)

    def _at(self, written: Written, at: int, message: str, hint: str) -> None:
        place = locate(self._report.source, written.node, written.offset(at))
        self._report.at(place, message, hint)
