"""Limits that can never bind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wardline.action import type_of
from wardline.policy.globs import intersect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wardline.errors import Problem
    from wardline.policy.model import Document, Limit

__all__ = ["check"]


def check(document: Document) -> Iterator[Problem]:
    """Yield the limits of a document that can never bind."""
    for limit in document.limits:
        other = _tighter(document, limit)
        if other is not None:
            yield _at(
                document,
                limit,
                f"limit `{limit.name}` never binds: `{other.name}` stops at {other.at_most:,} of "
                "the same",
                "keep the lower one",
            )
        elif _uncounted(document, limit):
            yield _at(
                document,
                limit,
                f"limit `{limit.name}` never binds: the catalogue lists nothing that it counts, and "
                "unlisted tools are refused",
                "list such a tool under `tools`, or remove the limit",
            )
        elif not limit.binding:
            yield _at(
                document,
                limit,
                f"limit `{limit.name}` never binds: the document's mode is {document.mode}",
                "use `mode: strict`, or leave it as a warning",
            )


def _tighter(document: Document, limit: Limit) -> Limit | None:
    """Return a limit that certainly stops before this one does."""
    for other in document.limits:
        if other is limit or other.rule != limit.rule or _counted(other) != _counted(limit):
            continue
        if not _wider(other, limit):
            continue
        same = other.at_most == limit.at_most and other.per == limit.per
        lower = other.at_most < limit.at_most or (same and other.line < limit.line)
        if (lower or (other.at_most == limit.at_most and other.per != limit.per)) and (
            other.on_exceed == "deny" or limit.on_exceed == other.on_exceed
        ):
            return other
    return None


def _wider(other: Limit, limit: Limit) -> bool:
    """Return whether `other` counts everything that `limit` does, over the same time or longer."""
    if other.per == limit.per:
        return True
    # A session holds its runs; what happens in a run has happened in its session.
    if (limit.per, other.per) != ("run", "session"):
        return False
    return other.window is None and other.calendar is None


def _uncounted(document: Document, limit: Limit) -> bool:
    if document.unlisted_tools != "deny":
        return False
    if limit.tool is not None:
        listed = [type_of(entry.name) for entry in document.tools.entries]
        return not any(intersect(one, name) for one in limit.tool.patterns for name in listed)
    changing = any("write" in entry.effects or entry.changes for entry in document.tools.entries)
    return limit.count == "files_changed" and not changing


def _counted(limit: Limit) -> tuple[object, ...]:
    tool = frozenset(limit.tool.patterns) if limit.tool else None
    return (limit.count, limit.window, limit.calendar, tool, limit.estimate)


def _at(document: Document, limit: Limit, message: str, hint: str) -> Problem:
    return document.source.problem(message, limit.line, limit.column, hint)
