"""What a statement does, under one dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from wardline_facets.sql.functions import KNOWN, NAMED
from wardline_facets.sql.lexical import bare
from wardline_facets.sql.parsing import FAILURES, parse
from wardline_facets.sql.verbs import HIDDEN, PARTS, PRAGMAS, STARTERS, WRITES, WRITING_PARTS

if TYPE_CHECKING:
    from wardline_facets.sql.lexical import Statement

__all__ = ["Judgement", "judge"]


@dataclass(slots=True)
class Judgement:
    """What one dialect makes of a statement; `readable` where it is a statement at all."""

    verbs: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    writes: bool = False
    opaque: bool = False
    readable: bool = True


def judge(statement: Statement, dialect: str, *, alone: bool) -> Judgement:
    """Judge one statement; `alone` where the dialect is known and not one of several."""
    first = statement.word(0)
    at = 0
    while not first and statement.mark(at) == "(":
        at += 1
        first = statement.word(at)
    if first == "EXPLAIN" or (
        first in ("DESC", "DESCRIBE")
        and _is_query(statement.word(1))
        and statement.word(1) != "TABLE"
    ):
        return _explain(statement, dialect, alone=alone)
    if first in ("DESC", "DESCRIBE"):
        found = _names_only(statement, first, 1)
    elif first == "SHOW":
        found = _show(statement)
    elif first == "TABLE":
        found = _names_only(statement, first, 1)
        found.tables = [_table_name(statement, 1)] if not found.opaque else []
    elif first == "PRAGMA":
        found = _pragma(statement)
    elif first in ("SELECT", "WITH", "VALUES", "FROM"):
        found = _parsed(statement.text, dialect)
        if first != "WITH":
            found.verbs = [first, *found.verbs]
        if dialect == "tsql" and not found.writes and _second_statement(statement):
            found.opaque = True
    elif first in WRITES or first in HIDDEN:
        found = _parsed(statement.text, dialect)
        found.verbs = list(dict.fromkeys([first, *found.verbs]))
        found.opaque = found.opaque or not found.readable or first in HIDDEN - {"EXEC"}
        found.opaque = found.opaque or first == "EXEC"
        found.writes = found.writes or first in WRITES
        found.readable = True
        return found
    else:
        return Judgement([first] if first else [], opaque=True)
    return _only_where_it_exists(found, first, dialect, alone=alone)


_STATEMENTS_OF: Final = {
    "SHOW": frozenset({"postgres", "mysql", "snowflake", "duckdb"}),
    "DESC": frozenset({"mysql", "snowflake", "oracle", "duckdb"}),
    "DESCRIBE": frozenset({"mysql", "snowflake", "oracle", "duckdb"}),
    "TABLE": frozenset({"postgres", "mysql", "duckdb"}),
    "PRAGMA": frozenset({"sqlite"}),
    "FROM": frozenset({"duckdb"}),
}


def _only_where_it_exists(found: Judgement, first: str, dialect: str, *, alone: bool) -> Judgement:
    """A statement that a server does not have is an error there, and in T-SQL a procedure's name."""
    if first in _STATEMENTS_OF and dialect not in _STATEMENTS_OF[first]:
        found.readable = False
    if not found.readable and alone:
        found.opaque = True
    return found


def _is_query(word: str) -> bool:
    return word in ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "REPLACE", "TABLE", "VALUES")


def _second_statement(statement: Statement) -> bool:
    for at, token in enumerate(statement.tokens):
        if at and token.kind == "word" and token.text in STARTERS and statement.mark(at - 1) != ".":
            return True
    return False


# Statements that tell


_EXPLAIN_WORDS: Final = frozenset(
    {"VERBOSE", "EXTENDED", "PARTITIONS", "QUERY", "PLAN", "USING", "TEXT", "JSON", "TABULAR"}
)


def _explain(statement: Statement, dialect: str, *, alone: bool) -> Judgement:
    """`EXPLAIN …`: only with ANALYZE the statement runs."""
    at = 1
    analyze = dialect == "tsql"  # there it is a procedure's name, and the statement follows
    while at < len(statement.tokens):
        word = statement.word(at)
        if word in ("ANALYZE", "ANALYSE"):
            analyze = True
            at += 1
        elif word == "FORMAT" and statement.mark(at + 1) == "=":
            at += 3
        elif word in _EXPLAIN_WORDS:
            at += 1
        elif statement.mark(at) == "(" and not _is_query(statement.word(at + 1)):
            while at < len(statement.tokens) and statement.mark(at) != ")":
                analyze = analyze or statement.word(at) in ("ANALYZE", "ANALYSE")
                at += 1
            at += 1
        else:
            break
    if at >= len(statement.tokens):
        return Judgement(["EXPLAIN"], opaque=True)
    inner = statement.after(at)
    if not (_is_query(inner.word(0)) or inner.mark(0) == "(") and inner.word(0) != "MERGE":
        # `EXPLAIN users` describes a table; `EXPLAIN PLAN FOR …` stores the plan.
        found = _names_only(statement, "EXPLAIN", 1)
        found.opaque = found.opaque or dialect != "mysql"
        return found
    found = judge(inner, dialect, alone=alone)
    found.verbs = list(dict.fromkeys(["EXPLAIN", *found.verbs]))
    found.writes = found.writes and analyze
    if dialect in ("tsql", "oracle"):
        found.readable = found.writes
        found.opaque = found.opaque or alone
    return found


def _names_only(statement: Statement, verb: str, at: int) -> Judgement:
    rest = statement.tokens[at:]
    plain = all(token.kind in ("word", "name") or token.text == "." for token in rest)
    return Judgement([verb], opaque=not plain or not rest)


