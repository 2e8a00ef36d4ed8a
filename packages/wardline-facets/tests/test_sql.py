"""`sql(…)`: what a query does."""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wardline_facets.sql import MAX_TOKENS, view

CASES = yaml.safe_load(
    (Path(__file__).parents[1] / "evasions" / "sql.yaml").read_text(encoding="utf-8")
)
EVASIONS = [(case["text"], case.get("dialect", "")) for case in CASES["evasions"]]
HARMLESS = [(case["text"], case.get("dialect", "")) for case in CASES["harmless"]]
DIALECTS = ["", "postgres", "mysql", "sqlite", "tsql", "bigquery", "snowflake", "duckdb", "oracle"]


def harmless(found: dict[str, Any]) -> bool:
    return not (found["writes"] or found["opaque"])


def test_the_shape() -> None:
    text = "SELECT a  FROM Shop.Orders -- all\n; WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x;"
    assert view(text, "postgres") == {
        "statements": [
            "SELECT a FROM Shop.Orders",
            "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
        ],
        "writes": True,
        "verbs": ["SELECT", "DELETE"],
        "tables": ["shop.orders", "t"],
        "opaque": False,
    }


@pytest.mark.parametrize(
    ("text", "dialect", "want"),
    [
        ("SELECT a FROM t", "postgres", "read"),
        ("SELECT 1; DROP TABLE users", "postgres", "write"),
        ("WITH x AS (DELETE FROM users RETURNING *) SELECT * FROM x", "postgres", "write"),
        ("/*!50000 DROP*/ TABLE users", "mysql", "opaque"),
        ("EXEC xp_cmdshell 'rm'", "tsql", "write"),
        ("COPY t FROM PROGRAM 'sh'", "postgres", "write"),
        ("SELECT pg_read_file('/etc/passwd')", "postgres", "opaque"),
        ("SELECT * FROM t INTO OUTFILE '/x'", "mysql", "opaque"),
        ("CALL p()", "mysql", "opaque"),
        ("DO $$ begin delete from t; end $$", "postgres", "opaque"),
    ],
)
def test_ways_around_a_guard_that_reads_the_first_word(text: str, dialect: str, want: str) -> None:
    found = view(text, dialect)
    assert want == ("write" if found["writes"] else "opaque" if found["opaque"] else "read")


@pytest.mark.parametrize(
    ("text", "verbs", "tables"),
    [
        ("drop table Users", ["DROP"], ["users"]),
        ("INSERT INTO a.b (x) SELECT y FROM c", ["INSERT"], ["a.b", "c"]),
        ("UPDATE t SET a = (SELECT max(b) FROM u)", ["UPDATE"], ["t", "u"]),
        ("SELECT * FROM t FOR UPDATE", ["SELECT", "LOCK"], ["t"]),
        ("SELECT 1; TRUNCATE TABLE t; SELECT 2", ["SELECT", "TRUNCATE"], ["t"]),
        ("WITH x AS (SELECT * FROM t) SELECT * FROM x", ["SELECT"], ["t"]),
        ("CREATE TABLE n (id int PRIMARY KEY, name text NOT NULL)", ["CREATE"], ["n"]),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", ["MERGE"], ["t", "s"]),
        ("ALTER TABLE t ADD COLUMN x int", ["ALTER"], ["t"]),
        ("EXPLAIN SELECT * FROM t", ["EXPLAIN", "SELECT"], ["t"]),
    ],
)
def test_verbs_and_tables(text: str, verbs: list[str], tables: list[str]) -> None:
    found = view(text, "postgres")
    assert (found["verbs"], found["tables"], found["opaque"]) == (verbs, tables, False)


@pytest.mark.parametrize(
    ("text", "dialect", "writes", "opaque"),
    [
        ("EXPLAIN DELETE FROM t", "postgres", False, False),
        ("EXPLAIN ANALYZE DELETE FROM t", "postgres", True, False),
        ("EXPLAIN DELETE FROM t", "", True, False),  # in T-SQL a procedure and a second statement
        ("SELECT 1 SHUTDOWN", "tsql", False, True),
        ("SELECT 1 SHUTDOWN", "", False, True),
        ("SELECT 1 AS shutdown", "postgres", False, False),
        ("SELECT a#>>'{b}' FROM t", "postgres", False, False),
        ("SELECT a#>>'{b}' FROM t", "", False, True),
        ("SELECT * FROM #tmp", "tsql", False, False),
        ("SELECT [a b] FROM [dbo].[t]", "tsql", False, False),
        ("SELECT * FROM t WHERE a = $1", "postgres", False, False),
        ("SELECT * FROM t WHERE a = ?", "sqlite", False, False),
        ("SELECT frobnicate(1)", "postgres", False, True),
        ("SELECT evil.lower('a')", "postgres", False, True),
        ("SELECT größe FROM maße", "postgres", False, False),
        ("SELECT * FROM t", "Postgres ", False, False),
        ("SELECT * FROM t", "postgresql", False, False),
        ("SELECT * FROM t", "mssql", False, False),
        ("SELECT * FROM t", "cobol", False, True),
        ("", "postgres", False, True),
        (" ; ;", "", False, True),
        ("PRAGMA user_version", "sqlite", False, False),
        ("PRAGMA user_version = 3", "sqlite", True, False),
        ("PRAGMA user_version", "postgres", False, True),
    ],
)
def test_what_a_dialect_makes_of_it(text: str, dialect: str, writes: bool, opaque: bool) -> None:
    found = view(text, dialect)
    assert (found["writes"], found["opaque"]) == (writes, opaque)


