"""What a target file becomes: its old rows and a load's rows, made into one new file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent_etl.connectors import layout
from agent_etl.connectors.dataset import Dataset
from agent_etl.connectors.duckdb_session import CAPABILITIES, DuckdbSession
from agent_etl.connectors.filekind import FileKind, verify
from agent_etl.connectors.files import reader
from agent_etl.connectors.filewrite import delimiter_of, slot, write
from agent_etl.connectors.fit import Slot, head
from agent_etl.connectors.increment import append
from agent_etl.connectors.merge import check_keys, check_matches, delete, differs, same
from agent_etl.connectors.names import TableName
from agent_etl.connectors.pour import Pour, explained, named
from agent_etl.connectors.scd2 import scd2
from agent_etl.connectors.session import Effect
from agent_etl.connectors.sidecar import Entry, recorded
from agent_etl.engine import duck
from agent_etl.engine.duck import Cursor, attached, quote, translate
from agent_etl.engine.errors import TargetError
from agent_etl.engine.history import SINCE, UNTIL, is_time
from agent_etl.engine.ports import LoadOrder, Relation
from agent_etl.engine.schema import Column
from agent_etl.engine.watermark import Watermark

__all__ = ["Made", "Old", "compose", "old_file"]

_ROW = "agent_etl_row"
_NUMBERS = frozenset({"DOUBLE", "DECIMAL", "HUGEINT"})


@dataclass(frozen=True, slots=True)
class Old:
    """A target file as it stands there. `select` gives its rows; `loose`: its types were read off its text.

    `delimiter` is the text's own: it stays what it was.
    """

    select: str
    slots: tuple[Slot, ...]
    total: int | None
    loose: bool
    delimiter: str

    def count(self, cursor: Cursor) -> int:
        """How many rows it has."""
        if self.total is not None:
            return self.total
        return int(duck.run(cursor, f"SELECT count(*) FROM ({self.select})").fetchall()[0][0])

    def named(self, column: str) -> str:
        """The file's own spelling of a column. Raises: TargetError."""
        found = named(self.slots, column, folds=True)
        if found is None:
            valid = [known.name for known in self.slots]
            raise TargetError("A key column is not in the target", column=column, valid=valid)
        return found.name


@dataclass(frozen=True, slots=True)
class Made:
    """A new file: rows in all, rows given, and what happened to them; `repeated` were there already."""

    total: int
    given: int
    inserted: int
    updated: int
    deleted: int
    columns: tuple[Column, ...]
    delimiter: str = ","
    notes: tuple[str, ...] = ()
    repeated: int = 0


def old_file(path: Path, kind: FileKind, entry: Entry | None) -> Old:
    """The file as rows; with the types of the load that made it, when it still is what that load made.

    Raises: ReadError when it cannot be read.
    """
    verify(path, kind)
    data = Dataset(path.name, (path,), (kind,))
    options = recorded(kind, entry) if entry is not None else {}
    found = reader(kind).describe(data, options)
    relation = reader(kind).scan(data, None, found.options)
    slots = tuple(Slot(column.name, column.type, column.type) for column in found.columns)
    total = entry.total if entry is not None else found.rows
    select = f"SELECT {', '.join(quote(place.name) for place in slots)} FROM {relation.sql}"
    delimiter = str(found.options.get("delimiter", delimiter_of(kind)))
    return Old(select, slots, total, entry is None and kind.format != "parquet", delimiter)