def _table_name(statement: Statement, at: int) -> str:
    return "".join(bare(token.text) for token in statement.tokens[at:]).lower()


def _show(statement: Statement) -> Judgement:
    plain = all(
        token.kind in ("word", "name", "string", "number")
        or token.text in (".", "=", ",", "%", "*")
        for token in statement.tokens
    )
    return Judgement(["SHOW"], opaque=not plain or len(statement.tokens) < 2)


def _pragma(statement: Statement) -> Judgement:
    rest = [token for token in statement.tokens[1:] if token.text != "."]
    if len(rest) > 1 and rest[1].kind == "word":
        rest = rest[1:]
    name = rest[0].text if rest else ""
    tells = name in PRAGMAS and (
        len(rest) == 1
        or (len(rest) == 4 and [rest[1].text, rest[3].text] == ["(", ")"] and name in _TAKES_A_NAME)
    )
    return Judgement(["PRAGMA"], writes=not tells)


_TAKES_A_NAME: Final = frozenset(
    name for name in PRAGMAS if name.startswith(("TABLE_", "INDEX_"))
) | {
    "FOREIGN_KEY_LIST",
    "FOREIGN_KEY_CHECK",
    "INTEGRITY_CHECK",
    "QUICK_CHECK",
}


# Statements that are parsed


def _parsed(text: str, dialect: str) -> Judgement:
    try:
        trees = parse(text, dialect)
    except FAILURES:
        return Judgement(readable=False)
    if len(trees) != 1 or trees[0] is None:
        return Judgement(opaque=True)
    found = Judgement()
    try:
        _walk(trees[0], dialect, found)
    except FAILURES:
        found.opaque = True
    return found


def _walk(tree: exp.Expr, dialect: str, found: Judgement) -> None:
    verbs: dict[str, None] = {}
    tables: dict[str, None] = {}
    named = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    if not isinstance(tree, (exp.Query, exp.Values, *WRITING_PARTS)):
        found.opaque = True
    for node in tree.walk():
        if verb := WRITING_PARTS.get(type(node)):
            found.writes = True
            verbs[verb] = None
            named |= {name.lower() for name in _procedures(node)}
        elif isinstance(node, exp.Anonymous):
            found.opaque = found.opaque or not _known_function(node, dialect)
        elif type(node).__name__ not in (KNOWN if isinstance(node, exp.Func) else PARTS):
            found.opaque = True
        elif isinstance(node, exp.Table):
            _table(node, dialect, named, tables, found)
        elif not _harmless_part(node, dialect):
            found.opaque = True
    if dialect == "oracle" and _may_call(tree, tables):
        found.opaque = True
    if isinstance(tree, exp.Query):
        verbs = {"SELECT": None} | verbs
    found.verbs = list(verbs)
    found.tables = list(tables)


_COLUMNS_OF_DUAL: Final = frozenset({"dummy", "level", "rownum", "sysdate", "user", "uid"})


def _may_call(tree: exp.Expr, tables: dict[str, None]) -> bool:
    """Whether a name may be a function: Oracle calls one without arguments like a column."""
    known = {
        source.alias_or_name.lower() for source in tree.find_all(exp.Table, exp.Subquery, exp.CTE)
    }
    known |= {lateral.alias_or_name.lower() for lateral in tree.find_all(exp.Lateral)}
    columns = list(tree.find_all(exp.Column))
    if any(column.table and column.table.lower() not in known for column in columns):
        return True
    names = {column.name.lower() for column in columns if not column.table}
    return set(tables) == {"dual"} and not names <= _COLUMNS_OF_DUAL


def _procedures(node: exp.Expr) -> list[str]:
    """What EXEC names is no table."""
    named = node.this if isinstance(node, exp.Execute) else None
    return [part.name for part in named.parts[-1:]] if isinstance(named, exp.Table) else []


def _known_function(node: exp.Anonymous, dialect: str) -> bool:
    name = node.this
    if isinstance(name, exp.Identifier):
        name = name.name  # a quoted name is a function all the same
    return isinstance(name, str) and name.lower() in NAMED[dialect]


def _harmless_part(node: exp.Expr, dialect: str) -> bool:
    if isinstance(node, exp.DataType):
        return bool(node.this not in (exp.DType.USERDEFINED, exp.DType.UNKNOWN))
    if isinstance(node, exp.Column):
        return node.name.lower() != "nextval" or dialect not in ("oracle", "snowflake")
    if isinstance(node, exp.Dot):
        # A function of a schema; in PostgreSQL `(t).f` may be one, too.
        return isinstance(node.expression, exp.Identifier | exp.Star) and dialect != "postgres"
    if isinstance(node, exp.WithTableHint):
        return all(hint.name.upper() in _HINTS for hint in node.expressions)
    return True


_HINTS: Final = frozenset({"NOLOCK", "READUNCOMMITTED", "READCOMMITTED", "READPAST", "NOEXPAND"})


def _table(
    node: exp.Table, dialect: str, named: set[str], tables: dict[str, None], found: Judgement
) -> None:
    if not isinstance(node.this, exp.Identifier):
        if not isinstance(node.this, exp.Func | exp.Anonymous):
            found.opaque = True  # a stage, four names in a row, a parameter
        return
    parts = [part.name for part in node.parts]
    if dialect == "duckdb" and any(set(part) & set("./:\\*?") for part in parts):
        found.opaque = True  # a file or an address
    name = ".".join(parts).lower()
    if len(parts) > 1 or name not in named:
        tables[name] = None
