"""Literals of a goal against the data: values that exist, dates as half-open ranges."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rapidfuzz import fuzz, process

from agent_etl.agents.rules.asking import Asking
from agent_etl.agents.rules.cursor import Cursor
from agent_etl.agents.rules.expressions import Ref
from agent_etl.agents.rules.lexicon import MONTHS
from agent_etl.engine.ports import Prober
from agent_etl.engine.schema import Table

__all__ = ["Period", "ground_value", "spelled", "take_period"]


@dataclass(frozen=True, slots=True)
class Period:
    """Days from `start` up to, not including, `end`. `moment`: an instant given with a time of day."""

    start: date
    end: date
    moment: str | None = None


def ground_value(
    asking: Asking, prober: Prober, table: Table, ref: Ref, value: str, span: tuple[int, int], *, exact: bool
) -> tuple[str, ...]:
    """The value as the column spells it, in every spelling that is meant.

    `exact` values stand in quotes: they stay when they are there. Else a unique match that differs in case or outer
    space is taken, several spellings are asked about, and for none the nearest and the most frequent values are.
    Raises: Unclear.
    """
    if exact and prober.count(table, ref.column, value) > 0:
        return (value,)
    facts = prober.values(table, ref.column, 200)
    known = [one for one, _ in facts.top]
    folded = [one for one in known if one.strip().lower() == value.strip().lower()]
    if len(folded) > 1:
        return _spelling(asking, table, ref, value, span, folded)
    if prober.count(table, ref.column, value) > 0:
        return (value,)
    if folded:
        asking.note(f"{value!r} is spelled {folded[0]!r} in {table.name}.{ref.column}.")
        return (folded[0],)
    near = [one for one, _, _ in process.extract(value, known, scorer=fuzz.WRatio, limit=3, score_cutoff=60)]
    offered = list(dict.fromkeys([*near, *known[:3]]))[:5]
    chosen = asking.choose(
        "value",
        span,
        f"{table.name}.{ref.column} holds no {value!r}. Which value is meant?",
        [(one, f"{table.name}.{ref.column} = {one!r}") for one in offered],
    )
    return (chosen,)


def _spelling(
    asking: Asking, table: Table, ref: Ref, value: str, span: tuple[int, int], folded: list[str]
) -> tuple[str, ...]:
    label = f"{table.name}.{ref.column}"
    chosen = asking.choose(
        "spelling",
        span,
        f"{label} spells {value!r} in {len(folded)} ways. Which are meant?",
        [("all", f"all of {spelled(folded)}"), *((one, f"only {one!r}") for one in folded)],
    )
    return (chosen,) if chosen in folded else tuple(folded)


def take_period(cur: Cursor) -> Period | None:
    """A year, month, quarter or day at the cursor, taken; None when none stands here."""
    token = cur.peek()
    if token is None:
        return None
    if token.kind in ("date", "string") and (found := _iso(token.text)) is not None:
        cur.next()
        return found
    start = cur.at
    found = _named(cur)
    if found is None:
        cur.at = start
    return found


def _iso(text: str) -> Period | None:
    match = re.fullmatch(r"(\d{4})-(\d{2})(?:-(\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?))?)?", text)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
    try:
        first = date(year, month, day)
    except ValueError:
        return None
    if match[4]:
        clock = match[4] if match[4].count(":") == 2 else match[4] + ":00"
        return Period(first, first, f"{first.isoformat()} {clock}")
    return Period(first, first + timedelta(days=1)) if match[3] else _months(year, month, 1)


def _named(cur: Cursor) -> Period | None:
    """`2024`, `March 2024`, `Q1 2024`, `1 March 2024`, `March 1, 2024`."""
    token = cur.next()
    if token.kind == "number":
        if re.fullmatch(r"(?:19|20)\d\d", token.text) and cur.low() not in MONTHS:
            return _months(int(token.text), 1, 12)
        if token.text.isdigit() and 1 <= int(token.text) <= 31 and (month := cur.take_any(MONTHS)):
            return _day(_year(cur), MONTHS[month], int(token.text))
        return None
    if match := re.fullmatch(r"q([1-4])", token.low):
        year = _year(cur)
        return _months(year, 3 * int(match[1]) - 2, 3) if year else None
    if token.low not in MONTHS:
        return None
    follower = cur.peek()
    if follower is not None and follower.kind == "number" and len(follower.text) <= 2:
        cur.next()
        cur.take(",")
        return _day(_year(cur), MONTHS[token.low], int(follower.text))
    cur.take("of")
    year = _year(cur)
    return _months(year, MONTHS[token.low], 1) if year else None


def _year(cur: Cursor) -> int | None:
    token = cur.peek()
    if token is None or not re.fullmatch(r"(?:19|20)\d\d", token.text):
        return None
    cur.next()
    return int(token.text)


def _day(year: int | None, month: int, day: int) -> Period | None:
    try:
        first = date(year or 0, month, day)
    except ValueError:
        return None
    return Period(first, first + timedelta(days=1))


def _months(year: int, month: int, count: int) -> Period:
    last = year * 12 + month - 1 + count
    return Period(date(year, month, 1), date(last // 12, last % 12 + 1, 1))


def spelled(values: Sequence[str]) -> str:
    """Values for a sentence."""
    return ", ".join(repr(value) for value in values)
