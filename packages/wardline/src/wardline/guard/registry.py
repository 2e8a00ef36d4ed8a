"""The names that a guard governs. An action under any other name is refused."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from wardline.action import KINDS, type_of
from wardline.errors import ConfigurationError

if TYPE_CHECKING:
    from wardline.policy import PolicySet

__all__ = ["Registered", "Registry"]


class Registered:
    """A registered name, and what follows from it.

    `opaque` are the arguments that the catalogue passes by reference, `idempotent` whether it says
    that the tool may run twice.
    """

    __slots__ = ("idempotent", "kind", "name", "opaque")

    def __init__(self, kind: str, name: str, policies: PolicySet) -> None:
        self.kind = kind
        self.name = name
        tool = policies.tool(name) if kind == "tool_call" else None
        self.opaque = tool.opaque if tool is not None else ()
        self.idempotent = tool is not None and tool.idempotent


class Registry:
    """Tools, models and peers by kind, exactly as their framework has them registered."""

    __slots__ = ("_lock", "_owners", "_policies", "_types", "names")

    def __init__(self, policies: PolicySet) -> None:
        self._lock = threading.Lock()
        self._policies = policies
        self._types: dict[tuple[str, str], str] = {}
        self._owners: dict[tuple[str, str], object] = {}
        self.names: dict[tuple[str, str], Registered] = {}

    def add(self, kind: str, name: str, owner: object = None) -> None:
        """Register `name` under `kind`; registering it again changes nothing.

        `owner` is what the name stands for, where one name must not stand for two things. Raises
        `ConfigurationError` for an empty name, for two names that rules could not tell apart, and for
        one name with two owners.
        """
        if kind not in KINDS:
            raise ConfigurationError(f"there is no kind `{kind}`; the kinds are {', '.join(KINDS)}")
        if type(name) is not str or not type_of(name):
            raise ConfigurationError(f"{name!r} cannot be the name of a {kind}; give it a name")
        with self._lock:
            other = self._types.setdefault((kind, type_of(name)), name)
            if other != name:
                raise ConfigurationError(
                    f"the names {other!r} and {name!r} are one type, `{type_of(name)}`, so no rule "
                    "could tell them apart; rename one"
                )
            if owner is not None and self._owners.setdefault((kind, name), owner) is not owner:
                raise ConfigurationError(
                    f"two different functions are called {name!r}, so one would run under the other's "
                    "rules; pass `name=` to `govern` for one of them"
                )
            if (kind, name) not in self.names:
                self.names[kind, name] = Registered(kind, name, self._policies)