def compose(
    old: Old | None,
    order: LoadOrder,
    rows: Relation,
    target: Path,
    kind: FileKind,
    cursor: Cursor,
    there: Mapping[str, Watermark],
) -> Made:
    """Write what the file becomes by the load; `there` says how far incremental extracts have come in it.

    Raises: TargetSchemaMismatch, TargetError for a value that does not fit, CheckFailed for a key that does not
    identify what is loaded, the source's error when its rows stop coming. Side effects: the file `target`.
    """
    if order.mode == "replace" or (old is None and order.mode == "append"):
        slots = tuple(slot(column, kind) for column in order.columns)
        pour = layout.placed(order, slots, folds=False)
        with _poured(rows, pour, cursor) as select:
            given = write(cursor, select, slots, target, kind, delimiter_of(kind))
        deleted = old.count(cursor) if old is not None else 0
        return Made(given, given, given, 0, deleted, _columns(slots), delimiter_of(kind))
    if old is None:
        notes: tuple[str, ...] = ()
        delimiter = delimiter_of(kind)
        slots = _compared([slot(column, kind) for column in layout.columns(order)], kind)
        pour = layout.placed(order, slots, folds=False)
        columns = ", ".join(f"{quote(place.name)} {place.type}" for place in slots)
        duck.run(cursor, f"CREATE TEMP TABLE old_rows ({columns})")
    else:
        slots, pour, notes = _opened(old, order, kind, cursor)
        delimiter = old.delimiter
    effect = _changed(order, pour, slots, rows, cursor, there)
    with _explained(pour):
        total = write(cursor, "FROM old_rows", slots, target, kind, delimiter)
    return Made(
        total,
        effect.rows,
        effect.inserted,
        effect.updated,
        effect.deleted,
        _columns(slots),
        delimiter,
        notes,
        effect.repeated,
    )


def _opened(
    old: Old, order: LoadOrder, kind: FileKind, cursor: Cursor
) -> tuple[tuple[Slot, ...], Pour, tuple[str, ...]]:
    """Make `old_rows` of the file; its columns then, where the data's go, notes."""
    slots, added = _evolved(old, order, kind)
    slots = _compared(slots, kind)
    pour = layout.placed(order, slots, folds=True)
    notes = tuple(
        f"column {name} of {order.table} stays empty: the data has no such column"
        for name in layout.spare(order, pour, slots)
    )
    kept = ", ".join(
        f"CAST({'NULL' if place.name in added else quote(place.name)} AS {place.type}) AS {quote(place.name)}"
        for place in slots
    )
    duck.run(cursor, f"CREATE TEMP TABLE old_rows AS SELECT {kept} FROM ({old.select})")
    return slots, pour, notes


def _changed(
    order: LoadOrder,
    pour: Pour,
    slots: tuple[Slot, ...],
    rows: Relation,
    cursor: Cursor,
    there: Mapping[str, Watermark],
) -> Effect:
    """Bring the rows into `old_rows` by the order's mode."""
    if order.mode == "append" and order.advances:
        return append(DuckdbSession(cursor), TableName(None, "old_rows"), order, pour, rows, there)
    if order.mode == "scd2":
        return scd2(_Work(cursor), TableName(None, "old_rows"), order, pour, slots, rows)
    given_pour = layout.flagged(order, pour, _as_it_is) if order.delete_by else pour
    duck.run(cursor, "CREATE TEMP TABLE new_rows AS FROM old_rows LIMIT 0")
    if order.delete_by:
        duck.run(cursor, f"ALTER TABLE new_rows ADD COLUMN {quote(layout.FLAG)} INTEGER")
    with _poured(rows, given_pour, cursor) as select:
        given = int(cursor.execute(f"INSERT INTO new_rows BY NAME {select}").fetchall()[0][0])
    if order.mode == "merge":
        return _merged(order, pour, slots, given, cursor)
    duck.run(cursor, "INSERT INTO old_rows FROM new_rows")
    return Effect(given, given)


class _Work(DuckdbSession):
    """The file's rows in a DuckDB of their own, where a document of JSON equals itself with other spaces."""

    capabilities = replace(CAPABILITIES, comparable="json({0})")


def _compared(slots: Sequence[Slot], kind: FileKind) -> tuple[Slot, ...]:
    """The file's columns; a file of JSON does not keep the spaces of the documents in it."""
    spaceless = kind.format in ("json", "jsonl")
    return tuple(replace(place, textual=spaceless and place.type == "JSON") for place in slots)


def _as_it_is(column: Column) -> Slot:
    return Slot(column.name, column.type, column.type)


@contextmanager
def _poured(rows: Relation, pour: Pour, cursor: Cursor) -> Iterator[str]:
    """A SELECT of the rows as the file keeps them; a value that does not fit is named with its column."""
    with _explained(pour), attached(cursor, rows) as relation:
        yield pour.select(relation)


@contextmanager
def _explained(pour: Pour) -> Iterator[None]:
    """DuckDB's errors as ours."""
    try:
        yield
    except duck.Error as error:
        raise explained(str(error), pour) or translate(error) from error


