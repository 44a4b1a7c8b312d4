"""The load protocol: rows and their marker enter a target in one transaction, or nothing does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from agent_etl.connectors import marker as markers
from agent_etl.connectors.fit import Slot, fitting, misfitting
from agent_etl.connectors.names import TableName, check_names, folded
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import AgentEtlError, CheckFailed, StaleRun, TargetError, TargetSchemaMismatch
from agent_etl.engine.faults import point
from agent_etl.engine.ports import Capabilities, LoadOrder, LoadResult, Marker, Relation
from agent_etl.engine.relay import received
from agent_etl.engine.schema import Column

__all__ = [
    "Pour",
    "Session",
    "duplicates",
    "explained",
    "load",
    "matched",
    "named",
    "newest",
    "require_key",
    "standing",
]


@dataclass(frozen=True, slots=True)
class Pour:
    """Where each column of the data goes: `items` are (column, slot, DuckDB expression that fits it there)."""

    items: tuple[tuple[Column, Slot, str], ...]

    @property
    def names(self) -> str:
        """The target's columns in the data's order, quoted, as SQL."""
        return ", ".join(quote(slot.name) for _, slot, _ in self.items)

    def select(self, relation: str) -> str:
        """A DuckDB SELECT over `relation` that gives the target's columns."""
        return f"SELECT {', '.join(f'{e} AS {quote(s.name)}' for _, s, e in self.items)} FROM ({relation})"


class Session(Protocol):
    """One connection to a target with one transaction; every error that it raises is one of ours."""

    capabilities: Capabilities

    def find(self, dataset: str) -> TableName | None:
        """The existing table that a plan means, or None."""
        ...

    def begin(self, dataset: str) -> TableName:
        """Start the transaction and lock the table's loads against others. Raises: Busy, ConnectionLost."""
        ...

    def slots(self, name: TableName) -> tuple[Slot, ...] | None:
        """The table's columns, or None when there is no such table."""
        ...

    def native(self, column: Column) -> Slot:
        """How a new column of that logical type is stored. Raises: TargetError for a type that has no place there."""
        ...

    def has_markers(self, name: TableName) -> bool:
        """Whether the marker table stands beside `name`."""
        ...

    def query(self, sql: str) -> Sequence[Sequence[Any]]:
        """The rows of a small query."""
        ...

    def execute(self, sql: str) -> int:
        """Run one statement; how many rows it changed."""
        ...

    def pour(self, name: TableName, pour: Pour, rows: Relation) -> int:
        """Append the rows to the table; how many they were."""
        ...

    def stage(self, pour: Pour, rows: Relation, key: Sequence[str]) -> tuple[str, int]:
        """Put the rows, as the target stores them, into a temporary table that is to be joined by `key`.

        Gives the table, or a query over it, as SQL, and the row count.
        """
        ...

    def commit(self) -> None:
        """Make it durable. Raises: OutcomeUnknown when the reply was lost."""
        ...

    def rollback(self) -> None:
        """Undo everything since begin. Never raises."""
        ...


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
        session.execute(markers.create(name))
        last = markers.latest(session.query, name)
        if order.seen is not None and last is not None and last.epoch > order.seen:
            raise StaleRun(
                "Another run has loaded this table since", target=order.table, epoch=order.seen, newest=last.epoch
            )
        pour, notes = _prepare(session, name, order)
        result = _write(session, name, order, pour, rows)
        point("load.staged")
        made = markers.made(order, name, result.rows, last)
        session.execute(markers.upsert(name, made))
        point("load.before_commit")
        session.commit()
    except BaseException:
        session.rollback()
        raise
    point("load.after_commit")
    return replace(result, marker=made, notes=notes)


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


def explained(text: str, pour: Pour, **fields: object) -> AgentEtlError | None:
    """What a stream of rows failed of, when the text says so: a source's error, or a value that has no place."""
    relayed = received(text)
    position = misfitting(text)
    if relayed is not None or position is None:
        return relayed
    column, slot, _ = pour.items[position]
    return TargetError(
        "A value does not fit the target's column without loss",
        column=column.name,
        data=column.type,
        column_type=slot.native or slot.type,
        hint="cast or round the column in the plan, or load into a table whose column is wider",
        **fields,
    )


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


def _prepare(session: Session, name: TableName, order: LoadOrder) -> tuple[Pour, tuple[str, ...]]:
    """Make the table ready and say which column goes where. Side effects: creates or alters the table."""
    slots = session.slots(name)
    if slots is None:
        check_names([name.table], session.capabilities)
        new = {column.name: session.native(column) for column in order.columns}
        columns = ", ".join(f"{quote(slot.name)} {slot.native}" for slot in new.values())
        session.execute(f"CREATE TABLE {name.sql} ({columns})")
        return matched(order, tuple(new.values()), folds=False), ()
    there = {slot.name for slot in slots}
    for column in order.evolve:
        if column.name not in there and named(slots, column.name, session.capabilities.folds_case) is None:
            slot = session.native(column)
            session.execute(f"ALTER TABLE {name.sql} ADD COLUMN {quote(slot.name)} {slot.native}")
            slots = (*slots, slot)
    pour = matched(order, slots, folds=True)
    filled = {slot.name for _, slot, _ in pour.items}
    spare = [slot.name for slot in slots if slot.name not in filled]
    return pour, tuple(
        f"column {extra} of {order.table} gets its default: the data has no such column" for extra in spare
    )


def named(slots: Sequence[Slot], name: str, folds: bool) -> Slot | None:
    """The slot of exactly that name, else, where `folds`, the only one that differs in case alone."""
    exact = [slot for slot in slots if slot.name == name]
    near = [slot for slot in slots if folds and folded(slot.name) == folded(name)]
    return exact[0] if exact else near[0] if len(near) == 1 else None


