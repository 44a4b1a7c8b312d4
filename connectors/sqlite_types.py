"""SQLite's declared types, which bind nobody, and the logical types that the values really are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent_etl.connectors.fit import decimal, head, misfit
from agent_etl.engine.duck import quote

__all__ = ["STORED", "Declared", "declared", "judged", "places", "question", "slot_type", "wire"]

_PRECISE = re.compile(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")

STORED = {
    **{kind: kind for kind in ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")},
    **{kind: kind for kind in ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")},
    **{kind: kind for kind in ("FLOAT", "DOUBLE", "DECIMAL", "BLOB", "DATE", "TIME", "TIMESTAMP", "UUID")},
    **dict.fromkeys(("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "TIMESTAMP"),
    **dict.fromkeys(("VARCHAR", "ENUM", "INTERVAL", "BIT", '"NULL"'), "TEXT"),
    **dict.fromkeys(("JSON", "LIST", "STRUCT", "MAP", "UNION"), "JSON_TEXT"),
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP WITH TIME ZONE",
}
"""How a logical type is declared. Integers beyond 64 bits and decimals that a REAL cannot hold exactly are refused when
loaded; dates and times are ISO text, zoned ones in UTC; a NaN, which SQLite would turn into NULL, is refused."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One column as SQLite declares it. `kind` is what the declaration means to people."""

    name: str
    text: str
    kind: str
    size: tuple[int, int] | None = None
    nullable: bool = True


