"""The DuckDB engine: hardened connections, relations made readable, errors made typed."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa

from agent_etl.engine.errors import (
    AgentEtlError,
    Busy,
    DiskFull,
    NotFound,
    OutOfMemory,
    PlanError,
    ReadError,
    SourceError,
)
from agent_etl.engine.interruption import interruptible
from agent_etl.engine.ports import Relation
from agent_etl.engine.relay import received
from agent_etl.engine.schema import Column

__all__ = [
    "BATCH",
    "Cursor",
    "Error",
    "arrow_reader",
    "attached",
    "columns_of",
    "complaint",
    "connect",
    "connected",
    "glance",
    "literal",
    "quote",
    "run",
    "translate",
]

Cursor = duckdb.DuckDBPyConnection
"""A DuckDB connection or a cursor of one; cursors share memory limit and settings, each serves one thread."""

_COMPLAINT = "agent_etl:"
Error = duckdb.Error
"""What DuckDB raises; `translate` makes it one of ours."""

BATCH = 65_536
"""Rows in one Arrow batch."""

_names = count(1)
_glances: dict[int, Cursor] = {}
_glances_lock = Lock()


def quote(name: str) -> str:
    """The identifier in double quotes, as DuckDB, SQLite and PostgreSQL read it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def connect(
    path: Path | None = None,
    *,
    memory_limit: str = "768MB",
    threads: int | None = None,
    temp: Path | None = None,
    read_only: bool = False,
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection without extension loading, persistent secrets or Python variable scans.

    Without `path` in memory. `temp` is where it spills. Every open of one file in one process uses one configuration.

    Raises: Busy when another process holds the file. Side effects: may create `path`.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_persistent_secrets": "false",
        "python_enable_replacements": "false",
        "memory_limit": memory_limit,
        "preserve_insertion_order": "true",
    }
    if threads:
        config["threads"] = str(threads)
    if temp is not None:
        config["temp_directory"] = str(temp)
    try:
        connection = duckdb.connect(str(path) if path else ":memory:", read_only=read_only, config=config)
    except duckdb.Error as error:
        raise translate(error, path=str(path)) from error
    connection.execute("set global TimeZone = 'UTC'")
    # In a notebook without ipywidgets DuckDB refuses the setting itself, so it is changed only where the bar is on.
    if connection.sql("select current_setting('enable_progress_bar')").fetchall()[0][0]:
        connection.execute("set enable_progress_bar = false")
    return connection


