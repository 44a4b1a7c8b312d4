"""Parquet: schema and row count from the footer, rows read where they lie."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent_etl.connectors.dataset import Dataset, Described
from agent_etl.engine.duck import Cursor, glance, literal, quote, run
from agent_etl.engine.errors import AgentEtlError, NotFound, ReadError
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column

__all__ = ["Parquet"]


class Parquet:
    """Datasets of Parquet files that have the same columns, by name and type."""

    def describe(self, data: Dataset, options: Mapping[str, Any] | None) -> Described:
        """Columns and row count from the footers. Raises: ReadError for a damaged footer or files that differ."""
        if options:
            raise ReadError(
                "Parquet takes no read options", dataset=data.name, option=sorted(options)[0], hint="remove the options"
            )
        with glance() as connection:
            columns = _columns(connection, data)
            rows = run(connection, _total(data), dataset=data.name).fetchall()[0][0]
        return Described(columns, int(rows or 0), {})

    def scan(self, data: Dataset, columns: Sequence[str] | None, options: Mapping[str, Any] | None) -> Relation:
        """The rows, in the files' order. Raises: ReadError, NotFound for a column that is not there."""
        known = {column.name.lower(): column for column in self.describe(data, options).columns}
        for name in columns or ():
            if name.lower() not in known:
                raise NotFound(
                    "A column is gone from the file",
                    dataset=data.name,
                    column=name,
                    candidates=[column.name for column in known.values()],
                )
        chosen = tuple(known.values()) if columns is None else tuple(known[name.lower()] for name in columns)
        return Relation(columns=chosen, sql=_read(data), total=_total(data))


def _columns(cursor: Cursor, data: Dataset) -> tuple[Column, ...]:
    first: tuple[Column, ...] | None = None
    for path in data.paths:
        single = Dataset(path.name, (path,), data.kinds[:1])
        try:
            rows = run(cursor, f"DESCRIBE SELECT * FROM {_read(single)}", dataset=path.name).fetchall()
        except AgentEtlError as error:
            raise ReadError(
                "The Parquet file cannot be read", dataset=path.name, hint="its footer is damaged: write it again"
            ) from error
        columns = tuple(Column(str(name), str(kind)) for name, kind, *_ in rows)
        if first is None:
            first = columns
        elif set(columns) != set(first):
            raise ReadError(
                "The files of the pattern do not have the same columns",
                dataset=data.name,
                file=path.name,
                differing=sorted({f"{column.name} {column.type}" for column in set(columns) ^ set(first)}),
                hint="load them apart, or narrow the pattern",
            )
    return first or ()


def _read(data: Dataset) -> str:
    by_name = ", union_by_name = true" if len(data.paths) > 1 else ""
    return f"read_parquet([{_listed(data)}]{by_name})"


def _total(data: Dataset) -> str:
    return f"SELECT coalesce(sum({quote('num_rows')}), 0)::BIGINT FROM parquet_file_metadata([{_listed(data)}])"


def _listed(data: Dataset) -> str:
    return ", ".join(literal("".join(f"[{c}]" if c in "*?[" else c for c in str(path))) for path in data.paths)
