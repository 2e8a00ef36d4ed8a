"""A call that a framework is about to make."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """One action, as its framework sees it.

    `name` is what the framework has registered and `args` what it was given. `id` names the call once
    and for all in its session, "" where the framework has no id for it. `bind` returns the arguments
    as the body will receive them (defaults, coercions); an error in it refuses this call alone.
    Arguments named in `opaque` pass by reference: conditions cannot read them, and they are left out
    of what the body is handed. `known` False is a name that no tool is registered under. `parent`
    names the call inside which this one happens. `kind` is the kind of action where that is not the one
    of the other calls of its answer, as for a handoff among tool calls.
    """

    name: str
    args: Mapping[str, Any]
    id: str = ""
    bind: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    opaque: Collection[str] = field(default=frozenset())
    known: bool = True
    parent: str = ""
    kind: str = ""
