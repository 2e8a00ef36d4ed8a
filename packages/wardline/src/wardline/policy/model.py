"""What a loaded policy consists of: documents, rules, limits and catalogues. All immutable."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from wardline.action import type_of
from wardline.policy.globs import Globs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wardline.cel import Program
    from wardline.changes import Path
    from wardline.detectors import Detectors
    from wardline.errors import Problem
    from wardline.policy.source import Source
    from wardline.verdict import Engine

__all__ = [
    "CLEARANCES",
    "AppliesTo",
    "ArgumentEntry",
    "Catalogue",
    "Consulted",
    "Document",
    "Limit",
    "Rule",
    "ToolEntry",
]

CLEARANCES: Final = ("public", "internal", "confidential", "secret")
"""The order of confidentiality, the lowest first."""

_CALLS_ONLY: Final = frozenset({"tool_calls", "files_changed"})


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AppliesTo:
    """Whom a document is for. Globs; those that are empty stand for everybody."""

    agents: Globs = field(default_factory=lambda: Globs(()))
    environments: Globs = field(default_factory=lambda: Globs(()))
    tenants: Globs = field(default_factory=lambda: Globs(()))

    def place(self, environment: str, tenant: str) -> bool:
        """Return whether environment and tenant are meant."""
        return (not self.environments or self.environments.match(environment)) and (
            not self.tenants or self.tenants.match(tenant)
        )

    def agent(self, *names: str) -> bool:
        """Return whether one of the names or ids of an agent is meant."""
        return not self.agents or any(map(self.agents.match, names))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ArgumentEntry:
    """One declared argument of a tool; `type` is as POLICY §1 writes it, `dyn` where none is given."""

    name: str
    type: str = "dyn"
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ToolEntry:
    """One entry of a catalogue, under the name or glob `name`.

    `returns` is None where the entry says nothing (a result is then untrusted), and empty where it
    declares the result trusted. `changes` is the argument that names what a call changes, or "".
    `clearance` is "" and `ring` None where the entry does not say.
    """

    name: str
    effects: frozenset[str] = frozenset()
    args: Mapping[str, ArgumentEntry] = field(default_factory=dict)
    returns: frozenset[str] | None = None
    clearance: str = ""
    changes: str = ""
    type_from: str = ""
    idempotent: bool = False
    opaque: tuple[str, ...] = ()
    ring: int | None = None
    document: str = ""
    line: int = 0
    column: int = 0
    view: Mapping[str, object] = field(init=False, default_factory=dict)
    """What conditions see as `tool`; what the entry does not say is absent."""

    def __post_init__(self) -> None:
        """Work out the view once."""
        view: dict[str, object] = {"effects": sorted(self.effects)}
        if self.clearance:
            view["clearance"] = self.clearance
        if self.returns is not None:
            view["returns"] = sorted(self.returns)
        if self.ring is not None:
            view["ring"] = self.ring
        object.__setattr__(self, "view", view)


class Catalogue:
    """The tools that a document knows, its own before those of its parents. Immutable.

    Exact names win over globs; of several globs the first one counts. Names compare as types do.
    """

    __slots__ = ("_exact", "_wild", "entries")

    def __init__(self, entries: tuple[ToolEntry, ...] = ()) -> None:
        self.entries = entries
        self._exact: dict[str, ToolEntry] = {}
        self._wild: list[tuple[Globs, ToolEntry]] = []
        for entry in entries:
            globs = Globs((type_of(entry.name),))
            if globs.wild:
                self._wild.append((globs, entry))
            else:
                self._exact.setdefault(globs.exact[0], entry)

    def entry(self, name: str) -> ToolEntry | None:
        """Return the entry for the tool `name`, None for an unlisted one."""
        return self.find(type_of(name))

    def find(self, type_: str) -> ToolEntry | None:
        """Return the entry for a normalised name, None for an unlisted one."""
        found = self._exact.get(type_)
        if found is None:
            for globs, entry in self._wild:
                if globs.match(type_):
                    return entry
        return found

    def exact(self) -> Iterator[tuple[str, ToolEntry]]:
        """Yield the entries that name one tool, with its normalised name."""
        return iter(self._exact.items())

    def wild(self) -> Iterator[tuple[str, ToolEntry]]:
        """Yield the entries under a glob, with the normalised glob."""
        return ((globs.wild[0], entry) for globs, entry in self._wild)

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rule:
    """One rule.

    `on` has pairs of kind and stage. `tool` is matched against the type of the action's name, `agent`
    against ids and names of principals; None stands for any. `program` is None for "always".
    `restricting` says that the rule can only make a decision stricter or change what runs,
    `reads_type` that its condition looks at `action.type`. `mode` is
    "audit" for a rule that is recorded and binds nothing, else "". `expires_in` is in microseconds,
    None for the default. `paths` and `set` hold the steps below `args` (before) or `result` (after);
    with `detectors`, `paths` say where to look (nowhere named is everywhere), else what to replace.
    `ordinal` numbers the rules of a set in an order that does not depend on the order of loading.
    """

    document: str
    name: str
    action: str
    on: frozenset[tuple[str, str]]
    description: str = ""
    tool: Globs | None = None
    agent: Globs | None = None
    condition: str = ""
    program: Program | None = None
    reason: str = ""
    mode: str = ""
    approvers: tuple[str, ...] = ()
    quorum: int = 1
    expires_in: int | None = None
    separation_of_duties: bool = False
    paths: tuple[Path, ...] = ()
    detectors: Detectors = field(default_factory=dict)
    set: tuple[tuple[Path, Program], ...] = ()
    file: str = ""
    line: int = 0
    column: int = 0
    types: frozenset[str] | None = None
    """The values of `action.type` that the condition asks for, None for any."""
    names: frozenset[str] | None = None
    """The values of `action.name` that the condition asks for, None for any."""
    restricting: bool = field(init=False, default=True)
    reads_type: bool = field(init=False, default=False)
    ordinal: int = field(init=False, default=-1)

    def __post_init__(self) -> None:
        """Work out what follows from the action."""
        object.__setattr__(self, "restricting", self.action not in ("allow", "audit"))
        reads_type = self.program is not None and "action.type" in self.program.reads
        object.__setattr__(self, "reads_type", reads_type)

    def number(self, ordinal: int) -> None:
        """Give the rule its number, once, when its set is put together."""
        assert self.ordinal in (-1, ordinal), "a rule belongs to one set"
        object.__setattr__(self, "ordinal", ordinal)

    @property
    def cost(self) -> int:
        """The steps that one evaluation takes before any loop or text is counted."""
        programs = [program for _, program in self.set]
        if self.program is not None:
            programs.append(self.program)
        return 1 + sum(program.cost for program in programs)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Limit:
    """One counted bound.

    `at_most` and `estimate` are in units of `count` (`seconds` in seconds). `window` is in
    microseconds; `calendar` is a unit (`hour`, `day`, `week`, `month`) and a time zone; at most one of
    the two is set. `tool` None stands for any. `binding` is False where the document's mode makes it a
    warning. `rule` is the name of the rule of the same document whose matches alone are counted, or "".
    """

    document: str
    name: str
    count: str
    at_most: int
    per: str
    window: int | None = None
    calendar: tuple[str, str] | None = None
    tool: Globs | None = None
    on_exceed: str = "deny"
    estimate: int = 0
    binding: bool = True
    rule: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def covers(self, kind: str, name: str) -> bool:
        """Return whether an action of this kind and name can move the limit's counter."""
        if self.tool is not None:
            return kind == "tool_call" and self.tool.match(type_of(name))
        if self.count in _CALLS_ONLY:
            return kind == "tool_call"
        return self.count != "model_calls" or kind == "model_call"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Consulted:
    """The engine behind a document: its `name`, the handle to ask, and how long an answer may take.

    `deadline` is in seconds, `files` are the SHA-256 of the files that were read for it.
    """

    name: str
    engine: Engine
    deadline: float
    files: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Document:
    """One policy document.

    `default_action` is None for a document that abstains. `applies_to` is None for everybody.
    `tools` has the entries of the parents too. `parents` are the names of the documents it extends.
    `notes` say what the author should know and no error is, `places` where the keys of the document
    stand, as line and column.
    """

    name: str
    file: str
    api_version: str
    default_action: str | None
    mode: str = "strict"
    description: str = ""
    applies_to: AppliesTo | None = None
    unlisted_tools: str = "allow"
    tools: Catalogue = field(default_factory=Catalogue)
    limits: tuple[Limit, ...] = ()
    rules: tuple[Rule, ...] = ()
    approvers: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = ()
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict, repr=False)
    consulted: Consulted | None = None
    """The other engine that gives this document's effect, None for a document with rules."""
    source: Source = field(repr=False)

    @property
    def digest(self) -> str:
        """The SHA-256 of the document's bytes and of the files it reads, in hexadecimal."""
        if self.consulted is None or not self.consulted.files:
            return self.source.digest
        parts = (self.source.digest, *self.consulted.files)
        return sha256("".join(parts).encode()).hexdigest()

    @property
    def can_ask(self) -> bool:
        """Whether something in the document asks for approval."""
        return (
            self.default_action == "require_approval"
            or any(rule.action == "require_approval" and not rule.mode for rule in self.rules)
            or any(limit.on_exceed == "require_approval" for limit in self.limits)
            or (self.consulted is not None and bool(self.approvers))
        )
