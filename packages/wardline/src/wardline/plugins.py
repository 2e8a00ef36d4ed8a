"""What other distributions add to the language: facets, detectors and engines, found by entry point.

A policy that uses one that is not installed does not load, so nothing is looked for while judging.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from wardline.errors import ConfigurationError

__all__ = ["BROUGHT_BY", "Group", "installed", "missing", "plugin"]

Group = Literal["wardline.facets", "wardline.detectors", "wardline.engines"]

BROUGHT_BY: Final[dict[str, str]] = {
    "wardline.facets": "wardline-facets",
    "wardline.detectors": "wardline-facets",
    "wardline.engines": "wardline-engines",
}
"""The distribution of ours that fills each group."""

_loaded: dict[tuple[str, str], Any] = {}


def plugin(group: Group, name: str) -> Any | None:
    """Return the module that the entry point `name` of `group` names, None where there is none.

    Raises `ConfigurationError` where two distributions bring it, and whatever its import raises: a
    broken plugin is not an absent one.
    """
    key = (group, name)
    if key not in _loaded:
        from importlib import metadata  # slow to import, and most policies need no plugin

        found = list(metadata.entry_points(group=group, name=name))
        if not found:
            return None
        if len({point.value for point in found}) > 1:
            both = " and ".join(sorted({point.value for point in found}))
            raise ConfigurationError(
                f"`{name}` of {group} is brought by {both}: uninstall one of them"
            )
        _loaded[key] = found[0].load()
    return _loaded[key]


def installed(group: Group) -> tuple[str, ...]:
    """Return the names that a group has, in order."""
    from importlib import metadata

    return tuple(sorted({point.name for point in metadata.entry_points(group=group)}))


def missing(group: Group, what: str) -> tuple[str, str]:
    """Return message and hint for something that no installed distribution brings."""
    name = BROUGHT_BY[group]
    return f"{what} needs the package {name}, which is not installed", f"pip install {name}"
