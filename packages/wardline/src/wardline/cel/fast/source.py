"""Writes the outlines of many conditions as one Python function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wardline.cel.fast.terms import CALLS, INLINE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wardline.cel.fast.terms import Outline, Step

__all__ = ["FUNCTION", "LOCALS", "write"]

FUNCTION: Final = "screen"

LOCALS: Final = ("e", "h", "d")
"""The parameters: the activation, and the lists for what holds and what is in doubt."""


class _Branch:
    """What follows once some steps were passed.

    Conditions that begin with the same steps share them. Those that spend steps of evaluation do not
    from there on, so that what they spent can be given back where they end in doubt.
    """

    __slots__ = ("alone", "below", "doubtful", "holding")

    def __init__(self) -> None:
        self.below: dict[Step, _Branch] = {}
        self.alone: list[tuple[int, tuple[Step, ...], bool]] = []
        self.holding: list[int] = []
        self.doubtful: list[int] = []

    def add(self, number: int, outline: Outline) -> None:
        """Sort one condition in."""
        branch = self
        for at, step in enumerate(outline.steps):
            if step.spends:
                branch.alone.append((number, outline.steps[at:], outline.open_end))
                return
            branch = branch.below.setdefault(step, _Branch())
        (branch.doubtful if outline.open_end else branch.holding).append(number)

    def numbers(self) -> Iterator[int]:
        """All conditions that pass here."""
        yield from self.holding
        yield from self.doubtful
        yield from (number for number, _, _ in self.alone)
        for branch in self.below.values():
            yield from branch.numbers()


def write(outlines: Iterable[tuple[int, Outline]], beginning: Sequence[str]) -> str:
    """The source of a function of `LOCALS` that returns 1 + the steps that were spent.

    `beginning` are the lines that read the values. The numbers are what it puts into the lists.
    """
    root = _Branch()
    for number, outline in outlines:
        root.add(number, outline)
    lines = [f"def {FUNCTION}({', '.join(LOCALS)}):", " b = 1"]
    lines += [f" {line}" for line in beginning]
    lines += _branch(root, " ")
    lines.append(" return b")
    return "\n".join(lines) + "\n"


def _branch(branch: _Branch, indent: str) -> Iterator[str]:
    if branch.holding:
        yield f"{indent}h += {_tuple(branch.holding)}"
    if branch.doubtful:
        yield f"{indent}d += {_tuple(branch.doubtful)}"
    for step, below in branch.below.items():
        yield f"{indent}if {step.code}:"
        yield from _branch(below, indent + " ")
        if step.need:
            yield f"{indent}else:"
            yield f"{indent} d += {_tuple(sorted(below.numbers()))}"
    for number, steps, open_end in branch.alone:
        calls = any(step.spends == CALLS for step in steps)
        yield f"{indent}c = b; g = e.budget" if calls else f"{indent}c = b"
        hold = f"h += {_tuple([number])}"
        doubt = f"b = c; d += {_tuple([number])}" + ("; e.budget = g" if calls else "")
        yield from _alone(steps, doubt if open_end else hold, doubt, indent)


def _alone(steps: tuple[Step, ...], end: str, doubt: str, indent: str) -> Iterator[str]:
    if not steps:
        yield indent + end
        return
    step = steps[0]
    if step.spends not in ("", INLINE, CALLS):
        yield f"{indent}b += {step.spends}"
    yield f"{indent}if {step.code}:"
    yield from _alone(steps[1:], end, doubt, indent + " ")
    if step.need:
        yield f"{indent}else:"
        yield f"{indent} {doubt}"


def _tuple(numbers: Sequence[int]) -> str:
    return f"({', '.join(map(str, numbers))},)"
