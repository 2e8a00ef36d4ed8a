"""Finding the rules that an action can meet without looking at the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.action import type_of
from wardline.policy.groups import Candidates, Group, grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wardline.policy.model import Rule

__all__ = ["Index"]

_MOST_CACHED: Final = 1024
_MOST_GROUPED_RULES: Final = 1 << 20
_LONGEST_CACHED: Final = 128

_Key = tuple[str, str, str]


class Index:
    """The rules of one kind and stage.

    A rule stands in one place: under the exact names of its `tool`, else under the types that its
    condition asks for, else under the names, else among the rest that is always looked at. What is
    found is cached under words that the policy knows or that fit a fixed bound. Places do not mix in
    a group, so that those of many rules are shared by all the actions that meet them.
    """

    __slots__ = (
        "_by_name",
        "_by_tool",
        "_by_type",
        "_cache",
        "_fixed",
        "_grouped_rules",
        "_groups",
        "_rest",
        "_wild",
        "rules",
    )

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: rule.ordinal))
        self._by_tool: dict[str, list[Rule]] = {}
        self._by_type: dict[str, list[Rule]] = {}
        self._by_name: dict[str, list[Rule]] = {}
        self._rest: list[Rule] = []
        for rule in self.rules:
            if rule.tool is not None and not rule.tool.wild:
                _put(self._by_tool, rule.tool.exact, rule)
            elif rule.types is not None:
                _put(self._by_type, map(type_of, rule.types), rule)
            elif rule.names is not None:
                _put(self._by_name, rule.names, rule)
            else:
                self._rest.append(rule)
        self._wild = [rule for rule in self._rest if rule.tool is not None]
        self._fixed = tuple(
            Group(part) for part in grouped(rule for rule in self._rest if rule.tool is None)
        )
        self._cache: dict[_Key, Candidates] = {}
        self._groups: dict[tuple[Rule, ...], Group] = {}
        self._grouped_rules = 0

    def candidates(self, name: str, type_: str, verb: str) -> Candidates:
        """Return the rules that can match; see `PolicySet.candidates`."""
        found = self._cache.get((name, type_, verb))
        return found if found is not None else self._find(name, type_, verb)

    def _find(self, name: str, type_: str, verb: str) -> Candidates:
        # A verb is whatever the caller wrote: only those that the policy names are looked up.
        if verb == type_ or verb not in self._by_type:
            verb = ""
        key = (name, type_, verb)
        found = self._cache.get(key)
        if found is not None:
            return found
        of_type = self._by_type.get(type_, [])
        of_verb = self._by_type.get(verb, []) if verb else []
        if of_type and of_verb:
            twice = frozenset(of_type)
            of_verb = [rule for rule in of_verb if rule not in twice]
        places = (
            self._wild,
            self._by_tool.get(type_, []),
            of_type,
            of_verb,
            self._by_name.get(name, []),
        )
        found = Candidates((*self._fixed, *self._meeting(places, type_)))
        if len(name) <= _LONGEST_CACHED:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            self._cache[key] = found
        return found

    def _meeting(self, places: Iterable[list[Rule]], type_: str) -> Iterator[Group]:
        """Yield the groups of the rules whose `tool` is met."""
        for place in places:
            met = (rule for rule in place if rule.tool is None or rule.tool.match(type_))
            for rules in grouped(met):
                group = self._groups.get(rules)
                if group is None:
                    self._grouped_rules += len(rules)
                    if self._grouped_rules > _MOST_GROUPED_RULES:
                        self._groups.clear()
                        self._cache.clear()
                        self._grouped_rules = len(rules)
                    group = self._groups[rules] = Group(rules)
                yield group

    def cost(self) -> int:
        """Return the most steps that one decision can begin here."""
        changes = any(rule.action in ("redact", "transform") for rule in self.rules)

        def of(rules: Iterable[Rule]) -> int:
            return sum(
                # Restricting rules are judged again on the changed arguments, and those that read
                # the type once more for the verb.
                rule.cost
                * (1 + (changes and rule.restricting))
                * (1 + (rule.restricting and rule.reads_type))
                for rule in rules
            )

        def most(table: Mapping[str, list[Rule]], ways: int = 1) -> int:
            return sum(sorted(map(of, table.values()))[-ways:])

        return of(self._rest) + most(self._by_tool) + most(self._by_type, 2) + most(self._by_name)


def _put(table: dict[str, list[Rule]], keys: Iterable[str], rule: Rule) -> None:
    for key in dict.fromkeys(keys):
        table.setdefault(key, []).append(rule)
