"""Periods of time as conditions, and the date that they are about."""

from datetime import date

from agent_etl.agents.rules.expressions import Expr, build, column
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.literals import during, placed, spanning
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.values import Period, take_period

__all__ = ["bare_period", "date_column", "period_condition"]

_TEMPORAL = frozenset({"date", "timestamp"})


def date_column(r: Reading, start: int) -> Expr:
    """The one date of the rows in question. Raises: Unclear when there are several or none."""
    pools = [[r.current]] if r.current is not None else []
    homes = {one.home for one in [*r.intent.measures, *r.prior.measures]}
    if len(homes) == 1:
        # `revenue per month`: the date of what is added up.
        pools.append([source for source in r.sources if source.alias in homes])
    pools.append(list(r.sources))
    for pool in pools:
        found = [
            column(source.alias, one.name, one.type)
            for source in pool
            for one in source.table.columns
            if column(source.alias, one.name, one.type).kind in _TEMPORAL
        ]
        if len(found) == 1:
            return found[0]
        if found:
            names = {r.label(ref): one for one in found for ref in one.refs()}
            options = [(name, f"{name} ({one.kind})") for name, one in names.items()]
            text = f"{r.cur.quote(start)!r} needs a date, and there are several. Which one?"
            return names[r.asking.choose("date", r.cur.span(start), text, options)]
    raise r.unknown(start, "no column in scope holds a date; text that looks like dates must be cast first")


def period_condition(r: Reading, start: int) -> Expr | None:
    """A period of the rows' only date, taken; None when none stands here. Raises: Unclear."""
    r.cur.skip({"placed", "made", "dated"})
    ranged = r.cur.take("between", "from")
    if ranged and (first := take_period(r.cur)) is not None:
        if r.cur.take("and", "to", "through", "until") and (last := take_period(r.cur)) is not None:
            return spanning(date_column(r, start), first, last)
        r.cur.at = start
    word = r.cur.take_any({"from", "in", "during", "for", "of", "since", "after", "before", "until", "through"})
    if word is None:
        return None
    if word == "since" or word == "from":
        r.cur.take("the")
    r.cur.take("the year", "year", "the month of")
    period = take_period(r.cur)
    if period is None:
        return None
    numbered = _numbered(r, period, word)
    if numbered is not None:
        return numbered
    when = date_column(r, start)
    sign = {"since": ">=", "after": ">", "before": "<", "until": "<=", "through": "<="}.get(word, "=")
    return placed(when, sign, period)


def bare_period(r: Reading, start: int) -> Expr | None:
    """`keep 2023 only`, `only March 2024`, taken: a period without a word before it. Raises: Unclear."""
    period = take_period(r.cur)
    if period is None or r.cur.low() not in ("only", ",", ";", ".", "and", "then", ""):
        r.cur.at = start
        return None
    return _numbered(r, period, "in") or during(date_column(r, start), period)


def _numbered(r: Reading, period: Period, word: str) -> Expr | None:
    """A whole year of rows that have no date, but the year as a number."""
    first = period.start
    if period.moment is not None or (first.month, first.day, period.end) != (1, 1, date(first.year + 1, 1, 1)):
        return None
    whole = [[column(source.alias, one.name, one.type) for one in source.table.columns] for source in _considered(r)]
    if any(one.kind in _TEMPORAL for table in whole for one in table):
        return None
    years = [
        one
        for table in whole
        for one in table
        if one.kind == "integer" and one.sole and stems(one.sole.column) == ("year",)
    ]
    sign = {"since": ">=", "after": ">", "before": "<", "until": "<=", "through": "<="}.get(word, "=")
    return build(f"({{}} {sign} {first.year})", years[0], kind="boolean") if len(years) == 1 else None


def _considered(r: Reading) -> list[Source]:
    return [r.current] if r.current is not None else list(r.scope)
