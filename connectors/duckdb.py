"""DuckDB files: read through Arrow, loaded by plain INSERT … SELECT inside DuckDB."""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Condition, Lock
from typing import Any

import duckdb
import pyarrow as pa

from agent_etl.connectors.batches import batch_rows
from agent_etl.connectors.duckdb_session import CAPABILITIES, DuckdbSession, describe, find_table, list_tables
from agent_etl.connectors.fit import head
from agent_etl.connectors.lookup import column_of, file_version
from agent_etl.connectors.names import TableName
from agent_etl.connectors.narrowing import for_duckdb
from agent_etl.connectors.target import SqlTarget
from agent_etl.engine import duck
from agent_etl.engine.deadletters import LETTERS
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.durable import sync
from agent_etl.engine.errors import Busy, DiskFull, NotFound
from agent_etl.engine.interruption import interruptible
from agent_etl.engine.ports import Relation
from agent_etl.engine.relay import Relayed
from agent_etl.engine.schema import Column, ForeignKey, Table
from agent_etl.engine.watermark import Within

__all__ = ["DuckdbConnection", "DuckdbSource"]

_WAIT_SECONDS = 60.0


class _File:
    """One database file in this process. DuckDB allows it one mode and one configuration at a time."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.loads = Lock()
        self.users = 0
        self.read_only = False
        self.config: dict[str, Any] = {}


_files: dict[Path, _File] = {}
_files_lock = Lock()


def _file(path: Path) -> _File:
    with _files_lock:
        return _files.setdefault(path, _File())


@contextmanager
def _opened(path: Path, config: Mapping[str, Any], *, write: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the file, shared with all others of this process. A reader never blocks another process's reader.

    Raises: NotFound; Busy when another process holds it, or this one still reads what is to be written.
    """
    file = _file(path)
    with file.changed:
        if write and not file.changed.wait_for(lambda: not (file.users and file.read_only), _WAIT_SECONDS):
            raise Busy("This process still reads the DuckDB file", holder=str(os.getpid()), path=path.name)
        if not path.exists():
            raise NotFound("The DuckDB file is not there", path=str(path))
        if not file.users:
            file.read_only, file.config = not write, dict(config)
        connection = duck.connect(path, read_only=file.read_only, **file.config)
        file.users += 1
    try:
        connection.execute("SET arrow_lossless_conversion = true")
        with interruptible(connection.interrupt):
            yield connection
    finally:
        connection.close()
        with file.changed:
            file.users -= 1
            file.changed.notify_all()


class DuckdbConnection:
    """One DuckDB file, as a source and as a target. A missing file is made by the first load.

    `memory_limit` and `threads` bound DuckDB's work on it.
    """

    kind = "duckdb"

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        protected: bool = False,
        memory_limit: str = "768MB",
        threads: int | None = None,
    ) -> None:
        self.name = name
        self.path = path.resolve()
        self.url = f"duckdb:///{path}"
        self.protected = protected
        self.config: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}

    def source(self) -> "DuckdbSource":
        """The file's tables and views."""
        return DuckdbSource(self)

    def target(self) -> SqlTarget:
        """The file as a place to load into."""
        return SqlTarget(CAPABILITIES, self.source(), lambda write: _session(self.path, self.config, write))

    def close(self) -> None:
        """Nothing is held open between calls."""


