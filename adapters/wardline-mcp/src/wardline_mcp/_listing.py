"""What a server has registered, as its lists say, and as they first said it.

A name that no list has is refused. A tool or prompt whose definition changed after it was first listed
is refused too: whoever wrote the policy, and the model, were told something else. One name must not
stand for the tools of two servers, because no rule could tell them apart.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from wardline import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from wardline import Guard
    from wardline_mcp._methods import Act

__all__ = ["Listing"]

_MOST_PAGES: Final = 1000
_LISTS: Final = frozenset({"tools", "prompts"})
_NO_MEANING: Final = frozenset({"_meta", "icons"})

_List: TypeAlias = dict[str, dict[str, Any]]
_Known: TypeAlias = dict[tuple[str, str], tuple[str, dict[str, str]]]

_known: WeakKeyDictionary[Guard, _Known] = WeakKeyDictionary()
"""By guard, kind and name: whose it is, and the digests of what its definition said at first."""


class Listing:
    """The names of one server, as one connection sees them.

    `owner` says which server that is, the same for every connection to it. `prefix` goes before each
    of its names, for rules and records. With `pin` a definition must stay what it was.
    """

    def __init__(self, guard: Guard, owner: str, *, prefix: str = "", pin: bool = True) -> None:
        self.owner = owner
        self.prefix = prefix
        self._guard = guard
        self._pin = pin
        self._listed: dict[str, _List] = {}
        self._stale: set[str] = set()

    def names(self, listed: str) -> list[str]:
        """Return the names that the list `listed` (`tools` or `prompts`) is known to have."""
        return sorted(self._listed.get(listed, ()))

    def schema(self, tool: str) -> Any:
        """Return the input schema that the server last listed for a tool, None for an unlisted one."""
        return self._listed.get("tools", {}).get(tool, {}).get("inputSchema")

    def with_defaults(self, tool: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the arguments of a tool with what its schema says of those that are left out."""
        schema = self.schema(tool)
        known = schema.get("properties") if isinstance(schema, dict) else None
        if not isinstance(known, dict):
            return args
        left_out = {
            name: one["default"]
            for name, one in known.items()
            if name not in args and isinstance(one, dict) and "default" in one
        }
        return {**left_out, **args}

    def promises(self, tool: str) -> bool:
        """Whether the server says that a tool returns structured content."""
        return self._listed.get("tools", {}).get(tool, {}).get("outputSchema") is not None

    def changed(self, method: str) -> None:
        """Take note that a server says its list has changed."""
        name = method.removeprefix("notifications/").removesuffix("/list_changed")
        self._stale.add(name)

    def take(self, method: str, result: Mapping[str, Any]) -> None:
        """Take in a page of a list, as the server sent it."""
        listed = method.removesuffix("/list")
        if listed in _LISTS:
            self._listed.setdefault(listed, {}).update(_entries(listed, result))

    async def admit(
        self, act: Act, name: str, fetch: Callable[[str, dict[str, Any]], Awaitable[Any]]
    ) -> bool:
        """Make the name of a call known; return whether the server has it listed.

        `fetch` sends a request to the server, and is only used where its list is not known yet, or
        is not what it was. Raises `ConfigurationError` for a name of two servers, and for a
        definition that changed.
        """
        if act.listed:
            listed = self._listed.get(act.listed)
            if listed is None or act.listed in self._stale or name not in listed:
                await self._read(act.listed, fetch)
            entry = self._listed.get(act.listed, {}).get(name)
            if entry is None:
                return False
            self._check(act, name, entry)
        return True

    async def _read(
        self, listed: str, fetch: Callable[[str, dict[str, Any]], Awaitable[Any]]
    ) -> None:
        """Read a list from its first page to its last."""
        method = f"{listed}/list"
        self._stale.discard(listed)
        found: _List = {}
        params: dict[str, Any] = {}
        for _ in range(_MOST_PAGES):
            page = await fetch(method, params)
            found.update(_entries(listed, page))
            cursor = page.get("nextCursor")
            if not cursor:
                self._listed[listed] = found
                return
            params = {"cursor": cursor}
        raise ConfigurationError(f"`{method}` has more than {_MOST_PAGES} pages; it is not read on")

    def _check(self, act: Act, name: str, entry: Mapping[str, Any]) -> None:
        known = _known.setdefault(self._guard, {})
        owner, first = known.setdefault(
            (act.kind, self.prefix + name), (self.owner, _digests(entry))
        )
        if owner != self.owner:
            raise ConfigurationError(
                f"{owner} and {self.owner} both have `{self.prefix}{name}`, so no rule could tell "
                "them apart; give one of them a prefix, as in prefix='files.'"
            )
        if not self._pin:
            return
        now = _digests(entry)
        if first != now:
            parts = sorted(
                part for part in first.keys() | now.keys() if first.get(part) != now.get(part)
            )
            raise ConfigurationError(
                f"the definition of `{name}` is not what {self.owner} listed at first: "
                f"{', '.join(parts)} changed. Look at what it says now, and start anew to accept it"
            )


def _entries(listed: str, page: Mapping[str, Any]) -> _List:
    """Return the entries of a page of a list by name."""
    return {
        entry["name"]: entry
        for entry in page.get(listed) or ()
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    }


def _digests(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of each part of a definition that says something to a model or a rule."""
    return {
        part: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
        for part, value in entry.items()
        if part not in _NO_MEANING and value is not None
    }
