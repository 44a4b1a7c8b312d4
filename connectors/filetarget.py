"""A folder as a target: each load makes a new file and publishes it, with its marker, by one rename."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from agent_etl.connectors import increment
from agent_etl.connectors import marker as markers
from agent_etl.connectors.filekind import FileKind, named_kind
from agent_etl.connectors.fileletters import FileLetters
from agent_etl.connectors.filemerge import compose, old_file
from agent_etl.connectors.folder import MARKER_FOLDER, Folder
from agent_etl.connectors.layout import timed
from agent_etl.connectors.names import TableName, check_names
from agent_etl.connectors.session import Effect
from agent_etl.connectors.sidecar import Entry, Sidecar, identity
from agent_etl.engine.deadletters import LETTERS
from agent_etl.engine.duck import Cursor, connected, quote, run
from agent_etl.engine.durable import sync
from agent_etl.engine.errors import AgentEtlError, Busy, DiskFull, NotFound, TargetError
from agent_etl.engine.faults import point
from agent_etl.engine.interruption import check
from agent_etl.engine.ports import Capabilities, LoadOrder, LoadResult, Marker, Relation
from agent_etl.engine.schema import Column, Table
from agent_etl.engine.watermark import Watermark

__all__ = ["CAPABILITIES", "FileTarget"]

CAPABILITIES = Capabilities(
    kind="files",
    dialect=None,
    modes=frozenset({"append", "replace", "merge", "scd2"}),
    effect="exactly_once",
    types={"HUGEINT": "DECIMAL(38,0)", "UHUGEINT": "DECIMAL(38,0)", "INTERVAL": "VARCHAR", "BIT": "VARCHAR"},
    folds_case=True,
    ordered=True,
)
"""Files keep the order in which rows were written."""

_ENDINGS = {"parquet": ".parquet", "csv": ".csv", "tsv": ".tsv", "json": ".json", "jsonl": ".jsonl"}
_DRAFT = ".etl-draft"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a target lies, and what it holds."""

    path: Path
    kind: FileKind

    @property
    def sidecar(self) -> Sidecar:
        return Sidecar(self.path)

    @property
    def letters(self) -> FileLetters:
        return FileLetters(self.path)


