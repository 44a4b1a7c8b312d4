"""PostgreSQL: read by binary COPY as Arrow with a select list that keeps every digit, loaded in one transaction."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from agent_etl.connectors import postgres_catalog as catalog
from agent_etl.connectors.adbc import FAILURES, Channel
from agent_etl.connectors.celltypes import fits
from agent_etl.connectors.lookup import given_types, table_of
from agent_etl.connectors.names import TableName
from agent_etl.connectors.narrowing import for_postgres
from agent_etl.connectors.postgres_errors import explain
from agent_etl.connectors.postgres_read import exact
from agent_etl.connectors.postgres_session import CAPABILITIES, PostgresSession
from agent_etl.connectors.postgres_types import Fetched, Native, apart, fetched
from agent_etl.connectors.target import SqlTarget
from agent_etl.engine.deadletters import LETTERS
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import AgentEtlError, ConnectionLost, NotFound, ReadError
from agent_etl.engine.interruption import interruptible
from agent_etl.engine.ports import Relation
from agent_etl.engine.relay import Relayed, complaint
from agent_etl.engine.schema import Table
from agent_etl.engine.security.secrets import redact, resolve
from agent_etl.engine.watermark import Within

__all__ = ["PostgresConnection", "PostgresSource"]

_PARAMETERS = {
    "connect_timeout": "10",
    "application_name": "agent-etl",
    "client_encoding": "UTF8",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# What a role or a database may set otherwise, and what the texts that we send and parse depend on.
_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
}


class PostgresConnection:
    """One PostgreSQL database, as a source and as a target. The URL's secrets are resolved at each connect."""

    kind = "postgres"

    def __init__(self, name: str, url: str, *, protected: bool = False, memory_limit: str = "768MB") -> None:
        self.name = name
        self.url = redact(url)
        self.protected = protected
        self.memory_limit = memory_limit
        self._url = url

    def source(self) -> "PostgresSource":
        """The database's tables and views."""
        return PostgresSource(self)

    def target(self) -> SqlTarget:
        """The database as a place to load into."""
        return SqlTarget(CAPABILITIES, self.source(), self._session)

    def close(self) -> None:
        """Nothing is held open between calls."""

    @contextmanager
    def open(self, *, write: bool = False) -> Iterator[Channel]:
        """A connection with an open transaction, for a reader one snapshot. Raises: ConnectionLost, SettingsError."""

        def typed(error: Exception) -> AgentEtlError:
            return explain(error, self.name, writing=write)

        try:
            connection = dbapi.connect(_address(resolve(self._url)), autocommit=False)
        except FAILURES as error:
            raise typed(error) from None
        with closing(Channel(connection, typed)) as channel:
            if not write:
                channel.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            wanted = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _SESSION.items())
            channel.query(f"SELECT {wanted}")
            with interruptible(channel.cancel):
                yield channel

    @contextmanager
    def _session(self, write: bool) -> Iterator[PostgresSession]:
        with self.open(write=write) as channel:
            yield PostgresSession(channel, self.memory_limit)


def _address(url: str) -> str:
    """The URL for libpq: its own scheme, and our timeouts where the URL says nothing."""
    scheme, _, rest = url.partition("://")
    given = parse_qs(urlsplit(url).query)
    added = "&".join(f"{name}={value}" for name, value in _PARAMETERS.items() if name not in given)
    return f"{scheme.partition('+')[0]}://{rest}{'&' if '?' in rest else '?'}{added}"


