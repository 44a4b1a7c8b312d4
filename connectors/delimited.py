"""CSV, TSV and their kin: read as text with a stated dialect, then converted cell by cell without loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_etl.connectors.csvscan import MAX_LINE, CsvScan
from agent_etl.connectors.dataset import Dataset, Described
from agent_etl.connectors.dialect import Dialect, cells, detect, unique_names
from agent_etl.connectors.readoptions import ReadOptions
from agent_etl.connectors.sample import decoded, encoding_of, head
from agent_etl.connectors.survey import Survey, survey
from agent_etl.engine.deadletters import described
from agent_etl.engine.duck import connected, literal, run
from agent_etl.engine.errors import AgentEtlError, NotFound, ReadError
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column

__all__ = ["Delimited"]

_FIRST_LOOK = 256 * 1024
_WIDEST_HEADER = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Layout:
    """How all files of a dataset are cut: one dialect; for each file its columns in its own order."""

    dialect: Dialect
    names: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


class Delimited:
    """Datasets of delimited text files. `tabbed`: the name says that tabs divide the cells."""

    def __init__(self, tabbed: bool = False) -> None:
        self._tabbed = tabbed

    def describe(self, data: Dataset, options: Mapping[str, Any] | None) -> Described:
        """Columns, types, options that reproduce the read, and what a person should know.

        With options that state dialect and types, only the headers are read. Raises: ReadError.
        """
        stated = ReadOptions.parse(options, data.name)
        layout = self._layout(data, stated)
        names = layout.names[0]
        _types_known(stated, names, data.name)
        if _complete(stated, names):
            return Described(_columns(names, stated.types), None, dict(options or {}), layout.notes)
        found = survey(CsvScan(data, layout.dialect, layout.names, stated))
        types = {name: stated.types.get(name, found.types[name]) for name in names}
        return Described(
            _columns(names, types),
            found.rows,
            _recorded(layout.dialect, stated, found, types),
            layout.notes + found.notes,
        )

    def scan(self, data: Dataset, columns: Sequence[str] | None, options: Mapping[str, Any] | None) -> Relation:
        """The rows as a typed read. Raises: ReadError; NotFound for a column that is not there."""
        stated = ReadOptions.parse(options, data.name)
        layout = self._layout(data, stated)
        chosen = _chosen(layout.names[0], columns, stated, data.name)
        if any(name not in stated.types for name in chosen) or not _dialect_stated(stated):
            kept = {k: v for k, v in dict(options or {}).items() if k != "types"}
            known = {name: kind for name, kind in stated.types.items() if name in layout.names[0]}
            stated = ReadOptions.parse(self.describe(data, {**kept, "types": known}).options, data.name)
        scan = CsvScan(data, layout.dialect, layout.names, stated)
        types = {name: stated.types[name] for name in chosen}
        return Relation(
            columns=_columns(chosen, types),
            sql=f"({scan.typed(types)})",
            rejects=scan.rejected(types) if stated.quarantine else None,
            reread=_reread(scan, stated) if stated.quarantine else None,
            diagnose=lambda error: _diagnose(scan, types, error),
        )

    def _layout(self, data: Dataset, stated: ReadOptions) -> _Layout:
        first, notes = self._first(data, stated)
        dialect = first
        names = []
        for position in range(len(data.paths)):
            raw = _header(data, position, dialect, stated)
            unique = unique_names(raw) if dialect.header else tuple(f"column_{n}" for n in range(1, len(raw) + 1))
            names.append(unique)
            if dialect.header and position == 0 and list(unique) != [cell.strip() for cell in raw]:
                notes.append(f"header cells were empty or repeated; the columns are named {', '.join(unique)}")
        _same_columns(data, names)
        if not dialect.header and stated.header is None:
            notes.append("no header was found; the columns are named column_1, column_2, …")
        return _Layout(dialect, tuple(names), tuple(notes))

    def _first(self, data: Dataset, stated: ReadOptions) -> tuple[Dialect, list[str]]:
        raw, whole = head(data.paths[0], data.kinds[0], _FIRST_LOOK)
        encoding = encoding_of(raw, stated.encoding, data.name)
        if _dialect_stated(stated):
            return _as_stated(stated, encoding), []
        text = decoded(raw, whole, encoding, data.name, lenient=stated.quarantine)
        while not whole and len(text.splitlines()) < 3 and len(raw) < _WIDEST_HEADER:
            raw, whole = head(data.paths[0], data.kinds[0], len(raw) * 8)
            text = decoded(raw, whole, encoding, data.name, lenient=stated.quarantine)
        found = detect(text, whole, stated, self._tabbed, lambda: _sniffed(data.paths[0]), data.name)
        return replace(found, encoding=encoding), []


def _dialect_stated(stated: ReadOptions) -> bool:
    return stated.delimiter is not None and stated.header is not None and stated.quote is not None


def _as_stated(stated: ReadOptions, encoding: str) -> Dialect:
    quote = stated.quote or ""
    escape = stated.escape if stated.escape is not None else quote
    return Dialect(stated.delimiter or ",", quote, escape, stated.header is not False, stated.skip or 0, encoding)


def _complete(stated: ReadOptions, names: Sequence[str]) -> bool:
    return _dialect_stated(stated) and all(name in stated.types for name in names)


def _header(data: Dataset, position: int, dialect: Dialect, stated: ReadOptions) -> list[str]:
    """The first record of one file. Raises: ReadError when there is none or its encoding differs."""
    path, size = data.paths[position], _FIRST_LOOK
    while True:
        raw, whole = head(path, data.kinds[position], size)
        if encoding_of(raw, stated.encoding, path.name) != dialect.encoding:
            raise ReadError("The files of the pattern differ in their encoding", dataset=data.name, file=path.name)
        text = decoded(raw, whole, dialect.encoding, path.name, lenient=True)
        body = text.split("\n", dialect.skip)[-1] if dialect.skip else text
        if len(dialect.delimiter) > 1:
            return body.split("\n", 1)[0].rstrip("\r").split(dialect.delimiter)
        records = cells(body, whole, dialect, limit=1)
        if records and (whole or len(body) > 2 * sum(map(len, records[0])) or len(records) > 1):
            return records[0]
        if whole or size >= _WIDEST_HEADER:
            raise ReadError("The file has no header that can be read", dataset=path.name, hint="state quote or skip")
        size *= 8


def _same_columns(data: Dataset, names: Sequence[tuple[str, ...]]) -> None:
    for path, other in zip(data.paths, names, strict=True):
        if set(other) != set(names[0]):
            raise ReadError(
                "The files of the pattern do not have the same columns",
                dataset=data.name,
                file=path.name,
                missing=sorted(set(names[0]) - set(other)),
                extra=sorted(set(other) - set(names[0])),
                hint="load them apart, or narrow the pattern",
            )


def _types_known(stated: ReadOptions, names: Sequence[str], dataset: str) -> None:
    unknown = [name for name in stated.types if name not in names]
    if unknown and not _dialect_stated(stated):
        raise ReadError(
            "The option types names a column that is not there", dataset=dataset, column=unknown[0], columns=list(names)
        )


def _chosen(names: Sequence[str], columns: Sequence[str] | None, stated: ReadOptions, dataset: str) -> tuple[str, ...]:
    """The columns to read, spelled as the file does; all columns that `types` records when none are named."""
    folded = {name.lower(): name for name in names}
    wanted = list(columns) if columns is not None else [*stated.types] if _dialect_stated(stated) else []
    for name in wanted:
        if name.lower() not in folded:
            raise NotFound(
                "A column is gone from the file",
                dataset=dataset,
                column=name,
                candidates=[other for other in names if other not in stated.types],
                hint=f"the columns are {', '.join(names[:30])}",
            )
    return tuple(names) if columns is None else tuple(dict.fromkeys(folded[name.lower()] for name in columns))


def _columns(names: Sequence[str], types: Mapping[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, types[name]) for name in names)


def _recorded(dialect: Dialect, stated: ReadOptions, found: Survey, types: Mapping[str, str]) -> dict[str, Any]:
    """Options that read the same bytes the same way without looking again."""
    optional = {
        "skip": dialect.skip or None,
        "compression": stated.compression,
        "null_values": list(stated.null_values) or None,
        "on_error": "quarantine" if stated.quarantine else None,
        "quoted_nulls": stated.quoted_nulls if stated.quoted_nulls is not None else found.quoted_nulls or None,
        "max_line": stated.max_line or (found.longest if found.longest > MAX_LINE else None),
    }
    return {
        "delimiter": dialect.delimiter,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "header": dialect.header,
        "encoding": dialect.encoding,
        "types": dict(types),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _reread(scan: CsvScan, stated: ReadOptions) -> str:
    """What connectors/reread.py needs to read a row again that was set aside."""
    options = {
        "delimiter": scan.dialect.delimiter,
        "quote": scan.dialect.quote,
        "escape": scan.dialect.escape,
        "types": dict(stated.types),
        "special_values": stated.special_values,
    }
    return described({"format": "csv", "dataset": scan.data.name, "columns": scan.names[0], "options": options})


def _sniffed(path: Path) -> str:
    """The delimiter that DuckDB's own sniffer would take; empty when it finds none."""
    with connected(memory_limit="256MB") as connection:
        try:
            rows = run(connection, f"SELECT Delimiter FROM sniff_csv({literal(str(path))})").fetchall()
        except AgentEtlError:
            return ""
    return str(rows[0][0]) if rows else ""


def _diagnose(scan: CsvScan, types: Mapping[str, str], error: AgentEtlError) -> AgentEtlError:
    from agent_etl.connectors.diagnosis import diagnose

    return diagnose(scan, types, error)
