"""Narrowing: a range of a cursor in a database's own SQL. It sends less over and never changes what is read.

What cannot be said exactly there is said more widely, or not at all: the caller applies the range to what arrives.
"""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from agent_etl.connectors.mysql_types import Native
from agent_etl.connectors.sqlite_types import Declared
from agent_etl.engine.duck import literal, quote
from agent_etl.engine.watermark import Watermark, Within, family

__all__ = ["for_duckdb", "for_mysql", "for_postgres", "for_sqlite"]

_POSTGRES = {"DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamptz"}
_MYSQL = {
    "number": frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"}),
    "time": frozenset({"date", "datetime"}),
    "instant": frozenset({"datetime", "timestamp"}),
}
_LONG = 2**63 - 1

Bound = Callable[[Watermark], str | None]


def for_duckdb(within: Within | None, *, nullable: bool) -> str:
    """The WHERE clause for DuckDB, which reckons as the caller does; empty when there is nothing to leave out."""
    return "" if within is None else _where(quote(within.column), within, lambda mark: mark.sql, nullable=nullable)


def for_postgres(column: str, expression: str, within: Within | None, *, nullable: bool) -> str:
    """The WHERE clause for PostgreSQL: `column` as it is stored, `expression` as its text is fetched."""
    kind = _type(within)
    if within is None or kind is None:
        return ""
    if family(kind) == "text":
        bytewise = f'({expression}) COLLATE "C"'
        return _where(bytewise, within, lambda mark: literal(mark.text), nullable=nullable)
    native = _POSTGRES.get(kind, "numeric" if family(kind) == "number" else None)

    def bound(mark: Watermark) -> str | None:
        return None if native is None or "BC" in mark.text else f"{literal(mark.text)}::{native}"

    return _where(quote(column), within, bound, nullable=nullable)


def for_mysql(column: Native, within: Within | None) -> str:
    """The WHERE clause for MySQL, whose texts are compared as their bytes and not as their collation has it."""
    kind = _type(within)
    of = family(kind) if kind else None
    if within is None or of is None:
        return ""
    c = quote(column.name)
    if of == "text" and column.collation is not None:
        bytewise = f"CAST(CONVERT({c} USING utf8mb4) AS BINARY)"
        return _where(bytewise, within, lambda m: f"CAST({literal(m.text)} AS BINARY)", nullable=column.nullable)
    if column.type not in _MYSQL.get(of, ()) or (of != "number" and family(column.logical) != of):
        return ""

    def bound(mark: Watermark) -> str | None:
        if of == "number":
            return mark.text
        text = mark.text.removesuffix("+00")
        return f"CAST({literal(text)} AS DATETIME(6))" if len(text) <= 26 and text[:4].isdigit() else None

    return _where(c, within, bound, nullable=column.nullable)


def for_sqlite(column: Declared, within: Within | None) -> str:
    """The WHERE clause for SQLite, which has no types: dates and times are texts that begin with the day."""
    kind = _type(within)
    if within is None or kind is None:
        return ""
    c, of = quote(column.name), family(kind)
    if of == "number":
        return _where(c, within, _whole, upper=_whole_above, nullable=column.nullable)
    if of == "text" and column.kind == "text":
        return _where(f"{c} COLLATE BINARY", within, lambda mark: literal(mark.text), nullable=column.nullable)
    if of in ("time", "instant"):
        # A time with a zone may lie on the day before or after in UTC. A text of a later hour is greater than its day.
        slack = timedelta(days=1 if of == "instant" else 0)
        low, high = (lambda mark: _day(mark, -slack)), (lambda mark: _day(mark, slack + timedelta(days=1)))
        return _where(c, within, low, upper=high, nullable=column.nullable)
    return ""


def _type(within: Within | None) -> str | None:
    marks = (within.floor, within.ceiling) if within else ()
    return next((mark.type for mark in marks if mark is not None), None)


def _where(c: str, within: Within, lower: Bound, *, upper: Bound | None = None, nullable: bool) -> str:
    floor = lower(within.floor) if within.floor else None
    ceiling = (upper or lower)(within.ceiling) if within.ceiling else None
    parts = [f"{c} >= {floor}"] if floor is not None else []
    parts += [f"{c} < {ceiling}"] if ceiling is not None else []
    if not parts:
        return ""
    inside = " AND ".join(parts)
    return f" WHERE ({inside}) OR {c} IS NULL" if nullable else f" WHERE {inside}"


def _whole(mark: Watermark) -> str | None:
    return _integer(Decimal(mark.text).to_integral_value(ROUND_FLOOR))


def _whole_above(mark: Watermark) -> str | None:
    return _integer(Decimal(mark.text).to_integral_value(ROUND_CEILING))


def _integer(value: Decimal) -> str | None:
    return str(int(value)) if abs(value) < _LONG else None


def _day(mark: Watermark, moved: timedelta) -> str | None:
    try:
        return literal((date.fromisoformat(mark.text[:10]) + moved).isoformat())
    except (ValueError, OverflowError):
        return None
