"""PostgreSQL's types: how each is fetched without loss, and how each logical type is stored."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count

from agent_etl.connectors.fit import Slot, decimal, head, misfit
from agent_etl.connectors.names import folded
from agent_etl.engine.duck import quote
from agent_etl.engine.schema import Column

__all__ = ["STORED", "Fetched", "Native", "apart", "direct", "fetched", "placed", "staged", "wire"]

STORED = {
    "BOOLEAN": "boolean",
    "TINYINT": "smallint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "UTINYINT": "smallint",
    "USMALLINT": "integer",
    "UINTEGER": "bigint",
    "UBIGINT": "numeric(20,0)",
    "HUGEINT": "numeric(38,0)",
    "UHUGEINT": "numeric(38,0)",
    "DECIMAL": "numeric",
    "FLOAT": "real",
    "DOUBLE": "double precision",
    "VARCHAR": "text",
    "ENUM": "text",
    '"NULL"': "text",
    "BLOB": "bytea",
    "DATE": "date",
    "TIME": "time without time zone",
    "UUID": "uuid",
    "JSON": "json",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "timestamp without time zone"),
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "TIME WITH TIME ZONE": "time with time zone",
    "INTERVAL": "interval",
    "BIT": "bit varying",
    **dict.fromkeys(("LIST", "STRUCT", "MAP", "UNION"), "jsonb"),
}
"""How a logical type is stored. Integers beyond 38 digits, times finer than a microsecond, infinite dates and times and
texts with NUL are refused when loaded; nested values become JSON."""

_PLAIN = {
    "boolean": "BOOLEAN",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "text": "VARCHAR",
    "bytea": "BLOB",
    "date": "DATE",
    "time without time zone": "TIME",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "interval": "INTERVAL",
    "uuid": "UUID",
}
_TEXTS = frozenset({"text", "character varying", "character", "name", '"char"', "citext"})
_NO_EQUALITY = frozenset({"json", "xml", "point", "polygon", "path", "box", "line", "lseg", "circle"})
_ARGUMENTS = re.compile(r"\(([^)]*)\)")


@dataclass(frozen=True, slots=True)
class Native:
    """One column as the catalogue has it. `type` is format_type's text, of the base type for a domain.

    `own` is the column's own type. `filled`: there is a default. `computed`: the table itself gives every value.
    `measured`: for a numeric without limits, the (whole digits, scale) that its values need; None: not measured, or
    not all are finite.
    """

    name: str
    type: str
    nullable: bool = True
    filled: bool = False
    own: str = ""
    composite: bool = False
    computed: bool = False
    measured: tuple[int, int] | None = None

    @property
    def base(self) -> str:
        """The type without its arguments: `numeric` for `numeric(10,2)`."""
        return _ARGUMENTS.sub("", self.type)

    @property
    def arguments(self) -> tuple[int, ...]:
        """The numbers in the type's parentheses."""
        found = _ARGUMENTS.search(self.type)
        return tuple(int(part) for part in found.group(1).split(",")) if found else ()

    @property
    def unlimited(self) -> bool:
        """A numeric that may hold more digits than a DECIMAL can."""
        return self.base == "numeric" and (not self.arguments or self.arguments[0] > 38)


@dataclass(frozen=True, slots=True)
class Fetched:
    """How a column is fetched: its logical type, the server's expression, and what to do with what arrives.

    `scaled`: the driver delivers the digits of a decimal of that precision and scale as a 64-bit integer. `casted`:
    text that DuckDB must turn into the logical type.
    """

    column: Column
    expression: str
    scaled: tuple[int, int] | None = None
    casted: bool = False


