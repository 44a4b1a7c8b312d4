"""Comparisons of things rather than of columns: `marks above 50`, `films longer than 2 hours by runtime`."""

from agent_etl.agents.rules.comparisons import continued, take_comparison, tested
from agent_etl.agents.rules.expressions import Expr, build
from agent_etl.agents.rules.ground import STRONG, Candidate
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.lexicon import SUPERLATIVES
from agent_etl.agents.rules.names import entity_words, stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import NUMERIC

__all__ = ["take_measured"]

_ADJECTIVES = {"longer": "longest", "shorter": "shortest", "cheaper": "cheapest", "older": "oldest", "newer": "newest"}


def take_measured(r: Reading) -> Expr | None:
    """A comparison that follows the noun of a table, taken: the column is named after it, or is meant by the adjective.

    Raises: Unclear.
    """
    start = r.cur.at
    source = r.current or (r.sources[0] if len(r.sources) == 1 else None)
    adjective = r.cur.low()
    if not start or source is None or take_comparison(r) is None:
        r.cur.at = start
        return None
    named = _named_after(r, source, start)
    end = r.cur.at
    left = named or _by(r, source, start, end) or _meant(r, source, adjective)
    r.cur.at = start
    found = tested(r, left, start) if left is not None else None
    if left is None or found is None:
        r.cur.at = start
        return None
    if r.cur.take("by") and (said := r.take_column(sources=[source], least=STRONG)) != left:
        what = "two columns" if said is not None else "no column in scope"
        raise r.unknown(start, f"this is compared with {what}", r.cur.at + (said is None))
    while r.cur.take("and", "but"):
        more = continued(r)
        if more is None:
            r.cur.at -= 1
            break
        found = build("({} AND {})", found, more, kind="boolean")
    return found


def _named_after(r: Reading, source: Source, start: int) -> Expr | None:
    """`marks above 50` where a row of marks holds a mark; the noun stands right before."""
    words = entity_words(source.table.name)
    if stems(r.cur.tokens[start - 1].text)[-1:] != words[-1:]:
        return None
    found = [one for one in _numbers(r, source) if one.sole and stems(one.sole.column) == words]
    return found[0] if len(found) == 1 else None


def _by(r: Reading, source: Source, start: int, end: int) -> Expr | None:
    """`longer than 2 hours by runtime`: the column is said after the number and its unit."""
    r.cur.at = end
    for ahead in (1, 2):
        if r.cur.low(ahead) == "by":
            r.cur.at += ahead + 1
            found = r.take_column(sources=[source], least=STRONG)
            return found if found is not None and found.kind in NUMERIC else None
    return None


def _meant(r: Reading, source: Source, adjective: str) -> Expr | None:
    """`longer` is about the only length that a row has."""
    words = SUPERLATIVES.get(_ADJECTIVES.get(adjective, ""), (frozenset(), True))[0]
    found = [one for one in _numbers(r, source) if one.sole and set(stems(one.sole.column)) & words]
    return found[0] if len(found) == 1 else None


def _numbers(r: Reading, source: Source) -> list[Expr]:
    """The table's numeric columns with their units."""
    found = [Candidate(source.alias, one, 1.0) for one in source.table.columns]
    whole = [one.expression.as_kind(one.expression.kind, r.unit(one)) for one in found]
    return [one for one in whole if one.kind in NUMERIC]
