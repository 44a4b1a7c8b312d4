"""Clauses that join tables: which ones, how, and on what."""

import itertools

from agent_etl.agents.rules.asking import Unclear
from agent_etl.agents.rules.expressions import Expr, Ref
from agent_etl.agents.rules.ground import STRONG, columns
from agent_etl.agents.rules.intent import Edge, Output, Source
from agent_etl.agents.rules.lexicon import ARTICLES, JOIN_VERBS, PRONOUNS
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.sources import named_table

__all__ = ["read_attach", "read_join"]

_KINDS = {"inner": "inner", "left": "left", "anti": "anti", "semi": "semi"}
_UNSUPPORTED = frozenset({"full", "outer", "right", "cross", "self", "natural", "asof", "fuzzy"})


def read_join(r: Reading) -> bool:
    """`join A with B on key`, `left join B on …`, `join them on x and y`. Raises: Unclear."""
    start = r.cur.at
    kind = _kind(r)
    verb = r.cur.take_any(JOIN_VERBS | {"merge"} if kind is None else JOIN_VERBS)
    if verb is None:
        r.cur.at = start
        return False
    r.cur.take("together")
    tables = _tables(r)
    if (verb == "merge" and len(tables) < 2) or (verb in ("combine", "connect", "match", "link") and not tables):
        if r.cur.low() not in ("on", "by"):
            r.cur.at = start
            return False
        if verb == "merge":
            r.cur.at = start
            return False
    kind = kind or _kind(r)
    involved = _involved(r, tables, start)
    if kind is not None and len(tables) > 2:
        raise r.unknown(start, f"a {kind} join is between two tables; say them one by one")
    r.cur.take("together")
    stated = r.cur.take("on", "by", "using", "via", "over", "through", "where", "based on", "with", "matching on")
    if not stated and not r.cur.take("("):
        _edges(r, involved, [], kind or "inner")
        return True
    _on(r, involved, kind or "inner", start)
    return True


def _kind(r: Reading) -> str | None:
    start = r.cur.at
    word = r.cur.low()
    if word in _UNSUPPORTED and (r.cur.low(1) in JOIN_VERBS or r.cur.low(2) in JOIN_VERBS):
        raise r.unknown(start, f"{word} joins are not supported; inner, left and anti joins are", start + 2)
    if word in _KINDS and (r.cur.low(1) in JOIN_VERBS or r.cur.low(1) in ("outer", "-")):
        r.cur.next()
        r.cur.take("outer", "-")
        return _KINDS[word]
    if word in ("left-join", "inner-join"):
        return None
    return None


def _tables(r: Reading) -> list[Source]:
    """The tables named after the verb, in order; none for `them`."""
    if r.cur.take_any(PRONOUNS):
        r.cur.take("two", "three", "tables", "together")
        return []
    r.cur.take("both", "the two", "the three", "all three", "the")
    r.cur.take("tables", "files")
    found: list[Source] = []
    while True:
        at = r.cur.at
        source = named_table(r)
        if source is None or source in found:
            r.cur.at = at
            break
        found.append(source)
        r.current = found[0]
        r.cur.take("table", "file")
        at = r.cur.at
        if not r.cur.take(", and", "and", "with", "to", ",", "&", "+", "onto", "against", "left join", "inner join"):
            break
        if r.cur.kind() not in ("word", "place"):
            r.cur.at = at
            break
    if found and r.cur.tokens[r.cur.at - 1].low in ("and", "with", "to", ",", "&", "+"):
        r.cur.at -= 1
    return found


def _involved(r: Reading, tables: list[Source], start: int) -> list[Source]:
    if len(tables) >= 2:
        return tables
    pool = [source for source in r.sources if source.listed] or list(r.sources)
    if len(tables) == 1:
        others = [source for source in pool if source != tables[0]]
        joined = [source for source in others if any(source.alias in (e.left, e.right) for e in r.intent.edges)]
        if len(others) == 1 or (joined and others):
            return [*others, tables[0]] if len(others) == 1 else [*joined, tables[0]]
        pool = [*others, tables[0]]
    if len(pool) < 2:
        raise r.unknown(start, "a join needs two tables, and one is in scope", r.cur.at)
    return pool


