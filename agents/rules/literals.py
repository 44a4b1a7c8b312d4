"""Literals in a condition: numbers, values that the column holds, periods."""

from agent_etl.agents.rules.expressions import Expr, build, number, text
from agent_etl.agents.rules.ground import STRONG, columns
from agent_etl.agents.rules.lexicon import BREAKS, SMALL_NUMBERS
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import NUMERIC
from agent_etl.agents.rules.values import Period, ground_value

__all__ = ["during", "placed", "spanning", "take_number", "take_values"]


def take_number(r: Reading) -> Expr | None:
    """A number, maybe negative, taken. Raises: Unclear for one with a comma in it."""
    start = r.cur.at
    minus = r.cur.take("-")
    token = r.cur.peek()
    if token is not None and token.low in SMALL_NUMBERS and not minus:
        r.cur.next()
        return number(str(SMALL_NUMBERS[token.low]))
    if token is None or token.kind != "number":
        r.cur.at = start
        return None
    r.cur.next()
    after, digits = r.cur.peek(), r.cur.peek(1)
    if after is not None and digits is not None and after.text == "," and digits.kind == "number":
        together = after.start == token.end and digits.start == after.end
        if together and len(digits.text) == 3:
            raise r.unknown(start, "is this one number or two? write it without a comma", r.cur.at + 2)
    return number(("-" if minus else "") + token.text)


def take_values(r: Reading, left: Expr) -> list[Expr]:
    """One literal for the operand, in every spelling that is meant; empty when none stands here.

    Raises: Unclear for a text that the column does not hold.
    """
    token = r.cur.peek()
    start = r.cur.at
    if left.kind in NUMERIC:
        found = take_number(r)
        return [found] if found is not None else []
    if left.kind != "text" or token is None:
        return []
    if token.kind == "word":
        return _bare(r, left)
    if token.kind not in ("string", "number", "place"):
        return []
    r.cur.next()
    return _grounded(r, left, token.text, r.cur.span(start), exact=token.kind == "string")


def _bare(r: Reading, left: Expr) -> list[Expr]:
    """Words without quotes as a value: the longest run that the column holds, else the first word is asked about."""
    sole, start = left.sole, r.cur.at
    words = r.words_ahead(4)
    if sole is not None:
        table = r.table(sole.source)
        for size in range(len(words), 0, -1):
            value = r.cur.goal[slice(*r.cur.span(start, start + size))]
            if r.request.prober.count(table, sole.column, value, fold=True) > 0:
                r.cur.at += size
                return _grounded(r, left, value, r.cur.span(start))
    if words[0].lower() in BREAKS or (
        columns(words[:1], r.sources)[:1] and columns(words[:1], r.sources)[0].score >= STRONG
    ):
        return []
    r.cur.next()
    return _grounded(r, left, words[0], r.cur.span(start))


def _grounded(r: Reading, left: Expr, value: str, span: tuple[int, int], *, exact: bool = False) -> list[Expr]:
    sole = left.sole
    if sole is None:
        return [text(value)]
    table = r.table(sole.source)
    return [text(one) for one in ground_value(r.asking, r.request.prober, table, sole, value, span, exact=exact)]


def placed(left: Expr, sign: str, period: Period) -> Expr:
    """The date compared with a whole period: after it, not before its start, …"""
    if period.moment is not None:
        return build(f"({{}} {sign} TIMESTAMP '{period.moment}')", left, kind="boolean")
    if sign == "=":
        return during(left, period)
    edge = {">": period.end, ">=": period.start, "<": period.start, "<=": period.end}[sign]
    shown = {">": ">=", ">=": ">=", "<": "<", "<=": "<"}[sign]
    return build(f"({{}} {shown} DATE '{edge.isoformat()}')", left, kind="boolean")


def during(left: Expr, period: Period) -> Expr:
    """The date or moment lies in the period."""
    return placed(left, "=", period) if period.moment is not None else spanning(left, period, period)


def spanning(left: Expr, first: Period, last: Period) -> Expr:
    """The date or moment lies between the start of the one and the end of the other, both included."""
    low = f"TIMESTAMP '{first.moment}'" if first.moment is not None else f"DATE '{first.start.isoformat()}'"
    high = f"<= TIMESTAMP '{last.moment}'" if last.moment is not None else f"< DATE '{last.end.isoformat()}'"
    return build(f"({{}} >= {low} AND {{}} {high})", left, left, kind="boolean")
