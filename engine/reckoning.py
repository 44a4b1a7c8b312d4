"""Reckoning with watermarks: which is newer, how far back a lag reaches, how a range is cut."""

from collections.abc import Iterable
from contextlib import closing
from decimal import ROUND_CEILING, Context, Decimal
from functools import reduce

from agent_etl.engine.duck import Cursor, Error, connect, literal
from agent_etl.engine.errors import PlanError, SchemaChanged
from agent_etl.engine.incremental import Scalar, number
from agent_etl.engine.watermark import Watermark, family

__all__ = ["before", "cut", "fit", "newest", "oldest", "readable"]

MAX_CHUNKS = 10_000
_EXACT = Context(prec=80)


def newest(marks: Iterable[Watermark]) -> Watermark:
    """The greatest of them; texts are compared byte by byte. Raises: SchemaChanged when they cannot be compared."""
    return reduce(lambda one, other: other if _less(one, other) else one, marks)


def oldest(marks: Iterable[Watermark]) -> Watermark:
    """The least of them. Raises: SchemaChanged when they cannot be compared."""
    return reduce(lambda one, other: other if _less(other, one) else one, marks)


def before(mark: Watermark, lag: Scalar) -> Watermark:
    """The watermark that lies `lag` before that one. Raises: PlanError for a lag that does not fit its type."""
    kind = family(mark.type)
    amount = number(lag)
    if kind == "number" and amount is not None:
        return Watermark(mark.type, format(_EXACT.subtract(Decimal(mark.text), amount), "f"))
    if kind not in ("time", "instant") or not isinstance(lag, str):
        raise PlanError("The lag does not fit the cursor", lag=lag, type=mark.type, hint="give a span or a number")
    moved = f"CAST({mark.sql} - INTERVAL {literal(lag)} AS {mark.type})"
    return Watermark(mark.type, _asked(moved))


def fit(mark: Watermark, type_name: str, **fields: object) -> Watermark:
    """The same bound as a value of the column's type; a number between two of the type's values becomes the upper one.

    Then `column >= bound` and `column < bound` mean what they meant. Raises: SchemaChanged for another kind of type.
    """
    kind = family(type_name)
    if kind is None or (mark.type and family(mark.type) != kind):
        raise _changed(mark.type, type_name, **fields)
    if kind != "number":
        return Watermark(type_name, mark.text)
    value = number(mark.text)
    if value is None:
        raise _changed("a text", type_name, **fields)
    scale = int(type_name.partition(",")[2].strip(" )") or 0) if type_name.upper().startswith("DECIMAL") else 0
    whole = value.quantize(Decimal(1).scaleb(-scale), rounding=ROUND_CEILING, context=_EXACT)
    return Watermark(type_name, format(whole, "f"))


def readable(value: Scalar, type_name: str) -> bool:
    """Whether a value of a plan is one that the type holds."""
    if family(type_name) == "number" and number(value) is None:
        return False
    mark = fit(Watermark(type_name, str(value)), type_name)
    known = f"TRY_{mark.sql}"
    if type_name == "DATE":  # a time of day would be cut off without a word
        known = f"CASE WHEN CAST({known} AS TIMESTAMP) = TRY_{Watermark('TIMESTAMP', mark.text).sql} THEN {known} END"
    return _asked(known) is not None


def cut(type_name: str, start: Scalar, end: Scalar, chunk: Scalar | None) -> tuple[tuple[Watermark, Watermark], ...]:
    """The range from `start` up to `end` in steps of `chunk`, each as its two ends. Raises: PlanError for too many."""
    first, last = (fit(Watermark("", str(value)), type_name) for value in (start, end))
    marks = [first]
    with closing(connect(threads=1)) as cursor:
        while chunk is not None and len(marks) <= MAX_CHUNKS:
            following = _after(cursor, first, chunk, len(marks))
            if not _less(following, last, cursor):
                break
            marks.append(following)
    if len(marks) > MAX_CHUNKS:
        raise PlanError("The range has too many chunks", chunk=chunk, limit=MAX_CHUNKS, hint="make the chunk larger")
    return tuple(zip(marks, [*marks[1:], last], strict=True)) if _less(first, last) else ()


def _after(cursor: Cursor, first: Watermark, chunk: Scalar, times: int) -> Watermark:
    amount = number(chunk)
    if amount is not None:
        moved = _EXACT.add(Decimal(first.text), _EXACT.multiply(amount, Decimal(times)))
        return fit(Watermark(first.type, format(moved, "f")), first.type)
    sql = f"CAST({first.sql} + {times} * INTERVAL {literal(str(chunk))} AS {first.type})"
    return Watermark(first.type, _asked(sql, cursor))


def _less(one: Watermark, other: Watermark, cursor: Cursor | None = None) -> bool:
    kind = family(one.type)
    if kind is None or kind != family(other.type):
        raise _changed(one.type, other.type)
    if kind == "number":
        return Decimal(one.text) < Decimal(other.text)
    if kind == "text":
        return one.text.encode() < other.text.encode()
    common = "TIMESTAMP" if kind == "time" else "TIMESTAMP WITH TIME ZONE"
    sides = (f"CAST({literal(mark.text)} AS {common})" for mark in (one, other))
    return _asked(" < ".join(sides), cursor) == "true"


def _asked(expression: str, cursor: Cursor | None = None) -> str:
    """What DuckDB says that an expression is, as text."""
    sql = f"SELECT CAST({expression} AS VARCHAR)"
    try:
        if cursor is not None:
            return cursor.execute(sql).fetchall()[0][0]  # type: ignore[no-any-return]
        with closing(connect(threads=1)) as own:
            return own.execute(sql).fetchall()[0][0]  # type: ignore[no-any-return]
    except Error as error:
        raise PlanError("A cursor's value cannot be reckoned with", problem=str(error).splitlines()[0]) from None


def _changed(was: str, now: str, **fields: object) -> SchemaChanged:
    return SchemaChanged(
        "The cursor is of another kind than it was",
        expected=was,
        found=now,
        hint="load into a new table, or give the column its old type",
        **fields,
    )
