"""How logical types are kept in Parquet, so that every value comes back as it was.

DuckDB writes HUGEINT (the type of every sum of integers) to Parquet as DOUBLE, and cuts the sub-millisecond part of an
INTERVAL and the offset of a TIME WITH TIME ZONE. Such types are kept as text and cast back on reading.
"""

import re

from agent_etl.engine.duck import quote
from agent_etl.engine.schema import Column

__all__ = ["restored", "stored"]

_AS_TEXT = "UHUGEINT|HUGEINT|TIME WITH TIME ZONE|INTERVAL|BIGNUM|BIT"
# What follows tells a type from a struct's field of that name.
_CHANGED = re.compile(rf"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\b(?P<lossy>{_AS_TEXT})(?=\s*(?:[\[,)]|$))", re.IGNORECASE)
_RENAMED = re.compile(r"^(TIMESTAMP_S|TIMESTAMP_MS|ENUM\b.*)|\[\d+\]", re.IGNORECASE | re.DOTALL)


def stored(column: Column) -> str:
    """The DuckDB expression that turns the column into what Parquet keeps without loss."""
    kept = _kept(column.type)
    return quote(column.name) if kept == column.type else f"CAST({quote(column.name)} AS {kept})"


def restored(column: Column) -> str | None:
    """The DuckDB expression that turns the kept column into its logical type; None when it is that already."""
    if _kept(column.type) == column.type and not _RENAMED.search(column.type):
        return None
    return f"CAST({quote(column.name)} AS {column.type})"


def _kept(type_name: str) -> str:
    return _CHANGED.sub(lambda match: "VARCHAR" if match.group("lossy") else match.group(0), type_name)
