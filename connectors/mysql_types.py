"""MySQL's types: how each is fetched without loss, and how each logical type is stored."""

import re
from dataclasses import dataclass

import pyarrow as pa

from agent_etl.connectors.fit import Slot, decimal, head, misfit
from agent_etl.engine.duck import quote
from agent_etl.engine.schema import Column

__all__ = ["STORED", "UTC", "Fetched", "Native", "Wired", "fetched", "placed", "wire"]

_ZONED = "TIMESTAMP WITH TIME ZONE"

STORED = {
    "BOOLEAN": "tinyint(1)",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "int",
    "BIGINT": "bigint",
    "UTINYINT": "tinyint unsigned",
    "USMALLINT": "smallint unsigned",
    "UINTEGER": "int unsigned",
    "UBIGINT": "bigint unsigned",
    "HUGEINT": "decimal(38,0)",
    "UHUGEINT": "decimal(38,0)",
    "DECIMAL": "decimal",
    "FLOAT": "float",
    "DOUBLE": "double",
    "VARCHAR": "longtext",
    "ENUM": "longtext",
    '"NULL"': "longtext",
    "BLOB": "longblob",
    "DATE": "date",
    "TIME": "time(6)",
    "UUID": "char(36)",
    "JSON": "json",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "datetime(6)"),
    _ZONED: "datetime(6)",
    "INTERVAL": "longtext",
    "BIT": "longtext",
    **dict.fromkeys(("LIST", "STRUCT", "MAP", "UNION"), "json"),
}
"""How a logical type is stored. Integers beyond 38 digits, decimals with more than 30 digits after the point, NaN and
infinities, dates before year 1 and after 9999 are refused when loaded; nested values become JSON. An instant becomes a
datetime of UTC whose column says so by its comment: MySQL's own timestamp ends in 2038."""

UTC = "UTC"
"""The comment of a datetime column that holds instants."""

