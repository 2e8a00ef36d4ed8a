"""sqlglot, quietly and within bounds.

Its parser goes back and tries again where a text could mean several things, and on hostile texts it
does so exponentially often. Here it may take a number of steps that is in proportion to the text.
"""

from __future__ import annotations

import contextvars
import logging
from typing import TYPE_CHECKING, Any, Final

from sqlglot import Dialect
from sqlglot.errors import SqlglotError

from wardline_facets.sql.dialects import DIALECTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlglot import exp
    from sqlglot.parser import Parser

__all__ = ["FAILURES", "parse"]

_STEPS_PER_TOKEN: Final = 3
_STEPS: Final = 60


class _TooManySteps(Exception):
    """The parser has gone back too often."""


FAILURES: Final = (
    SqlglotError,
    _TooManySteps,
    RecursionError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What sqlglot raises on a text that is no SQL, as found by giving it many."""

_reading: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "wardline_facets_sql", default=False
)


class _Quiet(logging.Filter):
    """Drops what sqlglot says about a text while this module reads it; others still hear it."""

    def filter(self, _: logging.LogRecord) -> bool:
        return not _reading.get()


logging.getLogger("sqlglot").addFilter(_Quiet())


def _bounded(parser: type[Parser]) -> type[Parser]:
    """A parser that counts how often it moves."""

    class Bounded(parser):  # type: ignore[valid-type,misc] # the class depends on the dialect
        __slots__ = ("_steps_left",)

        def parse(self, raw_tokens: Any, sql: Any = None) -> list[exp.Expr | None]:
            self._steps_left = _STEPS + _STEPS_PER_TOKEN * len(raw_tokens)
            trees: list[exp.Expr | None] = super().parse(raw_tokens, sql)
            return trees

        def _advance(self, times: int = 1) -> None:
            self._steps_left -= 1
            if self._steps_left < 0:
                raise _TooManySteps
            super()._advance(times)

    return Bounded


_DIALECTS: Final = {name: Dialect.get_or_raise(name) for name in set(DIALECTS.values()) - {""}}
_PARSERS: Final[dict[str, Callable[..., Parser]]] = {
    name: _bounded(dialect.parser_class) for name, dialect in _DIALECTS.items()
}


def parse(text: str, dialect: str) -> list[exp.Expr | None]:
    """Parse a text; raises one of `FAILURES` where it is none that sqlglot can read."""
    token = _reading.set(True)
    try:
        known = _DIALECTS[dialect]
        return _PARSERS[dialect](dialect=known).parse(known.tokenize(text), text)
    finally:
        _reading.reset(token)
