"""MySQL and MariaDB: read from one snapshot as Arrow batches that keep every digit, loaded in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa

from agent_etl.connectors import mysql_catalog as catalog
from agent_etl.connectors.celltypes import fits
from agent_etl.connectors.lookup import column_of, given_types, table_of
from agent_etl.connectors.mysql_channel import Channel, address, connect
from agent_etl.connectors.mysql_session import CAPABILITIES, LOCK_SECONDS, MysqlSession
from agent_etl.connectors.mysql_types import Fetched, fetched
from agent_etl.connectors.names import TableName
from agent_etl.connectors.narrowing import for_mysql
from agent_etl.connectors.target import SqlTarget
from agent_etl.engine.deadletters import LETTERS
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import AgentEtlError, ReadError
from agent_etl.engine.interruption import interruptible
from agent_etl.engine.ports import Relation
from agent_etl.engine.relay import Relayed, complaint
from agent_etl.engine.schema import Table
from agent_etl.engine.security.secrets import redact, resolve
from agent_etl.engine.watermark import Within

__all__ = ["MysqlConnection", "MysqlSource"]


class MysqlConnection:
    """One database of a MySQL or MariaDB server, as a source and as a target.

    The URL's secrets are resolved at each connect. `wait`: seconds that a load waits for another one's locks.
    """

    kind = "mysql"

    def __init__(
        self,
        name: str,
        url: str,
        *,
        protected: bool = False,
        memory_limit: str = "768MB",
        wait: int = LOCK_SECONDS,
    ) -> None:
        self.name = name
        self.url = redact(url)
        self.protected = protected
        self.memory_limit = memory_limit
        self.wait = wait
        self._url = url

    def source(self) -> "MysqlSource":
        """The database's tables and views."""
        return MysqlSource(self)

    def target(self) -> SqlTarget:
        """The database as a place to load into."""
        return SqlTarget(CAPABILITIES, self.source(), self._session)

    def close(self) -> None:
        """Nothing is held open between calls."""

    @contextmanager
    def open(self, *, write: bool = False) -> Iterator[Channel]:
        """A session, for a reader with one snapshot. Raises: ConnectionLost, SettingsError."""
        arguments = address(resolve(self._url), self.name)
        with closing(connect(arguments, self.name, writing=write, wait=self.wait)) as channel:
            if not write:
                channel.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                channel.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            with interruptible(channel.cancel):
                yield channel

    @contextmanager
    def _session(self, write: bool) -> Iterator[MysqlSession]:
        with self.open(write=write) as channel:
            yield MysqlSession(channel, self.memory_limit, self.wait)


class MysqlSource:
    """Reads tables and views as Arrow batches; every value is exact or ends the read with a named error."""

    def __init__(self, connection: MysqlConnection) -> None:
        self._connection = connection

    def tables(self) -> tuple[str, ...]:
        """The tables and views of the URL's database, sorted."""
        with self._connection.open() as channel:
            found = catalog.tables(channel, catalog.database(channel))
            return tuple(name.table for name in found if name.table != LETTERS)

    def version(self, dataset: str, options: Mapping[str, Any] | None = None) -> str | None:
        """None: a database cannot tell cheaply whether a table changed."""
        return None

    def describe(self, dataset: str, options: Mapping[str, Any] | None = None) -> Table:
        """Columns, keys and row count.

        `options["types"]` (`{column: logical type}`) overrules types. Raises: NotFound, ConnectionLost.
        """
        given = given_types(options)
        with self._connection.open() as channel:
            own = catalog.database(channel)
            name = self._named(channel, dataset)
            natives = catalog.columns(channel, name)
            count, note = catalog.rows(channel, name)
            primary, unique = catalog.keys(channel, name)
            foreign = catalog.foreign_keys(channel, name)
        notes = [
            f"column {native.name} is a decimal of more than 38 digits: read as exact text"
            for native in natives
            if native.wide and native.name not in given
        ]
        looked = {native.name: given[native.name] for native in natives if native.name in given}
        return Table(
            connection=self._connection.name,
            dataset=name.dataset(own),
            columns=tuple(fetched(native, given.get(native.name)).column for native in natives),
            primary_key=primary,
            unique=unique,
            foreign_keys=foreign,
            rows=count,
            options={"types": looked} if looked else {},
            notes=tuple([*notes, note] if note else notes),
        )

    def scan(
        self,
        dataset: str,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        options: Mapping[str, Any] | None = None,
        within: Within | None = None,
    ) -> Relation:
        """The rows of one snapshot. Raises: NotFound for a missing table or column."""
        given = given_types(options)
        with self._connection.open() as channel:
            name = self._named(channel, dataset)
            natives = catalog.columns(channel, name)
        items = [fetched(native, given.get(native.name)) for native in natives]
        narrowed = "".join(for_mysql(native, within) for native in natives if within and native.name == within.column)
        if columns is not None:
            items = [self._picked(name, items, column) for column in columns]
        casts = {}
        for item in items:
            if item.casted:
                c, kind = quote(item.column.name), item.column.type
                there = f"TRY_CAST({c} AS {kind})"
                stop = complaint(self._misfit(name, item))
                casts[item.column.name] = (
                    f"CASE WHEN {c} IS NULL OR {fits(c, there, kind)} THEN {there} ELSE {stop} END"
                )
        return Relation(
            columns=tuple(item.column for item in items), open=lambda: self._reader(name, items, narrowed), casts=casts
        )

    def _named(self, channel: Channel, dataset: str) -> TableName:
        tables = catalog.visible(channel, dataset)
        return table_of(dataset, tables, catalog.database(channel), self._connection.name)

    def _picked(self, name: TableName, items: Sequence[Fetched], wanted: str) -> Fetched:
        table = Table(self._connection.name, name.table, tuple(item.column for item in items))
        column = column_of(table, wanted)
        return next(item for item in items if item.column == column)

    def _misfit(self, name: TableName, item: Fetched) -> ReadError:
        return ReadError(
            "A MySQL column holds values that its type here cannot hold",
            connection=self._connection.name,
            dataset=name.table,
            column=item.column.name,
            type=item.column.type,
            hint=f'read the column as text: options types {{"{item.column.name}": "VARCHAR"}}',
        )

    def _reader(self, name: TableName, items: Sequence[Fetched], narrowed: str) -> pa.RecordBatchReader:
        schema = pa.schema([(item.column.name, item.arrow) for item in items])
        wanted = ", ".join(item.expression for item in items)
        sql = f"SELECT {wanted} FROM {name.sql}{narrowed}"
        return pa.RecordBatchReader.from_batches(schema, self._batches(schema, sql, name, items))

    def _batches(
        self, schema: pa.Schema, sql: str, name: TableName, items: Sequence[Fetched]
    ) -> Iterator[pa.RecordBatch]:
        try:
            with self._connection.open() as channel:
                for block in channel.stream(sql):
                    arrays = [
                        self._typed(name, item, array)
                        for item, array in zip(items, block.columns(len(items)), strict=True)
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except AgentEtlError as error:
            raise Relayed(error) from None

    def _typed(self, name: TableName, item: Fetched, array: pa.Array) -> pa.Array:
        """The texts of one column as its type. Raises: ReadError, for zero dates and the like."""
        try:
            return _exact(array, item.arrow)
        except pa.ArrowInvalid:
            raise self._misfit(name, item) from None


def _exact(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """MySQL's text of values as values. Raises: pa.ArrowInvalid for a text that is none of that type."""
    if kind == pa.binary():
        return array
    texts = array.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return texts.cast(pa.timestamp("us")).cast(kind)
    return texts.cast(kind)