_PLAIN = {
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "mediumint": "INTEGER",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "datetime": "TIMESTAMP",
    "timestamp": _ZONED,
    "year": "SMALLINT",
    "json": "JSON",
    "uuid": "UUID",
}
_BLOBS = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"})
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_SHAPES = frozenset(
    {
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)
_BYTES = {"tiny": 255, "": 65_535, "medium": 16_777_215, "long": 4_294_967_295}
_ARROW = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "BLOB": pa.binary(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR": pa.string(),
}
_ARGUMENTS = re.compile(r"\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Native:
    """One column as information_schema has it: `type` is its data type, `declared` the whole of it.

    `filled`: there is a default. `computed`: the table itself gives every value. `json`: a check lets only JSON in.
    `collation` is None for what is no text. `comment`: UTC says that a datetime is an instant.
    """

    name: str
    type: str
    declared: str
    nullable: bool = True
    filled: bool = False
    computed: bool = False
    json: bool = False
    collation: str | None = None
    comment: str = ""

    @property
    def unsigned(self) -> bool:
        """No value is below zero."""
        return " unsigned" in self.declared

    @property
    def arguments(self) -> tuple[int, ...]:
        """The numbers in the type's parentheses."""
        found = _ARGUMENTS.search(self.declared)
        return tuple(int(part) for part in found.group(1).split(",") if part.strip().isdigit()) if found else ()

    @property
    def logical(self) -> str:
        """The logical type that holds all of its values exactly; VARCHAR where there is none."""
        if self.json:
            return "JSON"
        if self.declared.startswith("tinyint(1)") and not self.unsigned and "zerofill" not in self.declared:
            return "BOOLEAN"
        if self.type == "bit":
            return "BOOLEAN" if self.arguments == (1,) else "UBIGINT"
        if self.type == "decimal":
            return f"DECIMAL({self.arguments[0]},{self.arguments[1]})" if self.arguments[0] <= 38 else "VARCHAR"
        if self.type in _BLOBS or self.type in _SHAPES:
            return "BLOB"
        if self.type == "datetime" and self.comment == UTC:
            return _ZONED
        plain = _PLAIN.get(self.type, "VARCHAR")
        return f"U{plain}" if self.unsigned and plain.endswith(("INT", "INTEGER")) else plain

    @property
    def wide(self) -> bool:
        """A decimal of more digits than a DECIMAL has."""
        return self.type == "decimal" and self.arguments[0] > 38


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a column is fetched: its logical type, the server's expression, the Arrow type that its text becomes.

    `casted`: DuckDB must turn the text into the logical type.
    """

    column: Column
    expression: str
    arrow: pa.DataType
    casted: bool = False


def fetched(native: Native, wanted: str | None = None) -> Fetched:
    """How the column is fetched exactly; `wanted` is a logical type to read it as instead of its own."""
    c = quote(native.name)
    kind = wanted or native.logical
    column = Column(native.name, kind, native.nullable)
    if native.type == "float" or native.type == "double":
        # A float's own text has six digits; as a double it has all that tell it apart.
        c = f"({c} + 0e0)"
    elif native.type == "bit":
        c = f"({c} + 0)"
    elif native.type in _SHAPES:
        c = f"ST_AsBinary({c})"
    size = decimal(kind)
    if size and native.type == "decimal":
        short = f"TRUNCATE({c}, {size[1]})"
        # Too fine a value becomes a text that is no number, so that the read ends instead of rounding.
        exact = f"CASE WHEN {c} = {short} THEN CAST({short} AS CHAR) WHEN {c} IS NOT NULL THEN 'inexact' END"
        return Fetched(column, exact if native.wide else c, pa.decimal128(*size))
    if kind == "BLOB" or (kind == native.logical and kind in _ARROW):
        return Fetched(column, c, _ARROW[kind])
    if native.type in _TEXTS and native.collation is None:
        return Fetched(column, f"CONVERT({c} USING utf8mb4)", pa.string(), casted=kind != "VARCHAR")
    if kind == _ZONED == native.logical:
        return Fetched(column, c, pa.timestamp("us", "UTC"))
    return Fetched(column, c, pa.string(), casted=kind != "VARCHAR")


def placed(native: Native) -> Slot:
    """A target column: what it holds exactly, by its declaration alone."""
    kind = native.logical
    if native.wide:
        kind = "NUMERIC"
    elif native.type == "enum":
        kind = f"ENUM{native.declared[4:]}"
    elif native.type == "set" or native.type in _SHAPES:
        kind = "UNKNOWN"
    declared = f"{native.declared} COLLATE {native.collation}" if native.collation else native.declared
    if native.type == "datetime" and kind == _ZONED:
        declared += f" COMMENT '{UTC}'"
    return Slot(
        native.name,
        kind,
        declared,
        required=not native.nullable and not native.filled,
        # What a collation takes for equal may still have to be written.
        textual=native.collation is not None or native.type == "json",
    )


@dataclass(frozen=True, slots=True)
class Wired:
    """How a column is sent: the DuckDB expression of its text, and what the server makes of that text, {0}."""

    text: str
    value: str = "{0}"


def wire(expression: str, given: str, slot: Slot, position: int) -> Wired:
    """How a value is sent to a column. What the server would round, cut, pad or replace ends the query."""
    x, stop = f"({expression})", misfit(position)
    base = re.split(r"[ (]", slot.native, maxsplit=1)[0]
    arguments = Native("", base, slot.native).arguments
    family = head(slot.type)
    if slot.type == "NUMERIC":
        return Wired(_digits(x, given, arguments, stop))
    if base in {"float", "double"}:
        rounded = f" AND round({x}, {arguments[1]}) = {x}" if len(arguments) > 1 else ""
        return Wired(_unless(f"isfinite({x}){rounded}", x, f"CAST(CAST({x} AS DOUBLE) AS VARCHAR)", stop))
    if base == "year":
        return Wired(_unless(f"{x} BETWEEN 1901 AND 2155", x, f"CAST({x} AS VARCHAR)", stop))
    if base == "bit":
        return Wired(f"CAST(CAST({x} AS UBIGINT) AS VARCHAR)", "CAST({0} AS UNSIGNED)")
    if family == "BOOLEAN":
        return Wired(f"CAST(CAST({x} AS TINYINT) AS VARCHAR)")
    if family in {"DATE", "TIME", "TIMESTAMP", _ZONED}:
        return Wired(_moment(x, family, arguments[0] if arguments else 0, stop, since_1970=base == "timestamp"))
    if family == "BLOB":
        return Wired(_sized(f"hex({x})", f"octet_length({x})", x, base, arguments, stop), "UNHEX({0})")
    if family in {"VARCHAR", "ENUM", "UUID", "JSON"}:
        text = f"CAST({x} AS VARCHAR)"
        return Wired(_sized(text, f"length({text})", text, base, arguments, stop))
    return Wired(f"CAST({x} AS VARCHAR)")


def _unless(condition: str, x: str, result: str, stop: str) -> str:
    return f"CASE WHEN {x} IS NULL OR ({condition}) THEN {result} ELSE {stop} END"


def _digits(x: str, given: str, arguments: tuple[int, ...], stop: str) -> str:
    """A number for a decimal of more than 38 digits."""
    whole, scale = arguments[0] - arguments[1], arguments[1]
    size = decimal(given)
    text = f"CAST({x} AS VARCHAR)"
    if size and size[0] - size[1] <= whole and size[1] <= scale:
        return text
    if not size and head(given) not in {"FLOAT", "DOUBLE"}:
        return text
    fraction = f"rtrim(split_part({text}, '.', 2), '0')"
    plain = f"NOT contains({text}, 'e') AND length({fraction}) <= {scale}"
    return _unless(f"{plain} AND length(ltrim(split_part({text}, '.', 1), '-')) <= {whole}", x, text, stop)


def _moment(x: str, family: str, places: int, stop: str, *, since_1970: bool) -> str:
    """A date or time with at most `places` digits of a second, within what the server stores."""
    conditions = []
    if family != "TIME":
        conditions += [f"isfinite({x})", f"year({x}) BETWEEN 1 AND 9999"]
    if since_1970:
        conditions.append(f"epoch_us({x}) >= 1000000")
    if family != "DATE" and places < 6:
        conditions.append(f"epoch_us({x}) % {10 ** (6 - places)} = 0")
    text = f"CAST(timezone('UTC', {x}) AS VARCHAR)" if family == _ZONED else f"CAST({x} AS VARCHAR)"
    return _unless(" AND ".join(conditions), x, text, stop) if conditions else text


def _sized(text: str, length: str, x: str, base: str, arguments: tuple[int, ...], stop: str) -> str:
    """A text or bytes that the column holds whole: MySQL cuts spaces, and fills binary columns up, without a word."""
    if base in {"char", "varchar", "varbinary"} and arguments:
        ends = f" AND NOT ends_with({x}, ' ')" if base == "char" else ""
        return _unless(f"{length} <= {arguments[0]}{ends}", x, text, stop)
    if base == "binary" and arguments:
        return _unless(f"{length} = {arguments[0]}", x, text, stop)
    for suffix in ("text", "blob"):
        limit = _BYTES.get(base.removesuffix(suffix)) if base.endswith(suffix) else None
        if limit is not None and not base.startswith("long"):
            octets = length if suffix == "blob" else f"strlen({x})"
            return _unless(f"{octets} <= {limit}", x, text, stop)
    return text
