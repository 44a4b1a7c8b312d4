"""What a table with history is: each version of a row has a time from which and a time until which it was valid."""

__all__ = ["SINCE", "UNTIL", "is_flag", "is_time"]

SINCE = "valid_from"
"""The column that says from when on, inclusive, a version is valid."""

UNTIL = "valid_to"
"""The column that says until when, exclusive, a version was valid; NULL: it is the open one."""

_TIMES = ("DATE", "TIMESTAMP")
_FLAGS = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


def is_time(type_name: str) -> bool:
    """Whether a column of that logical type can say when a version became valid."""
    return type_name.startswith(_TIMES)


def is_flag(type_name: str) -> bool:
    """Whether a column of that logical type can say yes or no: a BOOLEAN, or an integer, which then must be 0 or 1."""
    return type_name in _FLAGS