def _evolved(old: Old, order: LoadOrder, kind: FileKind) -> tuple[tuple[Slot, ...], frozenset[str]]:
    """The file's columns with those that the load may add; the names of the added ones."""
    slots = old.slots
    if old.loose:
        slots = tuple(_loosened(place, order, old.total == 0) for place in slots)
        slots = tuple(_timely(place, slots) for place in slots) if order.mode == "scd2" else slots
    added = tuple(slot(column, kind) for column in order.evolve if named(slots, column.name, folds=True) is None)
    return (*slots, *added), frozenset(place.name for place in added)


def _loosened(place: Slot, order: LoadOrder, empty: bool) -> Slot:
    """A column whose type was read off text takes the data's wider type: whole numbers may have been DOUBLEs."""
    for column in layout.columns(order):
        if column.name.lower() != place.name.lower():
            continue
        wider = (place.type == "BIGINT" and head(column.type) in _NUMBERS) or (
            place.type == "DATE" and column.type == "TIMESTAMP"
        )
        if empty or wider:
            return Slot(place.name, column.type, column.type)
    return place


def _timely(place: Slot, slots: Sequence[Slot]) -> Slot:
    """The end of a validity is a time as its begin is, also where every cell of it is empty or ends at midnight."""
    since = named(slots, SINCE, folds=True)
    if place.name.lower() != UNTIL or since is None or not is_time(since.type):
        return place
    return Slot(place.name, since.type, since.native)


def _merged(order: LoadOrder, pour: Pour, slots: Sequence[Slot], given: int, cursor: Cursor) -> Effect:
    """Bring the new rows into `old_rows`: matched ones change in their place, the others follow in their order."""

    def query(sql: str) -> list[tuple[int, ...]]:
        return duck.run(cursor, sql).fetchall()

    keys = pour.keys(order)
    check_keys(query, "new_rows", keys, order)
    check_matches(query, "old_rows", "new_rows", keys, order)
    deleted = delete(lambda sql: query(sql)[0][0], "old_rows", "new_rows", keys, order)
    if order.delete_by:
        query(f"DELETE FROM new_rows WHERE {quote(layout.FLAG)} = 1")
    rest = [place for place in pour.slots if place not in keys]
    found = f"FROM old_rows AS t JOIN new_rows AS s ON {same(keys)}"
    updated = query(f"SELECT count(*) FILTER ({differs(_Work.capabilities, 't', 's', rest)}) {found}")[0][0]
    _update(cursor, slots, [place.name for place in rest] if updated else [], keys)
    new = ", ".join(f"s.{quote(place.name)}" for place in slots)
    inserted = query(
        f"INSERT INTO merged SELECT {new} FROM {_numbered('new_rows')} AS s "
        f"WHERE NOT EXISTS (SELECT 1 FROM old_rows AS t WHERE {same(keys)}) ORDER BY s.{_ROW}"
    )[0][0]
    query("DROP TABLE old_rows")
    query("ALTER TABLE merged RENAME TO old_rows")
    return Effect(given, inserted, updated, deleted)


def _update(cursor: Cursor, slots: Sequence[Slot], changing: Sequence[str], keys: Sequence[Slot]) -> None:
    """Make `merged`: the old rows in their order, with the new values of the `changing` columns where keys match."""
    if not changing:
        duck.run(cursor, "CREATE TEMP TABLE merged AS FROM old_rows")
        return
    hit = f"s.{quote(keys[0].name)} IS NOT NULL"
    values = ", ".join(
        f"CASE WHEN {hit} THEN s.{column} ELSE t.{column} END AS {column}" if name in changing else f"t.{column}"
        for name, column in ((place.name, quote(place.name)) for place in slots)
    )
    duck.run(
        cursor,
        f"CREATE TEMP TABLE merged AS SELECT {values} FROM {_numbered('old_rows')} AS t "
        f"LEFT JOIN new_rows AS s ON {same(keys)} ORDER BY t.{_ROW}",
    )


def _numbered(table: str) -> str:
    return f"(SELECT *, row_number() OVER () AS {_ROW} FROM {table})"


def _columns(slots: Sequence[Slot]) -> tuple[Column, ...]:
    return tuple(Column(place.name, place.type) for place in slots)
