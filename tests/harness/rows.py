"""Are two tables equal? Rows as a multiset or in order, numbers by value, columns by name."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import permutations
from typing import Any

__all__ = ["Rows", "mismatch"]

Rows = tuple[list[str], list[tuple[Any, ...]]]


def mismatch(expected: Rows, actual: Rows, *, ordered: bool = False) -> str | None:
    """None when `actual` is what was expected, else one line that says what differs.

    Column order is free. A column that is expected under a name with a leading underscore may have any name.
    """
    names, rows = expected
    if len(names) != len(actual[0]):
        return f"columns {actual[0]}, expected {names}"
    folded = [name.lower() for name in actual[0]]
    named = [name for name in names if not name.startswith("_")]
    lost = [name for name in named if name.lower() not in folded]
    if lost:
        return f"columns {actual[0]}, expected {lost}"
    taken = [folded.index(name.lower()) for name in named]
    free = [index for index in range(len(folded)) if index not in taken]
    kinds = [_kind([row[index] for row in rows]) for index in range(len(names))]
    wanted = [tuple(_normal(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in rows]
    difference = None
    for order in permutations(free):
        pick = _places(names, folded, order)
        got = [tuple(_normal(row[i], kind) for i, kind in zip(pick, kinds, strict=True)) for row in actual[1]]
        difference = _difference(wanted, got, ordered)
        if difference is None:
            return None
    return difference


def _places(names: Sequence[str], folded: Sequence[str], free: Sequence[int]) -> list[int]:
    rest = list(free)
    return [rest.pop(0) if name.startswith("_") else folded.index(name.lower()) for name in names]


def _difference(wanted: list[tuple[Any, ...]], got: list[tuple[Any, ...]], ordered: bool) -> str | None:
    left, right = Counter(wanted), Counter(got)
    if left != right:
        lacking, extra = list((left - right).elements()), list((right - left).elements())
        return f"{len(got)} rows, expected {len(wanted)}; lacking {lacking[:3]}, extra {extra[:3]}"
    if ordered and wanted != got:
        return f"the order is {got[:4]}, expected {wanted[:4]}"
    return None


def _kind(values: Sequence[Any]) -> str:
    present = [value for value in values if value is not None]
    if not present:
        return "any"
    first = present[0]
    if isinstance(first, bool):
        return "bool"
    if isinstance(first, int | float | Decimal):
        return "number"
    return "time" if isinstance(first, date | datetime) else "text"


def _normal(value: Any, kind: str) -> Any:
    """One form for each value, whatever system stored it; a value of another kind than expected stays as it is."""
    if value is None:
        return None
    if kind == "bool":
        return {"true": True, "false": False, "1": True, "0": False, "t": True, "f": False}.get(
            str(value).lower(), value
        )
    if kind == "number":
        try:
            return float(f"{float(value):.9g}")
        except (TypeError, ValueError):
            return value
    if kind == "time":
        return _moment(value)
    return value


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, date):
        return datetime.combine(value, time())
    text = str(value)
    if re.fullmatch(r"\d{4}-\d{2}", text):
        text += "-01"
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return value