@contextmanager
def connected(*, memory_limit: str = "768MB", temp: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in memory for the block; whoever interrupts the run ends its queries."""
    with connect(memory_limit=memory_limit, temp=temp) as connection, interruptible(connection.interrupt):
        yield connection


@contextmanager
def glance() -> Iterator[Cursor]:
    """A cursor of this process's one small DuckDB in memory, for footers: a DuckDB of its own takes longer than one.

    Whoever interrupts the run ends its queries. What fails in it is not trusted again.
    """
    process = os.getpid()  # a forked child has none of the threads of its parent's
    with _glances_lock:
        if process not in _glances:
            _glances[process] = connect(memory_limit="256MB", threads=1)
        cursor = _glances[process].cursor()
    try:
        with closing(cursor), interruptible(cursor.interrupt):
            yield cursor
    except BaseException:
        with _glances_lock:
            _glances.pop(process, None)
        raise


def run(cursor: Cursor, sql: str, **fields: object) -> Cursor:
    """Execute one statement; the errors that it raises are typed and carry `fields`.

    Raises: what translate gives. Side effects: those of the statement.
    """
    try:
        return cursor.execute(sql)
    except duckdb.Error as error:
        raise translate(error, **fields) from error


def arrow_reader(cursor: Cursor, select: str, **fields: object) -> pa.RecordBatchReader:
    """The rows of a SELECT as Arrow batches, computed while they are read. Raises: what translate gives."""
    try:
        return cursor.sql(select).to_arrow_reader(BATCH)
    except duckdb.Error as error:
        raise translate(error, **fields) from error


def columns_of(cursor: Cursor, select: str, **fields: object) -> tuple[Column, ...]:
    """The columns of a SELECT, bound but not run. Raises: PlanError when it does not bind."""
    rows = run(cursor, f"DESCRIBE {select}", **fields).fetchall()
    return tuple(Column(str(row[0]), str(row[1])) for row in rows)


def complaint(message: str, **fields: object) -> str:
    """An SQL expression that ends the query; `translate` makes a ReadError of that message and those fields of it."""
    return f"error({literal(_COMPLAINT + json.dumps({'message': message, **fields}))})"


@contextmanager
def attached(connection: duckdb.DuckDBPyConnection, relation: Relation) -> Iterator[str]:
    """A SELECT over the relation's logical columns, readable in `connection` inside the block.

    An Arrow reader is opened once and can be read once; leaving the block closes it.
    """
    if relation.sql is not None:
        try:
            yield f"SELECT {_projection(relation)} FROM {relation.sql}"
        except (duckdb.Error, ReadError) as error:
            better = _diagnosed(relation, error)
            if better is None:
                raise
            raise better from error
        return
    if relation.open is None:
        raise SourceError("A relation has neither SQL nor a reader")
    name = f"arrow_{next(_names)}"
    reader = relation.open()
    try:
        connection.register(name, reader)
        try:
            yield f"SELECT {_projection(relation)} FROM {name}"
        finally:
            # In an aborted transaction nothing can be unregistered; the rollback does it.
            with suppress(duckdb.TransactionException):
                connection.unregister(name)
    finally:
        reader.close()


def _diagnosed(relation: Relation, error: duckdb.Error | ReadError) -> AgentEtlError | None:
    """The failure of a read as its source explains it, None when the source knows no more."""
    said = translate(error) if isinstance(error, duckdb.Error) else error
    if relation.diagnose is None or not isinstance(said, ReadError):
        return None
    better = relation.diagnose(said)
    return None if better is said else better


def _projection(relation: Relation) -> str:
    items = []
    for column in relation.columns:
        expression = relation.casts.get(column.name, quote(column.name))
        items.append(f"{expression} AS {quote(column.name)}")
    return ", ".join(items)


def translate(error: Exception, **fields: Any) -> AgentEtlError:
    """DuckDB's error as one of ours, with the column, line and type that it names; values are left out."""
    text = str(error)
    relayed = received(text)
    if relayed is not None:
        return relayed
    if "Could not set lock" in text or "Conflicting lock" in text:
        pid = re.search(r"PID (\d+)", text)
        return Busy("Another process holds the DuckDB file", holder=pid.group(1) if pid else "unknown", **fields)
    if "different configuration" in text:
        return Busy("This process holds the DuckDB file open otherwise", hint="close that connection", **fields)
    if "not a valid DuckDB database file" in text:
        return ReadError("The file is not a DuckDB database", hint="name a DuckDB file, or remove this one", **fields)
    if isinstance(error, duckdb.IOException) and "Permission denied" in text:
        return ReadError("The file may not be opened", reason="Permission denied", hint="chmod u+rw it", **fields)
    if isinstance(error, duckdb.OutOfMemoryException):
        return OutOfMemory("The work did not fit into memory and spill space", hint="raise memory_limit", **fields)
    if isinstance(error, (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException)):
        return PlanError("DuckDB refused the SQL", problem=text.splitlines()[0], **fields)
    if _COMPLAINT in text:
        said = json.JSONDecoder().raw_decode(text.partition(_COMPLAINT)[2])[0]
        return ReadError(said.pop("message"), **{**fields, **said})
    if "No files found" in text or "No such file" in text:
        return NotFound("A file is not there", **fields)
    if any(sign in text for sign in ("No space left", "ENOSPC", "File too large", "Disk quota exceeded")):
        return DiskFull("No space left on the device", hint="free space and resume the run", **fields)
    line = re.search(r"(?:CSV Error on Line|Line): (\d+)", text)
    column = re.search(r"column (?:with name|name:)?\s*\"?([^\"\n]+?)\"?(?: to |\.|\n|$)", text)
    kind = re.search(r"to(?: type| data type)? ['\"]?([A-Z][A-Z0-9_(), ]+)", text)
    found: dict[str, object] = {}
    if line:
        found["line"] = int(line.group(1))
    if column:
        found["column"] = column.group(1)
    if kind:
        found["type"] = kind.group(1).strip()
    return ReadError("DuckDB could not read the data", **{**found, **fields})
