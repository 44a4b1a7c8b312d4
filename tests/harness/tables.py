"""Read datasets of a folder as a pipeline does: described, then scanned with the options that the description gave."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_etl.connectors.files import FilesConnection
from agent_etl.engine.duck import attached, connect, run

__all__ = ["read", "rejected", "types"]

Row = tuple[Any, ...]


def types(folder: Path, dataset: str, options: Mapping[str, Any] | None = None) -> dict[str, str]:
    """The described columns, name to type."""
    described = FilesConnection("files", folder).source().describe(dataset, options)
    return {column.name: column.type for column in described.columns}


def read(
    folder: Path, dataset: str, options: Mapping[str, Any] | None = None, columns: Sequence[str] | None = None
) -> list[Row]:
    """All rows; described first when no options are given. Instants come as text."""
    return rejected(folder, dataset, options, columns)[0]


def rejected(
    folder: Path, dataset: str, options: Mapping[str, Any] | None = None, columns: Sequence[str] | None = None
) -> tuple[list[Row], list[Row]]:
    """All rows, and what was set aside, by line."""
    source = FilesConnection("files", folder).source()
    relation = source.scan(dataset, columns=columns, options=options or source.describe(dataset).options)
    casts = ", ".join(
        f'CAST("{c.name}" AS VARCHAR)' if "ZONE" in c.type else '"' + c.name.replace('"', '""') + '"'
        for c in relation.columns
    )
    with connect() as connection, attached(connection, relation) as select:
        rows = run(connection, f"SELECT {casts} FROM ({select})").fetchall()
        aside = run(connection, f"FROM ({relation.rejects}) ORDER BY line").fetchall() if relation.rejects else []
    return rows, aside