def _on(r: Reading, involved: list[Source], kind: str, start: int) -> None:
    """The keys after `on`: equalities, or names that both sides hold."""
    pairs: list[tuple[Ref, Ref]] = []
    while True:
        at = r.cur.at
        found = _equality(r, involved) or _shared(r, involved, start)
        if not found:
            if not pairs:
                r.cur.at = min(r.cur.at + 1, len(r.cur.tokens))
                raise r.unknown(start, "the join key names no column that the tables share")
            r.cur.at = at
            break
        pairs.extend(found)
        at = r.cur.at
        if not r.cur.take(", and", "and", ",", "&", "and on", "and by"):
            break
        r.cur.take("on", "by")
        if r.cur.kind() not in ("word", "string") or not _key_follows(r, involved):
            r.cur.at = at
            break
    r.cur.take(")")
    _edges(r, involved, pairs, kind)


def _key_follows(r: Reading, involved: list[Source]) -> bool:
    start = r.cur.at
    try:
        return bool(_equality(r, involved) or _shared(r, involved, start, probe=True))
    except Unclear:
        return False
    finally:
        r.cur.at = start


def _equality(r: Reading, involved: list[Source]) -> list[tuple[Ref, Ref]]:
    """`orders.user_id = customers.id`, `requester_id = users.id`, `dept = dept_code`."""
    start = r.cur.at
    if r.cur.low(1) not in ("=", "equals", "is", "to") and r.cur.low(2) not in ("=", "equals"):
        return []
    left = r.take_column(sources=involved)
    if left is not None and left.sole is not None and r.cur.take("=", "equals", "is equal to", "to"):
        others = [source for source in involved if source.alias != left.sole.source]
        right = r.take_column(sources=others)
        if right is not None and right.sole is not None:
            return [(left.sole, right.sole)]
    r.cur.at = start
    return []


def _shared(r: Reading, involved: list[Source], start: int, *, probe: bool = False) -> list[tuple[Ref, Ref]]:
    """`customer_id` held by two or more of the tables; a bare id is asked about when a reference exists."""
    at = r.cur.at
    r.cur.skip(ARTICLES | {"their", "common", "shared", "column"})
    words = r.words_ahead(4)
    if r.cur.kind() == "string":
        words = [r.cur.tokens[r.cur.at].text]
    for size in range(len(words), 0, -1):
        holders = _holders(words[:size], involved)
        if len(holders) >= 2:
            r.cur.at += size
            if not probe:
                holders = _settle(r, words[:size], holders, start)
            return [(holders[0], other) for other in holders[1:]]
    r.cur.at = at
    return []


def _holders(words: list[str], involved: list[Source]) -> list[Ref]:
    refs: list[Ref] = []
    for source in involved:
        found = [one for one in columns(words, [source]) if one.score >= STRONG]
        exact = [one for one in found if one.score == 1.0] or found
        if exact:
            refs.append(exact[0].ref)
    return refs


def _settle(r: Reading, words: list[str], holders: list[Ref], start: int) -> list[Ref]:
    """`by id` where both tables have their own id: rarely meant when one refers to the other by another column."""
    if stems(" ".join(words)) != ("id",) or len(holders) != 2:
        return holders
    first, second = holders
    options = [("same", f"{r.label(first)} = {r.label(second)}")]
    chosen: dict[str, list[Ref]] = {"same": holders}
    for one, other in ((first, second), (second, first)):
        for column in r.table(one.source).columns:
            ref = Ref(one.source, column.name)
            if r.equal(ref, other) and ref != one:
                name = r.label(ref)
                options.append((name, f"{name} = {r.label(other)}"))
                chosen[name] = [ref, other]
    if len(options) == 1:
        return holders
    text = f"{r.cur.quote(start)!r}: each table has its own id. Which columns match?"
    return chosen[r.asking.choose("join", r.cur.span(start), text, options)]


