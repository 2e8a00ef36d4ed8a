"""All small changes to one document."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from wardline.action import type_of
from wardline.cases.mutants.edits import Edit, inserted, item_removed, key_removed
from wardline.cases.mutants.mutant import Mutant
from wardline.cases.mutants.ways import FILES, of_section
from wardline.errors import PolicyError, Problem
from wardline.policy.keys import TOOLKIT
from wardline.policy.reader import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.policy.compile import PolicySet
    from wardline.policy.reader import Node
    from wardline.policy.source import Source

__all__ = ["mutants_of"]

_PAIR: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]")
"""The reader replaces these, so offsets in its tree are not those of the file."""


def mutants_of(source: Source, policies: PolicySet) -> Iterator[Mutant]:
    """Yield the mutants of one document of a set; some of them may not load.

    What can make no difference to any decision is left out: a catalogue that no condition reads.
    """
    if _PAIR.search(source.text):
        raise PolicyError(
            Problem(
                "no mutants can be made of JSON with escaped surrogate pairs",
                source.file,
                hint="write the characters themselves, or make it YAML",
            )
        )
    root = read(source)
    toolkit = root.value["apiVersion"].value == TOOLKIT
    reads = policies.reads
    if any(limit.count == "files_changed" for d in policies.documents for limit in d.limits):
        reads |= {FILES, "tool.effects"}
    head = _Head(source, root.value["name"].value, reads, toolkit=toolkit)
    kind = "toolkit " if toolkit else "engine " if "engine" in root.value else ""
    if not kind and not {"default_action", "extends", "mode"} & root.value.keys():
        edit = inserted(source, root, "default_action", "allow")
        yield head.mutant(
            "document", "default_action", "everything is allowed by default", "", (edit,)
        )
    yield from head.keys(f"{kind}document", "document", root)
    for key, section in (("limits", "limit"), ("rules", f"{kind}rule")):
        yield from head.listed(root, key, section)
    tools = root.value.get("tools")
    unlisted = root.value.get("unlisted_tools")
    if tools is None or tools.kind != "map":
        return
    known = (unlisted is not None and unlisted.value == "deny") or any(
        read.startswith("tool.") for read in reads
    )
    for name, node in tools.value.items():
        if known and len(tools.value) > 1:
            edit = key_removed(source, tools, name)
            yield head.mutant(type_of(name), "tools", f"tool {name} is not listed", "", (edit,))
        if node.kind == "map":
            yield from head.keys("tool", type_of(name), node)


class _Head:
    """What all mutants of a document share."""

    def __init__(self, source: Source, name: str, reads: frozenset[str], *, toolkit: bool) -> None:
        self._source = source
        self._name = name
        self._reads = reads
        self._toolkit = toolkit

    def mutant(
        self, thing: str, key: str, what: str, tells: str, edits: tuple[Edit, ...]
    ) -> Mutant:
        """Return a mutant under its id."""
        told = "\0".join((self._name, thing, key, what, tells))
        id_ = f"{thing}.{key}.{sha256(told.encode()).hexdigest()[:8]}"
        return Mutant(id_, what, self._source, edits)

    def keys(self, section: str, thing: str, node: Node) -> Iterator[Mutant]:
        """Yield the mutants of the keys of one map; `thing` names it."""
        found = of_section(section, self._source, node, self._reads, toolkit=self._toolkit)
        for key, (what, tells, edits) in found:
            yield self.mutant(thing, key, what, tells, edits)

    def listed(self, root: Node, key: str, section: str) -> Iterator[Mutant]:
        """Yield the mutants of a list of rules or limits."""
        above = root.value.get(key)
        if above is None or above.kind != "list":
            return
        for number, node in enumerate(above.value):
            thing = str(node.value["name"].value)
            word = section.removeprefix("toolkit ")
            edit = item_removed(self._source, above, number)
            yield self.mutant(thing, word, f"{word} {thing} is dropped", "", (edit,))
            if section == "limit" and "on_exceed" not in node.value:
                edit = inserted(self._source, node, "on_exceed", "require_approval")
                yield self.mutant(
                    thing, "on_exceed", "`on_exceed` becomes require_approval", "", (edit,)
                )
            yield from self.keys(section, thing, node)
