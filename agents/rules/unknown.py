"""A condition over a name that no column has: which column is meant is asked."""

from rapidfuzz import fuzz

from agent_etl.agents.rules.comparisons import BE, take_comparison, tested
from agent_etl.agents.rules.expressions import Expr, column
from agent_etl.agents.rules.ground import WEAK, columns
from agent_etl.agents.rules.lexicon import ARTICLES, BREAKS
from agent_etl.agents.rules.names import singular
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import NUMERIC

__all__ = ["take_unknown"]

_OFFERED = 8
_PRONOUNS = frozenset({"it", "this", "that", "they", "there", "he", "she", "we", "i", "you", "one", "today"})


def take_unknown(r: Reading) -> Expr | None:
    """`the homeroom is 12B` where no column is a homeroom: the test over the column that is chosen instead, taken.

    None when no name with a comparison stands here. Raises: Unclear until it is answered.
    """
    start = r.cur.at
    r.cur.skip(ARTICLES)
    at, end = r.cur.at, _name_end(r)
    if end is None:
        r.cur.at = start
        return None
    r.cur.at = end
    quote = r.cur.quote(at, end)
    options = _options(r, quote, numeric=_number_follows(r))
    if not options:
        r.cur.at = start
        return None
    chosen = r.asking.choose(
        "column",
        r.cur.span(at, _value_end(r)),
        f"No column is called {quote!r}. Which one is meant?",
        [(label, f"{label} ({one.kind})") for label, one in options.items()],
    )
    return tested(r, options[chosen], at)


def _name_end(r: Reading) -> int | None:
    """One or two plain words before a comparison: the token after them."""
    start = r.cur.at
    for size in (1, 2):
        token = r.cur.peek(size - 1)
        if token is None or token.kind != "word" or token.low in BREAKS | _PRONOUNS:
            return None
        if columns([token.text], r.sources)[:1] and columns([token.text], r.sources)[0].score >= WEAK:
            return None
        r.cur.at = start + size
        compared = r.cur.low() in BE or take_comparison(r) is not None
        r.cur.at = start
        if compared:
            return start + size
    return None


def _value_end(r: Reading) -> int:
    """The token after the comparison and its value: both words may be strange, and both are quoted."""
    start = r.cur.at
    r.cur.take(*BE)
    take_comparison(r)
    end = min(r.cur.at + (not r.cur.done), len(r.cur.tokens))
    r.cur.at = start
    return end


def _number_follows(r: Reading) -> bool:
    start = r.cur.at
    r.cur.take(*BE)
    take_comparison(r)
    found = r.cur.kind() == "number"
    r.cur.at = start
    return found


def _options(r: Reading, quote: str, *, numeric: bool) -> dict[str, Expr]:
    """Columns that may be meant, the nearest name first."""
    found = [
        (fuzz.WRatio(singular(quote.lower()), one.name.lower()), f"{source.table.name}.{one.name}", whole)
        for source in r.scope
        for one in source.table.columns
        if (whole := column(source.alias, one.name, one.type)).kind in NUMERIC or not numeric
    ]
    found.sort(key=lambda one: -one[0])
    return {label: whole for _, label, whole in found[:_OFFERED]}
