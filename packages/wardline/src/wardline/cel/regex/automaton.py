"""A pattern as a deterministic automaton that reads each character of a text once.

A state is a set of Thompson states together with what stands before the place. Small automata are
built whole when the policy loads. The states of large ones are built while a text is read, charged
for, and forgotten afterwards, so that a search costs the same every time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from wardline.cel.regex.thompson import LETTER, NEWLINE, OTHER, START, Classes, Thompson
from wardline.cel.values import charge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wardline.cel.regex.syntax import Tree
    from wardline.cel.values import Budget

__all__ = ["Automaton"]

_WHOLE = 12_000  # visits of Thompson states that building one whole may take


class _State(list["_State | None"]):
    """A move per class of characters, None where it is not built yet."""

    __slots__ = ("at_end", "before", "kernel")

    def __init__(self, kernel: frozenset[int], before: int, classes: int) -> None:
        super().__init__([None] * classes)
        self.kernel = kernel
        self.before = before
        self.at_end: bool | None = None


_States: TypeAlias = dict[tuple[frozenset[int], int], _State]


class Automaton:
    """Searches texts for one pattern; `whole` says whether every state was built beforehand."""

    __slots__ = ("_classes", "_match", "_nfa", "_states", "whole")

    def __init__(self, tree: Tree) -> None:
        self._nfa = Thompson(tree)
        self._classes = Classes(self._nfa)
        self._states: _States = {}
        self._match = _State(frozenset(), OTHER, len(self._classes.contexts))
        self._match.at_end = True
        self._match[:] = [self._match] * len(self._match)
        self.whole = self._build_all()

    def search(self, text: str, env: Budget) -> bool:
        """Whether the pattern matches somewhere in the text; charges for states that it builds."""
        match = self._match
        if self.whole:
            state = self._first(self._states)
            for number in self._numbers(text):
                state = state[number]  # type: ignore[assignment]
                if state is match:
                    return True
            return bool(state.at_end)
        states: _States = {}
        state = self._first(states)
        for number in self._numbers(text):
            following = state[number]
            if following is None:
                following, visits = self._step(states, state, number)
                charge(env, 2 * visits + 8 + (len(state) >> 3))
            if following is match:
                return True
            state = following
        charge(env, len(self._nfa.moves))
        return 0 in self._closure(state, START)

    def _numbers(self, text: str) -> Iterable[int]:
        if text.isascii():
            return text.encode("ascii").translate(self._classes.ascii)
        of = self._classes.of
        table = {char: of(ord(char)) for char in set(text)}
        return map(table.__getitem__, text)

    # States

    def _first(self, states: _States) -> _State:
        return self._state(states, frozenset((self._nfa.start,)), START)

    def _state(self, states: _States, kernel: frozenset[int], before: int) -> _State:
        key = (kernel, before)
        state = states.get(key)
        if state is None:
            state = states[key] = _State(kernel, before, len(self._classes.contexts))
        return state

    def _step(self, states: _States, state: _State, number: int) -> tuple[_State, int]:
        """Build the move of a state on a class of characters; also how many states that visited."""
        context = self._classes.contexts[number]
        reached = self._closure(state, context)
        following = self._match
        if 0 not in reached:
            accepts, moves = self._classes.accepts, self._nfa.moves
            kernel = {self._nfa.start}
            for at in reached:
                accepted = accepts[at]
                if accepted is not None and number in accepted:
                    kernel.add(moves[at][0])
            following = self._state(states, frozenset(kernel), context)
        state[number] = following
        return following, len(reached)

    def _closure(self, state: _State, after: int) -> set[int]:
        """The Thompson states that can be reached without reading, where `after` comes next."""
        moves, places, accepts = self._nfa.moves, self._nfa.places, self._classes.accepts
        seen = set(state.kernel)
        stack = list(seen)
        while stack:
            at = stack.pop()
            if accepts[at] is not None:
                continue
            if places[at] and not _holds(places[at], state.before, after):
                continue
            for move in moves[at]:
                if move not in seen:
                    seen.add(move)
                    stack.append(move)
        return seen

    def _build_all(self) -> bool:
        """Build every state, unless that takes too long."""
        todo = [self._first(self._states)]
        known = {id(self._match), id(todo[0])}
        visits = 0
        while todo:
            state = todo.pop()
            state.at_end = 0 in self._closure(state, START)
            for number in range(len(state)):
                following, visited = self._step(self._states, state, number)
                visits += visited
                if id(following) not in known:
                    known.add(id(following))
                    todo.append(following)
                if visits > _WHOLE:
                    self._states = {}
                    return False
        return True


def _holds(place: str, before: int, after: int) -> bool:
    """Whether an assertion holds between what is `before` and `after`; START is also the end."""
    if place == "start":
        return before == START
    if place == "end":
        return after == START
    if place == "line_start":
        return before in (START, NEWLINE)
    if place == "line_end":
        return after in (START, NEWLINE)
    boundary = (before == LETTER) != (after == LETTER)
    return boundary if place == "word" else not boundary
