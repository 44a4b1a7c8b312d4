"""Increments in a target: how far extracts have come, and which rows of an append are there already.

An extract reads its newest rows again, so the rows of an append are cut in two: those up to the cursor that the target
holds, and the newer ones. The former are compared, as a multiset, with the target's own rows in the same range of the
cursor; what is there already is not added again. No state but the one cursor is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent_etl.connectors import marker as markers
from agent_etl.connectors.fit import Slot
from agent_etl.connectors.names import TableName, folded
from agent_etl.connectors.pour import Pour
from agent_etl.connectors.session import Effect, Session
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import TargetError
from agent_etl.engine.ports import Capabilities, LoadOrder, LoadResult, Marker, Relation
from agent_etl.engine.reckoning import newest
from agent_etl.engine.watermark import Advance, Watermark

__all__ = ["Split", "advanced", "append", "idle", "known", "lacking", "ready", "split"]

_SIDE, _NUMBER, _THERE = '"_etl_side"', '"_etl_number"', '"_etl_there"'

Cursors = Mapping[str, Watermark]


def known(session: Session, name: TableName) -> dict[str, Watermark]:
    """How far extracts have come in the table; nothing when there is no such table."""
    beside = TableName(name.schema, markers.MARKERS)
    if not session.has_markers(name) or session.slots(name) is None:
        return {}
    return markers.cursors(session.query, name) if markers.keeps_cursors(session.slots(beside)) else {}


def ready(session: Session, name: TableName) -> None:
    """See that the marker table has a place for cursors. Side effects: alters one that an older version made."""
    if not markers.keeps_cursors(session.slots(TableName(name.schema, markers.MARKERS))):
        session.execute(markers.add_cursors(name))


def advanced(there: Cursors, advances: Sequence[Advance]) -> dict[str, Watermark]:
    """All the table's cursors after a load; none goes back. Raises: SchemaChanged for another kind of cursor."""
    after = dict(there)
    for advance in advances:
        if advance.mark is not None:
            before = there.get(advance.identity)
            after[advance.identity] = newest([before, advance.mark] if before else [advance.mark])
    return after


def idle(order: LoadOrder, effect: Effect, last: Marker | None, there: Cursors) -> LoadResult | None:
    """The result of an incremental load that would change neither a row nor a cursor, else None.

    Such a load leaves no trace: its transaction is to be rolled back.
    """
    moved = effect.inserted or effect.updated or effect.deleted
    if (
        not order.advances
        or last is None
        or moved
        or order.aside is not None
        or advanced(there, order.advances) != dict(there)
    ):
        return None
    return LoadResult(last, effect.rows, 0, already=True, repeated=effect.repeated, unchanged=True)


@dataclass(frozen=True, slots=True)
class Split:
    """The rows of an append: `again`, those that the target may hold already, and `fresh`, all others, if any.

    `cursor` is the data's column that tells them apart.
    """

    again: Relation
    fresh: Relation | None
    cursor: str


def split(order: LoadOrder, rows: Relation, there: Cursors) -> Split | None:
    """The two parts of an append's rows, or None when all of them are new. Raises: TargetError."""
    advance = next((advance for advance in order.advances if advance.column is not None), None)
    if advance is None or order.mode != "append":
        return None
    cursor = next((column for column in order.columns if folded(column.name) == folded(advance.column or "")), None)
    if cursor is None or rows.sql is None:
        raise TargetError("The cursor does not reach the target", table=order.table, column=advance.column)
    if advance.whole:
        return Split(rows, None, cursor.name)
    last = there.get(advance.identity)
    if last is None:
        return None
    value = rows.casts.get(cursor.name, quote(cursor.name))
    old = f"({value} IS NULL OR {value} <= {last.sql})"
    again = replace(rows, sql=f"(SELECT * FROM {rows.sql} WHERE {old})")
    fresh = replace(rows, sql=f"(SELECT * FROM {rows.sql} WHERE NOT {old})")
    return Split(again, fresh, cursor.name)


def append(session: Session, name: TableName, order: LoadOrder, pour: Pour, rows: Relation, there: Cursors) -> Effect:
    """Add the rows that the table does not hold yet. Side effects: the session's transaction."""
    parts = split(order, rows, there)
    if parts is None:
        given = session.pour(name, pour, rows)
        return Effect(given, given)
    staged, repeated = session.stage(pour, parts.again, ())
    late = 0
    if repeated:
        select = lacking(staged, name.sql, pour, order, parts.cursor, session.capabilities)
        late = session.execute(f"INSERT INTO {name.sql} ({pour.names}) {select}")
    fresh = session.pour(name, pour, parts.fresh) if parts.fresh is not None else 0
    return Effect(repeated + fresh, late + fresh, repeated=repeated - late)


def lacking(staged: str, target: str, pour: Pour, order: LoadOrder, cursor: str, capabilities: Capabilities) -> str:
    """The SELECT of the staged rows that the target lacks, each as often as it lacks it.

    Rows are compared whole, or by the load's key and the cursor where it has one, among those between the least and the
    greatest cursor of the staged rows, and those without one. What stands in a row's place is compared by the target's
    own equality, in which a null equals a null.
    """
    own = next(slot for column, slot, _ in pour.items if column.name == cursor)
    by = [slot for slot in pour.slots if not order.key or slot == own or slot in pour.keys(order)]
    same = ", ".join(_comparable(slot, capabilities) for slot in by)
    c = quote(own.name)
    ends = (f"(SELECT {end}(m.{c}) FROM {staged} AS m)" for end in ("min", "max"))
    inside = f"t.{c} IS NULL OR (t.{c} >= {next(ends)} AND t.{c} <= {next(ends)})"
    return (
        f"SELECT {pour.names} FROM (SELECT {pour.names}, {_SIDE}, "
        f"row_number() OVER (PARTITION BY {same}, {_SIDE} ORDER BY {_SIDE}) AS {_NUMBER}, "
        f"sum(1 - {_SIDE}) OVER (PARTITION BY {same}) AS {_THERE} FROM ("
        f"SELECT {_listed('s', pour)}, 1 AS {_SIDE} FROM {staged} AS s UNION ALL "
        f"SELECT {_listed('t', pour)}, 0 AS {_SIDE} FROM {target} AS t WHERE {inside}) AS both_sides) AS numbered "
        f"WHERE {_SIDE} = 1 AND {_NUMBER} > {_THERE}"
    )


def _listed(side: str, pour: Pour) -> str:
    return ", ".join(f"{side}.{quote(slot.name)} AS {quote(slot.name)}" for slot in pour.slots)


def _comparable(slot: Slot, capabilities: Capabilities) -> str:
    return capabilities.comparable.format(quote(slot.name)) if slot.textual else quote(slot.name)
