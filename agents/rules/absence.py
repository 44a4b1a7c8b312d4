"""Rows that must have no partner in another table, or must have one."""

from agent_etl.agents.rules.comparisons import emptiness
from agent_etl.agents.rules.conditions import add_condition
from agent_etl.agents.rules.expressions import Expr, Ref
from agent_etl.agents.rules.intent import Edge, Source
from agent_etl.agents.rules.lexicon import ARTICLES
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.sources import named_table

__all__ = ["apart", "clause_end", "missing", "read_anti"]

_ABSENT = (
    *("without any", "without", "with no", "with zero", "have no", "having no"),
    *(f"{who} {verb}" for who in ("that", "which", "who") for verb in ("have no", "do not have any", "do not have")),
    *(f"{who} {verb}" for who in ("that", "who") for verb in ("never placed", "have never placed", "never had")),
    *(f"{who} {verb}" for who in ("that", "who") for verb in ("never made", "have not placed", "did not place")),
)


def read_anti(r: Reading, subject: Source | None = None) -> bool:
    """`customers without orders`, `that have no payments`, `who never ordered`. Raises: Unclear."""
    start = r.cur.at
    if _without_empty(r):
        return True
    if not r.cur.take(*_ABSENT):
        return False
    definite = r.cur.low() == "the"
    found = missing(r)
    if found is None:
        return apart(r, subject, start, keep=False)
    column = found.refs()[0]
    if r.cur.tokens[start].low == "without" and _column_goes(r, start, column, definite=definite):
        r.intent.dropped.append((column, r.phrase))
    else:
        add_condition(r, found)
    return True


def _column_goes(r: Reading, start: int, column: Ref, *, definite: bool) -> bool:
    """`load x.csv without email`: the column goes, or only rows that lack it stay. Raises: Unclear until answered.

    `customers without email` and `without an email` speak of rows, where some row lacks it.
    """
    before = r.cur.tokens[start - 1].kind if start else ""
    facts = r.request.prober.values(r.table(column.source), column.column, 1)
    if before == "word" and not definite and (facts.nulls or r.cur.tokens[start - 1].low not in ("and", "but")):
        return False
    if r.cur.tokens[start + 1].low in ("a", "an", "any"):
        return False
    answer = r.asking.choose(
        "without",
        r.cur.span(start),
        f"{r.cur.quote(start)!r}: does the column go, or do only rows without a value stay?",
        [("column", f"the column {column.column} is left out"), ("rows", f"only rows without {column.column} stay")],
    )
    return answer == "column"


def _without_empty(r: Reading) -> bool:
    """`city values, without the empty ones`: about the column that was named last."""
    start = r.cur.at
    chosen = [one.expression for one in r.intent.outputs]
    opened = r.cur.take("without", "excluding", "except", "but not", "minus", "no", "leaving out", "not")
    r.cur.skip(ARTICLES | {"any"})
    empty = opened and r.cur.take("empty", "blank", "missing", "null")
    if not empty or not r.cur.take("ones", "values") or len(chosen) != 1 or chosen[0].measures():
        r.cur.at = start
        return False
    add_condition(r, emptiness(chosen[0], empty=False))
    return True


def missing(r: Reading) -> Expr | None:
    """`without email`: a column that is null."""
    at = r.cur.at
    r.cur.skip(ARTICLES | {"any"})
    entity = r.take_entity(least=0.86)
    end = r.cur.at
    r.cur.at = at
    r.cur.skip(ARTICLES | {"any"})
    found = r.take_column(least=0.9)
    column = r.cur.low() in ("column", "columns", "field", "fields")
    if found is None or column or (entity is not None and end >= r.cur.at):
        r.cur.at = at
        return None
    return emptiness(found, empty=True)


def apart(r: Reading, subject: Source | None, start: int, *, keep: bool) -> bool:
    """The rows of the subject that have no partner in the table named here; with `keep` those that have one.

    Raises: Unclear.
    """
    r.cur.skip(ARTICLES | {"any", "matching", "corresponding", "known"})
    other = r.take_entity(least=0.8) or named_table(r)
    left = subject or r.current or next((source for source in r.sources if source != other), None)
    unsaid = subject is None and start > 0 and r.cur.tokens[start - 1].text in (",", ";", ".", "and", "then")
    if unsaid and len([source for source in r.sources if source != other]) > 1:
        raise r.unknown(start, "which rows must have none? name their table", r.cur.at)
    if other is None or left is None or left == other:
        r.cur.at = max(r.cur.at, start + 1)
        raise r.unknown(start, "what must be absent is neither a table in scope nor a column", clause_end(r))
    r.intent.edges.append(Edge(left.alias, other.alias, (), "semi" if keep else "anti", r.phrase))
    return True


def clause_end(r: Reading) -> int:
    """The token at which the clause ends: a comma, a semicolon, a full stop."""
    at = r.cur.at
    while at < len(r.cur.tokens) and r.cur.tokens[at].text not in (",", ";", "."):
        at += 1
    return at
