"""Redact and transform: new values at paths of the arguments or of a result.

All changes are computed on what was received and applied at once to a copy, so their order never
matters; two that touch the same place are refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wardline.canonical import Opaque
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "EVERY",
    "MOST_PLACES",
    "REDACTED",
    "Path",
    "apply_changes",
    "format_path",
    "overlap",
    "parse_path",
    "places",
]

EVERY: Final = "[*]"
"""The step of a path that stands for every item of a list."""

REDACTED: Final = "[REDACTED]"

MOST_PLACES: Final = 8192
"""How many places one decision may change; beyond it no bound on its time could hold."""

_NO_MASKS: Final[dict[tuple[str | int, ...], Any]] = {}

Path = tuple[str | int, ...]
"""Steps below the root: a key, an index, or `EVERY`."""

_STEP: Final = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[(\d{1,9})\]|\[(\*)\]")


def parse_path(text: str) -> tuple[str, Path]:
    """Split `args.rows[*].ssn` into its root, `args`, and the steps below it.

    The root is `args` or `result` (`action.args` and `action.result` are the same). Raises
    `ValueError` saying what is wrong.
    """
    rest = text.removeprefix("action.")
    root = next((name for name in ("args", "result") if rest.startswith(name)), None)
    if root is None:
        raise ValueError(f"`{text}` does not begin with `args` or `result`")
    rest = rest[len(root) :]
    steps: list[str | int] = []
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None:
            raise ValueError(
                f"`{rest[at:]}` is not a step of a path; write `.name`, `[0]` or `[*]`"
            )
        name, index, every = step.groups()
        steps.append(name or (EVERY if every else int(index)))
        at = step.end()
    if root == "args" and (not steps or not isinstance(steps[0], str) or steps[0] == EVERY):
        raise ValueError(f"`{text}` does not name an argument; write `args.<name>`")
    return root, tuple(steps)


def format_path(root: str, path: Path) -> str:
    """Return the text of a path, as `parse_path` reads it."""
    return root + "".join(
        f"[{step}]" if isinstance(step, int) else step if step == EVERY else f".{step}"
        for step in path
    )


def overlap(one: Path, other: Path) -> bool:
    """Return whether two paths can touch the same place: equal, or one above the other."""
    return all(a == b or EVERY in (a, b) for a, b in zip(one, other, strict=False))


class _Change:
    """A node of the tree of changes: a new value here, or changes below."""

    __slots__ = ("below", "final", "value")

    def __init__(self) -> None:
        self.below: dict[str | int, _Change] = {}
        self.final = False
        self.value: Any = None


def apply_changes(
    tree: Any,
    redacted: Iterable[Path],
    assigned: Iterable[tuple[Path, Any]],
    masked: Mapping[Path, Any] = _NO_MASKS,
) -> tuple[Any, bool]:
    """Return a copy of `tree` with the changes made, and whether there were any.

    A redacted place that does not exist is left alone; an assigned one is created if the container
    above it exists; a masked leaf inside a redacted place goes with it. Raises `EvaluationError`
    where two changes overlap, a path leads nowhere or there are more than `MOST_PLACES`.
    """
    changes = _Change()
    count = 0
    for path in redacted:
        for place, _ in places(tree, path):
            count += 1
            if count > MOST_PLACES:
                raise EvaluationError(f"more than {MOST_PLACES:,} places would have to be changed")
            _plan(changes, place, REDACTED)
    if len(masked) + count > MOST_PLACES:
        raise EvaluationError(f"more than {MOST_PLACES:,} places would have to be changed")
    for place, value in masked.items():
        if not _covered(changes, place):
            _plan(changes, place, value)
    for place, value in assigned:
        _plan(changes, place, value)
    if not changes.final and not changes.below:
        return tree, False
    return _changed(tree, changes), True


def _plan(changes: _Change, place: Path, value: Any) -> None:
    node = changes
    for step in place:
        if node.final:
            raise _overlapping(place)
        node = node.below.setdefault(step, _Change())
    if node.final or node.below:
        raise _overlapping(place)
    node.final, node.value = True, value


def _covered(changes: _Change, place: Path) -> bool:
    """Return whether the place lies in one that is redacted as a whole."""
    node: _Change | None = changes
    for step in place:
        if node is None or node.final:
            break
        node = node.below.get(step)
    return node is not None and node.final


def _overlapping(place: Path) -> EvaluationError:
    where = format_path("", place).lstrip(".")
    return EvaluationError(f"two rules change `{where}`; let their paths not overlap")


def places(tree: Any, path: Path, above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the places of a path that exist, with every `[*]` spelled out, and what stands there.

    Raises `EvaluationError` for a path into what passes by reference.
    """
    if not path:
        yield above, tree
        return
    step, rest = path[0], path[1:]
    if type(tree) is Opaque:
        where = format_path("", above).lstrip(".") or "the result"
        raise EvaluationError(f"`{where}` passes by reference, so nothing in it can be redacted")
    if step == EVERY:
        if type(tree) in (list, tuple):
            for index, item in enumerate(tree):
                yield from places(item, rest, (*above, index))
    elif isinstance(step, int):
        if type(tree) in (list, tuple) and step < len(tree):
            yield from places(tree[step], rest, (*above, step))
    elif type(tree) is dict and step in tree:
        yield from places(tree[step], rest, (*above, step))


def _changed(tree: Any, change: _Change) -> Any:
    """Return `tree` with the changes made, sharing what did not change."""
    if change.final:
        return change.value
    kind = type(tree)
    if kind is dict:
        copy = dict(tree)
    elif kind in (list, tuple):
        copy = dict(enumerate(tree))
    else:
        raise EvaluationError(f"there is nothing below a {kind.__name__} to change")
    for step, below in change.below.items():
        if step not in copy and (below.below or kind is not dict or not isinstance(step, str)):
            raise EvaluationError(f"there is no `{step}` to change")
        copy[step] = _changed(copy.get(step), below)
    return copy if kind is dict else kind(copy.values())