class FileTarget:
    """Tables are files: `out.parquet`, `sub/out.csv.gz`; a name without an ending is a Parquet file."""

    capabilities = CAPABILITIES

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def existing(self, table: str) -> Table | None:
        """The target file as it is, with its row count, or None. Raises: ReadError, TargetError."""
        place = self._place(table)
        if not _holds(place.path):
            return None
        with _work() as work:
            old = old_file(place.path, place.kind, place.sidecar.current())
            rows = old.count(work)
        return Table(self._folder.name, table, tuple(Column(s.name, s.type) for s in old.slots), rows=rows)

    def duplicates(self, table: str, key: Sequence[str]) -> int:
        """How many key values, nulls aside, occur more than once in the file. 0 when there is none."""
        place = self._place(table)
        if not _holds(place.path):
            return 0
        with _work() as work:
            old = old_file(place.path, place.kind, place.sidecar.current())
            names = [old.named(column) for column in key]
            there = " AND ".join(f"{quote(name)} IS NOT NULL" for name in names)
            by = ", ".join(map(quote, names))
            grouped = f"SELECT 1 FROM ({old.select}) WHERE {there} GROUP BY {by} HAVING count(*) > 1"
            return int(run(work, f"SELECT count(*) FROM ({grouped})").fetchall()[0][0])

    def marker(self, table: str, load_id: str) -> Marker | None:
        """The committed marker of that load when its effect still stands, else None.

        Side effects: removes what a killed process left beside the markers.
        """
        place = self._place(table)
        place.sidecar.tidy()
        _recover(place)
        return self._standing(place, load_id)

    def letters(self, table: str | None = None) -> tuple[str, ...]:
        """The dead-letter files of that file, or (None) of all in the folder and in those directly below it.

        Side effects: publishes what a killed process left.
        """
        root = self._folder.root
        if table is None:
            found = [path for depth in ("", "*/") for path in root.glob(f"{depth}{LETTERS}/*.jsonl")]
        else:
            _recover(self._place(table))
            found = [path for path in (self._place(table).letters.path,) if path.exists()]
        return tuple(sorted(os.path.relpath(path, root) for path in found))

    def letters_fault(self, table: str) -> str:
        """Why dead letters could not be kept beside the file; empty when they could."""
        folder = self._place(table).letters.path.parent
        if folder.exists() and not folder.is_dir():
            return f"{folder.name} beside it is not a folder"
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            return f"the folder {folder.name} beside it cannot be written to"
        return ""

    def newest(self, table: str) -> Marker | None:
        """The newest committed marker of a file, or None."""
        return _newest(self._place(table))

    def markers(self, table: str | None = None) -> tuple[Marker, ...]:
        """The committed markers of a file, or (None) of all files below the folder, oldest first."""
        if table is not None:
            return tuple(entry.marker for entry in self._place(table).sidecar.committed())
        folders = self._folder.root.rglob(MARKER_FOLDER) if self._folder.root.is_dir() else ()
        files = [folder.parent / path.stem for folder in sorted(folders) for path in sorted(folder.glob("*.json"))]
        return tuple(entry.marker for file in files for entry in Sidecar(file).committed())

    def cursors(self, table: str) -> Mapping[str, Watermark]:
        """How far incremental extracts have come in that file, by their identities."""
        place = self._place(table)
        return place.sidecar.cursors() if _holds(place.path, empty=True) else {}

    def load(self, order: LoadOrder, rows: Relation) -> LoadResult:
        """Write a new file of the rows, and publish it with its marker by one rename.

        Raises: TargetError (a link, a folder, no permission), TargetSchemaMismatch, CheckFailed for a merge key that is
        not one, StaleRun, Busy, DiskFull. Side effects: all or nothing of file and marker.
        """
        place = self._place(order.table, order.format)
        check_names([column.name for column in order.columns], CAPABILITIES, table=order.table)
        with _typed(place.path):
            self._ready(place.path)
        point("load.begin")
        with _typed(place.path), place.sidecar.locked():
            place.letters.recover(place.sidecar.committed())
            done = self._standing(place, order.load_id)
            if done is not None:
                return LoadResult(marker=done, rows=done.rows, inserted=0, already=True)
            _clean(place.path)
            last = _newest(place)
            markers.fence(order, last)
            return _publish(place, timed(order, last), rows, last)

    def _standing(self, place: _Place, load_id: str) -> Marker | None:
        committed = place.sidecar.committed()
        found = [entry for entry in committed if entry.marker.load_id == load_id]
        if not found or not _holds(place.path, empty=True):
            return None
        marker = found[-1].marker
        return marker if markers.stands(marker, committed[-1].marker, lambda: self._rows(place)) else None

    def _rows(self, place: _Place) -> int:
        """Rows of the file, as recorded when nobody changed it since, else counted."""
        current = place.sidecar.current()
        if current is not None:
            return current.total
        with _work() as work:
            try:
                return old_file(place.path, place.kind, None).count(work)
            except AgentEtlError:
                return -1

    def _place(self, table: str, form: str | None = None) -> _Place:
        """The file that a table's name means; a format that the name contradicts is an error. Raises: TargetError."""
        try:
            path = self._folder.place(table)
        except NotFound as error:
            raise TargetError("The target lies outside of the folder", target=table, hint=error.hint) from error
        kind = named_kind(path.name)
        if kind is None:
            return _without_ending(path, form)
        if form is not None and form != kind.format:
            raise TargetError(
                "The target's name says another format than the load", target=table, format=form, named=kind.format
            )
        return _Place(path, kind)

    def _ready(self, path: Path) -> None:
        """See that the file can be written. Raises: TargetError. Side effects: makes missing folders."""
        if path.is_symlink() or path.is_dir():
            what = "symbolic link" if path.is_symlink() else "folder"
            raise TargetError(f"The target is a {what}", target=path.name, hint="name a file")
        if path.exists() and not path.is_file():
            raise TargetError("The target is not a regular file", target=path.name, hint="name a file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TargetError(
                "The target's folder cannot be made", target=path.name, folder=str(path.parent), reason=error.strerror
            ) from error
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise TargetError(
                "The target's folder cannot be written to", target=path.name, folder=str(path.parent), hint="chmod it"
            )


