"""Columns of another table brought to the rows: `add region from customers`, `look up the name in suppliers.csv`."""

from agent_etl.agents.rules.expressions import Expr
from agent_etl.agents.rules.ground import entities
from agent_etl.agents.rules.intent import Edge, Output, Source
from agent_etl.agents.rules.joining import place_said
from agent_etl.agents.rules.joinkeys import add_edge, take_keys
from agent_etl.agents.rules.lexicon import PRONOUNS
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.sources import named_table

__all__ = ["read_attach"]

_VERBS = (
    *("attach", "add", "look up", "lookup", "bring in", "bring", "append", "pull in", "fetch"),
    *("attaching", "adding", "looking up", "bringing in", "complete with", "supplement with"),
)
_ENRICH = ("enrich", "enriching", "extend", "complete", "supplement", "augment", "decorate")


def read_attach(r: Reading) -> bool:
    """A left join that brings the columns named, or all of them. Raises: Unclear."""
    start = r.cur.at
    base: Source | None = None
    if r.cur.take(*_ENRICH):
        base = _base(r)
        if not r.cur.take("with", "by"):
            r.cur.at = start
            return False
        whole = _whole(r, base, start)
        if whole:
            return True
    elif not r.cur.take(*_VERBS):
        return False
    wanted = _attached(r)
    if wanted is None:
        r.cur.at = start
        return False
    names, other = wanted
    base = base or _named_base(r, start) or r.current or _only(r, other)
    if base is None or base == other:
        r.cur.at = start
        return False
    for expression, name in names:
        r.intent.outputs.append(Output(name, expression, r.phrase, (name,), derived=True))
    _edge(r, base, other, start, attached=True)
    return True


def _only(r: Reading, other: Source) -> Source | None:
    """The last subject, else the only other table, else the first."""
    rest = [source for source in reversed(r.subjects) if source != other]
    return rest[0] if rest else next((source for source in r.sources if source != other), None)


def _base(r: Reading) -> Source | None:
    """`enrich the admissions of ward.sqlite`, `enrich each order`, `enrich it`."""
    if r.cur.take_any(PRONOUNS):
        return None
    r.cur.take("each", "every", "all", "all the")
    found = named_table(r)
    if found is not None:
        place_said(r, [found])
    return found


def _named_base(r: Reading, start: int) -> Source | None:
    """`… to orders`, `… for each order in orders.csv`: what the columns are brought to. Raises: Unclear."""
    at = r.cur.at
    if not r.cur.take("to each", "to every", "to", "onto", "for each", "for every", "for all", "for"):
        return None
    if r.cur.at in r.target_starts:
        r.cur.at = at
        return None
    found = named_table(r)
    if found is None:
        raise r.unknown(start, "what the columns are added to is not a table in scope", r.cur.at + 1)
    after = r.cur.at
    if r.cur.take("in", "of", "from") and named_table(r) != found:
        r.cur.at = after
        place_said(r, [found])
    return found


def _whole(r: Reading, base: Source | None, start: int) -> bool:
    """`enrich orders with customers`: all of the other table's columns."""
    at = r.cur.at
    other = named_table(r)
    base = base or r.current
    here = r.cur.at
    ended = r.cur.done or r.cur.low() in ("on", "by", "using", "via", "(", ",", ";", ".", "and", "then", "matching")
    if other is None or base is None or other == base or not ended:
        r.cur.at = at
        return False
    r.cur.at = here
    _edge(r, base, other, start, attached=False)
    return True


def _edge(r: Reading, base: Source, other: Source, start: int, *, attached: bool) -> None:
    place_said(r, [other])
    add_edge(r, Edge(base.alias, other.alias, (), "left", r.phrase, stated=True, attached=attached))
    if r.cur.take("on", "by", "using", "via", "matching on", "matched on", "matched by", "through"):
        take_keys(r, [base, other], "left", start)


def _attached(r: Reading) -> tuple[list[tuple[Expr, str]], Source] | None:
    """The columns and the table that they come from."""
    start = r.cur.at
    for at in range(start, len(r.cur.tokens)):
        if r.cur.tokens[at].text in (";", "."):
            break
        if r.cur.tokens[at].low in ("from", "of", "in"):
            r.cur.at = at + 1
            other = named_table(r)
            if other is None:
                continue
            end = r.cur.at
            r.cur.at = start
            found = _names(r, other, at)
            r.cur.at = end
            if found:
                return found, other
    r.cur.at = start
    return None


def _names(r: Reading, other: Source, stop: int) -> list[tuple[Expr, str]]:
    """The columns in a list that ends there; `each order's region` is the region that belongs to an order."""
    found: list[tuple[Expr, str]] = []
    while r.cur.at < stop:
        r.cur.take("each", "every", "the matching", "the", "their", "its")
        token = r.cur.peek()
        rest = [one for one in r.sources if one != other]
        if token is not None and token.possessive and entities([token.text], rest):
            r.cur.next()
        expression = r.take_column(owner=other.alias)
        if expression is None or expression.sole is None:
            return []
        found.append((expression, expression.sole.column))
        if not r.cur.take(", and", "and", ",", "&"):
            break
    return found if r.cur.at == stop else []
