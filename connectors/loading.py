"""The load protocol: rows and their marker enter a target in one transaction, or nothing does."""

from collections.abc import Mapping, Sequence

from agent_etl.connectors import increment, layout, letters
from agent_etl.connectors import marker as markers
from agent_etl.connectors.fit import Slot
from agent_etl.connectors.merge import merge
from agent_etl.connectors.names import TableName, check_names
from agent_etl.connectors.pour import Pour, named
from agent_etl.connectors.scd2 import scd2
from agent_etl.connectors.session import Effect, Session
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import TargetError
from agent_etl.engine.faults import point
from agent_etl.engine.interruption import check
from agent_etl.engine.ports import LoadOrder, LoadResult, Marker, Relation
from agent_etl.engine.watermark import Watermark

__all__ = ["duplicates", "listed", "load", "newest", "standing"]


def load(session: Session, order: LoadOrder, rows: Relation) -> LoadResult:
    """Write the rows and their marker in one transaction of the session.

    Raises: what ports.Target.load says. Side effects: all or nothing of data, new columns and marker.
    """
    check_names([column.name for column in order.columns], session.capabilities, table=order.table)
    point("load.begin")
    try:
        name = session.begin(order.table)
        done = standing(session, name, order.load_id)
        if done is not None:
            session.rollback()
            return LoadResult(marker=done, rows=done.rows, inserted=0, already=True)
        session.execute(markers.create(name, session.capabilities.table_options))
        letters.prepare(session, name, order)
        last = markers.latest(session.query, name)
        markers.fence(order, last)
        order = layout.timed(order, last)
        there = increment.known(session, name) if order.advances else {}
        pour, slots, notes = _prepare(session, name, order)
        effect = _write(session, name, order, pour, slots, rows, there)
        unchanged = increment.idle(order, effect, last, there)
        if unchanged is not None:
            session.rollback()
            return unchanged
        point("load.staged")
        made = markers.made(order, name, effect.rows, last, increment.advanced(there, order.advances))
        if made.cursors:
            increment.ready(session, name)
        aside = letters.write(session, name, order, made.loaded_at)
        markers.write(session.execute, name, made)
        point("load.before_commit")
        check()
        session.commit()
    except BaseException:
        session.rollback()
        raise
    point("load.after_commit")
    return LoadResult(
        made,
        effect.rows,
        effect.inserted,
        effect.updated,
        effect.deleted,
        repeated=effect.repeated,
        notes=notes,
        quarantined=aside,
    )


def listed(session: Session, name: TableName, *, alone: bool = True) -> tuple[Marker, ...]:
    """The committed markers of a table (`alone` unset: of all tables of its schema), oldest first."""
    return markers.every(session.query, name, alone=alone) if session.has_markers(name) else ()


def newest(session: Session, name: TableName) -> Marker | None:
    """The newest committed marker of a table, or None."""
    return markers.latest(session.query, name) if session.has_markers(name) else None


def duplicates(session: Session, name: TableName, key: Sequence[str]) -> int:
    """How many values of the key, nulls aside, occur more than once. Raises: TargetError for an unknown column."""
    slots = session.slots(name)
    if slots is None:
        return 0
    found = [named(slots, column, folds=True) for column in key]
    names = [quote(slot.name) for slot in found if slot is not None]
    if len(names) < len(key):
        valid = [slot.name for slot in slots]
        raise TargetError("A key column is not in the target", target=name.table, key=list(key), valid=valid)
    there = " AND ".join(f"{column} IS NOT NULL" for column in names)
    grouped = f"SELECT 1 AS one FROM {name.sql} WHERE {there} GROUP BY {', '.join(names)} HAVING count(*) > 1"
    return int(session.query(f"SELECT count(*) FROM ({grouped}) AS repeated")[0][0])


def standing(session: Session, name: TableName, load_id: str) -> Marker | None:
    """The marker of a load whose effect still stands, else None; what ports.Target.marker promises."""
    if not session.has_markers(name) or session.slots(name) is None:
        return None
    marker = markers.wanted(session.query, name, load_id)
    if marker is None:
        return None
    return marker if markers.stands(marker, newest(session, name), lambda: _count(session, name)) else None


def _count(session: Session, name: TableName) -> int:
    return int(session.query(f"SELECT count(*) FROM {name.sql}")[0][0])


def _prepare(session: Session, name: TableName, order: LoadOrder) -> tuple[Pour, tuple[Slot, ...], tuple[str, ...]]:
    """Make the table ready; which column goes where, all of its columns, notes.

    Side effects: creates or alters the table.
    """
    slots = session.slots(name)
    if slots is None:
        check_names([name.table], session.capabilities)
        slots = tuple(session.native(column) for column in layout.columns(order))
        session.create(name, slots)
        return layout.placed(order, slots, folds=False), slots, ()
    for column in order.evolve:
        if named(slots, column.name, folds=session.capabilities.folds_case) is None:
            slot = session.native(column)
            session.execute(f"ALTER TABLE {name.sql} ADD COLUMN {quote(slot.name)} {slot.native}")
            slots = (*slots, slot)
    pour = layout.placed(order, slots, folds=True)
    return (
        pour,
        slots,
        tuple(
            f"column {extra} of {order.table} gets its default: the data has no such column"
            for extra in layout.spare(order, pour, slots)
        ),
    )


def _write(
    session: Session,
    name: TableName,
    order: LoadOrder,
    pour: Pour,
    slots: Sequence[Slot],
    rows: Relation,
    there: Mapping[str, Watermark],
) -> Effect:
    """Bring the rows into the table by the order's mode."""
    if order.mode == "merge":
        return merge(session, name, order, pour, rows)
    if order.mode == "scd2":
        return scd2(session, name, order, pour, slots, rows)
    if order.mode == "append":
        return increment.append(session, name, order, pour, rows, there)
    deleted = session.execute(f"DELETE FROM {name.sql}")
    given = session.pour(name, pour, rows)
    return Effect(given, given, deleted=deleted)