def _without_ending(path: Path, form: str | None) -> _Place:
    """A bare name: with the load's format, else the format that earlier loads gave it, else Parquet."""
    places = [_Place(path.with_name(path.name + ending), FileKind(name)) for name, ending in _ENDINGS.items()]
    if form is not None:
        return next(place for place in places if place.kind.format == form)
    loaded = [place for place in places if place.sidecar.path.exists()]
    return loaded[0] if loaded else places[0]


def _publish(place: _Place, order: LoadOrder, rows: Relation, last: Marker | None) -> LoadResult:
    path, sidecar = place.path, place.sidecar
    there = sidecar.cursors() if order.advances and _holds(path, empty=True) else {}
    fresh = path.with_name(f".{path.name}.{os.getpid()}{_DRAFT}")
    try:
        with _work() as work:
            old = old_file(path, place.kind, sidecar.current()) if _holds(path) else None
            made = compose(old, order, rows, fresh, place.kind, work, there)
            effect = Effect(made.given, made.inserted, made.updated, made.deleted, made.repeated)
            unchanged = increment.idle(order, effect, last, there)
            if unchanged is not None:
                fresh.unlink()
                return unchanged
            cursors = increment.advanced(there, order.advances)
            marker = markers.made(order, TableName(None, order.table), made.given, last, cursors)
            aside = place.letters.draft(order, marker, work)
        if path.exists():
            fresh.chmod(stat.S_IMODE(path.stat().st_mode))
        sync(fresh)
        point("load.staged")
        after = identity(fresh)
        assert after is not None
        entry = Entry(marker, identity(path), after, made.total, made.columns, made.delimiter)
        sidecar.write((*sidecar.committed(), entry))
        point("load.before_commit")
        check()
        fresh.replace(path)
        sync(path.parent)
    except BaseException:
        fresh.unlink(missing_ok=True)
        place.letters.recover(sidecar.committed())
        raise
    point("load.after_commit")
    place.letters.publish(marker)
    sidecar.confirm(entry)
    return LoadResult(
        marker,
        made.given,
        made.inserted,
        made.updated,
        made.deleted,
        repeated=made.repeated,
        notes=made.notes,
        quarantined=aside,
    )


def _recover(place: _Place) -> None:
    """Publish the dead letters that a killed process left half-way, unless somebody loads the file now."""
    if place.letters.pending():
        with suppress(Busy), place.sidecar.locked():
            place.letters.recover(place.sidecar.committed())


def _newest(place: _Place) -> Marker | None:
    committed = place.sidecar.committed()
    return committed[-1].marker if committed else None


def _holds(path: Path, *, empty: bool = False) -> bool:
    """Whether a file with content stands there; a file of no bytes is no table yet."""
    try:
        return path.is_file() and (empty or path.stat().st_size > 0)
    except OSError:
        return False


def _clean(path: Path) -> None:
    """Remove what a crashed load left behind; the lock says that none is alive."""
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}.") and left.name.endswith(_DRAFT):
            left.unlink(missing_ok=True)


@contextmanager
def _work() -> Iterator[Cursor]:
    """A DuckDB in memory that spills into a temporary folder."""
    with TemporaryDirectory(prefix="agent_etl_") as spill, connected(temp=Path(spill)) as connection:
        yield connection


@contextmanager
def _typed(path: Path) -> Iterator[None]:
    """Errors of the file system as ours. Raises: DiskFull, TargetError."""
    try:
        yield
    except DiskFull as error:
        error.fields.setdefault("path", str(path.parent))
        raise
    except OSError as error:
        if error.errno in {28, 27, 122}:
            raise DiskFull(
                "No space left on the device", path=str(path.parent), hint="free space and resume"
            ) from error
        raise TargetError("The target cannot be written", target=path.name, reason=error.strerror) from error
