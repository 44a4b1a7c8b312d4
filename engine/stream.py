"""Rows on their way: counted as they pass."""

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import replace

import pyarrow as pa

from agent_etl.engine.duck import Cursor, Error, arrow_reader, attached, translate
from agent_etl.engine.errors import AgentEtlError
from agent_etl.engine.ports import Relation
from agent_etl.engine.relay import Relayed

__all__ = ["Stream"]

_EVERY = 0.5


class Stream:
    """Counts the rows that a relation delivers, before any filter. `tell` hears the count now and then."""

    def __init__(self, tell: Callable[[int], None] | None = None) -> None:
        self.rows = 0
        self._tell = tell
        self._told = time.monotonic()

    def over(self, relation: Relation, cursor: Cursor) -> Relation:
        """The relation as a reader that counts; `cursor` evaluates its SQL when it has no reader of its own.

        Opening it again starts the count again.
        """
        opener = relation.open
        if opener is not None:
            return replace(relation, open=lambda: self._passing(opener()))
        return replace(relation, sql=None, casts={}, open=lambda: self._evaluated(relation, cursor))

    def _passing(self, reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
        def batches() -> Generator[pa.RecordBatch, None, None]:
            with closing(reader):
                yield from self._counted(reader)

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def _evaluated(self, relation: Relation, cursor: Cursor) -> pa.RecordBatchReader:
        def batches() -> Generator[pa.RecordBatch, None, None]:
            try:
                with attached(cursor, relation) as select, closing(arrow_reader(cursor, select)) as reader:
                    try:
                        yield from self._counted(reader)
                    except (Error, OSError) as error:
                        raise translate(error) from error
            except AgentEtlError as error:
                raise Relayed(error) from error

        with attached(cursor, relation) as select, closing(arrow_reader(cursor, f"{select} LIMIT 0")) as empty:
            schema = empty.schema
        return pa.RecordBatchReader.from_batches(schema, batches())

    def _counted(self, batches: Iterable[pa.RecordBatch]) -> Generator[pa.RecordBatch, None, None]:
        self.rows = 0
        for batch in batches:
            self.rows += batch.num_rows
            if self._tell is not None and time.monotonic() - self._told >= _EVERY:
                self._told = time.monotonic()
                self._tell(self.rows)
            yield batch
