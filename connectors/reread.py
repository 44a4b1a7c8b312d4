"""Rows that could not be read, read again from what was kept of them, with the options that a plan has now."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from agent_etl.connectors.celltypes import fits
from agent_etl.connectors.dialect import Dialect, cut_line
from agent_etl.connectors.readoptions import ReadOptions
from agent_etl.engine.duck import literal
from agent_etl.engine.errors import NotFound
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column

__all__ = ["NUMBER", "WRONG", "reread"]

NUMBER = "agent_etl number"
"""The column that says which row it was."""

WRONG = "agent_etl wrong"
"""The column that is NULL for a row that can be read now, else `column: reason` with an empty column where none is."""

_SCHEMA = pa.schema([(NUMBER, pa.int64()), (WRONG, pa.string()), ("record", pa.string())])
_AT_ONCE = 1_000


def reread(
    how: Mapping[str, Any],
    options: Mapping[str, Any],
    columns: Sequence[str] | None,
    raws: Iterable[tuple[int, str]],
) -> Relation:
    """The rows of `raws` (number, raw JSON text) as a relation of `columns`, with NUMBER and WRONG before them.

    `how` is what the read that set them aside recorded (Relation.reread), `options` those of the plan, which overrule.
    Raises: NotFound for a column that the rows do not have; ReadError for a wrong option.
    """
    given = {name: value for name, value in options.items() if name != "keys"}
    stated = ReadOptions.parse({**how["options"], **given}, str(how["dataset"]))
    types = {**how["options"].get("types", {}), **stated.types}
    keys = {str(name): str(name) for name in how["columns"]}
    if how["format"] == "json":
        keys |= {**how["keys"], **dict(options.get("keys") or {})}
    wanted = list(columns) if columns is not None else list(how["columns"])
    folded = {name.lower(): name for name in keys}
    missing = [name for name in wanted if name.lower() not in folded]
    if missing:
        raise NotFound("Rows that were set aside have no such column", column=missing[0], valid=sorted(keys))
    names = [folded[name.lower()] for name in wanted]
    casts, wrong = {}, [f'WHEN "{WRONG}" IS NOT NULL THEN "{WRONG}"']
    for name in names:
        kind = types.get(name, "VARCHAR")
        cell = _cell(keys[name], kind, how["format"], stated)
        casts[name] = cell if kind == "VARCHAR" else f"TRY_CAST({cell} AS {kind})"
        if kind != "VARCHAR":
            fit = fits(cell, casts[name], kind, special=stated.special_values)
            told = literal(f"{name}: does not fit the type")
            wrong.append(f"WHEN {cell} IS NOT NULL AND NOT coalesce({fit}, false) THEN {told}")
    casts[WRONG] = f"CASE {' '.join(wrong)} END"
    closed = frozenset(keys.values()) if columns is None else None
    records = _records if how["format"] == "json" else _cells
    found = tuple(Column(name, types.get(name, "VARCHAR")) for name in names)
    return Relation(
        columns=(Column(NUMBER, "BIGINT"), Column(WRONG, "VARCHAR"), *found),
        open=lambda: pa.RecordBatchReader.from_batches(_SCHEMA, _batches(records(raws, how, stated, closed))),
        casts=casts,
    )


def _cell(key: str, kind: str, form: str, stated: ReadOptions) -> str:
    """The text of a cell as an expression over `record`; for JSON that stays JSON, the value as it is written."""
    pointer = literal("/" + key.replace("~", "~0").replace("/", "~1"))
    if form == "json":
        if kind != "JSON":
            return f"(record ->> {pointer})"
        return f"(CASE WHEN json_type(record, {pointer}) <> 'NULL' THEN (record -> {pointer})::VARCHAR END)"
    nulls = [*stated.null_values, *([""] if stated.quoted_nulls else [])]
    cell = f"(record ->> {pointer})"
    for text in nulls:
        cell = f"nullif({cell}, {literal(text)})"
    return cell


Record = tuple[int, str | None, str | None]


def _cells(
    raws: Iterable[tuple[int, str]], how: Mapping[str, Any], stated: ReadOptions, closed: frozenset[str] | None
) -> Iterator[Record]:
    """Delimited text: a row's cells by name, or a line that is cut as the plan says now."""
    names = list(how["columns"])
    quote = '"' if stated.quote is None else stated.quote
    dialect = Dialect(stated.delimiter or ",", quote, stated.escape if stated.escape is not None else quote)
    for number, raw in raws:
        content = json.loads(raw)
        if isinstance(content, dict):
            yield number, None, raw
            continue
        try:
            cut = cut_line(content, dialect)
        except csv.Error:
            yield number, ": cannot be cut into cells", None
            continue
        if len(cut) != len(names):
            yield number, f": {len(cut)} cells, the header has {len(names)}", None
        elif quote and "" in cut and quote * 2 in content:
            yield number, ": an empty cell may be an empty text or none", None
        else:
            yield number, None, json.dumps({name: cell or None for name, cell in zip(names, cut, strict=True)})


def _records(
    raws: Iterable[tuple[int, str]], how: Mapping[str, Any], stated: ReadOptions, closed: frozenset[str] | None
) -> Iterator[Record]:
    """JSON: an object, or the text of what was none."""
    for number, raw in raws:
        try:
            content = json.loads(raw)
            text = raw if isinstance(content, dict) else content
            pairs = json.loads(text, object_pairs_hook=list)
        except (ValueError, TypeError, RecursionError):
            yield number, ": is not JSON", None
            continue
        if not text.lstrip().startswith("{"):
            yield number, ": is not an object", None
        elif len({key for key, _ in pairs}) != len(pairs):
            yield number, ": has a key twice", None
        elif closed is not None and not closed.issuperset(key for key, _ in pairs):
            yield number, ": has an unknown key", None
        else:
            yield number, None, text


def _batches(records: Iterator[Record]) -> Iterator[pa.RecordBatch]:
    rows: list[Record] = []
    for record in records:
        rows.append(record)
        if len(rows) == _AT_ONCE:
            yield _batch(rows)
            rows = []
    if rows:
        yield _batch(rows)


def _batch(rows: list[Record]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(values, field.type) for values, field in zip(columns, _SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=_SCHEMA)
