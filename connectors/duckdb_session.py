"""A DuckDB file as the load protocol sees it: one connection, one transaction, rows by INSERT … SELECT."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from agent_etl.connectors.fit import Slot
from agent_etl.connectors.marker import MARKERS
from agent_etl.connectors.names import TableName, find, parse
from agent_etl.connectors.pour import Pour, explained
from agent_etl.connectors.session import creation, no_table, staging
from agent_etl.engine import duck
from agent_etl.engine.duck import Cursor, literal, quote
from agent_etl.engine.errors import AgentEtlError, Busy, OutcomeUnknown, TargetError
from agent_etl.engine.ports import Capabilities, Relation
from agent_etl.engine.schema import Column

__all__ = ["CAPABILITIES", "DuckdbSession", "describe", "find_table", "list_tables"]

CAPABILITIES = Capabilities(
    kind="duckdb",
    dialect="duckdb",
    modes=frozenset({"append", "replace", "merge", "scd2"}),
    effect="exactly_once",
    folds_case=True,
    ordered=True,
)
"""Every logical type is stored as itself."""


def list_tables(connection: Cursor) -> tuple[TableName, ...]:
    """Tables and views of the file, sorted; those of `main` without a schema. Our own marker table is none."""
    rows = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT temporary AND NOT internal "
        "AND database_name = current_database() UNION ALL SELECT schema_name, view_name FROM duckdb_views() "
        "WHERE NOT temporary AND NOT internal AND database_name = current_database() ORDER BY 1, 2"
    ).fetchall()
    return tuple(TableName(None if schema == "main" else schema, table) for schema, table in rows if table != MARKERS)


def find_table(connection: Cursor, dataset: str) -> TableName | None:
    """The table or view that a dataset means, or None."""
    tables = list_tables(connection)
    return find(dataset, tables, None) or find(dataset.removeprefix("main."), tables, None)


def describe(connection: Cursor, name: TableName) -> tuple[Column, ...]:
    """The columns of a table or view."""
    rows = connection.execute(f"DESCRIBE {name.sql}").fetchall()
    return tuple(Column(row[0], row[1], row[2] == "YES") for row in rows)


class DuckdbSession:
    """One DuckDB connection with one transaction; see loading.Session."""

    capabilities = CAPABILITIES

    def __init__(self, connection: Cursor) -> None:
        self._connection = connection
        self._begun = False

    def find(self, dataset: str) -> TableName | None:
        return find_table(self._connection, dataset)

    def meant(self, dataset: str) -> TableName:
        schemas = [row[0] for row in self.query("SELECT schema_name FROM duckdb_schemas() WHERE NOT internal")]
        plain = dataset.removeprefix("main.") or dataset
        found = self.find(dataset) or parse(plain, None, schemas)
        if found.schema is None and "." in plain and plain.partition(".")[0] in schemas:
            schema, _, table = plain.partition(".")
            found = TableName(schema, table)
        return found

    def begin(self, dataset: str) -> TableName:
        self.execute("BEGIN TRANSACTION")
        self._begun = True
        return self.meant(dataset)

    def slots(self, name: TableName) -> tuple[Slot, ...] | None:
        where = f"schema_name = {literal(name.schema or 'main')} AND database_name = current_database()"
        if self.query(f"SELECT 1 FROM duckdb_views() WHERE view_name = {literal(name.table)} AND {where}"):
            raise no_table(name)
        rows = self.query(
            "SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns() "
            f"WHERE table_name = {literal(name.table)} AND {where} ORDER BY column_index"
        )
        slots = tuple(Slot(row[0], row[1], row[1], required=not row[2] and row[3] is None) for row in rows)
        return slots or None

    def native(self, column: Column) -> Slot:
        kind = "VARCHAR" if column.type == '"NULL"' else column.type
        return Slot(column.name, kind, kind)

    def create(self, name: TableName, slots: Sequence[Slot]) -> None:
        self.execute(creation(name, slots, CAPABILITIES))

    def has_markers(self, name: TableName) -> bool:
        return bool(
            self.query(
                f"SELECT 1 FROM duckdb_tables() WHERE table_name = {literal(MARKERS)} "
                f"AND schema_name = {literal(name.schema or 'main')} AND database_name = current_database()"
            )
        )

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        try:
            return self._connection.execute(sql).fetchall()
        except duck.Error as error:
            raise _refused(error) from None

    def execute(self, sql: str) -> int:
        rows = self.query(sql)
        return int(rows[0][0]) if rows and isinstance(rows[0][0], int) else 0

    def pour(self, name: TableName, pour: Pour, rows: Relation) -> int:
        return self._streamed(f"INSERT INTO {name.sql} ({pour.names})", pour, rows)

    def stage(self, pour: Pour, rows: Relation, key: Sequence[str]) -> tuple[str, int]:
        table = quote(staging())
        return table, self._streamed(f"CREATE TEMPORARY TABLE {table} AS", pour, rows)

    def _streamed(self, statement: str, pour: Pour, rows: Relation) -> int:
        try:
            with duck.attached(self._connection, rows) as select:
                done = self._connection.execute(f"{statement} {pour.select(select)}").fetchall()
        except duck.Error as error:
            raise explained(str(error), pour) or _refused(error) from None
        return int(done[0][0])

    def held(self, name: TableName, staged: str, keys: Sequence[Slot]) -> str:
        return name.sql

    def commit(self) -> None:
        self._begun = False
        try:
            self._connection.execute("COMMIT")
        except duck.Error as error:
            if _kind(error) in {"TransactionException", "ConstraintException"}:
                raise _refused(error) from None
            raise OutcomeUnknown("The commit failed; the marker tells whether it happened") from error

    def rollback(self) -> None:
        if self._begun:
            self._begun = False
            with suppress(duck.Error):
                self._connection.execute("ROLLBACK")


def _refused(error: duck.Error) -> AgentEtlError:
    """A failed statement in the words of a target; values are left out."""
    if _kind(error) == "ConstraintException":
        kind = next((k for k in ("primary key", "unique", "NOT NULL", "CHECK", "foreign key") if k in str(error)), "")
        return TargetError("A constraint of the target refused the rows", constraint=kind)
    if _kind(error) == "TransactionException":
        return Busy("Another transaction changed the same rows", holder="unknown")
    return duck.translate(error)


def _kind(error: duck.Error) -> str:
    return type(error).__name__
