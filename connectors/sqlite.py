"""SQLite files. One SQLite library per process may touch a file: another one's close would drop its locks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent

import pyarrow as pa
from adbc_driver_sqlite import dbapi

from agent_etl.connectors.adbc import FAILURES, Channel
from agent_etl.connectors.batches import batch_rows
from agent_etl.connectors.lookup import column_of, file_version, given_types, table_of
from agent_etl.connectors.marker import MARKERS
from agent_etl.connectors.names import TableName
from agent_etl.connectors.narrowing import for_sqlite
from agent_etl.connectors.sqlite_read import cast, delivers, misfit_error, misfits, select
from agent_etl.connectors.sqlite_session import CAPABILITIES, SqliteSession
from agent_etl.connectors.sqlite_types import Declared, declared, judged, question, slot_type
from agent_etl.connectors.target import SqlTarget
from agent_etl.engine.deadletters import LETTERS
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import AgentEtlError, Busy, DiskFull, NotFound, ReadError, TargetError
from agent_etl.engine.ports import Relation
from agent_etl.engine.relay import Relayed
from agent_etl.engine.schema import Column, ForeignKey, Table
from agent_etl.engine.watermark import Within

__all__ = ["SqliteConnection", "SqliteSource"]

_WAIT_MILLISECONDS = 30_000


class SqliteConnection:
    """One SQLite file, as a source and as a target. A missing file is made by the first load."""

    kind = "sqlite"

    def __init__(self, name: str, path: Path, *, protected: bool = False, memory_limit: str = "768MB") -> None:
        self.name = name
        self.path = path.resolve()
        self.url = f"sqlite:///{path}"
        self.protected = protected
        self.memory_limit = memory_limit
        self.judged: dict[tuple[str, str | None], tuple[dict[str, str], tuple[str, ...]]] = {}

    def source(self) -> "SqliteSource":
        """The file's tables and views."""
        return SqliteSource(self)

    def target(self) -> SqlTarget:
        """The file as a place to load into."""
        return SqlTarget(CAPABILITIES, self.source(), self._session)

    def close(self) -> None:
        """Nothing is held open between calls."""

    @contextmanager
    def open(self, *, write: bool = False) -> Iterator[Channel]:
        """A connection to the file. Raises: NotFound; ReadError when it is no SQLite database; Busy."""
        if write:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        elif not self.path.exists():
            raise NotFound("The SQLite file is not there", connection=self.name, path=str(self.path))
        # What a killed writer left half done is rolled back by the next who opens the file, who must be able to write.
        mode = "rwc" if write else "rw" if self.path.with_name(f"{self.path.name}-journal").exists() else "ro"
        try:
            connection = dbapi.connect(f"file:{percent(str(self.path))}?mode={mode}", autocommit=True)
        except FAILURES as error:
            raise ReadError("The SQLite file cannot be opened", connection=self.name, path=str(self.path)) from error
        with closing(Channel(connection, self.explain)) as channel:
            channel.execute(f"PRAGMA busy_timeout = {_WAIT_MILLISECONDS}")
            yield channel

    @contextmanager
    def _session(self, write: bool) -> Iterator[SqliteSession]:
        with self.open(write=write) as channel:
            yield SqliteSession(channel, self.memory_limit)

    def explain(self, error: Exception) -> AgentEtlError:
        """A driver's error as one of ours, without statement, values or secrets."""
        text = str(error)
        fields = {"connection": self.name}
        if "locked" in text or "busy" in text:
            return Busy("Another process holds the SQLite file", holder="unknown", **fields)
        if "is full" in text or "disk I/O" in text:
            return DiskFull(
                "SQLite could not write to the disk", path=str(self.path), hint="free space and resume the run"
            )
        if "not a database" in text or "malformed" in text:
            return ReadError("The file is not a whole SQLite database", path=str(self.path), **fields)
        if "readonly" in text or "unable to open" in text:
            return TargetError("The SQLite file cannot be written", path=str(self.path), **fields)
        if "constraint failed" in text:
            kind = text.partition(" constraint failed")[0].rsplit(" ", 1)[-1]
            return TargetError("A constraint of the target refused the rows", constraint=kind, **fields)
        return ReadError("SQLite could not do it", problem=_first_words(text), **fields)