class PostgresSource:
    """Reads tables and views as Arrow batches; every value is exact or ends the read with a named error."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection

    def tables(self) -> tuple[str, ...]:
        """All tables and views as `schema.table`, sorted."""
        with self._connection.open() as channel:
            found = catalog.tables(channel)
        return tuple(f"{name.schema}.{name.table}" for name in found if name.table != LETTERS)

    def version(self, dataset: str, options: Mapping[str, Any] | None = None) -> str | None:
        """None: a database cannot tell cheaply whether a table changed."""
        return None

    def describe(self, dataset: str, options: Mapping[str, Any] | None = None) -> Table:
        """Columns, keys and row count (an estimate for a large table, with a note).

        A `numeric` without limits is read as the DECIMAL that holds all its values today, found by one pass, else as
        text with a note. `options["types"]` (`{column: logical type}`) overrules and saves the pass; the result's
        options hold what was found. Raises: NotFound, ConnectionLost.
        """
        with self._connection.open() as channel:
            default = catalog.default_schema(channel)
            name = self._named(channel, dataset, default)
            items = self._items(channel, name, options)
            count, note = catalog.rows(channel, name)
            primary, unique = catalog.keys(channel, name)
            foreign = catalog.foreign_keys(channel, name, default)
        given = given_types(options)
        looked = {n.name: f.column.type for n, f in items if n.unlimited or n.name in given}
        names = {n.name: f.column.name for n, f in items}
        notes = [
            f"column {n.name} is a numeric whose values fit no DECIMAL: read as exact text"
            for n, f in items
            if n.unlimited and f.column.type == "VARCHAR" and n.name not in given
        ]
        notes += [
            f"column {was} differs from another in case alone: read as {now}"
            for was, now in names.items()
            if was != now
        ]
        return Table(
            connection=self._connection.name,
            dataset=f"{name.schema}.{name.table}",
            columns=tuple(item.column for _, item in items),
            primary_key=tuple(names[key] for key in primary),
            unique=tuple(tuple(names[key] for key in each) for each in unique),
            foreign_keys=foreign,
            rows=count,
            options={"types": looked} if looked else {},
            notes=tuple([*notes, note] if note else notes),
            estimated=bool(note),
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
        with self._connection.open() as channel:
            name = self._named(channel, dataset, catalog.default_schema(channel))
            pairs = self._items(channel, name, options)
        items = [item for _, item in pairs]
        narrowed = next(
            (_narrowed(pair, within) for pair in pairs if within and pair[1].column.name == within.column), ""
        )
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

    def _named(self, channel: Channel, dataset: str, default: str) -> TableName:
        return table_of(dataset, catalog.tables(channel), default, self._connection.name)

    def _items(
        self, channel: Channel, name: TableName, options: Mapping[str, Any] | None
    ) -> list[tuple[Native, Fetched]]:
        given = given_types(options)
        natives = catalog.columns(channel, name)
        known = {native.name for native in natives if native.name in given}
        asked = catalog.measured(channel, name, [native for native in natives if native.name not in known])
        sized = {native.name: native for native in asked}
        found = [(native, fetched(sized.get(native.name, native), given.get(native.name))) for native in natives]
        return list(zip(natives, apart([item for _, item in found]), strict=True))

    def _picked(self, name: TableName, items: Sequence[Fetched], wanted: str) -> Fetched:
        exactly = [item for item in items if item.column.name == wanted]
        near = [item for item in items if item.column.name.lower() == wanted.lower()]
        found = exactly or near
        if len(found) != 1:
            raise NotFound(
                "No such column",
                connection=self._connection.name,
                dataset=f"{name.schema}.{name.table}",
                column=wanted,
                valid=[item.column.name for item in items],
            )
        return found[0]

    def _misfit(self, name: TableName, item: Fetched, **fields: object) -> ReadError:
        return ReadError(
            "A PostgreSQL column holds values that its type here cannot hold",
            connection=self._connection.name,
            dataset=f"{name.schema}.{name.table}",
            column=item.column.name,
            type=item.column.type,
            hint=f'read the column as text: options types {{"{item.column.name}": "VARCHAR"}}',
            **fields,
        )

    def _reader(self, name: TableName, items: Sequence[Fetched], narrowed: str) -> pa.RecordBatchReader:
        with ExitStack() as stack:
            channel = stack.enter_context(self._connection.open())
            wanted = ", ".join(f"{item.expression} AS {quote(item.column.name)}" for item in items)
            try:
                reader = channel.stream(f"SELECT {wanted} FROM {name.sql}{narrowed}", {})
            except AgentEtlError as error:
                raise self._diagnosed(name, items, error) from None
            stack.callback(reader.close)
            schema, fixed = exact(reader.schema, items, lambda item: self._misfit(name, item))
            batches = self._batches(stack.pop_all(), reader, name, items, fixed)
            return pa.RecordBatchReader.from_batches(schema, batches)

    def _batches(self, stack: ExitStack, reader: Any, name: TableName, items: Any, fixed: Any) -> Iterator[Any]:
        with stack:
            try:
                for batch in reader:
                    yield fixed(batch)
            except FAILURES as error:
                found = explain(error, self._connection.name, writing=False)
                raise Relayed(self._diagnosed(name, items, found)) from None
            except AgentEtlError as error:
                raise Relayed(error) from None
            finally:
                del reader

    def _diagnosed(self, name: TableName, items: Sequence[Fetched], error: AgentEtlError) -> AgentEtlError:
        """The server refuses to scale a NaN or an infinity without saying of which column: ask for each."""
        scaled = [item for item in items if item.scaled]
        if isinstance(error, ConnectionLost) or not scaled:
            return error
        with self._connection.open() as channel:
            for item in scaled:
                odd = f"{quote(item.column.name)}::text IN ('NaN', 'Infinity', '-Infinity')"
                count = int(channel.query(f"SELECT count(*) FROM {name.sql} WHERE {odd}")[0][0])
                if count:
                    return self._misfit(name, item, values=count)
        return error


def _narrowed(pair: tuple[Native, Fetched], within: Within | None) -> str:
    native, item = pair
    return for_postgres(native.name, item.expression, within, nullable=native.nullable)
