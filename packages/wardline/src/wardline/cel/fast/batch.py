"""The conditions that are evaluated together, and the code made for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wardline.cel.fast.source import FUNCTION, LOCALS, write
from wardline.cel.fast.terms import outline
from wardline.cel.fast.values import NAMES, Values
from wardline.cel.values import BudgetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType
    from typing import TypeAlias

    from wardline.cel.activation import Activation
    from wardline.cel.program import Program

    _Screen: TypeAlias = Callable[[Activation, list[int], list[int]], int]

__all__ = ["Batch", "compile_checked"]

_COLD: Final = 16
"""Evaluations before code is made: making it takes as long as about thirty of them."""

_TOGETHER: Final = 256
"""Conditions in one function; one function is made in one call, so that no decision waits long."""

_FIELDS: Final = frozenset(
    (
        "args", "budget", "kind", "stage", "type", "name", "framework", "call_id", "result", "error", "duration_ms",
        "principal", "session", "run", "tool",
    )
)  # fmt: skip
"""Everything that generated code may name after a dot."""


class Batch:
    """Conditions that are evaluated together. Safe to share between threads."""

    __slots__ = ("_calls", "_chunks", "_cost", "_size")

    def __init__(self, programs: Sequence[Program]) -> None:
        self._size = len(programs)
        self._cost = sum(program.cost for program in programs)
        self._chunks = [
            _Chunk(at, programs[at : at + _TOGETHER]) for at in range(0, self._size, _TOGETHER)
        ]
        self._calls = 0

    def screen(self, env: Activation) -> tuple[list[int], list[int]]:
        """Return the numbers of the conditions that hold, and of those in doubt, each in order.

        The others are false. What the strict evaluation takes for all but those in doubt is taken
        from the budget. Where that leaves less than nothing, nothing is known.
        """
        if self._calls < _COLD:
            self._calls += 1
            return [], list(range(self._size))
        env.budget -= self._cost
        holds: list[int] = []
        doubts: list[int] = []
        patient = True
        for chunk in self._chunks:
            made = chunk.made
            if made is None:
                made = chunk.make() if patient else chunk.nothing()
                patient = False
            run, upfront, back = made
            known = len(doubts)
            try:
                spent = upfront + run(env, holds, doubts) - 1
            except BudgetError:
                break
            # Only now, since what the code calls takes its steps from the budget by itself.
            env.budget -= spent
            if len(doubts) > known:
                env.budget += sum(back[number - chunk.first] for number in doubts[known:])
            if env.budget < 0:
                break
        if holds:
            holds.sort()
        if doubts:
            doubts.sort()
        return holds, doubts


class _Made(NamedTuple):
    """The code for a chunk, what it always spends, and what each condition gives back in doubt."""

    run: _Screen
    upfront: int
    back: tuple[int, ...]


class _Chunk:
    """Some conditions of a batch, the first of which has the number `first`."""

    __slots__ = ("_programs", "first", "made")

    def __init__(self, first: int, programs: Sequence[Program]) -> None:
        self.first = first
        self._programs = programs
        self.made: _Made | None = None

    def make(self) -> _Made:
        """Make the code. Where Python cannot compile it, everything stays in doubt for good."""
        values = Values()
        constants: dict[str, object] = {}
        outlines = [outline(program.expr.root, values, constants) for program in self._programs]
        made = self.nothing()
        if any(one.steps for one in outlines):
            source = write(enumerate(outlines, self.first), values.lines)
            try:
                run = compile_checked(source, constants)
            except (SyntaxError, RecursionError, MemoryError, OverflowError):
                pass
            else:
                upfront = [one.upfront for one in outlines]
                back = tuple(cost + more for cost, more in zip(made.back, upfront, strict=True))
                made = _Made(run, sum(upfront), back)
        self.made = made
        return made

    def nothing(self) -> _Made:
        """Return what stands for the code until there is some: it is certain of nothing."""
        numbers = range(self.first, self.first + len(self._programs))

        def run(env: Activation, holds: list[int], doubts: list[int]) -> int:  # noqa: ARG001
            doubts += numbers
            return 1

        return _Made(run, 0, tuple(program.cost for program in self._programs))


def compile_checked(source: str, constants: dict[str, object]) -> _Screen:
    """Compile the source of one function and make sure that it names nothing but what it may.

    `constants` are functions it calls beside those of `NAMES`. Raises RuntimeError for any other
    name, whatever it is for.
    """
    names = {**NAMES, **constants, "__builtins__": {}}
    module = compile(source, "<conditions>", "exec", dont_inherit=True)
    bodies = [part for part in module.co_consts if hasattr(part, "co_code")]
    if len(bodies) != 1 or module.co_names != (FUNCTION,):
        raise RuntimeError("generated code is more than one function")
    code: CodeType = bodies[0]
    strange = {*code.co_names, *code.co_freevars} - names.keys() - _FIELDS
    if strange or any(hasattr(part, "co_code") for part in code.co_consts):
        raise RuntimeError(f"generated code names {', '.join(sorted(strange)) or 'a function'}")
    if code.co_varnames[: code.co_argcount] != LOCALS:
        raise RuntimeError("generated code takes other parameters than it should")
    made: dict[str, Any] = names
    exec(module, made)  # noqa: S102 - its names were checked, and there are no builtins
    run: _Screen = made[FUNCTION]
    return run
