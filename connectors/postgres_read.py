"""Repairs of batches as the driver delivers them: scaled integers become decimals, wrapped infinities infinities."""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from agent_etl.connectors.postgres_types import Fetched
from agent_etl.engine.errors import AgentEtlError

__all__ = ["exact"]

# PostgreSQL counts from 2000-01-01; the driver adds the distance to 1970 without looking, so that the two infinities
# and times after 294246 wrap around to before 4714 BC, where PostgreSQL has no times.
_TIMESTAMP_EPOCH = 946_684_800_000_000
_DATE_EPOCH = 10_957
_FIRST_TIMESTAMP = -210_866_803_200_000_000
_FIRST_DATE = -2_440_588

Fix = Callable[[pa.Array], pa.Array]
Misfit = Callable[[Fetched], AgentEtlError]


def exact(
    schema: pa.Schema, items: Sequence[Fetched], misfit: Misfit
) -> tuple[pa.Schema, Callable[[pa.RecordBatch], pa.RecordBatch]]:
    """The schema after the repairs, and the function that repairs a batch without copying what is right already.

    The function raises `misfit(item)` for a time that has no place in a 64-bit count of microseconds since 1970.
    """
    fixes: dict[int, Fix] = {}
    fields = list(schema)
    for position, (field, item) in enumerate(zip(schema, items, strict=True)):
        if item.scaled:
            kind = pa.decimal64(*item.scaled)
            fields[position] = pa.field(field.name, kind)
            fixes[position] = _descaled(kind)
        elif pa.types.is_timestamp(field.type):
            fixes[position] = _unwrapped(item, misfit, pa.int64(), _FIRST_TIMESTAMP, _TIMESTAMP_EPOCH)
        elif pa.types.is_date32(field.type):
            fixes[position] = _unwrapped(item, misfit, pa.int32(), _FIRST_DATE, _DATE_EPOCH)
    repaired = pa.schema(fields)

    def fixed(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [fixes[i](column) if i in fixes else column for i, column in enumerate(batch.columns)]
        return pa.RecordBatch.from_arrays(columns, schema=repaired)

    return repaired, fixed


def _descaled(kind: pa.DataType) -> Fix:
    def fix(array: pa.Array) -> pa.Array:
        # A decimal64 is the scaled integer itself: the same buffers under another type.
        return pa.Array.from_buffers(kind, len(array), array.buffers(), array.null_count, array.offset)

    return fix


def _unwrapped(item: Fetched, misfit: Misfit, storage: pa.DataType, first: int, epoch: int) -> Fix:
    low = -(2 ** (storage.bit_width - 1))
    positive, negative = -low - 1 + epoch + 2 * low, low + epoch

    def fix(array: pa.Array) -> pa.Array:
        raw = array.view(storage)
        least = pc.min(raw).as_py()
        if least is None or least >= first:
            return array
        is_up, is_down = pc.equal(raw, positive), pc.equal(raw, negative)
        if pc.any(pc.and_not(pc.less(raw, first), pc.or_(is_up, is_down))).as_py():
            raise misfit(item)
        # DuckDB's own spelling of the infinities: the largest count, and its negation.
        top = pa.scalar(-low - 1, storage)
        raw = pc.if_else(is_up, top, pc.if_else(is_down, pa.scalar(low + 1, storage), raw))
        return raw.view(array.type)

    return fix
