"""What an agent is about to do, and who does it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from wardline.canonical import canonical, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "AFTER_KINDS",
    "DEFAULT_KINDS",
    "KINDS",
    "STAGES",
    "Action",
    "Principal",
    "assemble",
    "type_of",
]

KINDS: Final = (
    "run",
    "input",
    "model_call",
    "tool_call",
    "message",
    "delegation",
    "memory_read",
    "memory_write",
    "retrieval",
    "output",
)
"""The closed set of kinds."""

STAGES: Final = ("before", "after")

DEFAULT_KINDS: Final = frozenset(
    {"tool_call", "message", "delegation", "memory_read", "memory_write", "retrieval"}
)
"""The kinds to which `default_action` and `unlisted_tools` apply, on their `before` stage."""

AFTER_KINDS: Final = frozenset(KINDS) - {"input", "output"}
"""The kinds that have an `after` stage: those of which something comes back."""

_LONGEST_CACHED: Final = 128

_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
"""What Unicode shows as nothing beside the category Cf (Default_Ignorable_Code_Point)."""


def type_of(name: str) -> str:
    """Return what rules match: `name` in NFKC, case-folded, without invisible marks or outer space."""
    return _cached_type(name) if len(name) <= _LONGEST_CACHED else _type(name)


def _type(name: str) -> str:
    if name.isascii():
        return name.casefold().strip()
    # What cannot be seen goes first: a mark between a letter and its accent would keep them apart.
    seen = "".join(char for char in _UNSEEN.sub("", name) if unicodedata.category(char) != "Cf")
    # Case folding can undo NFKC and NFKC can undo case folding, hence both twice (UAX #31).
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).casefold()).strip()


_cached_type = lru_cache(maxsize=4096)(_type)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts.

    `id` is a DID, a SPIFFE id or a plain name. `chain` lists the principals on whose behalf this one
    acts, the root first. `environment` and `tenant` come from the guard's configuration or a
    verified credential, never from an action or a framework.
    """

    id: str = "agent"
    name: str = ""
    chain: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    tenant: str = ""
    environment: str = ""
    assurance: str = ""
    chain_digest: str = field(init=False, repr=False, compare=False, default="")
    view: Mapping[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Work out once what every action of this principal needs."""
        object.__setattr__(self, "chain", tuple(self.chain))
        object.__setattr__(self, "roles", tuple(self.roles))
        object.__setattr__(self, "chain_digest", digest(canonical(list(self.chain))))
        object.__setattr__(
            self,
            "view",
            {
                "id": self.id,
                "name": self.name or self.id,
                "chain": list(self.chain),
                "roles": list(self.roles),
                "tenant": self.tenant,
                "environment": self.environment,
                "assurance": self.assurance,
            },
        )


class _Fields:
    """The fields of an action while it is being filled in."""

    __slots__ = (
        "args",
        "call_id",
        "framework",
        "kind",
        "name",
        "parent",
        "principal",
        "run",
        "session",
        "stage",
        "type",
        "verb",
    )

    kind: str
    stage: str
    name: str
    type: str
    verb: str
    args: Mapping[str, Any]
    principal: Principal | None
    session: str
    run: str
    call_id: str
    framework: str
    parent: str


def assemble(
    kind: str,
    name: str,
    args: Mapping[str, Any],
    principal: Principal | None,
    session: str,
    run: str,
    call_id: str,
    framework: str,
    parent: str,
    stage: str = "before",
) -> Action:
    """Do what `Action(...)` does, without keywords to sort."""
    self = _new(_Fields)
    self.kind = kind
    self.stage = stage
    self.name = name
    self.type = type_of(name)
    self.verb = _verb(args) if kind == "tool_call" else ""
    self.args = args
    self.principal = principal
    self.session = session
    self.run = run
    self.call_id = call_id
    self.framework = framework
    self.parent = parent
    # Switching the class is what freezes the fields: one store instead of twelve guarded ones.
    self.__class__ = Action
    return self  # type: ignore[return-value]  # it is one now


_new = object.__new__


def _verb(args: Mapping[str, Any]) -> str:
    verb = args.get("action")
    return type_of(verb) if type(verb) is str else ""


@final
class Action(_Fields):
    """One thing an agent is about to do. Immutable.

    `name` is the tool, model or peer exactly as the framework has it registered, and `type` what
    rules usually match: `type_of(name)`. `verb` is the type of a top-level string argument `action`,
    or "". `session` and `run` are ids; "" means the one that the context holds. `call_id` names this
    call within its session; "" lets the guard mint one. `parent` names the action inside which this
    one happens, by its call id or its intent. `principal` None means the guard's own.
    """

    __slots__ = ()

    def __new__(
        cls,
        kind: str,
        name: str,
        args: Mapping[str, Any],
        *,
        stage: str = "before",
        principal: Principal | None = None,
        session: str = "",
        run: str = "",
        call_id: str = "",
        framework: str = "",
        parent: str = "",
    ) -> Action:
        """Fill the fields in, then freeze them."""
        return assemble(
            kind, name, args, principal, session, run, call_id, framework, parent, stage
        )

    def verb_of(self, args: Mapping[str, Any]) -> str:
        """Return the verb that the action would have with other arguments."""
        return _verb(args) if self.kind == "tool_call" else ""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an Action is immutable; make a new one to change `{name}`")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"an Action is immutable; `{name}` cannot be deleted")

    def __repr__(self) -> str:
        stage = "" if self.stage == "before" else f".{self.stage}"
        return f"<Action {self.kind}{stage} {self.name!r} {dict(self.args)!r}>"
