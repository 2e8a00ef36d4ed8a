"""The compiled set of documents that `decide` works on."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from wardline.action import type_of
from wardline.activation import BUDGET
from wardline.changes import format_path, overlap
from wardline.errors import ConfigurationError, EngineError, PolicyError, Problem
from wardline.facts import COUNTERS
from wardline.policy.globs import Globs, intersect
from wardline.policy.groups import Candidates
from wardline.policy.index import Index
from wardline.policy.model import CLEARANCES, ArgumentEntry, Document, Rule, ToolEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wardline.action import Principal
    from wardline.decision import Decision

__all__ = ["PolicySet"]

_COUNTED: Final = frozenset(
    f"{scope}.{count}" for scope in ("session", "run") for count in COUNTERS
)
_MOST_CACHED: Final = 256
_LONGEST_CACHED: Final = 1024
_MOST_COMPARED: Final = 2000
_NO_CANDIDATES: Final = Candidates(())


class PolicySet:
    """Documents that decide together. Immutable; safe to share between threads.

    `documents` are in the order of their names, so nothing depends on the order of loading. `digest`
    is the SHA-256 over the digests of all documents. `reads` is the union of what their conditions
    read, and every counter where another engine is asked: nobody here can tell what its policy reads.
    `can_ask` says whether something may ask for approval, `rule_limits` whether a limit counts the
    matches of one rule. `after` are the kinds with a rule on their `after` stage. `interned` is where
    `decide` keeps answers that depend on nothing but the rules. Raises `PolicyError` for documents
    that do not fit together.
    """

    __slots__ = (
        "_agents",
        "_everybody",
        "_indexes",
        "_names",
        "_tools",
        "after",
        "can_ask",
        "digest",
        "documents",
        "engines",
        "interned",
        "reads",
        "reads_paths",
        "rule_limits",
        "rules",
    )

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = tuple(sorted(documents, key=lambda document: document.name))
        if not self.documents:
            raise PolicyError("there is no policy document: name at least one file")
        _check_names(self.documents)
        self.rules: tuple[Rule, ...] = tuple(
            rule for document in self.documents for rule in document.rules
        )
        for ordinal, rule in enumerate(self.rules):
            rule.number(ordinal)
        digests = sorted(document.digest for document in self.documents)
        self.digest = sha256("".join(digests).encode()).hexdigest()
        self.engines = tuple(document for document in self.documents if document.consulted)
        self.reads = frozenset(_reads(self.rules)) | (_COUNTED if self.engines else frozenset())
        self.reads_paths = any("path" in text for text in _texts(self.rules))
        self.can_ask = any(document.can_ask for document in self.documents)
        self.rule_limits = any(
            limit.rule for document in self.documents for limit in document.limits
        )
        placed: dict[tuple[str, str], list[Rule]] = {}
        for rule in self.rules:
            for place in rule.on:
                placed.setdefault(place, []).append(rule)
        self._indexes = {place: Index(rules) for place, rules in placed.items()}
        self.after = frozenset(kind for kind, stage in placed if stage == "after")
        self._everybody = all(document.applies_to is None for document in self.documents)
        self._agents: dict[Any, tuple[tuple[Document, bool], ...]] = {}
        if self._everybody:
            self._agents[None] = tuple((document, True) for document in self.documents)
        self.interned: dict[Any, Decision] = {}
        self._tools: dict[str, ToolEntry | None] = {}
        self._names = _allowed_names(self.rules)
        problems = [*_overlaps(self.documents), *self._too_costly()]
        if problems:
            raise PolicyError(problems)

    def candidates(
        self,
        kind: str,
        stage: str,
        name: str,
        type: str,
        verb: str = "",
    ) -> Candidates:
        """Return the rules whose `on`, `tool` and anchors an action fits, each once.

        Rules that are left out cannot match; those in the answer still have an `agent` and a
        condition. `type` is `type_of(name)`, `verb` that of the argument `action`, or "".
        """
        index = self._indexes.get((kind, stage))
        return _NO_CANDIDATES if index is None else index.candidates(name, type, verb)

    def applicable(self, principal: Principal) -> tuple[tuple[Document, bool], ...]:
        """Return the documents that apply, each with whether it does to the acting principal itself.

        The others come last. They apply to somebody on whose behalf it acts: their restrictions bind
        and their `allow` rules do not.
        """
        if self._everybody:
            return self._agents[None]
        key = (
            principal.id,
            principal.name,
            principal.chain,
            principal.environment,
            principal.tenant,
        )
        found = self._agents.get(key)
        if found is None:
            found = tuple(sorted(self._applicable(principal), key=lambda one: not one[1]))
            if len(self._agents) >= _MOST_CACHED:
                self._agents.clear()
            if len(principal.id) + len(principal.name) + len(principal.chain) < _LONGEST_CACHED:
                self._agents[key] = found
        return found

    def _applicable(self, principal: Principal) -> Iterator[tuple[Document, bool]]:
        for document in self.documents:
            meant = document.applies_to
            if meant is None:
                yield document, True
            elif meant.place(principal.environment, principal.tenant):
                if meant.agent(principal.id, principal.name or principal.id):
                    yield document, True
                elif meant.agent(*principal.chain):
                    yield document, False

    def speaks_of(self, kind: str, stage: str = "before") -> bool:
        """Return whether a rule stands on this stage of `kind`."""
        return (kind, stage) in self._indexes

    def kinds(self) -> frozenset[str]:
        """Return the kinds that rules stand on."""
        return frozenset(kind for kind, _ in self._indexes)

    def approver_names(self) -> frozenset[str]:
        """Return every name that a document gives to somebody who may answer."""
        by_documents = (name for document in self.documents for name in document.approvers)
        by_rules = (name for rule in self.rules for name in rule.approvers)
        return frozenset((*by_documents, *by_rules))

    def allowed_names(self) -> tuple[str, ...]:
        """Return the tools that `allow` rules name, for messages."""
        return self._names

    def tool(self, name: str) -> ToolEntry | None:
        """Return what all documents together say about a tool, the strictest of each; None if none does.

        What one document says is `document.tools.entry(name)`.
        """
        type_ = type_of(name)
        if type_ in self._tools:
            return self._tools[type_]
        entries = [
            entry
            for document in self.documents
            if (entry := document.tools.find(type_)) is not None
        ]
        merged = _merged(name, entries) if entries else None
        if len(self._tools) >= _MOST_CACHED:
            self._tools.clear()
        if len(type_) < _LONGEST_CACHED:
            self._tools[type_] = merged
        return merged

    def start(self) -> None:
        """Get the engines of this set ready to answer in time.

        Raises `ConfigurationError` where one cannot; all are closed then.
        """
        for document in self.engines:
            if document.consulted is None:
                continue
            try:
                document.consulted.engine.start()
            except EngineError as error:
                self.close()
                raise ConfigurationError(
                    f"{document.file}: the {document.consulted.name} engine of `{document.name}` "
                    f"cannot start: {error}"
                ) from error

    def close(self) -> None:
        """Let go of what the engines of this set hold: processes, connections, handles."""
        for document in self.engines:
            if document.consulted is not None:
                document.consulted.engine.close()

    def _too_costly(self) -> Iterator[Problem]:
        for (kind, stage), index in self._indexes.items():
            cost = index.cost()
            if cost > BUDGET:
                heavy = max(index.rules, key=lambda rule: rule.cost)
                yield Problem(
                    f"one decision on {kind}.{stage} may begin {cost:,} steps; at most {BUDGET:,} are "
                    "allowed",
                    heavy.file,
                    heavy.line,
                    heavy.column,
                    hint="anchor rules: name a `tool`, or begin the condition with "
                    "`action.type == '…' &&`",
                )

    def __repr__(self) -> str:
        names = ", ".join(document.name for document in self.documents)
        return f"<PolicySet {names} {self.digest[:12]}>"


def _reads(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        if rule.program is not None:
            yield from rule.program.reads
        for _, program in rule.set:
            yield from program.reads


def _texts(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        yield rule.condition
        yield from (program.text for _, program in rule.set)


def _allowed_names(rules: Iterable[Rule]) -> tuple[str, ...]:
    names: set[str] = set()
    for rule in rules:
        if rule.action == "allow" and not rule.mode and ("tool_call", "before") in rule.on:
            if rule.tool is not None:
                names.update(rule.tool.patterns)
            else:
                names.update(rule.types or rule.names or ())
    return tuple(sorted(names))


def _check_names(documents: Sequence[Document]) -> None:
    problems = [
        Problem(
            f"two documents are named `{one.name}`: {one.file} and {other.file}",
            other.file,
            hint="a name is unique in a set: rename one of them",
        )
        for one, other in pairwise(documents)
        if one.name == other.name
    ]
    if problems:
        raise PolicyError(problems)


def _merged(name: str, entries: Sequence[ToolEntry]) -> ToolEntry:
    args: dict[str, ArgumentEntry] = {}
    for entry in reversed(entries):
        args.update(entry.args)
    stated = [entry.returns for entry in entries if entry.returns is not None]
    clearances = [entry.clearance for entry in entries if entry.clearance]
    rings = [entry.ring for entry in entries if entry.ring is not None]
    return ToolEntry(
        name=name,
        effects=frozenset().union(*(entry.effects for entry in entries)),
        args=args,
        returns=frozenset().union(*stated) if stated else None,
        clearance=min(clearances, key=CLEARANCES.index, default=""),
        changes=next((entry.changes for entry in entries if entry.changes), ""),
        type_from="action" if all(entry.type_from for entry in entries) else "",
        idempotent=all(entry.idempotent for entry in entries),
        opaque=tuple(dict.fromkeys(name for entry in entries for name in entry.opaque)),
        # A tool may ask for more privilege than another document says, never for less: 0 is most.
        ring=min(rings, default=None),
    )


def _overlaps(documents: Sequence[Document]) -> Iterator[Problem]:
    """Yield pairs of unconditional rules that change the same place of the same action."""
    always = [
        rule
        for document in documents
        if document.applies_to is None and document.mode != "audit"
        for rule in document.rules
        if rule.action in ("redact", "transform")
        and rule.program is None
        and rule.agent is None
        and not rule.mode
        and not rule.detectors
    ]
    groups: dict[str, list[Rule]] = {}
    for rule in always:
        for tool in rule.tool.patterns if rule.tool else ("*",):
            groups.setdefault(tool, []).append(rule)
    wild = [tool for tool in groups if Globs((tool,)).wild]
    pairs = [(tool, tool) for tool in groups]
    for number, tool in enumerate(wild[:_MOST_COMPARED]):
        others = [*wild[number + 1 : _MOST_COMPARED], *(g for g in groups if g not in wild)]
        pairs += [(tool, other) for other in others if intersect(tool, other)]
        if len(pairs) > _MOST_COMPARED:
            break  # what is left is a denial when it happens
    reported: set[tuple[int, int]] = set()
    for one, other in pairs:
        for first in groups[one][:_MOST_COMPARED]:
            for second in groups[other][:_MOST_COMPARED]:
                key = (first.ordinal, second.ordinal)
                if key[0] >= key[1] and one == other:
                    continue
                if first is second or key in reported or key[::-1] in reported:
                    continue
                shared = _shared(first, second)
                if shared:
                    reported.add(key)
                    yield shared


def _shared(first: Rule, second: Rule) -> Problem | None:
    if not first.on & second.on:
        return None
    for path in (*first.paths, *(path for path, _ in first.set)):
        for other in (*second.paths, *(path for path, _ in second.set)):
            if overlap(path, other):
                root = "result" if any(stage == "after" for _, stage in second.on) else "args"
                return Problem(
                    f"rules `{first.name}` and `{second.name}` always change the same place, "
                    f"`{format_path(root, other)}`",
                    second.file,
                    second.line,
                    second.column,
                    hint=f"keep one of them, or give them conditions; the first is on line "
                    f"{first.line} of {first.file}",
                )
    return None