def fetched(native: Native, wanted: str | None = None) -> Fetched:
    """How the column is fetched exactly; `wanted` is a logical type to read it as instead of its own."""
    c = quote(native.name)
    kind = wanted or _logical(native)
    column = Column(native.name, kind, native.nullable)
    size = decimal(kind)
    if size and native.base == "numeric" and not native.unlimited and size[0] <= 18:
        return Fetched(column, f"({c} * {10 ** size[1]})::int8", scaled=size)
    if size and native.base in {"numeric", "money"}:
        number = c if native.base == "numeric" else f"{c}::numeric"
        # Too fine a value becomes a text that is no number, so that the cast fails instead of rounding.
        exact = f"CASE WHEN scale({number}) <= {size[1]} OR {number} = trunc({number}, {size[1]}) THEN {number}::text"
        return Fetched(column, f"{exact} WHEN {number} IS NOT NULL THEN 'inexact' END", casted=True)
    if kind == _PLAIN.get(native.base):
        return Fetched(column, c)
    if native.base == "oid" and kind == "BIGINT":
        return Fetched(column, f"{c}::int8")
    if kind == "JSON" and native.base not in {"json", "jsonb"}:
        return Fetched(column, f"to_json({c})::text", casted=True)
    return Fetched(column, f"{c}::text", casted=kind != "VARCHAR")


def apart(items: Sequence[Fetched]) -> list[Fetched]:
    """The columns under names that DuckDB can tell apart: of `Id` and `id` the later one is read as `id_2`."""
    taken = {folded(item.column.name) for item in items}
    seen: set[str] = set()
    result = []
    for item in items:
        name = item.column.name
        if folded(name) in seen:
            name = next(n for n in (f"{name}_{k}" for k in count(2)) if folded(n) not in taken)
            taken.add(folded(name))
            item = replace(item, column=replace(item.column, name=name))
        seen.add(folded(name))
        result.append(item)
    return result


def _logical(native: Native) -> str:
    if native.composite or native.type.endswith("]") or native.base in {"json", "jsonb"}:
        return "JSON"
    if native.base == "numeric":
        return _numeric(native)
    if native.base == "money":
        return "DECIMAL(19,2)"
    return {**_PLAIN, "oid": "BIGINT", "time with time zone": "TIME WITH TIME ZONE"}.get(native.base, "VARCHAR")


def _numeric(native: Native) -> str:
    if native.unlimited:
        if native.measured is None or sum(native.measured) > 38:
            return "VARCHAR"
        return f"DECIMAL(38,{native.measured[1]})"
    precision, scale = (*native.arguments, 0)[:2]
    if scale < 0:
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    return f"DECIMAL({precision},{scale})" if precision <= 38 else "VARCHAR"


def placed(native: Native) -> Slot:
    """A target column: what it holds exactly, by its declaration alone."""
    kind = _logical(native)
    if native.unlimited:
        kind = "NUMERIC"
    elif native.type.endswith("]") or native.composite:
        kind = "UNKNOWN"
    return Slot(
        native.name,
        kind,
        native.own or native.type,
        required=not native.nullable and not native.filled,
        textual=native.base in _NO_EQUALITY,
    )


def wire(expression: str, given: str, wanted: str, position: int) -> tuple[str, bool]:
    """The DuckDB expression that the driver sends exactly, and whether it is sent as text."""
    x, stop = f"({expression})", misfit(position)
    family = head(wanted)
    if family in {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}:
        return f"CASE WHEN {x} IS NULL OR isfinite({x}) THEN {x} ELSE {stop} END", False
    if family == "NUMERIC":
        return (x, False) if decimal(given) else (f"CAST({x} AS VARCHAR)", True)
    if family in {"UUID", "JSON", "TIME WITH TIME ZONE", "BIT"}:
        return f"CAST({x} AS VARCHAR)", True
    return x, family == "VARCHAR"


def direct(slot: Slot, as_text: bool) -> bool:
    """Whether what the driver sends is, bit for bit, what the column stores, so that COPY may write it unchecked."""
    if as_text:
        return slot.native == "text"
    size = decimal(slot.type)
    if size:
        return slot.native == f"numeric({size[0]},{size[1]})"
    return _PLAIN.get(slot.native) == slot.type


def staged(slot: Slot, as_text: bool) -> str:
    """The staged column `s.x` as the expression that the target's column takes by assignment."""
    column = f"s.{quote(slot.name)}"
    base = _ARGUMENTS.sub("", slot.native)
    if not as_text or base in _TEXTS:
        return column
    # `::bit` would mean one bit and cut the rest off.
    return f"{column}::{'bit varying' if base == 'bit' else base}"