def matched(order: LoadOrder, slots: tuple[Slot, ...], *, folds: bool) -> Pour:
    """Each column's place. Raises: TargetSchemaMismatch naming all that is missing, extra or of another type."""
    items: list[tuple[Column, Slot, str]] = []
    missing: list[str] = []
    differing: dict[str, str] = {}
    for position, column in enumerate(order.columns):
        slot = named(slots, column.name, folds)
        expression = fitting(column.name, column.type, slot.type, position) if slot else None
        if slot is None:
            missing.append(column.name)
        elif expression is None:
            differing[column.name] = f"data {column.type}, target {slot.native or slot.type}"
        else:
            items.append((column, slot, expression))
    filled = [slot.name for _, slot, _ in items]
    twice = sorted({name for name in filled if filled.count(name) > 1})
    extra = [slot.name for slot in slots if slot.required and slot.name not in filled]
    if missing or differing or extra or twice:
        raise TargetSchemaMismatch(
            "The target's columns differ from the data's",
            target=order.table,
            missing=sorted(missing),
            extra=extra,
            differing=differing,
            **({"twice": twice} if twice else {}),
            hint="add the missing columns to the load's evolve, or rename and cast in the plan",
        )
    return Pour(tuple(items))


def _write(session: Session, name: TableName, order: LoadOrder, pour: Pour, rows: Relation) -> LoadResult:
    blank = Marker(order.load_id, name.table, order.mode, 0, 0, order.digest, order.run_id, order.plan_hash, "")
    if order.mode == "merge":
        return _merge(session, name, order, pour, rows, blank)
    deleted = session.execute(f"DELETE FROM {name.sql}") if order.mode == "replace" else 0
    count = session.pour(name, pour, rows)
    return LoadResult(marker=blank, rows=count, inserted=count, deleted=deleted)


def _merge(
    session: Session, name: TableName, order: LoadOrder, pour: Pour, rows: Relation, blank: Marker
) -> LoadResult:
    """Update matched rows where a value differs, insert the rest. Keys must be there, and once, on both sides."""
    keys = [slot for wanted in order.key for column, slot, _ in pour.items if column.name == wanted]
    if len(keys) != len(order.key) or not keys:
        valid = [column.name for column in order.columns]
        raise TargetError("A merge key is not a column of the data", key=list(order.key), valid=valid)
    staged, count = session.stage(pour, rows, [slot.name for slot in keys])
    names = ", ".join(quote(slot.name) for slot in keys)
    _check_keys(session, staged, names, keys, order)
    same = " AND ".join(f"t.{quote(slot.name)} = s.{quote(slot.name)}" for slot in keys)
    _check_matches(session, f"{name.sql} AS t JOIN {staged} AS s ON {same}", keys, order)
    updated = _update(session, name, staged, pour, keys, same)
    # An outer join, not EXISTS: SQLite would scan the whole target again for each row.
    values = ", ".join(f"s.{quote(slot.name)}" for _, slot, _ in pour.items)
    inserted = session.execute(
        f"INSERT INTO {name.sql} ({pour.names}) SELECT {values} FROM {staged} AS s "
        f"LEFT JOIN {name.sql} AS t ON {same} WHERE t.{quote(keys[0].name)} IS NULL"
    )
    return LoadResult(marker=blank, rows=count, inserted=inserted, updated=updated)


def _check_matches(session: Session, joined: str, keys: Sequence[Slot], order: LoadOrder) -> None:
    """No row of the data may meet two rows of the target."""
    names = ", ".join(f"s.{quote(slot.name)}" for slot in keys)
    repeated = f"SELECT 1 AS one FROM {joined} GROUP BY {names} HAVING count(*) > 1"
    found = int(session.query(f"SELECT count(*) FROM ({repeated}) AS repeated")[0][0])
    if found:
        raise CheckFailed(
            "The merge key is not unique in the target",
            check="merge_key_unique",
            table=order.table,
            key=list(order.key),
            duplicates=found,
            hint="choose a key that identifies a row, or remove the duplicates from the target",
        )


def _check_keys(session: Session, staged: str, names: str, keys: Sequence[Slot], order: LoadOrder) -> None:
    absent = " OR ".join(f"{quote(slot.name)} IS NULL" for slot in keys)
    nulls = int(session.query(f"SELECT count(*) FROM {staged} AS s WHERE {absent}")[0][0])
    repeated = int(
        session.query(
            f"SELECT count(*) FROM (SELECT {names} FROM {staged} AS s GROUP BY {names} HAVING count(*) > 1) AS repeated"
        )[0][0]
    )
    require_key(order, nulls, repeated)


def _update(session: Session, name: TableName, staged: str, pour: Pour, keys: Sequence[Slot], same: str) -> int:
    """Update rows whose values differ, nulls included; how many."""
    rest = [slot for _, slot, _ in pour.items if slot not in keys]
    if not rest:
        return 0
    differ = " OR ".join(f"{_comparable('t', slot)} IS DISTINCT FROM {_comparable('s', slot)}" for slot in rest)
    changes = ", ".join(f"{quote(slot.name)} = s.{quote(slot.name)}" for slot in rest)
    return session.execute(f"UPDATE {name.sql} AS t SET {changes} FROM {staged} AS s WHERE {same} AND ({differ})")


def _comparable(side: str, slot: Slot) -> str:
    """A column as something that can be compared: PostgreSQL's json and xml have no equality."""
    column = f"{side}.{quote(slot.name)}"
    return f"CAST({column} AS VARCHAR)" if slot.textual else column


def require_key(order: LoadOrder, nulls: int, repeated: int) -> None:
    """Raise CheckFailed when rows to be merged have no key (`nulls`), or several have one (`repeated` keys)."""
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
