"""A SQLite file as the load protocol sees it: one connection, one BEGIN IMMEDIATE, rows through a temporary table."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from agent_etl.connectors.adbc import Channel
from agent_etl.connectors.fit import Slot
from agent_etl.connectors.marker import MARKERS
from agent_etl.connectors.names import TableName, find, parse
from agent_etl.connectors.pour import Pour
from agent_etl.connectors.session import creation, no_table, staging, stored
from agent_etl.connectors.sqlite_types import STORED, declared, slot_type, wire
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import AgentEtlError, OutcomeUnknown
from agent_etl.engine.interruption import check
from agent_etl.engine.ports import Capabilities, Relation
from agent_etl.engine.schema import Column

__all__ = ["CAPABILITIES", "SqliteSession"]

CAPABILITIES = Capabilities(
    kind="sqlite",
    dialect="sqlite",
    modes=frozenset({"append", "replace", "merge", "scd2"}),
    effect="exactly_once",
    types=STORED,
    max_columns=2000,
    folds_case=True,
    ordered=True,
    unsorted="{0} NOT GLOB '????-??-?? ??:??:??*' OR {0} GLOB '*Z'",
)

_CHUNK = 250_000


class SqliteSession:
    """One connection with one transaction; see loading.Session."""

    capabilities = CAPABILITIES

    def __init__(self, channel: Channel, memory_limit: str) -> None:
        self._channel = channel
        self._memory_limit = memory_limit
        self._begun = False

    def find(self, dataset: str) -> TableName | None:
        rows = self.query("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        return find(dataset, [TableName(None, row[0]) for row in rows], None)

    def meant(self, dataset: str) -> TableName:
        return self.find(dataset) or parse(dataset, None, ())

    def begin(self, dataset: str) -> TableName:
        self._channel.execute("BEGIN IMMEDIATE")
        self._begun = True
        return self.meant(dataset)

    def slots(self, name: TableName) -> tuple[Slot, ...] | None:
        kind = self.query(f"SELECT type FROM sqlite_master WHERE name = {literal(name.table)}")
        if kind and kind[0][0] == "view":
            raise no_table(name)
        # A key that is the row id fills itself; generated columns (hidden 2 and 3) cannot be written.
        rows = self.query(
            "SELECT name, type, \"notnull\" = 1 AND dflt_value IS NULL AND NOT (pk > 0 AND upper(type) = 'INTEGER') "
            f"FROM pragma_table_xinfo({literal(name.table)}) WHERE hidden = 0"
        )
        slots = tuple(
            Slot(row[0], slot_type(declared(row[0], row[1] or "")), row[1] or "", required=bool(row[2])) for row in rows
        )
        return slots or None

    def native(self, column: Column) -> Slot:
        text = stored(column, CAPABILITIES)
        return Slot(column.name, slot_type(declared(column.name, text)), text)

    def create(self, name: TableName, slots: Sequence[Slot]) -> None:
        self.execute(creation(name, slots, CAPABILITIES))

    def has_markers(self, name: TableName) -> bool:
        return bool(self.query(f"SELECT 1 FROM sqlite_master WHERE name = {literal(MARKERS)}"))

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        return self._channel.query(sql)

    def execute(self, sql: str) -> int:
        self._channel.execute(sql)
        return int(self._channel.query("SELECT changes()")[0][0])

    def pour(self, name: TableName, pour: Pour, rows: Relation) -> int:
        staged, given = self.stage(pour, rows, ())
        # The driver cannot end a statement of another thread, so a long load is several short ones.
        for first in range(0, given, _CHUNK):
            check()
            part = f"rowid > {first} AND rowid <= {first + _CHUNK}"
            self._channel.execute(
                f"INSERT INTO {name.sql} ({pour.names}) SELECT {pour.names} FROM {staged} WHERE {part} ORDER BY rowid"
            )
        self._channel.execute(f"DROP TABLE {staged}")
        return given

    def stage(self, pour: Pour, rows: Relation, key: Sequence[str]) -> tuple[str, int]:
        table = staging()
        wired = tuple(
            (column, slot, wire(expression, column.type if slot.type == "ANY" else slot.type, position))
            for position, (column, slot, expression) in enumerate(pour.items)
        )
        given = self._channel.ingest(table, replace(pour, items=wired), rows, self._memory_limit)
        if key:
            # SQLite would make such an index for each of the following queries.
            self._channel.execute(
                f"CREATE INDEX temp.{quote(table + '_key')} ON {quote(table)} ({', '.join(map(quote, key))})"
            )
        return f"temp.{quote(table)}", given

    def held(self, name: TableName, staged: str, keys: Sequence[Slot]) -> str:
        return name.sql

    def commit(self) -> None:
        try:
            self._channel.execute("COMMIT")
            self._begun = False
        except AgentEtlError as error:
            raise OutcomeUnknown("The commit failed; the marker tells whether it happened") from error

    def rollback(self) -> None:
        if self._begun:
            self._begun = False
            with suppress(AgentEtlError):
                self._channel.execute("ROLLBACK")
