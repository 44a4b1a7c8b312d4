"""What a clause is about: `orders from 2024`, `customers: count`; and values used as adjectives."""

from agent_etl.agents.rules.expressions import Ref, build, column, text
from agent_etl.agents.rules.filters import add_condition, read_anti
from agent_etl.agents.rules.lexicon import ARTICLES, BREAKS, READ_VERBS, SEPARATORS
from agent_etl.agents.rules.reading import Reading

__all__ = ["read_subject"]


def read_subject(r: Reading) -> bool:
    """A table as the subject of what follows, maybe with a value before it. Raises: Unclear."""
    start = r.cur.at
    if start and r.cur.tokens[start - 1].low not in SEPARATORS:
        # A table's name in the middle of words that were understood without it: what it should do is unknown.
        return _adjective(r, start)
    r.cur.take_any(READ_VERBS | {"list", "show", "find", "which", "what", "give", "report"})
    r.cur.skip(ARTICLES | {"me", "all", "every", "us", "each"})
    source = r.take_entity(least=0.8)
    if source is not None:
        r.current = source
        read_anti(r, source)
        return True
    r.cur.at = start
    return _adjective(r, start)


def _adjective(r: Reading, start: int) -> bool:
    """`completed orders`: a value of exactly one column becomes a question about a filter."""
    r.cur.take_any(READ_VERBS | {"only", "keep", "list", "show"})
    token = r.cur.peek()
    if token is None or token.kind != "word" or token.low in BREAKS:
        r.cur.at = start
        return False
    at = r.cur.at
    r.cur.next()
    source = r.take_entity(least=0.86)
    if source is None:
        r.cur.at = start
        return False
    found = [
        Ref(source.alias, one.name)
        for one in source.table.columns
        if one.type.upper() == "VARCHAR" and r.request.prober.count(source.table, one.name, token.text, fold=True) > 0
    ]
    if not found:
        r.cur.at = start
        return False
    chosen = r.asking.choose(
        "adjective",
        r.cur.span(at),
        f"{r.cur.quote(at)!r}: does {token.text!r} mean a value of a column?",
        [(r.label(ref), f"{r.label(ref)} = {token.text!r}") for ref in found],
    )
    ref = next(ref for ref in found if r.label(ref) == chosen)
    value = next(
        value
        for value, _ in r.request.prober.values(source.table, ref.column, 200).top
        if value.strip().lower() == token.low
    )
    type_ = next(one.type for one in source.table.columns if one.name == ref.column)
    add_condition(r, build("({} = {})", column(ref.source, ref.column, type_), text(value), kind="boolean"))
    r.current = source
    return True
