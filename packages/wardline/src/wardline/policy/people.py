"""Who can answer for the names that a policy uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["answerable"]


def answerable(names: Iterable[str], groups: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the principal ids behind the names a policy uses.

    A name with a colon is an id (`os:alice`, a DID, a SPIFFE id); any other is a group, and one that
    the configuration does not map stands for nobody.
    """
    ids = (id for name in names for id in groups.get(name, (name,) if ":" in name else ()))
    return tuple(dict.fromkeys(ids))