def _first_words(text: str) -> str:
    """The driver's complaint without the statement that it quotes."""
    line = text.splitlines()[0] if text else ""
    return line.partition("Failed to ")[2] or line


class SqliteSource:
    """Reads tables and views as Arrow batches of the types that describe() found; one scan is one snapshot."""

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection

    def tables(self) -> tuple[str, ...]:
        """Tables and views, sorted. A missing file has none."""
        if not self._connection.path.exists():
            return ()
        with self._connection.open() as channel:
            return tuple(name.table for name in _tables(channel) if name.table != LETTERS)

    def version(self, dataset: str, options: Mapping[str, Any] | None = None) -> str | None:
        """Size, time and inode of the file and of its write-ahead log. None: there is no file."""
        return file_version(self._connection.path, "-wal")

    def describe(self, dataset: str, options: Mapping[str, Any] | None = None) -> Table:
        """Columns with the types that hold their values, keys, the exact row count.

        `options["types"]` (`{column: logical type}`) overrules; the result's options hold the types that were found
        by looking at values, so that a later scan reads the same. Raises: NotFound, ReadError, Busy.
        """
        with self._connection.open() as channel:
            table = self._named(channel, dataset)
            columns = _declared(channel, table)
            types, notes = self._types(channel, table, columns, options)
            looked = {
                c.name: types[c.name] for c in columns if question(c) is not None or c.name in given_types(options)
            }
            rows = channel.query(f"SELECT count(*) FROM {quote(table)}")
            primary, unique, foreign = _keys(channel, table)
        return Table(
            connection=self._connection.name,
            dataset=table,
            columns=tuple(Column(c.name, types[c.name], c.nullable) for c in columns),
            primary_key=primary,
            unique=unique,
            foreign_keys=foreign,
            rows=int(rows[0][0]),
            version=self.version(dataset),
            options={"types": looked} if looked else {},
            notes=notes,
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
        """The rows in the file's order. A value that is not of its column's type ends the read with a ReadError."""
        table = self.describe(dataset, options)
        wanted = table.columns if columns is None else tuple(column_of(table, name) for name in columns)
        with self._connection.open() as channel:
            known = {column.name: column for column in _declared(channel, table.dataset)}
        items = [(known[column.name], column.type) for column in wanted]
        cursor = table.column(within.column) if within else None
        narrowed = for_sqlite(known[cursor.name], within) if cursor else ""
        casts = {}
        for column, kind in items:
            expression = cast(column, kind, self._misfit(table.dataset, column, kind))
            if expression is not None:
                casts[column.name] = expression
        return Relation(columns=wanted, open=lambda: self._reader(table, items, narrowed), casts=casts)

    def _misfit(self, dataset: str, column: Declared, kind: str, **fields: object) -> ReadError:
        return misfit_error(self._connection.name, dataset, column, kind, **fields)

    def _named(self, channel: Channel, dataset: str) -> str:
        return table_of(dataset, _tables(channel), None, self._connection.name).table

    def _types(
        self, channel: Channel, table: str, columns: Sequence[Declared], options: Mapping[str, Any] | None
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        given = given_types(options)
        seen = (table, self.version(table))
        if not given and seen in self._connection.judged:
            return self._connection.judged[seen]
        types = {column.name: slot_type(column).replace("TEXT", "VARCHAR") for column in columns}
        asked = [(c, q) for c in columns if c.name not in given and (q := question(c)) is not None]
        notes = []
        # SQLite takes at most 2000 columns in a result.
        for start in range(0, len(asked), 100):
            part = asked[start : start + 100]
            counts = [
                int(n)
                for n in channel.query(f"SELECT {', '.join(e for _, q in part for e in q)} FROM {quote(table)}")[0]
            ]
            for column, asks in part:
                types[column.name], note = judged(column, counts[: len(asks)])
                counts = counts[len(asks) :]
                notes += [note] if note else []
        if not given:
            self._connection.judged[seen] = types, tuple(notes)
        return {**types, **{name: kind for name, kind in given.items() if name in types}}, tuple(notes)

    def _reader(self, described: Table, items: Sequence[tuple[Declared, str]], narrowed: str) -> pa.RecordBatchReader:
        table = described.dataset
        batch = batch_rows(described.rows, self._connection.path.stat().st_size)
        with ExitStack() as stack:
            channel = stack.enter_context(self._connection.open())
            sql = select(quote(table) + narrowed, items)
            try:
                reader = channel.stream(sql, {"adbc.sqlite.query.batch_rows": str(batch)})
            except AgentEtlError as error:
                raise self._diagnosed(channel, table, items) or error from None
            stack.callback(reader.close)
            # A stray value in the first batch makes the driver widen the whole column.
            if any(not delivers(field.type, kind) for field, (_, kind) in zip(reader.schema, items, strict=True)):
                found = self._diagnosed(channel, table, items)
                raise found or ReadError("SQLite gave another type than it was asked for", dataset=table)
            return pa.RecordBatchReader.from_batches(
                reader.schema, self._batches(stack.pop_all(), channel, reader, table, items)
            )

    def _batches(
        self, stack: ExitStack, channel: Channel, reader: pa.RecordBatchReader, table: str, items: Any
    ) -> Iterator[pa.RecordBatch]:
        with stack:
            first = True
            try:
                for batch in reader:
                    # The driver checks no text; invalid UTF-8 would travel on.
                    batch.validate(full=True)
                    yield batch.slice(1) if first else batch
                    first = False
            except FAILURES as error:
                raise Relayed(self._diagnosed(channel, table, items) or self._connection.explain(error)) from None
            finally:
                del reader

    def _diagnosed(self, channel: Channel, table: str, items: Sequence[tuple[Declared, str]]) -> AgentEtlError | None:
        """Which column it was that ended a read, and how many of its values are not of its type."""
        for column, kind in items:
            count = int(channel.query(f"SELECT {misfits([(column, kind)])[0]} FROM {quote(table)}")[0][0])
            if count:
                return self._misfit(table, column, kind, values=count)
        return None


def _tables(channel: Channel) -> tuple[TableName, ...]:
    rows = channel.query(
        "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
        f"AND name <> {literal(MARKERS)} ORDER BY name"
    )
    return tuple(TableName(None, row[0]) for row in rows)


def _declared(channel: Channel, table: str) -> tuple[Declared, ...]:
    rows = channel.query(
        "SELECT name, type, \"notnull\" OR (pk > 0 AND upper(type) = 'INTEGER') "
        f"FROM pragma_table_xinfo({literal(table)}) WHERE hidden <> 1"
    )
    return tuple(declared(row[0], row[1] or "", not row[2]) for row in rows)


def _keys(channel: Channel, table: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...], tuple[ForeignKey, ...]]:
    """Primary key, unique sets of columns, foreign keys."""
    name = literal(table)
    primary = channel.query(f"SELECT name FROM pragma_table_xinfo({name}) WHERE pk > 0 ORDER BY pk")
    unique: dict[str, list[str]] = {}
    for index, column in channel.query(
        f"SELECT l.name, i.name FROM pragma_index_list({name}) AS l, pragma_index_info(l.name) AS i "
        "WHERE l.\"unique\" = 1 AND l.partial = 0 AND l.origin <> 'pk' ORDER BY l.name, i.seqno"
    ):
        unique.setdefault(index, []).append(column)
    foreign: dict[int, tuple[str, list[str], list[str]]] = {}
    for number, other, own, referred in channel.query(
        f'SELECT id, "table", "from", coalesce("to", \'\') FROM pragma_foreign_key_list({name}) ORDER BY id, seq'
    ):
        entry = foreign.setdefault(number, (other, [], []))
        entry[1].append(own)
        entry[2].append(referred)
    return (
        tuple(row[0] for row in primary),
        tuple(tuple(columns) for columns in unique.values() if None not in columns),
        tuple(ForeignKey(tuple(own), other, tuple(referred)) for other, own, referred in foreign.values()),
    )