class DuckdbSource:
    """Reads tables and views of one DuckDB file as Arrow batches; one scan is one snapshot."""

    def __init__(self, connection: DuckdbConnection) -> None:
        self._connection = connection

    @contextmanager
    def _open(self, dataset: str) -> Iterator[duckdb.DuckDBPyConnection]:
        fields = {"connection": self._connection.name, "dataset": dataset}
        try:
            with _opened(self._connection.path, self._connection.config) as connection:
                yield connection
        except duckdb.Error as error:
            raise duck.translate(error, **fields) from None

    def _named(self, connection: duckdb.DuckDBPyConnection, dataset: str) -> TableName:
        name = find_table(connection, dataset)
        if name is None:
            valid = [table.dataset(None) for table in list_tables(connection)]
            raise NotFound("No such table", connection=self._connection.name, dataset=dataset, valid=valid[:50])
        return name

    def tables(self) -> tuple[str, ...]:
        """Tables and views, sorted; those outside `main` as `schema.table`. A missing file has none."""
        if not self._connection.path.exists():
            return ()
        with self._open("") as connection:
            return tuple(sorted(name.dataset(None) for name in list_tables(connection) if name.table != LETTERS))

    def describe(self, dataset: str, options: Mapping[str, Any] | None = None) -> Table:
        """Columns, keys and the exact row count. Raises: NotFound, Busy."""
        with self._open(dataset) as connection:
            name = self._named(connection, dataset)
            return _surveyed(connection, name, self._connection.name, self.version(dataset))

    def version(self, dataset: str, options: Mapping[str, Any] | None = None) -> str | None:
        """Size, time and inode of the file and of its write-ahead log. None: there is no file."""
        return file_version(self._connection.path, ".wal")

    def scan(
        self,
        dataset: str,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        options: Mapping[str, Any] | None = None,
        within: Within | None = None,
    ) -> Relation:
        """The rows in the table's order. Raises: NotFound for a missing table or column."""
        table = self.describe(dataset, options)
        wanted = table.columns if columns is None else tuple(column_of(table, name) for name in columns)
        cursor = table.column(within.column) if within else None
        narrowed = for_duckdb(within, nullable=cursor is None or cursor.nullable)
        casts = {c.name: f"CAST({quote(c.name)} AS {c.type})" for c in wanted if head(c.type) == "ENUM"}
        return Relation(columns=wanted, open=lambda: self._reader(table, wanted, narrowed), casts=casts)

    def _reader(self, table: Table, columns: Sequence[Column], narrowed: str) -> pa.RecordBatchReader:
        dataset = table.dataset
        with ExitStack() as stack:
            connection = stack.enter_context(self._open(dataset))
            name = self._named(connection, dataset)
            names = ", ".join(quote(column.name) for column in columns)
            select = f"SELECT {names} FROM {name.sql}{narrowed}"
            # The file is compressed, its size says nothing: the first rows tell how wide rows are.
            first = connection.sql(f"{select} LIMIT 100").to_arrow_table()
            reader = connection.sql(select).to_arrow_reader(batch_rows(first.num_rows, first.nbytes))
            return pa.RecordBatchReader.from_batches(reader.schema, self._batches(stack.pop_all(), reader, dataset))

    def _batches(self, stack: ExitStack, reader: pa.RecordBatchReader, dataset: str) -> Iterator[pa.RecordBatch]:
        # The reader must be gone before its connection: DuckDB waits for ever when a file whose last connection was
        # closed under a live reader is opened again.
        with stack:
            try:
                yield from reader
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                raise Relayed(duck.translate(error, dataset=dataset)) from None
            finally:
                reader.close()
                del reader


def _surveyed(
    connection: duckdb.DuckDBPyConnection, name: TableName, connection_name: str, version: str | None
) -> Table:
    rows = connection.execute(f"SELECT count(*) FROM {name.sql}").fetchall()
    constraints = connection.execute(
        "SELECT constraint_type, constraint_column_names, referenced_table, referenced_column_names "
        f"FROM duckdb_constraints() WHERE table_name = {literal(name.table)} "
        f"AND schema_name = {literal(name.schema or 'main')} AND database_name = current_database()"
    ).fetchall()
    primary = next((tuple(columns) for kind, columns, _, _ in constraints if kind == "PRIMARY KEY"), ())
    return Table(
        connection=connection_name,
        dataset=name.dataset(None),
        columns=describe(connection, name),
        primary_key=primary,
        unique=tuple(tuple(columns) for kind, columns, _, _ in constraints if kind == "UNIQUE"),
        foreign_keys=tuple(
            ForeignKey(tuple(columns), table, tuple(referred))
            for kind, columns, table, referred in constraints
            if kind == "FOREIGN KEY" and table != name.table
        ),
        rows=int(rows[0][0]),
        version=version,
    )


@contextmanager
def _session(path: Path, config: Mapping[str, Any], write: bool) -> Iterator[DuckdbSession]:
    """A session on the file. Loads of one process into it run one after the other; the first makes the file."""
    if not write:
        with _opened(path, config) as connection:
            yield DuckdbSession(connection)
        return
    loads = _file(path).loads
    if not loads.acquire(timeout=_WAIT_SECONDS):
        raise Busy("Another load of this process writes the DuckDB file", holder=str(os.getpid()), path=path.name)
    try:
        if not path.exists():
            _create(path, config)
        with _opened(path, config, write=True) as connection:
            yield DuckdbSession(connection)
    except DiskFull as error:
        error.fields.setdefault("path", str(path))
        raise
    finally:
        loads.release()


def _create(path: Path, config: Mapping[str, Any]) -> None:
    """An empty database under a temporary name, checkpointed, then renamed: a killed process leaves no broken file."""
    _sweep(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.new")
    connection = duck.connect(fresh, **config)
    try:
        connection.execute("CHECKPOINT")
    finally:
        connection.close()
    # A link, not a rename: another process may have made the file meanwhile, and that one stays.
    with suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()
    sync(path.parent)


def _sweep(path: Path) -> None:
    """Remove what killed processes left of their attempts to create the file."""
    for left in path.parent.glob(f".{path.name}.*.new*"):
        owner = left.name.removeprefix(f".{path.name}.").partition(".")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            left.unlink(missing_ok=True)
