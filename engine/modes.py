"""What a load's mode needs, and what means nothing to it."""

from collections.abc import Sequence

__all__ = ["contradiction"]


def contradiction(
    mode: str, key: Sequence[str], delete_by: str | None, delete_missing: bool, effective: str | None
) -> str | None:
    """The first thing about a load's fields that cannot be, in a sentence that says what is valid; else None."""
    if mode in ("merge", "scd2") and not key:
        return f"mode {mode} needs a key: list the columns that identify a row"
    if delete_by is not None and mode != "merge":
        return f"delete_by means nothing in mode {mode}, valid is merge"
    if delete_missing and mode not in ("merge", "scd2"):
        return f"delete_missing means nothing in mode {mode}, valid are merge, scd2"
    if effective is not None and mode != "scd2":
        return f"effective means nothing in mode {mode}, valid is scd2"
    names = {name.lower() for name in key}
    for field, column in (("delete_by", delete_by), ("effective", effective)):
        if column is not None and column.lower() in names:
            return f"{field} names {column}, which is part of the key: name a column that does not identify the row"
    return None
