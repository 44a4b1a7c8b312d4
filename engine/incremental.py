"""Incremental extracts in a plan: the cursor column, how far to look back, and the range of a backfill."""

import re
from decimal import Decimal, InvalidOperation
from typing import Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr, model_validator

from agent_etl.engine.part import Part
from agent_etl.engine.watermark import Family

__all__ = ["Incremental", "Nulls", "Scalar", "number", "span"]

Scalar = StrictInt | StrictFloat | StrictStr
Nulls = Literal["raise", "include", "exclude"]

_SPAN = re.compile(r"^(\d{1,9}) (second|minute|hour|day|week|month|year)s?$")
_DAYS = frozenset({"day", "week", "month", "year"})


class Incremental(Part):
    """Read only rows whose `cursor` is at or above the newest value that the targets hold, less `lag`.

    `lag` and `chunk` are a number, or a span such as `2 days`. `start` is where the first run begins. With `end`, the
    range from `start` up to it, itself not included, is read once, in steps of `chunk`, each a load of its own.
    `nulls` says what happens to rows without a cursor value.
    """

    cursor: str = Field(min_length=1)
    lag: Scalar | None = None
    start: Scalar | None = None
    end: Scalar | None = None
    chunk: Scalar | None = None
    nulls: Nulls = "raise"

    @model_validator(mode="after")
    def _ranges_hold(self) -> "Incremental":
        if self.chunk is not None and (self.start is None or self.end is None):
            raise ValueError("chunk needs start and end: it cuts the range between them")
        if self.lag is not None and self.end is not None:
            raise ValueError("lag has no meaning with end: a range that ends is read once")
        for name, value in (("lag", self.lag), ("chunk", self.chunk)):
            if value is None:
                continue
            if isinstance(value, str) and not _SPAN.match(value):
                raise ValueError(f"{name} is a number or a span such as '2 days' or '6 hours'")
            if not isinstance(value, str) and not (0 <= value < float("inf")):
                raise ValueError(f"{name} is 0 or more")
        if self.chunk is not None and (self.chunk == 0 or str(self.chunk).startswith("0 ")):
            raise ValueError("chunk is more than 0")
        return self

    @property
    def bounded(self) -> bool:
        """Whether it reads one range that ends."""
        return self.end is not None


def span(value: Scalar, kind: Family, *, whole_days: bool = False) -> str | None:
    """What is wrong with a lag or a chunk for a cursor of that kind, or None."""
    if kind == "text":
        return "a text has no distance: leave it out"
    if kind == "number":
        return None if not isinstance(value, str) else "the cursor is a number: give a number"
    found = _SPAN.match(value) if isinstance(value, str) else None
    if found is None:
        return "the cursor is a date or a time: give a span such as '2 days'"
    if whole_days and found.group(2) not in _DAYS:
        return "the cursor is a date: give whole days"
    return None


def number(value: Scalar) -> Decimal | None:
    """The exact number that a value of a plan is, or None."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
