"""Policies as they are written: which are there, what they are called, where one does not parse."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from wardline import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

__all__ = ["Written", "read_policies"]

_NUMBERED: Final = re.compile(r"`(policy[0-9]+)`")
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|;', re.DOTALL)


class Written:
    """Parsed policies: the `handle` to ask with, their `text`, and what their authors call them.

    Cedar numbers policies as they come (`policy0` …); an author names one with `@id` and says with
    `@reason` why it forbids.
    """

    __slots__ = ("_names", "_reasons", "handle", "text")

    def __init__(
        self, handle: Any, text: str, names: dict[str, str], reasons: dict[str, str]
    ) -> None:
        self.handle = handle
        self.text = text
        self._names = names
        self._reasons = reasons

    def names(self, numbers: Iterable[str]) -> tuple[str, ...]:
        """Return the names of policies, in order; one without `@id` keeps its number."""
        return tuple(sorted(self._names.get(number, number) for number in numbers))

    def reasons(self, numbers: Iterable[str]) -> tuple[str, ...]:
        """Return what these policies say under `@reason`, each once."""
        said = (self._reasons[number] for number in sorted(numbers) if number in self._reasons)
        return tuple(dict.fromkeys(said))

    def named(self, message: str) -> str:
        """Return a message of Cedar with the names that authors gave."""
        return _NUMBERED.sub(lambda found: f"`{self._names.get(found[1], found[1])}`", message)


def read_policies(cedar: ModuleType, text: str, file: str) -> Written:
    """Return parsed policies. Raises `EngineError` where they do not parse or could decide nothing."""
    where = f"{file}: " if file else ""
    try:
        handle = cedar.PolicySet.from_str(text)
        listed = json.loads(cedar.policies_to_json_str(text))
    except ValueError as error:
        line = _broken_at(cedar.PolicySet.from_str, text)
        raise EngineError(f"{where}line {line}: {error}", "policies") from None
    if listed["templates"]:
        raise EngineError(
            f"{where}a policy with ?principal or ?resource is a template, which decides nothing "
            "here: write the entity",
            "policies",
        )
    policies = listed["staticPolicies"]
    if not policies:
        raise EngineError(f"{where}there is no policy, so everything would be denied", "policies")
    annotations = {number: policy.get("annotations", {}) for number, policy in policies.items()}
    names = {number: said["id"] for number, said in annotations.items() if said.get("id")}
    if twice := {name for name in names.values() if list(names.values()).count(name) > 1}:
        raise EngineError(f'{where}two policies are called @id("{min(twice)}")', "policies")
    reasons = {number: said["reason"] for number, said in annotations.items() if said.get("reason")}
    return Written(handle, text, names, reasons)


def _broken_at(parse: Callable[[str], object], text: str) -> int:
    """Return the line where the first policy begins that does not parse by itself."""
    for start, policy in _statements(text):
        try:
            parse(policy)
        except ValueError:
            return text.count("\n", 0, start) + 1
    return 1


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the policies of a text, each with the place of its first word."""
    start = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            yield _first_word(text, start), text[start : token.end()]
            start = token.end()
    if text[start:].strip():
        yield _first_word(text, start), text[start:]


def _first_word(text: str, start: int) -> int:
    found = re.compile(r"(?:\s|//[^\n]*)*").match(text, start)
    return found.end() if found else start
