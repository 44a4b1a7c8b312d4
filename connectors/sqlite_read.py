"""SQL that makes SQLite deliver typed columns: no type is guessed from first rows, no value is silently converted."""

from collections.abc import Sequence

import pyarrow as pa

from agent_etl.connectors.celltypes import fits
from agent_etl.connectors.fit import decimal, head
from agent_etl.connectors.sqlite_types import Declared, places
from agent_etl.engine.duck import quote
from agent_etl.engine.errors import AgentEtlError, ReadError
from agent_etl.engine.relay import complaint

__all__ = ["cast", "delivers", "misfit_error", "misfits", "select"]

# Deliberate failures. SQLite cannot raise in a SELECT; the overflow of abs() ends the statement, and only when the
# condition in it is true.
_STOP = "abs(-9223372036854775807 - 1 * ({condition}))"
_EXACT_REAL = "CASE WHEN CAST(CAST({c} AS TEXT) AS REAL) = {c} THEN CAST({c} AS TEXT) ELSE printf('%!.17g', {c}) END"
_TEXTUAL = frozenset({"DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "UUID", "JSON"})
_DUMMIES = {"BIGINT": "0", "BOOLEAN": "0", "DOUBLE": "0.5", "BLOB": "x'00'"}


def select(table: str, columns: Sequence[tuple[Declared, str]]) -> str:
    """A query whose first row is a dummy that fixes the driver's type of each column; the caller drops it.

    `columns` are the declared columns with the logical types in which they are wanted.
    """
    dummies = ", ".join(f"{_DUMMIES.get(kind, chr(39) * 2)} AS {quote(c.name)}" for c, kind in columns)
    values = ", ".join(_value(c, kind) for c, kind in columns)
    return f"SELECT {dummies} UNION ALL SELECT {values} FROM {table}"


def _value(column: Declared, kind: str) -> str:
    c = quote(column.name)
    family = head(kind)
    size = decimal(kind)
    if family == "BIGINT":
        return c
    if family == "DOUBLE":
        # The driver turns an integer in a column of reals into the nearest real, without a word.
        whole = f"CASE WHEN {c} BETWEEN -9007199254740992 AND 9007199254740992 THEN CAST({c} AS REAL) ELSE 'long' END"
        return c if column.kind == "real" else f"CASE typeof({c}) WHEN 'integer' THEN {whole} ELSE {c} END"
    if family == "BOOLEAN":
        return f"CASE WHEN {c} IN (0, 1) OR {c} IS NULL THEN {c} ELSE 'other' END"
    if family == "BLOB":
        return _guarded(c, f"typeof({c}) NOT IN ('blob', 'null')", c)
    if size:
        real = f"CASE WHEN {places(column.name, size[1])} THEN printf('%.{size[1]}f', {c}) ELSE 'inexact' END"
        return f"CASE typeof({c}) WHEN 'real' THEN {real} WHEN 'blob' THEN 'blob' ELSE CAST({c} AS TEXT) END"
    if family in _TEXTUAL:
        return _guarded(c, f"typeof({c}) NOT IN ('text', 'null')", c)
    text = f"CASE typeof({c}) WHEN 'real' THEN {_EXACT_REAL.format(c=c)} ELSE CAST({c} AS TEXT) END"
    return _guarded(c, f"typeof({c}) = 'blob'", c if column.kind == "text" else text)


def _guarded(c: str, bad: str, value: str) -> str:
    return f"CASE WHEN {bad} THEN {_STOP.format(condition=bad)} ELSE {value} END"


def cast(column: Declared, kind: str, error: AgentEtlError) -> str | None:
    """The DuckDB expression that makes the delivered column its logical type, or fails with `error`; None: it is so."""
    c = quote(column.name)
    if kind in {"BIGINT", "DOUBLE", "BLOB", "VARCHAR"}:
        return None
    if kind == "BOOLEAN":
        return f"CAST({c} AS BOOLEAN)"
    there = f"TRY_CAST({c} AS {kind})"
    exact = f"{there} IS NOT NULL" if head(kind) in _TEXTUAL else fits(c, there, kind)
    return f"CASE WHEN {c} IS NULL OR {exact} THEN {there} ELSE {complaint(error)} END"


def delivers(found: pa.DataType, kind: str) -> bool:
    """Whether the driver's type of a column is the one that the dummy row asked for."""
    wanted = {"BIGINT": pa.int64(), "BOOLEAN": pa.int64(), "DOUBLE": pa.float64(), "BLOB": pa.binary()}
    return bool(found == wanted.get(kind, pa.string()))


def misfits(columns: Sequence[tuple[Declared, str]]) -> tuple[str, ...]:
    """For each column an aggregate that counts values not of the wanted type; asked once a read has failed."""
    counts = []
    for column, kind in columns:
        c = quote(column.name)
        family = head(kind)
        if family == "BIGINT":
            bad = f"typeof({c}) NOT IN ('integer', 'null')"
        elif family == "DOUBLE":
            long = f"typeof({c}) = 'integer' AND {c} NOT BETWEEN -9007199254740992 AND 9007199254740992"
            bad = f"typeof({c}) IN ('text', 'blob') OR ({long})"
        elif family == "BOOLEAN":
            bad = f"{c} NOT IN (0, 1)"
        elif family == "BLOB":
            bad = f"typeof({c}) NOT IN ('blob', 'null')"
        elif family in _TEXTUAL:
            bad = f"typeof({c}) NOT IN ('text', 'null')"
        else:
            bad = f"typeof({c}) = 'blob'"
        counts.append(f"count(*) FILTER (WHERE {bad})")
    return tuple(counts)


def misfit_error(connection: str, dataset: str, column: Declared, kind: str, **fields: object) -> ReadError:
    """The error of a column whose values are not what it is read as."""
    return ReadError(
        "A SQLite column holds values that are not of its type",
        connection=connection,
        dataset=dataset,
        column=column.name,
        declared=column.text,
        type=kind,
        hint=f'repair the values, or read the column as text: options types {{"{column.name}": "VARCHAR"}}',
        **fields,
    )