# In this order: SQLite itself looks for INT first, so `POINT` and `INTERVAL` are integers to it.
_KINDS = (
    ("JSON", "json"),
    ("UUID", "uuid"),
    ("GUID", "uuid"),
    ("INT", "integer"),
    ("BOOL", "boolean"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("STRING", "any"),
    ("BLOB", "blob"),
    ("BINARY", "blob"),
    ("REAL", "real"),
    ("FLOA", "real"),
    ("DOUB", "real"),
    ("WITH TIME ZONE", "timestamptz"),
    ("TIMESTAMPTZ", "timestamptz"),
    ("DATETIME", "timestamp"),
    ("TIMESTAMP", "timestamp"),
    ("DATE", "date"),
    ("TIME", "time"),
    ("DEC", "number"),
    ("NUM", "number"),
    ("MONEY", "number"),
)


def declared(name: str, text: str, nullable: bool = True) -> Declared:
    """What a declared type means: its kind, and precision and scale of a decimal."""
    upper = text.upper()
    kind = next((kind for part, kind in _KINDS if part in upper), "any")
    size = None
    precise = _PRECISE.search(upper)
    if kind == "number" and precise:
        found = int(precise.group(1)), int(precise.group(2) or 0)
        if 1 <= found[0] <= 38 and found[1] <= found[0]:
            kind, size = "decimal", found
    return Declared(name, text, kind, size, nullable)


def slot_type(column: Declared) -> str:
    """The logical type that a target column holds, by its declaration alone."""
    if column.size is not None:
        return f"DECIMAL({column.size[0]},{column.size[1]})"
    return {
        "integer": "BIGINT",
        "boolean": "BOOLEAN",
        "text": "TEXT",
        "blob": "BLOB",
        "real": "DOUBLE",
        "timestamptz": "TIMESTAMP WITH TIME ZONE",
        "timestamp": "TIMESTAMP",
        "date": "DATE",
        "time": "TIME",
        "number": "NUMERIC",
        "uuid": "UUID",
        "json": "JSON",
        "any": "ANY",
    }[column.kind]


def wire(expression: str, type_name: str, position: int) -> str:
    """The DuckDB expression that turns a fitted value into what the driver stores without loss."""
    x, stop = f"({expression})", misfit(position)
    family = head(type_name)
    size = decimal(type_name)
    if family in {"HUGEINT", "UHUGEINT", "UBIGINT"} or (size and size[1] == 0):
        there = f"TRY_CAST({x} AS BIGINT)"
        return f"CASE WHEN {x} IS NULL OR {there} IS NOT NULL THEN {there} ELSE {stop} END"
    if size:
        there = f"CAST(CAST({x} AS VARCHAR) AS DOUBLE)"
        # A REAL gives back any 15 significant digits; of more it is not certain.
        digits = f"length(trim(replace(CAST(abs({x}) AS VARCHAR), '.', ''), '0'))"
        return f"CASE WHEN {x} IS NULL OR {digits} <= 15 THEN {there} ELSE {stop} END"
    if family in {"FLOAT", "DOUBLE"}:
        return f"CASE WHEN isnan({x}) THEN {stop} ELSE CAST({x} AS DOUBLE) END"
    if family == "TIMESTAMP WITH TIME ZONE":
        return f"CASE WHEN {x} IS NULL OR isfinite({x}) THEN CAST({x} AS VARCHAR) || ':00' ELSE {stop} END"
    if family in {"DATE", "TIMESTAMP"}:
        return f"CASE WHEN {x} IS NULL OR isfinite({x}) THEN CAST({x} AS VARCHAR) ELSE {stop} END"
    if family in {"LIST", "STRUCT", "MAP", "UNION"}:
        return f"CAST(to_json({x}) AS VARCHAR)"
    if family in {"BOOLEAN", "BLOB", "VARCHAR"} or family.endswith("INT") or family == "INTEGER":
        return x
    return f"CAST({x} AS VARCHAR)"


# Cheap tests come first; date() with a modifier reckons, without one it gives 30 February back as it came.
_DAY = (
    "{c} GLOB '[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*' AND {c} > '0001' AND substr({c},6,2) BETWEEN '01' AND '12'"
    " AND (substr({c},9,2) BETWEEN '01' AND '28' OR date(substr({c},1,10), '+0 days') = substr({c},1,10))"
)
_CLOCK = (
    "({c} GLOB '[0-2][0-9]:[0-5][0-9]' OR ({c} GLOB '[0-2][0-9]:[0-5][0-9]:[0-5][0-9]*' AND (length({c}) = 8"
    " OR ({c} GLOB '????????.[0-9]*' AND substr({c},10) NOT GLOB '*[^0-9]*' AND length({c}) <= 15))))"
    " AND substr({c},1,2) < '24'"
)


def _moment(text: str) -> str:
    """The text is an ISO date with an optional time of day, without a zone."""
    day, clock = _DAY.format(c=text), _CLOCK.format(c=f"substr({text},12)")
    return f"({day} AND (length({text}) = 10 OR (substr({text},11,1) IN (' ','T') AND {clock})))"


def _zoned(text: str) -> str:
    """The text is an ISO time with a zone at its end: Z, +hh:mm or +hh."""
    cases = (
        (f"substr({text},-1) = 'Z'", 1),
        (f"substr({text},-6,1) IN ('+','-') AND substr({text},-6) GLOB '?[01][0-9]:[0-5][0-9]'", 6),
        (f"substr({text},-3,1) IN ('+','-') AND substr({text},-3) GLOB '?[01][0-9]'", 3),
    )
    tests = [f"({ends} AND {_moment(f'substr({text},1,length({text})-{size})')})" for ends, size in cases]
    return f"(length({text}) > 16 AND ({' OR '.join(tests)}))"


def places(name: str, scale: int) -> str:
    """The SQLite condition that a REAL is a decimal of that scale: no more digits than a REAL surely keeps."""
    c = quote(name)
    if scale <= 15:
        return f"abs({c}) < 1e{15 - scale} AND round({c}, {scale}) = {c}"
    digits = f"length(trim(replace(printf('%.{scale}f', abs({c})), '.', ''), '0')) <= 15"
    return f"CAST(printf('%.{scale}f', {c}) AS REAL) = {c} AND {digits}"


_TEXT = "typeof({c}) = 'text' AND "
_UUID = "length({c}) = 36 AND {c} GLOB '????????-????-????-????-????????????' AND {c} NOT GLOB '*[^0-9a-f-]*'"
_TESTS = {
    "boolean": ("typeof({c}) = 'integer' AND {c} IN (0,1)",),
    "timestamp": (_TEXT + _moment("{c}"), _TEXT + _zoned("{c}")),
    "date": (_TEXT + "length({c}) = 10 AND " + _moment("{c}"), _TEXT + _moment("{c}")),
    "time": (_TEXT + _CLOCK,),
    "uuid": (_TEXT + _UUID,),
    "json": (_TEXT + "json_valid({c})",),
}
_TESTS["timestamptz"] = _TESTS["timestamp"]


def question(column: Declared) -> tuple[str, ...] | None:
    """Aggregates that tell what a column's values are, or None when its declaration is taken at its word.

    In order: values, integers, reals, texts, blobs, integers that a REAL holds, then those passing each special test.
    """
    if column.kind in {"integer", "text", "real", "blob"}:
        return None
    c = quote(column.name)
    tests = [test.format(c=c) for test in _TESTS.get(column.kind, ())]
    if column.size:
        whole = column.size[0] - column.size[1]
        tests = [
            f"typeof({c}) IN ('integer','real') AND abs({c}) < 1e{whole}"
            f" AND (typeof({c}) = 'integer' OR ({places(column.name, column.size[1])}))"
        ]
    conditions = (
        f"{c} IS NOT NULL",
        *(f"typeof({c}) = '{kind}'" for kind in ("integer", "real", "text", "blob")),
        f"typeof({c}) = 'integer' AND {c} BETWEEN -9007199254740992 AND 9007199254740992",
        *tests,
    )
    # FILTER stops at the first condition that is false; an AND inside sum() would evaluate them all.
    return tuple(f"count(*) FILTER (WHERE {condition})" for condition in conditions)


def judged(column: Declared, counts: Sequence[int]) -> tuple[str, str]:
    """The logical type that holds every value exactly, and a note when that is not what the declaration says."""
    total, integers, reals, texts, blobs, short, *passed = counts
    wanted = slot_type(column)
    if column.kind in {"number", "any"}:
        wanted = "DOUBLE" if column.kind == "number" else "VARCHAR"
    if not total:
        return wanted.replace("TEXT", "VARCHAR"), ""
    if passed and passed[0] == total:
        return ("TIMESTAMP" if column.kind == "timestamptz" else wanted), ""
    if len(passed) > 1 and passed[1] == total:
        return ("TIMESTAMP" if column.kind == "date" else "TIMESTAMP WITH TIME ZONE"), ""
    kind = "VARCHAR"
    if integers == total:
        kind = "BIGINT"
    elif integers + reals == total and short == integers:
        kind = "DOUBLE"
    elif blobs == total:
        kind = "BLOB"
    plain = (column.kind in {"number", "any"} and kind != "VARCHAR") or (column.kind == "any" and texts == total)
    if plain:
        return kind, ""
    said = column.text or "without a type"
    return kind, f"column {column.name} is declared {said} but not all of its values are that: read as {kind}"
