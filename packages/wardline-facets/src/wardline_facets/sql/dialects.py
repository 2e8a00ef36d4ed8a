"""The dialects that are known, and what each calls things."""

from __future__ import annotations

from typing import Final

__all__ = ["DIALECTS", "UNION"]

DIALECTS: Final = {
    "": "",
    "bigquery": "bigquery",
    "duckdb": "duckdb",
    "mariadb": "mysql",
    "mssql": "tsql",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgres": "postgres",
    "postgresql": "postgres",
    "snowflake": "snowflake",
    "sqlite": "sqlite",
    "sqlserver": "tsql",
    "tsql": "tsql",
}
"""Names that a policy may give, in lower case, and what sqlglot calls them."""

UNION: Final = ("postgres", "mysql", "sqlite", "tsql")
"""The dialects under which a query is judged when nobody said which it is."""