def test_without_a_dialect_one_objection_is_enough() -> None:
    # `#` comments the semicolon out for MySQL alone.
    assert not harmless(view("SELECT 1 # ; DELETE FROM t"))
    assert harmless(view("SELECT 1 # ; DELETE FROM t", "mysql"))
    # Only one of the four can read it, and to that one it is a read.
    assert harmless(view("SELECT TOP 3 a FROM t"))


@given(st.text() | st.text("SELECT1 '\"`[]()/*-#;$\\\n,.=Ee"), st.sampled_from([*DIALECTS, "x"]))
def test_any_text_has_an_answer(text: str, dialect: str) -> None:
    found = view(text, dialect)
    assert list(found) == ["statements", "writes", "verbs", "tables", "opaque"]
    assert found == view(text, dialect)
    assert all(verb == verb.upper() for verb in found["verbs"])


def test_lone_surrogates_and_nul_are_opaque() -> None:
    for text in ("SELECT '\ud800'", "SELECT \udfff", "SELECT 1\0", "SELECT '\0'"):
        assert view(text, "postgres")["opaque"]


WRAPS = [
    "SELECT 1; {}", "{}; SELECT 1", "/* SELECT */ {}", "-- x\n{}", "\n\t {}", "{}\n;", ";;{}",
    "{} -- x", "SELECT 1;\n\n/* ; */{}",
]  # fmt: skip


@given(
    st.sampled_from(EVASIONS),
    st.lists(st.sampled_from(WRAPS), max_size=3),
    st.sampled_from([str, str.upper, str.lower, str.swapcase]),
)
def test_an_evasion_stays_one_wherever_it_stands(
    case: tuple[str, str], wraps: list[str], change: Any
) -> None:
    text, dialect = case
    text = change(text)
    for wrap in wraps:
        text = wrap.replace("{}", text)
    assert not harmless(view(text, dialect))


@given(st.sampled_from(EVASIONS), st.sampled_from(["\t", "\n", "  ", "/**/", " /* x */ "]))
def test_other_white_space_hides_nothing(case: tuple[str, str], space: str) -> None:
    text, dialect = case
    if "--" not in text and "#" not in text and not text.startswith((".", "\\")):
        assert not harmless(view(text.replace(" ", space), dialect))


def test_threads_get_the_same_answers() -> None:
    cases = (EVASIONS + HARMLESS)[::4] * 2
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda case: view(*case), cases))
    assert found == [view(*case) for case in cases]


def test_nothing_is_logged_and_sqlglot_still_may(caplog: pytest.LogCaptureFixture) -> None:
    for text, dialect in EVASIONS:
        view(text, dialect)
    assert caplog.records == []
    logging.getLogger("sqlglot").warning("heard")
    assert [record.message for record in caplog.records] == ["heard"]


def test_hostile_texts_take_bounded_time() -> None:
    parts = [
        "(", "((", "f(", "a JOIN b ", "x -> (", "CASE WHEN ", "NOT ", "1+", "a,", "[1,", "SELECT (", "a.", "- ",
        "WITH a AS (", "INTERVAL ", "a=(", "IF(", "ARRAY[", "SELECT 1;", " UNION SELECT 1", "'", '"', "/*", "--",
    ]  # fmt: skip
    for part in parts:
        for dialect in ("", "bigquery", "postgres"):
            for times in (15, 60, MAX_TOKENS // 4, 100_000 // len(part)):
                text = "SELECT * FROM " + part * times
                start = time.process_time()
                view(text, dialect)
                assert time.process_time() - start < 1, (part, dialect, times)


WRITES = {
    sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_CREATE_TABLE,
    sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_REINDEX, sqlite3.SQLITE_ANALYZE, sqlite3.SQLITE_SAVEPOINT,
    sqlite3.SQLITE_CREATE_VIEW, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_TRIGGER,
}  # fmt: skip
FRAGMENTS = [
    " ", ";", "'", '"', "`", "(", ")", "[", "]", "--", "/*", "*/", "\n", ",", "*", "=", "1", "x", "\\", "#",
    "; DELETE FROM t; ", " DROP TABLE t ", " UNION SELECT 1", "EXPLAIN ", " LIMIT 1", "REPLACE INTO t VALUES (1)",
]  # fmt: skip


def test_sqlite_writes_nothing_for_a_harmless_text() -> None:
    """Random changes to harmless queries, run by SQLite with an authorizer that sees every write."""
    seen: list[int] = []

    def authorize(action: int, *_: object) -> int:
        if action in WRITES:
            seen.append(action)
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    connection = sqlite3.connect(":memory:")
    connection.executescript("CREATE TABLE t (a, b, x, id); CREATE TABLE users (id, name, email);")
    connection.set_authorizer(authorize)
    source = random.Random(5)
    ran = 0
    for _ in range(2500):
        text, _dialect = source.choice(HARMLESS)
        for _ in range(source.randint(1, 3)):
            at = source.randint(0, len(text))
            text = text[:at] + source.choice(FRAGMENTS) + text[at:]
        for dialect in ("sqlite", ""):
            if not harmless(view(text, dialect)):
                continue
            ran += 1
            try:
                connection.executescript(text)
            except (sqlite3.Error, ValueError):
                pass  # SQLite cannot read it, so nothing was written either
            assert seen == [], (text, dialect)
    connection.close()
    assert ran > 100
