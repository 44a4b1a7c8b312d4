"""What a plan names, looked up in a database: tables, columns, given types; and the version of a database file."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent_etl.connectors.names import TableName, find
from agent_etl.engine.errors import NotFound
from agent_etl.engine.schema import Column, Table

__all__ = ["column_of", "file_version", "given_types", "table_of"]

_SHOWN = 50


def table_of(dataset: str, tables: Sequence[TableName], default: str | None, connection: str) -> TableName:
    """The table that a dataset's name means. Raises: NotFound naming those that are there."""
    name = find(dataset, tables, default)
    if name is None:
        valid = [known.dataset(None) for known in tables[:_SHOWN]]
        raise NotFound("No such table", connection=connection, dataset=dataset, valid=valid)
    return name


def column_of(table: Table, name: str) -> Column:
    """The column of that name, ignoring case. Raises: NotFound naming those that are there."""
    column = table.column(name)
    if column is None:
        valid = [known.name for known in table.columns]
        raise NotFound("No such column", connection=table.connection, dataset=table.dataset, column=name, valid=valid)
    return column


def given_types(options: Mapping[str, Any] | None) -> Mapping[str, str]:
    """The read option `types`: logical types by column that overrule what a source would find."""
    return dict((options or {}).get("types") or {})


def file_version(path: Path, log: str) -> str | None:
    """Size, time and inode of a database file and of its write-ahead log, `path` with `log` appended. None: no file."""
    parts = []
    for part in (path, path.with_name(path.name + log)):
        with suppress(FileNotFoundError):
            stat = part.stat()
            parts.append(f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ino}")
    return "+".join(parts) or None
