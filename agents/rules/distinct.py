"""Each combination of values once: `distinct city values`, `unique city and plan`, `each guest once`."""

from agent_etl.agents.rules.expressions import Expr
from agent_etl.agents.rules.ground import STRONG, key_of
from agent_etl.agents.rules.intent import Output
from agent_etl.agents.rules.lexicon import ARTICLES, COMPUTE_VERBS, DISTINCT, READ_VERBS, WRITE_VERBS
from agent_etl.agents.rules.reading import Reading

__all__ = ["read_distinct"]

_ENDS = frozenset({"", ",", ";", ".", "of", "from", "in", "to", "into", "and", "without", "where", ")", "->", "?"})


def read_distinct(r: Reading) -> bool:
    """Columns whose combinations are written once each, or rows that are. Raises: Unclear."""
    start = r.cur.at
    if _each_once(r) or _values(r):
        r.intent.distinct.append(r.phrase)
        return True
    r.cur.at = start
    return False


def _values(r: Reading) -> bool:
    if any(one.expression.measures() for one in [*r.intent.outputs, *r.prior.outputs]):
        return False
    r.cur.take_any(WRITE_VERBS | READ_VERBS | COMPUTE_VERBS | {"keep", "select"})
    r.cur.skip(ARTICLES | {"all", "only", "list", "of"})
    if r.cur.take_any(DISTINCT) is None:
        return False
    r.cur.take("values of", "combinations of", "pairs of")
    found: list[Expr] = []
    while True:
        before = r.cur.at
        if found and not r.cur.take(", and", "and", ","):
            break
        column = r.take_column(least=STRONG) if r.cur.kind() in ("word", "string") else None
        if column is None or column.sole is None:
            r.cur.at = before
            break
        found.append(column)
    r.cur.take("values", "combinations", "pairs")
    if not found or (r.cur.low() not in _ENDS and r.cur.at not in r.target_starts):
        return False
    for one in found:
        name = one.sole.column if one.sole is not None else ""
        r.intent.outputs.append(Output(name, one, r.phrase, (name,)))
    r.intent.closed.append(r.phrase)
    return True


def _each_once(r: Reading) -> bool:
    """`each guest once`, where the columns of the result tell the guests apart. Raises: Unclear where they do not."""
    start = r.cur.at
    chosen = {one.expression.sole.column for one in r.intent.outputs if one.expression.sole is not None}
    if r.cur.take_any({"each", "every"}) is None:
        return False
    source = r.take_entity(least=0.86)
    r.cur.take("only", "listed", "shown", "just", "exactly")
    if source is None or not r.cur.take("once", "one time"):
        return False
    if any(one.expression.measures() for one in [*r.intent.outputs, *r.prior.outputs]):
        return False
    key = key_of(source.table)
    if chosen and not (key and set(key) <= chosen):
        raise r.unknown(start, f"the chosen columns do not tell the rows of {source.table.name} apart")
    return True
