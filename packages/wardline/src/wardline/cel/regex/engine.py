"""Chooses how a pattern runs, and charges for it.

What a search costs depends on the pattern and the text alone, never on what was searched before, so
a decision that is replayed takes the same steps.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from wardline.cel.regex.automaton import Automaton
from wardline.cel.regex.bounded import needed_text, trim, work, write
from wardline.cel.regex.syntax import PatternError, parse
from wardline.cel.values import charge, search_cost
from wardline.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wardline.cel.values import Budget

__all__ = ["Regex", "compile"]

_FEW = 64  # steps for each place of the text up to which `re` is the faster one
_MAX_PATTERN = 4096


class Regex:
    """A pattern that was read and is ready to search."""

    __slots__ = ("_automaton", "_find", "_needs", "_rate", "engine", "pattern")

    def __init__(self, pattern: str) -> None:
        tree = trim(parse(pattern))
        self.pattern = pattern
        self.engine = "re"
        """What runs the pattern: `re`, `automaton`, or `lazy` for an automaton built on demand."""
        self._needs = ""
        self._automaton: Automaton | None = None
        self._find: Callable[[str], object] | None = None
        # 16 times the steps that a character takes at most, beside states that are built for it.
        self._rate = 1 + work(tree)
        if self._rate <= _FEW:
            self._find = re.compile(write(tree), re.ASCII).search
            return
        self._automaton = Automaton(tree)
        self._needs = needed_text(tree)
        self.engine, self._rate = ("automaton", 6) if self._automaton.whole else ("lazy", 8)

    def search(self, text: str, env: Budget) -> bool:
        """Whether the pattern matches somewhere in the text.

        Charges `env` for it first. Raises EvaluationError where the steps do not suffice, or where
        the text holds a lone surrogate, which RE2 cannot read.
        """
        length = len(text)
        if not text.isascii():
            charge(env, (length >> 5) + (8 * len(set(text)) if self.engine != "re" else 0))
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise EvaluationError("`matches` cannot read a lone surrogate") from error
        needs = self._needs
        if needs:
            charge(env, search_cost(length, len(needs)))
            if needs not in text:
                return False
        charge(env, (length * self._rate) >> 4)
        if self._find is not None:
            return self._find(text) is not None
        assert self._automaton is not None
        return self._automaton.search(text, env)


@lru_cache(maxsize=8192)
def compile(pattern: str) -> Regex:
    """The pattern, ready to search; PatternError where RE2 or this version refuses it."""
    if len(pattern) > _MAX_PATTERN:
        raise PatternError(f"a pattern may have {_MAX_PATTERN:,} characters")
    return Regex(pattern)
