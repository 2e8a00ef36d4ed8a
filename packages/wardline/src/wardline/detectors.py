"""Detectors: content finders that say where in a value something sensitive stands.

The finders themselves come from other distributions, in groups such as `pii` and `secrets`. Each is a
pure function of a text. Strings, octets, whole numbers and the keys of maps are searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from wardline.canonical import Opaque
from wardline.changes import places
from wardline.errors import EvaluationError
from wardline.plugins import installed, plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from wardline.changes import Path

__all__ = ["Detectors", "detectors_of", "groups_of", "hits", "masks"]

Detectors: TypeAlias = "Mapping[str, frozenset[str] | None]"
"""The detectors to look for, by group; None stands for all of a group."""

_Span: TypeAlias = tuple[int, int, str]

_LEAST_BITS: Final = 24
_MOST_BITS: Final = 256
"""The sizes of whole numbers that can be an identifier."""


def detectors_of(group: str) -> tuple[str, ...]:
    """Return the detectors in a group, () where no installed distribution brings it."""
    module = plugin("wardline.detectors", group)
    return tuple(module.NAMES) if module is not None else ()


def groups_of(names: Iterable[str]) -> tuple[Detectors, tuple[str, ...]]:
    """Sort names of groups and of detectors by group, and return the names that nobody knows too."""
    wanted: dict[str, frozenset[str] | None] = {}
    unknown: list[str] = []
    known = {group: detectors_of(group) for group in installed("wardline.detectors")}
    for name in names:
        if name in known:
            wanted[name] = None
            continue
        owners = [group for group, own in known.items() if name in own]
        if not owners:
            unknown.append(name)
        for group in owners:
            before = wanted.get(group, frozenset())
            wanted[group] = None if before is None else before | {name}
    return wanted, tuple(unknown)


def hits(value: Any, group: str, charge: Callable[[int], None]) -> list[str]:
    """Return the detectors of a group that hit anywhere in `value`, sorted, each once.

    `charge` takes steps from the budget of the decision before they are done. Raises
    `EvaluationError` for what passes by reference and so cannot be read.
    """
    find = _finder(group)
    found: set[str] = set()
    for text, _, _ in _texts(value, ()):
        charge(2 + (len(text) >> 1))
        found.update(name for name, _, _ in find(text))
    return sorted(found)


def masks(
    tree: Any,
    wanted: Iterable[tuple[tuple[Path, ...], Detectors]],
    charge: Callable[[int], None],
) -> dict[Path, Any]:
    """Return the new value of every leaf of `tree` in which something was found, by its place.

    `wanted` has pairs of paths (none for the whole tree) and detectors to look for below them. What
    was found is replaced by `[REDACTED:<detector>]`. Raises `EvaluationError` for a find in a key,
    which cannot be replaced without moving its value.
    """
    leaves: dict[Path, tuple[str, str]] = {}
    spans: dict[Path, set[_Span]] = {}
    for paths, detectors in wanted:
        for path in paths or ((),):
            for place, value in places(tree, path):
                for text, leaf, kind in _texts(value, place):
                    charge(2 + (len(text) >> 1) * len(detectors))
                    found = _spans(text, detectors)
                    if found and kind == "key":
                        name = min(found)[2]
                        raise EvaluationError(
                            f"a key holds what `{name}` finds, and keys cannot be redacted"
                        )
                    if found:
                        leaves[leaf] = (text, kind)
                        spans.setdefault(leaf, set()).update(found)
    return {leaf: _masked(*leaves[leaf], sorted(found)) for leaf, found in spans.items()}


def _finder(group: str) -> Callable[[str], list[tuple[str, int, int]]]:
    module = plugin("wardline.detectors", group)
    if module is None:
        raise EvaluationError(f"the detectors `{group}` are no longer installed")
    find: Callable[[str], list[tuple[str, int, int]]] = module.find
    return find


def _spans(text: str, detectors: Detectors) -> set[_Span]:
    return {
        (start, end, name)
        for group, names in detectors.items()
        for name, start, end in _finder(group)(text)
        if names is None or name in names
    }


def _masked(text: str, kind: str, spans: Sequence[_Span]) -> str | bytes:
    """Return the text with every span replaced; spans that overlap become one."""
    parts: list[str] = []
    at = 0
    for start, end, name in spans:
        if start >= at:
            parts += (text[at:start], f"[REDACTED:{name}]")
        at = max(at, end)
    shown = "".join((*parts, text[at:]))
    return shown.encode("latin-1") if kind == "bytes" else shown


def _texts(value: Any, above: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield every text in a value, with its place and whether it is text, bytes, number or key."""
    kind = type(value)
    if kind is str:
        yield value, above, "text"
    elif kind is bytes:
        # Every octet becomes one character, so nothing is lost and offsets stay true.
        yield value.decode("latin-1"), above, "bytes"
    elif kind is int:
        if _LEAST_BITS <= value.bit_length() <= _MOST_BITS:
            yield str(value), above, "number"
    elif kind is dict:
        for key, item in value.items():
            yield key, (*above, key), "key"
            yield from _texts(item, (*above, key))
    elif kind is list or kind is tuple:
        for index, item in enumerate(value):
            yield from _texts(item, (*above, index))
    elif kind is Opaque:
        raise EvaluationError("what passes by reference cannot be searched")
