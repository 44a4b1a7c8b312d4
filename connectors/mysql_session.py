"""A MySQL or MariaDB database as the load protocol sees it: one session, one lock, rows by LOAD DATA or INSERT.

DDL commits by itself, so it all happens before the first row is written, under a lock that outlives it: what a crash
leaves of a first load is an empty table, which the next load fills.
"""

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from agent_etl.connectors import mysql_catalog as catalog
from agent_etl.connectors.fit import Slot
from agent_etl.connectors.marker import MARKERS
from agent_etl.connectors.mysql_bulk import Bulk
from agent_etl.connectors.mysql_channel import Channel
from agent_etl.connectors.mysql_types import STORED, UTC, Native, placed
from agent_etl.connectors.names import TableName, find, parse
from agent_etl.connectors.pour import Pour
from agent_etl.connectors.session import creation, no_table, staging, stored
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import AgentEtlError, Busy, ConnectionLost, OutcomeUnknown, TargetError
from agent_etl.engine.ports import Capabilities, Relation
from agent_etl.engine.schema import Column

__all__ = ["CAPABILITIES", "LOCK_SECONDS", "MysqlSession"]

CAPABILITIES = Capabilities(
    kind="mysql",
    dialect="mysql",
    modes=frozenset({"append", "replace", "merge", "scd2"}),
    effect="exactly_once",
    types=STORED,
    max_columns=1017,
    max_identifier=64,
    folds_case=True,
    narrow_names=True,
    distinct="NOT ({0} <=> {1})",
    comparable="CAST({0} AS BINARY)",
    update_joins=True,
    # utf8mb4_bin: the names of two tables that differ in case alone are two.
    table_options=" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
)

LOCK_SECONDS = 30
_LONG = re.compile(r"(text|blob)\b", re.IGNORECASE)
_TEXTUAL = frozenset({"char", "varchar", "longtext"})


class MysqlSession:
    """One connection with one transaction; see session.Session."""

    capabilities = CAPABILITIES

    def __init__(self, channel: Channel, memory_limit: str, wait: int = LOCK_SECONDS) -> None:
        self._channel = channel
        self._memory_limit = memory_limit
        self._wait = wait
        self._made: TableName | None = None
        self._collation = ""

    def find(self, dataset: str) -> TableName | None:
        return find(dataset, catalog.visible(self._channel, dataset), catalog.database(self._channel))

    def meant(self, dataset: str) -> TableName:
        schemas = [row[0] for row in self.query("SELECT schema_name FROM information_schema.schemata")]
        return self.find(dataset) or parse(dataset, catalog.database(self._channel), schemas)

    def begin(self, dataset: str) -> TableName:
        name = self.meant(dataset)
        # Statements see what others have committed, as in every other system here; a binary log of statements forbids.
        level = "IF(@@binlog_format = 'STATEMENT', 'REPEATABLE-READ', 'READ-COMMITTED')"
        self.execute(f"SET SESSION {self._isolation()} = {level}")
        key = hashlib.sha256(name.sql.encode()).hexdigest()[:40]
        lock = f"agent-etl:{key}"
        if self.query(f"SELECT GET_LOCK({literal(lock)}, {self._wait})")[0][0] != 1:
            holder = self.query(f"SELECT IS_USED_LOCK({literal(lock)})")[0][0]
            raise Busy("Another load holds this table", table=name.table, holder=f"MySQL connection {holder}")
        self._collation = catalog.collation(self._channel)
        # The questions so far have begun a transaction; what was committed before the lock came must be seen.
        self.execute("ROLLBACK")
        return name

    def _isolation(self) -> str:
        """MySQL 8 and MariaDB 11.1 have one name for it, older servers another."""
        found = self.query("SHOW SESSION VARIABLES WHERE variable_name IN ('tx_isolation', 'transaction_isolation')")
        return str(max(row[0] for row in found))

    def slots(self, name: TableName) -> tuple[Slot, ...] | None:
        kind = catalog.kind(self._channel, name)
        if kind is None:
            return None
        if kind == "VIEW":
            raise no_table(name)
        return tuple(placed(column) for column in catalog.columns(self._channel, name) if not column.computed)

    def native(self, column: Column) -> Slot:
        text = stored(column, CAPABILITIES)
        base = text.partition("(")[0].partition(" ")[0]
        collation = self._collation if base in _TEXTUAL else None
        comment = UTC if column.type == "TIMESTAMP WITH TIME ZONE" else ""
        return placed(Native(column.name, base, text, json=base == "json", collation=collation, comment=comment))

    def create(self, name: TableName, slots: Sequence[Slot]) -> None:
        self.execute(creation(name, slots, CAPABILITIES))
        self._made = name

    def has_markers(self, name: TableName) -> bool:
        return catalog.kind(self._channel, TableName(name.schema, MARKERS)) is not None

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        return self._channel.query(sql)

    def execute(self, sql: str) -> int:
        return self._channel.execute(sql)

    def pour(self, name: TableName, pour: Pour, rows: Relation) -> int:
        return Bulk(self._channel, name.sql, pour, self._memory_limit).append(rows)

    def stage(self, pour: Pour, rows: Relation, key: Sequence[str]) -> tuple[str, int]:
        table = self._temporary(pour.slots, [slot for slot in pour.slots if slot.name in key])
        return table.sql, self.pour(table, pour, rows)

    def held(self, name: TableName, staged: str, keys: Sequence[Slot]) -> str:
        # From the table to the staged rows the join has an index; the other way there may be none.
        there, names = self._temporary(keys, keys).sql, ", ".join(f"t.{quote(slot.name)}" for slot in keys)
        joined = " AND ".join(f"t.{quote(slot.name)} = s.{quote(slot.name)}" for slot in keys)
        self.execute(f"INSERT INTO {there} SELECT {names} FROM {name.sql} AS t JOIN {staged} AS s ON {joined}")
        return there

    def _temporary(self, slots: Sequence[Slot], keys: Sequence[Slot]) -> TableName:
        """A new temporary table of these columns, where a row is found by its key: a long text by its beginning."""
        table = TableName(None, staging())
        columns = [f"{quote(slot.name)} {slot.native} NULL" for slot in slots]
        parts = [f"{quote(slot.name)}{'(64)' if _LONG.search(slot.native) else ''}" for slot in keys]
        start, end = f"CREATE TEMPORARY TABLE {table.sql} (", f"){CAPABILITIES.table_options}"
        try:
            self.execute(start + ", ".join([*columns, *([f"INDEX ({', '.join(parts)})"] if parts else [])]) + end)
        except TargetError:
            # Some keys are too long for an index; without it the load is slower and nothing else.
            self.execute(start + ", ".join(columns) + end)
        return table

    def commit(self) -> None:
        # Whatever the reply is: nothing of this load is undone any more.
        self._made = None
        try:
            self._channel.commit()
        except ConnectionLost as error:
            raise OutcomeUnknown(
                "The reply to the commit was lost; the marker tells whether it happened", **error.fields
            ) from None

    def rollback(self) -> None:
        made, self._made = self._made, None
        with suppress(AgentEtlError):
            self._channel.rollback()
            if made is not None:
                self._channel.execute(f"DROP TABLE {made.sql}")
