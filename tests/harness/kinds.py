"""The kinds of values that travel between systems: their values, where they are native, and who refuses them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

__all__ = ["HARD", "WIDE", "Kind", "canonical", "page"]

_FILES = ("parquet", "csv", "jsonl")
_TEXTS = (
    "",
    " ",
    "NULL",
    "null",
    "\\N",
    "007",
    "1e400",
    "true",
    "2024-01-01",
    "a'b\"c",
    "a,b;c\td",
    "line\nbreak\r\nand more",
    "🦆 ŐŰ 汉字",
    "e\u0301 \u00e9",
    "\u202egnp.exe",
    "back\\slash",
)
_MOMENTS = (
    "0001-01-01 00:00:00",
    "1969-12-31 23:59:59.999999",
    "2024-01-01 00:00:00.000001",
    "2024-03-10 02:30:00",
    "2024-03-31 02:30:00",
    "2024-10-27 02:30:00",
    "9999-12-31 23:59:59.999999",
)


@dataclass(frozen=True)
class Kind:
    """One kind of value. `family` says how its values are compared.

    `types`: for each source system that holds it natively the type there; for text files the type that a plan gives.
    `refused`: targets that cannot hold all of its values, so that loading them is an error. `becomes`: what
    a target that has no such value makes of each, where that is equal to it by its own SQL. `title` is for people.
    """

    name: str
    family: str
    values: tuple[str, ...]
    types: dict[str, str]
    title: str = ""
    refused: frozenset[str] = field(default=frozenset())
    becomes: Mapping[str, str] = field(default_factory=dict)


def _types(duckdb: str, postgres: str = "", mysql: str = "", sqlite: str = "", without: str = "") -> dict[str, str]:
    named = {"duckdb": duckdb, "postgres": postgres, "mysql": mysql, "sqlite": sqlite, **dict.fromkeys(_FILES, duckdb)}
    return {system: kind for system, kind in named.items() if kind and system not in without.split()}


def _scaled(scale: int) -> Kind:
    """DECIMAL(18, scale): zero, the least steps around it, and 15 digits, which a REAL of SQLite still keeps."""
    texts = tuple(f"{Decimal(n).scaleb(-scale):f}" for n in (0, 1, -1, 44123456, -987654321012345))
    kind = f"decimal(18,{scale})"
    # A JSON number of so many places is read as a DOUBLE, which is refused as a decimal, not rounded to one.
    without = "jsonl" if scale > 15 else ""
    types = _types(kind.upper(), f"numeric(18,{scale})", kind, kind.upper(), without=without)
    return Kind(f"dec_{scale}", "decimal", texts, types, "decimal(p,s), p up to 18, s 0 to 18, of at most 15 digits")


WIDE = (
    Kind(
        "int64",
        "int",
        ("-9223372036854775808", "-1", "0", "9007199254740993", "9223372036854775807"),
        _types("BIGINT", "bigint", "bigint", "BIGINT"),
        "64-bit integer, its edges",
    ),
    *(_scaled(scale) for scale in range(19)),
    Kind(
        "dbl",
        "float",
        ("0.1", "-0.30000000000000004", "1.7976931348623157e+308", "5e-324", "1e+22"),
        _types("DOUBLE", "double precision", "double", "DOUBLE"),
        "double, its extremes",
    ),
    Kind("flag", "bool", ("true", "false"), _types("BOOLEAN", "boolean", "tinyint(1)", "BOOLEAN"), "boolean"),
    Kind(
        "word",
        "text",
        _TEXTS,
        _types("VARCHAR", "text", "longtext CHARACTER SET utf8mb4", "TEXT"),
        "text: empty, NULL, emoji, unnormalised",
    ),
    Kind(
        "raw",
        "bytes",
        ("", "00ff0a5c", "616263"),
        _types("BLOB", "bytea", "longblob", "BLOB", without="csv jsonl"),
        "binary",
    ),
    Kind(
        "day",
        "date",
        ("0001-01-01", "1582-10-10", "1969-12-31", "2024-02-29", "9999-12-31"),
        _types("DATE", "date", "date", "DATE"),
        "date, years 1 to 9999",
    ),
    Kind(
        "stamp",
        "moment",
        _MOMENTS,
        _types("TIMESTAMP", "timestamp", "datetime(6)", "TIMESTAMP"),
        "timestamp: microseconds, years 1 to 9999, hours that a clock skips",
    ),
    Kind(
        "instant",
        "instant",
        tuple(f"{text}+00" for text in _MOMENTS),
        _types("TIMESTAMPTZ", "timestamptz", "", "TIMESTAMP WITH TIME ZONE"),
        "timestamp with time zone, the same",
    ),
    Kind(
        "recent",
        "instant",
        ("1971-01-01 00:00:00+00", "2024-10-27 00:30:00.000001+00", "2037-12-31 23:59:59.999999+00"),
        _types("TIMESTAMPTZ", "timestamptz", "timestamp(6)", "TIMESTAMP WITH TIME ZONE"),
        "timestamp with time zone, 1971 to 2037",
    ),
    Kind(
        "uid",
        "uuid",
        ("00000000-0000-0000-0000-000000000000", "123e4567-e89b-12d3-a456-426614174000"),
        _types("UUID", "uuid", "uuid", "UUID"),
        "UUID",
    ),
    Kind(
        "doc",
        "json",
        ('{"a": [1, null, "é"], "b": 1.5}', "[]", "{}", '"text"', "1", '[[], {"deep": {"x": ""}}]'),
        _types("JSON", "json", "json", "JSON_TEXT"),
        "JSON: scalars, objects and arrays in one column",
    ),
    Kind("list", "json", ("[1, null, 3]", "[]"), _types("INTEGER[]", "integer[]", without="csv jsonl"), "array"),
)
"""Kinds that every target holds."""

HARD = (
    Kind(
        "nought",
        "float",
        ("-0.0",),
        _types("DOUBLE", "double precision", without="csv"),
        "double: -0.0",
        becomes={"mysql": "0.0", "sqlite": "0.0"},
    ),
    Kind(
        "nan",
        "float",
        ("nan",),
        _types("DOUBLE", "double precision", without="csv jsonl"),
        "double: NaN",
        frozenset({"sqlite", "mysql", "jsonl"}),
    ),
    Kind(
        "inf",
        "float",
        ("inf", "-inf"),
        _types("DOUBLE", "double precision", "", "DOUBLE", without="csv jsonl"),
        "double: Infinity and -Infinity",
        frozenset({"mysql", "jsonl"}),
    ),
    Kind(
        "digits18",
        "decimal",
        ("999999999999.999999", "-0.000001"),
        _types("DECIMAL(18,6)", "numeric(18,6)", "decimal(18,6)", without="jsonl"),
        "decimal of 16 to 18 digits",
        frozenset({"sqlite"}),
    ),
    Kind(
        "digits38",
        "decimal",
        ("1.5", "0", "-0.000000001", "99999999999999999999999999999.123456789"),
        _types("DECIMAL(38,9)", "numeric(38,9)", "decimal(38,9)", without="jsonl"),
        "decimal(38,9), all digits",
        frozenset({"sqlite"}),
    ),
    Kind(
        "unlimited",
        "decimal",
        ("1.5", "999999999.123456789012", "0.000000000000000001", "0"),
        _types("DECIMAL(38,18)", "numeric", "decimal(38,18)", without="jsonl"),
        "numeric without limits: 1.5, 999999999.123456789012 and 1e-18",
        frozenset({"sqlite"}),
    ),
    Kind(
        "beyond",
        "decimal",
        ("1.5", "12345678901234567890123456789012345.123456789012", "-0.000000000000000001"),
        {"postgres": "numeric", "mysql": "decimal(65,30)"},
        "numeric of more than 38 digits",
    ),
    Kind(
        "whole",
        "int",
        ("0", "9223372036854775808", "18446744073709551615"),
        _types("UBIGINT", "numeric(20,0)", "bigint unsigned"),
        "64-bit integer without sign",
        frozenset({"sqlite"}),
    ),
    Kind(
        "infinity_day",
        "date",
        ("infinity", "-infinity"),
        _types("DATE", "date", without="csv jsonl"),
        "date: infinity",
        frozenset({"postgres", "mysql", "sqlite"}),
    ),
    Kind(
        "infinity_stamp",
        "date",
        ("infinity", "-infinity"),
        _types("TIMESTAMP", "timestamp", without="csv jsonl"),
        "timestamp: infinity",
        frozenset({"postgres", "mysql", "sqlite"}),
    ),
    Kind(
        "infinity_instant",
        "date",
        ("infinity", "-infinity"),
        _types("TIMESTAMPTZ", "timestamptz", without="csv jsonl"),
        "timestamp with time zone: infinity",
        frozenset({"postgres", "mysql", "sqlite"}),
    ),
)
"""Kinds that some target cannot hold, or that need a table of their own."""


def canonical(family: str, value: Any) -> Any:
    """A value as any system gives it, in the one form in which it is compared."""
    match family:
        case "int":
            return int(value)
        case "decimal":
            if isinstance(value, float) and len(repr(value).replace(".", "").strip("-0")) > 15:
                return value
            return Decimal(str(value))
        case "float":
            return repr(float(value))
        case "bool":
            return {"true": True, "t": True, "1": True}.get(str(value).lower(), False)
        case "bytes":
            return str(value).lower()
        case "moment" | "instant":
            text = str(value).replace("T", " ")
            plain = text.removesuffix("Z").removesuffix(":00" if text.endswith("+00:00") else "").removesuffix("+00")
            if (plain != text) != (family == "instant"):
                return text
            return datetime.fromisoformat(plain).isoformat()
        case "uuid":
            return str(UUID(value))
        case "json":
            return repr(value[1] if isinstance(value, tuple) else json.loads(value, parse_float=Decimal))
    return str(value)


_SYSTEMS = {
    "duckdb": "DuckDB",
    "postgres": "PostgreSQL",
    "mysql": "MariaDB",
    "sqlite": "SQLite",
    "parquet": "Parquet",
    "csv": "CSV",
    "jsonl": "JSON Lines",
}
_ABOUT = """# Values that survive the trip

