"""Dead letters of a file: `_etl_quarantine/<file>.jsonl` beside it, one JSON object a line, published with the load.

A load writes the whole new dead-letter file under a draft's name that says which load it belongs to, before the rename
that commits the load, and renames it after. When the process dies between the two, whoever comes next publishes the
draft of a committed load and removes one of a load that never was: so letters and rows come together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from agent_etl.connectors.sidecar import Entry
from agent_etl.engine.deadletters import COLUMNS, KEY, LETTERS, empty
from agent_etl.engine.duck import Cursor, attached, literal, quote, run
from agent_etl.engine.durable import sync
from agent_etl.engine.errors import Busy
from agent_etl.engine.ports import LoadOrder, Marker

__all__ = ["FileLetters"]

_DRAFT = ".etl-letters"
_LONGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileLetters:
    """The dead letters of one target file."""

    file: Path

    @property
    def path(self) -> Path:
        """Where they lie."""
        return self.file.parent / LETTERS / f"{self.file.name}.jsonl"

    def draft(self, order: LoadOrder, marker: Marker, cursor: Cursor) -> int:
        """Write what the file becomes by a load, when it changes; how many letters the load brought.

        Raises: Busy when letters that are to be settled are not open any more; OSError. Side effects: the draft.
        """
        if order.aside is None and (order.mode != "replace" or not self.path.exists()):
            return 0
        self.path.parent.mkdir(exist_ok=True)
        count = self._compose(order, marker, cursor)
        target = self._draft(marker)
        names = ", ".join(quote(column.name) for column in COLUMNS)
        sorting = '"set_aside_at", "load_id", "step", "number"'
        run(cursor, f"COPY (SELECT {names} FROM letters ORDER BY {sorting}) TO {literal(str(target))} (FORMAT json)")
        sync(target)
        return count

    def publish(self, marker: Marker) -> None:
        """Give the draft of a committed load the file's name, when there is one. Side effects: durable and atomic."""
        draft = self._draft(marker)
        if draft.exists():
            draft.replace(self.path)
            sync(self.path.parent)

    def forget(self, marker: Marker) -> None:
        """Remove the draft of a load that was not committed."""
        self._draft(marker).unlink(missing_ok=True)

    def pending(self) -> bool:
        """Whether a process left a draft."""
        return bool(self._drafts())

    def recover(self, committed: Iterable[Entry]) -> None:
        """Publish the draft of a committed load, remove all others; the file's lock must be held."""
        for entry in committed:
            self.publish(entry.marker)
        for left in self._drafts():
            left.unlink(missing_ok=True)

    def _drafts(self) -> list[Path]:
        if not self.path.parent.is_dir():
            return []
        start = f".{self.file.name}."
        return [e for e in self.path.parent.iterdir() if e.name.startswith(start) and e.name.endswith(_DRAFT)]

    def _draft(self, marker: Marker) -> Path:
        # The epoch too: a load that replaces a table may come again, after others.
        return self.path.with_name(f".{self.file.name}.{marker.epoch}-{marker.load_id}{_DRAFT}")

    def _compose(self, order: LoadOrder, marker: Marker, cursor: Cursor) -> int:
        """Make the temporary table `letters` of the old ones and the order's."""
        run(cursor, f"CREATE TEMP TABLE letters AS SELECT * FROM {self._old()}")
        if order.mode == "replace":
            later = f'"load_id" <> {literal(order.load_id)}'
            run(cursor, f"DELETE FROM letters WHERE NOT ({later})")
            settled = f'"settled_by" = {literal(order.load_id)}, "settled_at" = {literal(marker.loaded_at)}'
            run(cursor, f"UPDATE letters SET \"state\" = 'replaced', {settled} WHERE \"state\" = 'open'")
        if order.aside is None:
            return 0
        rows = replace(order.aside.rows, casts={**order.aside.rows.casts, "table": literal(marker.table)})
        with attached(cursor, rows) as select:
            run(cursor, f"CREATE TEMP TABLE brought AS {select}")
        count = _number(cursor, "SELECT count(*) FROM brought")
        joined = " AND ".join(f"letters.{quote(name)} = brought.{quote(name)}" for name in KEY)
        if not order.aside.settling:
            same = '"table", step, raw'
            read = f" OR (letters.state <> 'replaced' AND ({_listed('letters', same)}) = ({_listed('brought', same)}))"
            # What an earlier load has set aside may have been read again by an incremental extract.
            fresh = f"NOT EXISTS (SELECT 1 FROM letters WHERE ({joined}){read if order.advances else ''})"
            run(cursor, f"INSERT INTO letters BY NAME SELECT * FROM brought WHERE {fresh}")
            return count
        still = f"SELECT count(*) FROM letters JOIN brought ON {joined} WHERE letters.\"state\" = 'open'"
        if _number(cursor, still) != count:
            raise Busy("Some of the dead letters were replayed meanwhile", holder="another replay", table=order.table)
        changes = ", ".join(
            f"{quote(c)} = brought.{quote(c)}" for c in (column.name for column in rows.columns) if c not in KEY
        )
        run(cursor, f"UPDATE letters SET {changes} FROM brought WHERE {joined}")
        return count

    def _old(self) -> str:
        if not self.path.exists():
            return str(empty().sql)
        columns = ", ".join(f"{literal(column.name)}: {literal(column.type)}" for column in COLUMNS)
        return (
            f"read_json([{literal(_plain(self.path))}], format = 'newline_delimited', columns = {{{columns}}}, "
            f"maximum_object_size = {_LONGEST})"
        )


def _listed(table: str, names: str) -> str:
    return ", ".join(f"{table}.{name}" for name in names.split(", "))


def _number(cursor: Cursor, sql: str) -> int:
    return int(run(cursor, sql).fetchall()[0][0])


def _plain(path: Path) -> str:
    """The path as DuckDB takes it literally: characters of patterns are put in brackets."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