def _edges(r: Reading, involved: list[Source], pairs: list[tuple[Ref, Ref]], kind: str) -> None:
    """One edge for each pair of tables that the keys link; without keys the tables in a chain, keys found later."""
    how: str = kind
    if not pairs and len(involved) > 2:
        r.intent.joined.append((frozenset(source.alias for source in involved), kind, r.phrase))
        return
    if not pairs:
        for left, right in itertools.pairwise(involved):
            _add(r, Edge(left.alias, right.alias, (), how, r.phrase, stated=True))  # type: ignore[arg-type]
        return
    together: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one, other in dict.fromkeys(pairs):
        together.setdefault((one.source, other.source), []).append((one.column, other.column))
        if (one, other) not in r.same:
            r.same.append((one, other))
    for (first, second), on in together.items():
        _add(r, Edge(first, second, tuple(on), how, r.phrase, stated=True))  # type: ignore[arg-type]


def _add(r: Reading, edge: Edge) -> None:
    for at, known in enumerate(r.intent.edges):
        if {known.left, known.right} == {edge.left, edge.right}:
            pairs = edge.pairs or (known.pairs if known.left == edge.left else known.turned().pairs)
            r.intent.edges[at] = Edge(
                edge.left, edge.right, pairs, edge.how, edge.phrase, True, edge.attached or known.attached
            )
            return
    r.intent.edges.append(edge)


def read_attach(r: Reading) -> bool:
    """`add region from customers`, `enrich orders with name and country from customers`. Raises: Unclear."""
    start = r.cur.at
    if r.cur.take("enrich"):
        base = named_table(r) if not r.cur.take_any(PRONOUNS) else None
        if not r.cur.take("with"):
            r.cur.at = start
            return False
    elif r.cur.take("attach", "add", "look up", "lookup", "bring in", "append"):
        base = None
    else:
        return False
    wanted = _attached(r)
    if wanted is None:
        r.cur.at = start
        return False
    names, other = wanted
    base = base or r.current or next((source for source in r.sources if source != other), None)
    if r.cur.take("to", "onto"):
        named = named_table(r)
        if named is None:
            raise r.unknown(start, "what the columns are added to is not a table in scope", r.cur.at + 1)
        base = named
    if base is None or base == other:
        r.cur.at = start
        return False
    for expression, name in names:
        r.intent.outputs.append(Output(name, expression, r.phrase, (name,), derived=True))
    edge = Edge(base.alias, other.alias, (), "left", r.phrase, stated=True, attached=True)
    _add(r, edge)
    if r.cur.take("on", "by", "using", "via", "matching on"):
        _on(r, [base, other], "left", start)
    return True


def _attached(r: Reading) -> tuple[list[tuple[Expr, str]], Source] | None:
    """The columns and the table that they come from."""
    start = r.cur.at
    for at in range(start, len(r.cur.tokens)):
        if r.cur.tokens[at].text in (";", "."):
            break
        if r.cur.tokens[at].low in ("from", "of"):
            r.cur.at = at + 1
            other = named_table(r)
            if other is None:
                continue
            end = r.cur.at
            r.cur.at = start
            found = _names(r, other, at)
            r.cur.at = end
            return (found, other) if found else None
    r.cur.at = start
    return None


def _names(r: Reading, other: Source, stop: int) -> list[tuple[Expr, str]]:
    found: list[tuple[Expr, str]] = []
    while r.cur.at < stop:
        expression = r.take_column(owner=other.alias)
        if expression is None or expression.sole is None:
            return []
        found.append((expression, expression.sole.column))
        if not r.cur.take(", and", "and", ",", "&"):
            break
    return found if r.cur.at == stop else []
