"""Merge: rows update what has their key and are added where nothing has. A key must stand once on either side.

Rows may delete what has their key instead (`delete_by`), and keys that the data lacks may go (`delete_missing`).
"""

from collections.abc import Callable, Sequence
from typing import Any

from agent_etl.connectors.fit import Slot
from agent_etl.connectors.layout import FLAG, flagged
from agent_etl.connectors.names import TableName
from agent_etl.connectors.pour import Pour
from agent_etl.connectors.session import Effect, Session
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import CheckFailed
from agent_etl.engine.ports import Capabilities, LoadOrder, Relation

__all__ = [
    "Execute",
    "Query",
    "among",
    "check_keys",
    "check_matches",
    "comparable",
    "delete",
    "differs",
    "merge",
    "same",
    "update",
]

Query = Callable[[str], Sequence[Sequence[Any]]]
Execute = Callable[[str], int]


def merge(session: Session, name: TableName, order: LoadOrder, pour: Pour, rows: Relation) -> Effect:
    """Update matched rows where a value differs, insert the rest; delete what the order says.

    Raises: CheckFailed, TargetError for a key or a flag that the data lacks. Side effects: the session's transaction.
    """
    keys = pour.keys(order)
    given = flagged(order, pour, session.native) if order.delete_by else pour
    staged, count = session.stage(given, rows, [slot.name for slot in keys])
    check_keys(session.query, staged, keys, order)
    check_matches(session.query, name.sql, staged, keys, order)
    deleted = delete(session.execute, name.sql, staged, keys, order)
    kept = staged
    if order.delete_by:
        kept = f"(SELECT {pour.names} FROM {staged} AS s WHERE s.{quote(FLAG)} = 0)"
    updated = update(session, name, kept, keys, [slot for slot in pour.slots if slot not in keys])
    # An outer join, not EXISTS: SQLite would scan the whole target again for each row.
    values = ", ".join(f"s.{quote(slot.name)}" for slot in pour.slots)
    inserted = session.execute(
        f"INSERT INTO {name.sql} ({pour.names}) SELECT {values} FROM {kept} AS s "
        f"LEFT JOIN {session.held(name, staged, keys)} AS t ON {same(keys)} WHERE t.{quote(keys[0].name)} IS NULL"
    )
    return Effect(count, inserted, updated, deleted)


def delete(execute: Execute, target: str, staged: str, keys: Sequence[Slot], order: LoadOrder) -> int:
    """Delete what flagged rows name and, by `delete_missing`, what no row names; how many. A row without key stays.

    Side effects: rows of `target`.
    """
    deleted = 0
    if order.delete_by:
        flags = among(keys, f"SELECT {_listed('s', keys)} FROM {staged} AS s WHERE s.{quote(FLAG)} = 1")
        deleted += execute(f"DELETE FROM {target} WHERE {flags}")
    if order.delete_missing:
        absent = f"s.{quote(keys[0].name)} IS NULL"
        lacking = (
            f"SELECT {_listed('t', keys)} FROM {target} AS t LEFT JOIN {staged} AS s ON {same(keys)} WHERE {absent}"
        )
        deleted += execute(f"DELETE FROM {target} WHERE {among(keys, lacking)}")
    return deleted


def among(keys: Sequence[Slot], found: str) -> str:
    """The condition, as SQL, that a row has a key that the query `found` gives: column by column, never glued."""
    return f"({', '.join(quote(slot.name) for slot in keys)}) IN ({found})"


def _listed(side: str, slots: Sequence[Slot]) -> str:
    return ", ".join(f"{side}.{quote(slot.name)}" for slot in slots)


def same(keys: Sequence[Slot]) -> str:
    """The condition, as SQL, that a target's row `t` and a staged row `s` have the same key."""
    return " AND ".join(f"t.{quote(slot.name)} = s.{quote(slot.name)}" for slot in keys)


def check_keys(query: Query, staged: str, keys: Sequence[Slot], order: LoadOrder) -> None:
    """See that the rows of `staged` all have a key, and each its own. Raises: CheckFailed."""
    names = ", ".join(quote(slot.name) for slot in keys)
    absent = " OR ".join(f"{quote(slot.name)} IS NULL" for slot in keys)
    nulls = int(query(f"SELECT count(*) FROM {staged} AS s WHERE {absent}")[0][0])
    repeated = _groups(query, f"{staged} AS s", names)
    if nulls or repeated:
        raise CheckFailed(
            "The merge key does not identify the rows that are to be loaded",
            check="merge_key_unique",
            table=order.table,
            key=list(order.key),
            nulls=nulls,
            duplicates=repeated,
            hint="drop rows without a key and keep one row for each key, then run again",
        )


def check_matches(query: Query, target: str, staged: str, keys: Sequence[Slot], order: LoadOrder) -> None:
    """See that no row of `staged` meets two rows of `target`. Raises: CheckFailed."""
    names = ", ".join(f"s.{quote(slot.name)}" for slot in keys)
    found = _groups(query, f"{target} AS t JOIN {staged} AS s ON {same(keys)}", names)
    if found:
        raise CheckFailed(
            "The merge key is not unique in the target",
            check="merge_key_unique",
            table=order.table,
            key=list(order.key),
            duplicates=found,
            hint="choose a key that identifies a row, or remove the duplicates from the target",
        )


def _groups(query: Query, source: str, names: str) -> int:
    """How many values of the columns `names` more than one row has."""
    grouped = f"SELECT 1 AS one FROM {source} GROUP BY {names} HAVING count(*) > 1"
    return int(query(f"SELECT count(*) FROM ({grouped}) AS repeated")[0][0])


def update(session: Session, name: TableName, staged: str, keys: Sequence[Slot], rest: Sequence[Slot]) -> int:
    """Update the columns `rest` of the target's rows that have a key of `staged` and differ, nulls included; how many.

    Side effects: the session's transaction.
    """
    if not rest:
        return 0
    system = session.capabilities
    found = f"{same(keys)} AND ({differs(system, 't', 's', rest)})"
    if system.update_joins:
        changes = ", ".join(f"t.{quote(slot.name)} = s.{quote(slot.name)}" for slot in rest)
        return session.execute(f"UPDATE {name.sql} AS t JOIN {staged} AS s ON {found} SET {changes}")
    changes = ", ".join(f"{quote(slot.name)} = s.{quote(slot.name)}" for slot in rest)
    return session.execute(f"UPDATE {name.sql} AS t SET {changes} FROM {staged} AS s WHERE {found}")


def differs(system: Capabilities, one: str, other: str, slots: Sequence[Slot]) -> str:
    """The condition, as SQL, that two rows differ in one of the columns; NULL equals NULL and nothing else."""
    pairs = ((comparable(system, slot, one), comparable(system, slot, other)) for slot in slots)
    return " OR ".join(system.distinct.format(*pair) for pair in pairs) or "1 = 0"


def comparable(system: Capabilities, slot: Slot, side: str) -> str:
    """A row's column as something that can be compared: PostgreSQL's json and xml have no equality."""
    column = f"{side}.{quote(slot.name)}"
    return system.comparable.format(column) if slot.textual else column
