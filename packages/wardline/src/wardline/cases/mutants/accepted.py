"""The mutants that people have looked at and found to be no mistake, each with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wardline.policy.fields import Fields, Report
from wardline.policy.load import display
from wardline.policy.reader import A_KIND, read
from wardline.policy.source import Source

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Accepted", "read_accepted"]


class Accepted(NamedTuple):
    """One line of such a file."""

    mutant: str
    reason: str
    source: Source
    line: int
    column: int


def read_accepted(path: Path) -> tuple[Accepted, ...]:
    """Return the list in a file: `- {mutant: <id>, reason: …}`. Raises `PolicyError`."""
    source = Source.load(path, display(path.resolve()))
    report = Report(source)
    root = read(source)
    if root.kind != "list":
        report.at(
            root,
            f"accepted mutants are a list, and this is {A_KIND[root.kind]}",
            "write `- {mutant: <id>, reason: …}` lines",
        )
        report.finish()
    found: dict[str, Accepted] = {}
    for node in root.value:
        fields = Fields(report, node, "accepted mutant", "an accepted mutant", ("mutant", "reason"))
        mutant, reason = fields.text("mutant", required=True), fields.text("reason", required=True)
        if mutant in found:
            report.at(node, f"`{mutant}` is here twice", "keep one of them")
        found[mutant] = Accepted(mutant, reason, source, node.line, node.column)
    report.finish()
    return tuple(found.values())
