"""Rules that an action meets together: they are for the same agents and read alike."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wardline.policy.globs import Globs
    from wardline.policy.model import Rule

__all__ = ["Candidates", "Group", "grouped"]

_CHANGES: Final = frozenset({"redact", "transform"})


class Group:
    """Rules, by ordinal, that an action meets all or none of before their conditions are looked at.

    `document` is the name of theirs. `restricting` and `agent` are as in `Rule`. `always` says that
    they have no condition; else `batch` holds their conditions. `changes` are redact and transform.
    """

    __slots__ = (
        "agent",
        "always",
        "batch",
        "changes",
        "document",
        "reads_error",
        "reads_tool",
        "reads_type",
        "restricting",
        "rules",
    )

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        first = rules[0]
        self.rules = rules
        self.document: str = first.document
        self.restricting: bool = first.restricting
        self.agent: Globs | None = first.agent
        self.always = first.program is None
        self.changes = first.action in _CHANGES
        self.reads_type: bool = first.reads_type
        self.reads_error = _reads_error(first)
        programs = [rule.program for rule in rules if rule.program is not None]
        self.reads_tool = any(
            read.partition(".")[0] == "tool" for program in programs for read in program.reads
        )
        from wardline.cel.fast import Batch  # `import wardline` loads no language

        self.batch = Batch(programs)

    def __repr__(self) -> str:
        return f"<Group {self.document}: {', '.join(rule.name for rule in self.rules)}>"


class Candidates:
    """What can match an action: the groups, in no particular order.

    `has_agents`, `reads_type` and `changes` say what holds of some group. `kept`
    is where the matching of rules keeps what depends on the documents that apply alone.
    """

    __slots__ = ("changes", "groups", "has_agents", "kept", "reads_type")

    def __init__(self, groups: tuple[Group, ...]) -> None:
        self.groups = groups
        self.has_agents = any(group.agent is not None for group in groups)
        self.reads_type = any(group.reads_type for group in groups)
        self.changes = any(group.changes for group in groups)
        self.kept: dict[Any, Any] = {}

    def again(self) -> Candidates:
        """Return those that are looked at again on what the changes have made."""
        return Candidates(
            tuple(group for group in self.groups if group.restricting and not group.changes)
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules, each once, by ordinal."""
        rules = chain.from_iterable(group.rules for group in self.groups)
        return tuple(sorted(rules, key=lambda rule: rule.ordinal))


def grouped(rules: Iterable[Rule]) -> list[tuple[Rule, ...]]:
    """Return the rules by what a `Group` has in common; each part in the order given."""
    parts: dict[Any, list[Rule]] = {}
    for rule in rules:
        key = (
            rule.document,
            rule.restricting,
            None if rule.agent is None else rule.agent.patterns,
            rule.program is None,
            rule.action in _CHANGES,
            rule.reads_type,
            _reads_error(rule),
        )
        parts.setdefault(key, []).append(rule)
    return [tuple(part) for part in parts.values()]


def _reads_error(rule: Rule) -> bool:
    return rule.program is not None and "action.error" in rule.program.reads