What tests/conformance/test_trips.py tries against the real systems: values of each kind, laid by each source's
own client, loaded straight and for some pairs
through a package, and read in the target by its own SQL. This page is written from the same table and a test
compares them.

- **exact**: every value, and no value (NULL), arrives as it was.
- **refused**: the load ends with an error that names the column, and the target is untouched. Round or cast the
  column in the plan to load it.
"""
_NOTES = """
## What is not said by a cell

- SQLite has no decimals: one of at most 15 digits is kept as a REAL, which gives exactly these digits back;
  arithmetic in SQLite itself is that of a REAL.
- SQLite and MariaDB keep no sign of a zero: -0.0 becomes 0.0, which equals it.
- MariaDB keeps an instant as a datetime of UTC; the column's comment says so.
- PostgreSQL's `numeric` without limits becomes the decimal that its values need, and text when they need more
  than 38 digits; never a double.
- Arrays become JSON where there are none. JSON is compared as JSON: spaces and trailing zeros of a number
  (1.10) may go in JSON Lines, and a JSON null becomes NULL
  there.
- Parquet has no infinite times: they are kept as DuckDB spells them, the last count of microseconds or days;
  other readers see a date far away.
- A JSON number of more than 15 digits is not read as a decimal but refused; write it as a string.
- A zone of the process (`TZ`) changes nothing.
"""


def page() -> str:
    """The text of docs/types.md."""
    lines = [f"| kind of value | {' | '.join(_SYSTEMS.values())} |", f"|---|{'---|' * len(_SYSTEMS)}"]
    for title in dict.fromkeys(kind.title for kind in (*WIDE, *HARD)):
        kind = next(kind for kind in (*WIDE, *HARD) if kind.title == title)
        cells = [kind.becomes.get(s) or ("refused" if s in kind.refused else "exact") for s in _SYSTEMS]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    table = "\n".join(lines)
    return f"{_ABOUT}\n{table}\n{_NOTES}"


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs" / "types.md").write_text(page(), encoding="utf-8")
