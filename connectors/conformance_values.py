"""Values that break movers of data, one list for each logical type; used by the conformance kit."""

from agent_etl.connectors.fit import head
from agent_etl.engine.duck import literal

__all__ = ["NAMES", "TYPES", "back"]

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
    "=1+1",
    "back\\slash",
    "x" * 70_000,
)

TYPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("BOOLEAN", ("true", "false")),
    ("TINYINT", ("-128", "0", "127")),
    ("SMALLINT", ("-32768", "32767")),
    ("INTEGER", ("-2147483648", "2147483647")),
    ("BIGINT", ("-9223372036854775808", "-1", "0", "9007199254740993", "9223372036854775807")),
    ("HUGEINT", ("-9223372036854775808", "9223372036854775807", "99999999999999999999999999999999999999")),
    ("UTINYINT", ("0", "255")),
    ("UINTEGER", ("0", "4294967295")),
    ("UBIGINT", ("0", "9223372036854775807", "18446744073709551615")),
    ("FLOAT", ("0.1", "-3.4028235e38", "1e-45")),
    ("DOUBLE", ("0.1", "-0.30000000000000004", "1.7976931348623157e308", "5e-324", "1e22", "'inf'", "'nan'")),
    ("DECIMAL(4,1)", ("-999.9", "0", "0.1")),
    ("DECIMAL(10,6)", ("44.123456", "-0.000001", "9999.999999")),
    ("DECIMAL(18,3)", ("123456789012.345", "-999999999999999.999", "999999999999999.000")),
    ("DECIMAL(18,18)", ("0.000000000000000001", "0.5")),
    ("DECIMAL(38,0)", ("123456789012345678", "-99999999999999999999999999999999999999")),
    ("DECIMAL(38,9)", ("1.5", "-0.000000001", "99999999999999999999999999999.123456789")),
    ("VARCHAR", tuple(literal(text) for text in _TEXTS)),
    ("BLOB", ("''", "'\\x00\\xFF\\x0A\\x5C'", "'abc'")),
    ("DATE", ("'0001-01-01'", "'1582-10-10'", "'1969-12-31'", "'2024-02-29'", "'9999-12-31'", "'infinity'")),
    ("TIME", ("'00:00:00'", "'12:34:56.000001'", "'23:59:59.999999'")),
    (
        "TIMESTAMP",
        (
            "'0001-01-01 00:00:00'",
            "'1969-12-31 23:59:59.999999'",
            "'2024-03-31 02:30:00'",
            "'2024-01-01 00:00:00.000001'",
            "'9999-12-31 23:59:59.999999'",
            "'infinity'",
        ),
    ),
    (
        "TIMESTAMP WITH TIME ZONE",
        ("'0001-01-01 00:00:00+00'", "'2024-10-27 02:30:00.000001+02'", "'9999-12-31 23:59:59+00'"),
    ),
    ("UUID", ("'00000000-0000-0000-0000-000000000000'", "'123e4567-e89b-12d3-a456-426614174000'")),
    ("JSON", ('\'{"a": [1, null, "é"], "b": 1.10}\'', "'[]'", "'{}'", "'\"text\"'", "'1'", "'null'")),
    ("INTERVAL", ("'1 month 2 days 03:04:05.000001'", "'-1 day'", "'0 seconds'")),
    ("INTEGER[]", ("[1, NULL, 3]", "[]")),
    ("STRUCT(a INTEGER, b VARCHAR)", ("{'a': 1, 'b': 'x'}", "{'a': NULL, 'b': ''}")),
)
"""Each logical type with SQL expressions of values; NULL is tried with each."""

NAMES = (
    '"; drop table words; --',
    "select",
    "order by",
    "🦆",
    "with space",
    "Mixed",
    "quo'te",
    'quo"te',
    "per%cent",
    "back\\slash",
    "a.b",
    "100",
    "rowid_",
    "e\u0301",
    "\u00e9",
)


def back(kind: str, found: str) -> str:
    """The DuckDB expression that turns the read column `v` of type `found` back into `kind`."""
    if head(found) in {"JSON", "VARCHAR"} and head(kind) in {"LIST", "STRUCT"}:
        return f"json_transform(CAST(v AS JSON), {literal(_shape(kind))})"
    return f"CAST(v AS {kind})"


def _shape(kind: str) -> str:
    return '["INTEGER"]' if kind.endswith("]") else '{"a": "INTEGER", "b": "VARCHAR"}'
