"""Dead letters in a database: a table `_etl_quarantine` beside the target, written in the load's own transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from agent_etl.connectors.fit import Slot
from agent_etl.connectors.merge import same, update
from agent_etl.connectors.names import TableName
from agent_etl.connectors.pour import Pour, matched, named
from agent_etl.connectors.session import Session
from agent_etl.engine.deadletters import COLUMNS, KEY, LETTERS
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.errors import Busy, TargetError
from agent_etl.engine.ports import Aside, LoadOrder

__all__ = ["datasets", "fault", "prepare", "write"]

_WIDTHS = {"table": 255, "load_id": 64, "step": 64}
"""Characters of the key's texts: some systems index no text without an end."""


_UNKNOWN = (
    ' AND NOT EXISTS (SELECT 1 FROM {0} AS o WHERE o."table" = s."table" AND o."step" = s."step" '
    'AND o."load_id" <> s."load_id" AND o."raw" = s."raw" AND o."state" <> \'replaced\')'
)
"""The condition that no earlier load has set the same row of the same step aside."""


def prepare(session: Session, name: TableName, order: LoadOrder) -> None:
    """Make the dead-letter table beside `name`, when the load has letters and it is not there.

    Raises: TargetError for a view or a foreign table of that name. Side effects: the table, empty, which may stay.
    """
    if order.aside is None or _slots(session, _beside(name)) is not None:
        return
    columns = []
    for column in COLUMNS:
        native = f"VARCHAR({_WIDTHS[column.name]})" if column.name in _WIDTHS else session.native(column).native
        columns.append(f"{quote(column.name)} {native}{' NOT NULL' if column.name in KEY else ''}")
    key = ", ".join(map(quote, KEY))
    options = session.capabilities.table_options
    session.execute(
        f"CREATE TABLE IF NOT EXISTS {name.sibling(LETTERS)} ({', '.join(columns)}, PRIMARY KEY ({key})){options}"
    )


def write(session: Session, name: TableName, order: LoadOrder, at: str) -> int:
    """Write the order's dead letters, or what has become of open ones; how many they were.

    A load that replaces the table closes what earlier ones had set aside: it has read its source as a whole.
    Raises: Busy when letters that are to be settled are not open any more. Side effects: the session's transaction.
    """
    side = _beside(name)
    own = f'"table" = {literal(name.table)}'
    slots = None
    if order.aside is not None or order.mode == "replace":
        slots = _slots(session, side)
    if slots is None:
        return 0
    if order.mode == "replace":
        changes = f'"state" = \'replaced\', "settled_by" = {literal(order.load_id)}, "settled_at" = {literal(at)}'
        later = f'"load_id" <> {literal(order.load_id)}'
        session.execute(f"UPDATE {side.sql} SET {changes} WHERE {own} AND \"state\" = 'open' AND {later}")
        session.execute(f'DELETE FROM {side.sql} WHERE {own} AND "load_id" = {literal(order.load_id)}')
    if order.aside is None:
        return 0
    return _brought(session, side, slots, name.table, order.aside, again=bool(order.advances))


def datasets(session: Session, tables: Iterable[str]) -> tuple[str, ...]:
    """The dead-letter tables beside these tables, as datasets of the system, each once."""
    found = {}
    # One table of each schema is enough.
    for table in {table.rpartition(".")[0]: table for table in tables}.values():
        name = _beside(session.meant(table))
        if name not in found and _slots(session, name) is not None:
            found[name] = name.table if name.schema is None else f"{name.schema}.{name.table}"
    return tuple(sorted(found.values()))


def fault(session: Session, name: TableName) -> str:
    """Why dead letters cannot be kept beside `name`, empty when they can; nothing is changed."""
    side = _beside(name)
    try:
        found = _slots(session, side)
    except TargetError as error:
        return error.message[:1].lower() + error.message[1:]
    privilege = session.capabilities.creates
    if found is None and privilege and not session.query(privilege.format(literal(name.schema or "")))[0][0]:
        return f"no table may be made in the schema {name.schema}"
    return ""


def _brought(session: Session, side: TableName, slots: Sequence[Slot], table: str, aside: Aside, *, again: bool) -> int:
    """Bring letters into the dead-letter table. `again`: earlier loads may have set the same rows aside."""
    # The target's own spelling of its name, as in the markers.
    rows = replace(aside.rows, casts={**aside.rows.casts, "table": literal(table)})
    order = LoadOrder(LETTERS, "merge", rows.columns, "", "", "", "", KEY)
    pour: Pour = matched(order, slots, folds=True)
    keys = pour.keys(order)
    staged, count = session.stage(pour, rows, [slot.name for slot in keys])
    joined = same(keys)
    if aside.settling:
        found = f"SELECT count(*) FROM {side.sql} AS t JOIN {staged} AS s ON {joined} WHERE t.\"state\" = 'open'"
        if int(session.query(found)[0][0]) != count:
            raise Busy("Some of the dead letters were replayed meanwhile", holder="another replay", table=table)
        update(session, side, staged, keys, [slot for slot in pour.slots if slot not in keys])
        return count
    values = ", ".join(f"s.{quote(slot.name)}" for slot in pour.slots)
    unknown = _UNKNOWN.format(side.sql) if again else ""
    session.execute(
        f"INSERT INTO {side.sql} ({pour.names}) SELECT {values} FROM {staged} AS s "
        f"LEFT JOIN {side.sql} AS t ON {joined} WHERE t.{quote(keys[0].name)} IS NULL{unknown}"
    )
    return count


def _beside(name: TableName) -> TableName:
    return TableName(name.schema, LETTERS)


def _slots(session: Session, side: TableName) -> tuple[Slot, ...] | None:
    """The dead-letter table's columns, None when it is not there. Raises: TargetError when it is another thing."""
    slots = session.slots(side)
    if slots is not None and any(named(slots, column.name, folds=True) is None for column in COLUMNS):
        raise TargetError(
            "The target has a table of the dead letters' name that is none",
            table=LETTERS,
            missing=[column.name for column in COLUMNS if named(slots, column.name, folds=True) is None],
            hint="rename that table, or load into another schema",
        )
    return slots
