"""Dead letters: rows that a run set aside, kept beside the target table with the reason, until they are replayed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_etl.engine.duck import literal, quote
from agent_etl.engine.manifest import Manifest
from agent_etl.engine.ports import Relation
from agent_etl.engine.schema import Column

__all__ = ["ASIDE", "COLUMNS", "CUT", "KEY", "LETTERS", "REJECTS", "Origin", "described", "empty", "letters", "rejects"]

LETTERS = "_etl_quarantine"
"""The dead-letter table's name; for files the folder beside the target that holds one file for each of them."""

CUT = 1_048_576
"""The most bytes of a row's raw text that are kept."""

_SHORT = CUT // 4  # characters: none takes more than four bytes

REJECTS = (
    Column("number", "BIGINT"),
    Column("line", "BIGINT"),
    Column("check_name", "VARCHAR"),
    Column("column_name", "VARCHAR"),
    Column("reason", "VARCHAR"),
    Column("raw", "VARCHAR"),
    Column("cut_bytes", "BIGINT"),
)
"""What a package keeps of a row that was set aside. `raw` is JSON text; `cut_bytes` is its whole size when it was cut.

`check_name` is NULL for a row that could not be read. `raw` then holds its cells as texts, or its line as one text.
"""

COLUMNS = (
    Column("table", "VARCHAR"),
    Column("load_id", "VARCHAR"),
    Column("step", "VARCHAR"),
    Column("number", "BIGINT"),
    Column("run_id", "VARCHAR"),
    *REJECTS[1:4],
    Column("dataset", "VARCHAR"),
    *REJECTS[4:],
    Column("row_schema", "VARCHAR"),
    Column("state", "VARCHAR"),
    Column("set_aside_at", "VARCHAR"),
    Column("settled_by", "VARCHAR"),
    Column("settled_at", "VARCHAR"),
)
"""A dead letter. `state` is open, replayed, or replaced: a later load that replaced the table read the source again.

`row_schema` is JSON text by which `raw` becomes a row again: `types` of a row that failed a check, else `format`,
`columns` and `options` of the read. `settled_by` is the load that closed the letter.
"""

ASIDE = ("run_id", "step", "check_name", "dataset", "line", "column_name", "reason", "raw", "cut_bytes")
"""What a run says of the rows that it set aside, before any load."""

KEY = ("table", "load_id", "step", "number")
"""What tells letters apart: a load that is done again writes the same ones."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A sealed package whose set-aside rows go with a load: where its files lie, its step and the step's dataset."""

    manifest: Manifest
    files: Mapping[str, str]
    step: str
    dataset: str | None


def rejects(select: str) -> str:
    """A query of REJECTS over rows (line, check_name, column_name, reason, raw), numbered, long raw texts cut."""
    kept = f"CASE WHEN strlen(raw) > {CUT} THEN left(raw, {_SHORT}) ELSE raw END AS raw"
    size = f"CASE WHEN strlen(raw) > {CUT} THEN strlen(raw) END AS cut_bytes"
    return (
        f"SELECT row_number() OVER () AS number, line, check_name, column_name, reason, {kept}, {size} FROM ({select})"
    )


def described(values: Mapping[str, Any]) -> str:
    """A letter's row_schema as text."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def letters(origins: Sequence[Origin], *, table: str, load_id: str, run_id: str, at: str) -> Relation | None:
    """The dead letters of a load into `table`; None when nothing was set aside on the way to it."""
    parts = []
    for origin in origins:
        manifest = origin.manifest
        read = manifest.rejects.rows if manifest.rejects else 0
        types = {"types": {column.name: column.type for column in manifest.columns}}
        for part, before, schema in ((manifest.rejects, 0, manifest.reread), (manifest.failed, read, described(types))):
            if part is None or not part.rows:
                continue
            values = {
                "table": literal(table),
                "load_id": literal(load_id),
                "step": literal(origin.step),
                "number": f"number + {before}",
                "run_id": literal(run_id),
                "dataset": _text(origin.dataset),
                "row_schema": _text(schema),
                "state": "'open'",
                "set_aside_at": literal(at),
                "settled_by": "NULL::VARCHAR",
                "settled_at": "NULL::VARCHAR",
            }
            items = ", ".join(f"{values.get(c.name, quote(c.name))} AS {quote(c.name)}" for c in COLUMNS)
            parts.append(f"SELECT {items} FROM {origin.files[part.name]}")
    return Relation(columns=COLUMNS, sql=f"({' UNION ALL '.join(parts)})") if parts else None


def empty() -> Relation:
    """No dead letter at all."""
    items = ", ".join(f"NULL::{column.type} AS {quote(column.name)}" for column in COLUMNS)
    return Relation(columns=COLUMNS, sql=f"(SELECT {items} WHERE false)")


def _text(value: str | None) -> str:
    return "NULL::VARCHAR" if value is None else literal(value)
