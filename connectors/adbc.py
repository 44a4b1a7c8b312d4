"""A thin face of an ADBC connection: small queries, streams of Arrow batches, bulk ingest; all errors typed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pyarrow as pa
from adbc_driver_manager import Error

from agent_etl.connectors.pour import Pour, explained
from agent_etl.engine import duck
from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.interruption import check
from agent_etl.engine.ports import Relation
from agent_etl.engine.relay import Relayed

__all__ = ["FAILURES", "Channel"]

_BATCH_ROWS = 8_192

FAILURES = (Error, OSError, pa.ArrowException, duck.Error)
"""What a driver, or an Arrow stream between a driver and DuckDB, raises."""

Explain = Callable[[Exception], AgentEtlError]


class Channel:
    """One ADBC connection. `explain` turns a driver's error into one of ours, without values or secrets."""

    def __init__(self, connection: Any, explain: Explain) -> None:
        self._connection = connection
        self._explain = explain

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        try:
            cursor = self._connection.cursor()
            try:
                yield cursor
            finally:
                with suppress(*FAILURES):
                    cursor.close()
        except FAILURES as error:
            # The driver's text quotes the statement and sometimes a value: it is neither shown nor chained.
            raise self._explain(error) from None

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a small query."""
        with self._cursor() as cursor:
            cursor.execute(sql)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def execute(self, sql: str) -> int:
        """Run one statement; the driver's row count, -1 where it knows none."""
        with self._cursor() as cursor:
            cursor.execute(sql)
            return int(cursor.rowcount)

    def stream(self, sql: str, options: Mapping[str, str]) -> pa.RecordBatchReader:
        """The batches of a query as the driver gives them. The reader owns a statement: exhaust it or close it."""
        cursor = self._connection.cursor()
        try:
            cursor.adbc_statement.set_options(**options)
            cursor.execute(sql)
            reader = cursor.fetch_record_batch()
        except BaseException as error:
            with suppress(*FAILURES):
                cursor.close()
            if isinstance(error, FAILURES):
                raise self._explain(error) from None
            raise
        return pa.RecordBatchReader.from_batches(reader.schema, _batches(cursor, reader))

    def ingest(self, table: str, pour: Pour, rows: Relation, memory_limit: str, *, schema: str | None = None) -> int:
        """Create the temporary table `table` from the rows, as the pour fits them; how many they were.

        With `schema` they are appended to that schema's table, which must hold exactly what the driver sends.

        Raises: what the rows' own source raises; TargetError for a value that does not fit; what the driver's error
        means. Side effects: the table.
        """
        place = {"mode": "append", "db_schema_name": schema} if schema else {"mode": "create", "temporary": True}
        with self._cursor() as cursor, duck.connected(memory_limit=memory_limit) as between, ExitStack() as stack:
            select = stack.enter_context(duck.attached(between, rows))
            try:
                reader = between.sql(pour.select(select)).to_arrow_reader(_BATCH_ROWS)
                given = pa.RecordBatchReader.from_batches(reader.schema, _typed(reader, pour))
                return int(cursor.adbc_ingest(table, given, **place))
            except duck.Error as error:
                raise explained(str(error), pour) or duck.translate(error) from None
            except FAILURES as error:
                known = explained(str(error), pour)
                if known is None:
                    raise
                raise known from None

    def commit(self) -> None:
        """Commit what the connection has begun."""
        try:
            self._connection.commit()
        except FAILURES as error:
            raise self._explain(error) from None

    def rollback(self) -> None:
        """Undo what the connection has begun."""
        try:
            self._connection.rollback()
        except FAILURES as error:
            raise self._explain(error) from None

    def cancel(self) -> None:
        """End what the connection does in another thread, where the driver can. Raises: the driver's error."""
        self._connection.adbc_cancel()

    def close(self) -> None:
        """Close the connection; what is not committed is gone."""
        with suppress(*FAILURES):
            self._connection.close()


def _batches(cursor: Any, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    try:
        yield from reader
    finally:
        reader.close()
        with suppress(*FAILURES):
            cursor.close()


def _typed(reader: pa.RecordBatchReader, pour: Pour) -> Iterator[pa.RecordBatch]:
    """The batches; what ends them early crosses the driver as one of our errors."""
    try:
        for batch in reader:
            check()
            yield batch
    except FAILURES as error:
        raise Relayed(explained(str(error), pour) or duck.translate(error)) from None
    finally:
        reader.close()
