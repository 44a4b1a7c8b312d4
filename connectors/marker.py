"""The marker table `_etl_loads`: the proof, in the target itself, of what was loaded there."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agent_etl.connectors.fit import Slot
from agent_etl.connectors.names import TableName
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import StaleRun
from agent_etl.engine.ports import LoadOrder, Marker
from agent_etl.engine.watermark import Watermark, decoded, encoded

__all__ = [
    "MARKERS",
    "add_cursors",
    "create",
    "cursors",
    "every",
    "fence",
    "keeps_cursors",
    "latest",
    "made",
    "stands",
    "wanted",
    "write",
]

MARKERS = "_etl_loads"
"""The marker table's name; it stands in the schema of the tables that it speaks of."""

_TEXT = ("load_id", "table", "mode", "sha256", "run_id", "plan_hash", "loaded_at")
_CURSOR = "cursor"
_FIELDS = ("load_id", "table", "mode", "rows", "epoch", "sha256", "run_id", "plan_hash", "loaded_at")

Query = Callable[[str], Sequence[Sequence[Any]]]


def create(name: TableName, options: str = "") -> str:
    """The statement that makes the marker table beside `name` when it is not there; `options` end it."""
    columns = ", ".join(
        f"{quote(field)} {'VARCHAR(255)' if field in _TEXT else 'BIGINT'} NOT NULL" for field in _FIELDS
    )
    columns += f', {quote(_CURSOR)} TEXT, PRIMARY KEY ("table", "load_id")'
    return f"CREATE TABLE IF NOT EXISTS {name.sibling(MARKERS)} ({columns}){options}"


def keeps_cursors(slots: Sequence[Slot] | None) -> bool:
    """Whether a marker table of these columns has the one for cursors; those of older versions have none."""
    return any(slot.name == _CURSOR for slot in slots or ())


def add_cursors(name: TableName) -> str:
    """The statement that gives a marker table its column for cursors."""
    return f"ALTER TABLE {name.sibling(MARKERS)} ADD COLUMN {quote(_CURSOR)} TEXT"


def cursors(query: Query, name: TableName) -> dict[str, Watermark]:
    """How far incremental extracts have come in the table, as its newest marker that says so has it.

    What was committed before the table's rows were replaced counts no more. The marker table must have the column.
    """
    own = f'"table" = {literal(name.table)}'
    since = f'SELECT max("epoch") FROM {name.sibling(MARKERS)} WHERE {own} AND "mode" = \'replace\''
    found = query(
        f"SELECT {quote(_CURSOR)} FROM {name.sibling(MARKERS)} WHERE {own} AND {quote(_CURSOR)} IS NOT NULL "
        f'AND "epoch" > coalesce(({since}), 0) ORDER BY "epoch" DESC LIMIT 1'
    )
    return decoded(found[0][0]) if found else {}


def write(execute: Callable[[str], int], name: TableName, marker: Marker) -> None:
    """Write the marker, over an older one of the same load. Side effects: two statements that every system knows.

    A marker with cursors needs the column for them.
    """
    values = {field: _value(getattr(marker, field)) for field in _FIELDS}
    if marker.cursors:
        values[_CURSOR] = literal(encoded(marker.cursors))
    changes = ", ".join(f"{quote(field)} = {value}" for field, value in values.items())
    own = f'"table" = {values["table"]} AND "load_id" = {values["load_id"]}'
    # Each load of a table has an epoch of its own, so an older marker is changed and counted.
    if not execute(f"UPDATE {name.sibling(MARKERS)} SET {changes} WHERE {own}"):
        columns = ", ".join(map(quote, values))
        execute(f"INSERT INTO {name.sibling(MARKERS)} ({columns}) VALUES ({', '.join(values.values())})")


def wanted(query: Query, name: TableName, load_id: str) -> Marker | None:
    """The marker of that load, or None. The marker table must exist."""
    return _one(query, name, f'"load_id" = {literal(load_id)}')


def latest(query: Query, name: TableName) -> Marker | None:
    """The marker of the table's highest epoch, or None. The marker table must exist."""
    return _one(query, name, "1 = 1")


def every(query: Query, name: TableName, *, alone: bool = True) -> tuple[Marker, ...]:
    """The markers of the table, or with `alone` unset of all tables beside it, oldest first. The table must exist."""
    own = f'"table" = {literal(name.table)}' if alone else "1 = 1"
    found = query(f'SELECT {", ".join(map(quote, _FIELDS))} FROM {name.sibling(MARKERS)} WHERE {own} ORDER BY "epoch"')
    return tuple(Marker(**dict(zip(_FIELDS, row, strict=True))) for row in found)


def stands(marker: Marker, newest: Marker | None, rows: Callable[[], int]) -> bool:
    """Whether the load's effect is still what the table holds, as ports.Target.marker defines it."""
    if marker.mode == "append":
        return True
    if newest is None or newest.load_id != marker.load_id:
        return False
    return marker.mode != "replace" or rows() == marker.rows


def fence(order: LoadOrder, newest: Marker | None) -> None:
    """Stop a load that builds on an older table than the one that is there. Raises: StaleRun.

    What the same load committed is no foreign work: writing it again gives the same table.
    """
    if order.seen is None or newest is None or newest.load_id == order.load_id or newest.epoch <= order.seen:
        return
    raise StaleRun(
        "Another run has loaded this table since",
        target=order.table,
        epoch=order.seen,
        newest=newest.epoch,
        run=newest.run_id,
        hint="start a new run, which reads the sources again",
    )


def made(
    order: LoadOrder,
    name: TableName,
    rows: int,
    newest: Marker | None,
    cursors: Mapping[str, Watermark] | None = None,
) -> Marker:
    """The marker of a load that is about to commit: one epoch above the newest, not before the order's time."""
    now = datetime.now(UTC)
    return Marker(
        load_id=order.load_id,
        table=name.table,
        mode=order.mode,
        rows=rows,
        epoch=(newest.epoch if newest else 0) + 1,
        sha256=order.digest,
        run_id=order.run_id,
        plan_hash=order.plan_hash,
        loaded_at=max(now, order.at or now).isoformat(timespec="microseconds"),
        cursors=dict(cursors or {}),
    )


def _one(query: Query, name: TableName, condition: str) -> Marker | None:
    found = query(
        f"SELECT {', '.join(map(quote, _FIELDS))} FROM {name.sibling(MARKERS)} "
        f'WHERE "table" = {literal(name.table)} AND {condition} ORDER BY "epoch" DESC LIMIT 1'
    )
    return Marker(**dict(zip(_FIELDS, found[0], strict=True))) if found else None


def _value(value: object) -> str:
    return str(value) if isinstance(value, int) else literal(str(value))
