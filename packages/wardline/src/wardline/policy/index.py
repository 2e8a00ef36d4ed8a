"""Finding the rules that an action can meet without looking at the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.action import type_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wardline.policy.model import Rule

__all__ = ["Index"]

_MOST_CACHED: Final = 1024
_MOST_CACHED_RULES: Final = 1 << 20
_LONGEST_CACHED: Final = 128

_Key = tuple[str, str, str]


class Index:
    """The rules of one kind and stage.

    A rule stands in one place: under the exact names of its `tool`, else under the types that its
    condition asks for, else under the names, else among the rest that is always looked at. What is
    found is cached under words that the policy knows or that fit a fixed bound.
    """

    __slots__ = ("_by_name", "_by_tool", "_by_type", "_cache", "_cached_rules", "_rest", "rules")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: rule.ordinal))
        self._by_tool: dict[str, list[Rule]] = {}
        self._by_type: dict[str, list[Rule]] = {}
        self._by_name: dict[str, list[Rule]] = {}
        rest = []
        for rule in self.rules:
            if rule.tool is not None and not rule.tool.wild:
                _put(self._by_tool, rule.tool.exact, rule)
            elif rule.types is not None:
                _put(self._by_type, map(type_of, rule.types), rule)
            elif rule.names is not None:
                _put(self._by_name, rule.names, rule)
            else:
                rest.append(rule)
        self._rest = tuple(rest)
        self._cache: dict[_Key, tuple[Rule, ...]] = {}
        self._cached_rules = 0

    def candidates(self, name: str, type_: str, verb: str) -> tuple[Rule, ...]:
        """Return the rules that can match, by ordinal; see `PolicySet.candidates`."""
        found = self._cache.get((name, type_, verb))
        return found if found is not None else self._find(name, type_, verb)

    def _find(self, name: str, type_: str, verb: str) -> tuple[Rule, ...]:
        # A verb is whatever the caller wrote: only those that the policy names are looked up.
        if verb == type_ or verb not in self._by_type:
            verb = ""
        key = (name, type_, verb)
        found = self._cache.get(key)
        if found is not None:
            return found
        picked = list(self._rest)
        picked += self._by_tool.get(type_, ())
        picked += self._by_type.get(type_, ())
        picked += self._by_type.get(verb, ()) if verb else ()
        picked += self._by_name.get(name, ())
        unique = {
            rule.ordinal: rule for rule in picked if rule.tool is None or rule.tool.match(type_)
        }
        found = tuple(unique[ordinal] for ordinal in sorted(unique))
        if len(name) <= _LONGEST_CACHED:
            self._keep(key, found)
        return found

    def _keep(self, key: _Key, found: tuple[Rule, ...]) -> None:
        self._cached_rules += len(found)
        if len(self._cache) >= _MOST_CACHED or self._cached_rules > _MOST_CACHED_RULES:
            self._cache.clear()
            self._cached_rules = len(found)
        self._cache[key] = found

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
