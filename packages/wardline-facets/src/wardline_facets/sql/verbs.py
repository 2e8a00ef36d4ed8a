"""First words of statements, and parts of a parsed statement, as data."""

from __future__ import annotations

from typing import Final

from sqlglot import exp

__all__ = ["HIDDEN", "PARTS", "PRAGMAS", "STARTERS", "WRITES", "WRITING_PARTS"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


WRITES: Final = _names(
    """
    ABORT ALTER ANALYZE ATTACH BACKUP BEGIN BULK CHECKPOINT CLUSTER COMMENT COMMIT COPY CREATE DBCC
    DEALLOCATE DELETE DENY DETACH DISABLE DISCARD DROP ENABLE END EXEC EXECUTE EXPORT FLUSH GRANT
    HANDLER IMPORT INSERT INSTALL KILL LISTEN LOAD LOCK MERGE MSCK NOTIFY OPTIMIZE PREPARE PURGE PUT
    REASSIGN RECONFIGURE REFRESH REINDEX RELEASE REMOVE RENAME REPAIR REPLACE RESET RESTORE REVERT
    REVOKE ROLLBACK SAVE SAVEPOINT SECURITY SET SHUTDOWN START STOP TRUNCATE UNDROP UNINSTALL
    UNLISTEN UNLOAD UNLOCK UPDATE UPSERT USE VACUUM WAITFOR
    """
)
"""First words of statements that change data, definitions, the session or the server."""

HIDDEN: Final = _names(
    "CALL DECLARE DEALLOCATE DELIMITER DO EXEC EXECUTE FETCH GET IF LOAD OPEN PREPARE WHILE"
)
"""First words after which what runs is not in the text, or not one statement."""

STARTERS: Final = _names(
    """
    ALTER BACKUP BEGIN BULK CHECKPOINT CLOSE COMMIT CREATE DBCC DEALLOCATE DECLARE DELETE DENY DROP
    EXEC EXECUTE GOTO GRANT IF INSERT KILL LINENO MERGE OPEN PRINT RAISERROR READTEXT RECONFIGURE
    RESTORE RETURN REVERT REVOKE ROLLBACK SAVE SET SETUSER SHUTDOWN TRUNCATE UPDATE UPDATETEXT USE
    WAITFOR WHILE WRITETEXT THROW DISABLE ENABLE
    """
)
"""Words that begin a statement in T-SQL, where no semicolon has to stand before them."""

PRAGMAS: Final = _names(
    """
    APPLICATION_ID CACHE_SIZE COLLATION_LIST COMPILE_OPTIONS DATABASE_LIST ENCODING FOREIGN_KEYS
    FOREIGN_KEY_LIST FREELIST_COUNT FUNCTION_LIST INDEX_INFO INDEX_LIST INDEX_XINFO JOURNAL_MODE
    MAX_PAGE_COUNT MODULE_LIST PAGE_COUNT PAGE_SIZE PRAGMA_LIST SCHEMA_VERSION TABLE_INFO TABLE_LIST
    TABLE_XINFO USER_VERSION FOREIGN_KEY_CHECK INTEGRITY_CHECK QUICK_CHECK
    """
)
"""Pragmas of SQLite that only tell, at least without a value."""

PARTS: Final = _names(
    """
    Add Adjacent Alias Aliases All Any AtTimeZone Between BitString BitwiseAnd BitwiseLeftShift
    BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor Boolean Bracket ByteString CTE Column
    Connect Cube DPipe DataType DataTypeParam Distance Distinct Div EQ Escape Except Fetch Filter
    Final From FromTimeZone GT GTE Glob Group GroupingSets IndexTableHint Partition Having HavingMax HexString
    HistoricalData ILike Identifier IgnoreNulls In IntDiv Intersect Interval IntervalSpan Is
    JSONColumnDef JSONExtractQuote JSONKeyValue JSONPath JSONPathFilter JSONPathKey JSONPathPart
    JSONPathRecursive JSONPathRoot JSONPathSelector JSONPathSlice JSONPathSubscript JSONPathUnion
    JSONPathWildcard JSONSchema JSONValue Join Kwarg LT LTE Lambda Lateral Like Limit LimitOptions
    Literal Mod Mul NEQ National Neg NestedJSONSelect Not Null NullSafeEQ NullSafeNEQ
    ObjectIdentifier Offset OnCondition OpenJSONColumnDef Order Ordered Overlaps
    OverflowTruncateBehavior Parameter Paren Pivot PivotAlias PivotAny Placeholder PositionalColumn
    Prior PseudoType Pseudocolumn PropertyEQ Qualify RawString Reference RespectNulls Rollup Select
    SessionParameter SimilarTo Slice Sort Star Sub Subquery Table TableAlias TableColumn
    TableSample Tuple Union UnpivotColumns Values Var Version Where Window WindowSpec With
    WithTableHint WithinGroup Cluster Distribute Dot AlterColumn AlterRename Analyze Check
    CheckColumnConstraint CollateColumnConstraint ColumnConstraint ColumnDef Constraint
    DefaultColumnConstraint ForeignKey GeneratedAsIdentityColumnConstraint Index IndexParameters
    NotNullColumnConstraint OnConflict PrimaryKey PrimaryKeyColumnConstraint RenameColumn Returning
    Schema SetItem TransactionMode UniqueColumnConstraint When Whens
    """
)
"""Classes of sqlglot for parts that do nothing by themselves; some stand only in what writes."""

WRITING_PARTS: Final[dict[type[exp.Expr], str]] = {
    exp.Alter: "ALTER",
    exp.Analyze: "ANALYZE",
    exp.Attach: "ATTACH",
    exp.Comment: "COMMENT",
    exp.Commit: "COMMIT",
    exp.Copy: "COPY",
    exp.Create: "CREATE",
    exp.Delete: "DELETE",
    exp.Detach: "DETACH",
    exp.Drop: "DROP",
    exp.Execute: "EXEC",
    exp.Export: "EXPORT",
    exp.Grant: "GRANT",
    exp.Insert: "INSERT",
    exp.Install: "INSTALL",
    exp.Into: "INTO",
    exp.Kill: "KILL",
    exp.LoadData: "LOAD",
    exp.Lock: "LOCK",
    exp.Merge: "MERGE",
    exp.Put: "PUT",
    exp.Refresh: "REFRESH",
    exp.Revoke: "REVOKE",
    exp.Rollback: "ROLLBACK",
    exp.Set: "SET",
    exp.Transaction: "BEGIN",
    exp.TruncateTable: "TRUNCATE",
    exp.Update: "UPDATE",
    exp.Use: "USE",
}
"""Classes of sqlglot that write, wherever in a statement they stand, and their verbs."""
