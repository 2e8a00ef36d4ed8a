"""What a query does: `view(text, dialect)`.

Nothing here runs anything or knows a schema. A text is split into statements by rules that every
server shares, each statement is parsed by sqlglot, and every part of it has to be known to only
read: an unknown function, a comment that some server executes, a string that ends at another place
under another setting make the text opaque. Without a dialect the query is judged under the four main
ones at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from wardline_facets.sql.dialects import DIALECTS, UNION
from wardline_facets.sql.judge import Judgement, judge
from wardline_facets.sql.lexical import MAX_CHARACTERS, split
from wardline_facets.sql.verbs import STARTERS

if TYPE_CHECKING:
    from wardline_facets.sql.lexical import Statement

__all__ = ["MAX_CHARACTERS", "MAX_TOKENS", "view"]

MAX_TOKENS: Final = 600
"""A text with more tokens is opaque, without a dialect a text with more than a third of that: the
time that a call takes has to stay bounded."""

_MAX_NESTING: Final = 20
_MAX_OPEN_JOINS: Final = 4  # the parser tries each of them in two ways
_JOINED: Final = frozenset({"ON", "USING", "CROSS", "NATURAL"})
_TOKENS_PER_STATEMENT: Final = 20  # what one more statement costs, in tokens


def view(text: str, dialect: str = "") -> dict[str, Any]:
    """Return what a query does.

    `statements`: the text of each, without comments and extra white space. `writes`: one of them
    changes data, definitions, locks, the session or the server. `verbs`: of every statement and every
    write inside one, in upper case, in order, once each. `tables`: as written, in lower case.
    `opaque`: something could not be resolved, and nothing may be concluded from what is false. An
    unknown dialect is opaque. Takes any string and raises nothing.
    """
    known = DIALECTS.get(dialect.strip().lower())
    statements, strange = split(text, known or "")
    found = Judgement(opaque=strange or known is None or not statements)
    limit = MAX_TOKENS if known else MAX_TOKENS // 3
    cost = sum(len(statement.tokens) + _TOKENS_PER_STATEMENT for statement in statements)
    if cost > limit:
        return _shown([], Judgement(opaque=True))
    for statement in statements:
        if _too_deep(statement):
            found.opaque = True
            found.verbs.append(statement.word(0))
        elif known:
            _add(found, judge(statement, known, alone=True))
        else:
            _together(found, statement)
    return _shown(statements, found)


def _too_deep(statement: Statement) -> bool:
    depth = run = joins = 0
    for token in statement.tokens:
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        run = run + 1 if token.text in ("NOT", "-", "+", "~", "CASE", "@") else 0
        if depth > _MAX_NESTING or run > _MAX_NESTING:
            return True
        joins += (token.text == "JOIN") - (token.text in _JOINED)
        if joins > _MAX_OPEN_JOINS:
            return True
    return False


def _together(found: Judgement, statement: Statement) -> None:
    """What all the dialects say that can read it; harmless only if none of them objects."""
    several = [judge(statement, dialect, alone=False) for dialect in UNION]
    readable = [one for one in several if one.readable]
    for one in readable:
        _add(found, one)
    if not readable:
        found.opaque = True
        found.verbs.append(statement.word(0))
    if not found.writes and any(
        token.kind == "word" and token.text in STARTERS and statement.mark(at + 1) != "("
        for at, token in enumerate(statement.tokens)
    ):
        found.opaque = True
    _strange_names(found, statement)


def _strange_names(found: Judgement, statement: Statement) -> None:
    """What only the dialects beyond the four would see: files as tables, sequences as columns."""
    for at, token in enumerate(statement.tokens):
        before = statement.word(at - 1) if at else ""
        if (
            token.kind in ("name", "string")
            and before in ("FROM", "JOIN")
            and set(token.text) & set("./:\\")
        ):
            found.opaque = True
        if token.text == "NEXTVAL":
            found.opaque = True


def _add(found: Judgement, one: Judgement) -> None:
    found.verbs += one.verbs
    found.tables += one.tables
    found.writes = found.writes or one.writes
    found.opaque = found.opaque or one.opaque


def _shown(statements: list[Statement], found: Judgement) -> dict[str, Any]:
    return {
        "statements": [statement.text for statement in statements],
        "writes": found.writes,
        "verbs": [verb for verb in dict.fromkeys(found.verbs) if verb],
        "tables": list(dict.fromkeys(found.tables)),
        "opaque": found.opaque,
    }
