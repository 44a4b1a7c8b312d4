"""Order and limit: `sorted by total desc`, `longest first`, `top 10 customers by revenue`."""

from agent_etl.agents.rules.expressions import Expr
from agent_etl.agents.rules.groups import group_by_column, group_by_entity
from agent_etl.agents.rules.intent import Output, Sort
from agent_etl.agents.rules.lexicon import ARTICLES, PRONOUNS, RESULT_WORDS, ROW_NOUNS, SORT_VERBS, SUPERLATIVES
from agent_etl.agents.rules.measures import take_measures
from agent_etl.agents.rules.names import slug, stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.recall import known_measure, recalled

__all__ = ["read_limit", "read_sort"]


def read_sort(r: Reading) -> bool:
    """`sorted by total desc`, `longest first`, `by revenue descending`. Raises: Unclear."""
    start = r.cur.at
    if r.cur.take_any(SORT_VERBS):
        r.cur.skip(PRONOUNS | RESULT_WORDS | ARTICLES)
        if not r.cur.take("by", "on"):
            if not _first(r, start):
                r.cur.at = start
                return False
            return True
        return _sort_list(r, start)
    if _first(r, start):
        return True
    if r.cur.take("by") and (found := _sortable(r)) is not None and (down := _direction(r)) is not None:
        r.intent.sorts.append(Sort(found, down, r.phrase))
        return True
    r.cur.at = start
    return False


def _sort_list(r: Reading, start: int) -> bool:
    while True:
        found = _sortable(r)
        if found is None:
            r.cur.at = min(r.cur.at + 1, len(r.cur.tokens))
            raise r.unknown(start, "no column of the result or the sources is called that")
        r.intent.sorts.append(Sort(found, bool(_direction(r)), r.phrase))
        at = r.cur.at
        if not r.cur.take(", then by", "then by", "and then by", ", and", "and", ",", ", then"):
            return True
        r.cur.skip({"by", "then"})
        probe = r.cur.at
        if r.cur.kind() not in ("word", "string") or _sortable(r) is None:
            r.cur.at = at
            return True
        r.cur.at = probe


def _sortable(r: Reading) -> Expr | None:
    known = known_measure(r)
    if known is not None:
        return known
    partial = _partial(r)
    if partial is not None:
        return partial
    group = _group(r)
    if group is not None:
        return group
    before, at = list(r.intent.measures), r.cur.at
    if r.prior.measures and r.cur.low() in ("number", "count", "total", "average", "the", "sum"):
        found = take_measures(r)
        if len(found) == 1:
            return found[0][0]
        r.intent.measures[:] = before
        r.cur.at = at
    return r.take_column()


def _group(r: Reading) -> Expr | None:
    for group in r.intent.groups:
        if r.cur.low() == group.name.lower():
            r.cur.next()
            return group.expression
    return None


def _partial(r: Reading) -> Expr | None:
    """`total` for the only output whose words hold it."""
    words = stems(r.cur.low()) if r.cur.kind() == "word" else ()
    if len(words) != 1:
        return None
    word = words[0]
    outputs = {one.name: one for one in [*r.prior.outputs, *r.intent.outputs] if one.expression.measures()}
    found = [one for one in outputs.values() if word in [stem for part in one.words for stem in stems(part)]]
    if len(found) != 1:
        return None
    r.cur.next()
    return recalled(r, found[0])


def _direction(r: Reading) -> bool | None:
    if r.cur.take("descending", "desc", "in descending order", "high to low", "highest first", "largest first"):
        return True
    if r.cur.take("newest first", "latest first", "biggest first", "longest first", "most first", "from high to low"):
        return True
    if r.cur.take("(descending)", "( descending )", "( desc )", "decreasing"):
        return True
    if r.cur.take("ascending", "asc", "in ascending order", "low to high", "lowest first", "smallest first"):
        return False
    if r.cur.take("oldest first", "earliest first", "( ascending )", "( asc )", "alphabetically", "increasing"):
        return False
    return None


def _first(r: Reading, start: int) -> bool:
    """`longest first`, `most recent first`, `highest revenue first`, `most tracks first`."""
    r.cur.skip(ARTICLES | {"with"})
    r.cur.take("most") if r.cur.low(1) == "recent" else None
    word = r.cur.take_any(SUPERLATIVES)
    if word is None:
        r.cur.at = start
        return False
    family, down = SUPERLATIVES[word]
    found: Expr | None = None
    if r.cur.low() != "first":
        found = _sortable(r)
    if not r.cur.take("first", "on top", "at the top"):
        r.cur.at = start
        return False
    r.intent.sorts.append(Sort(found if found is not None else _by_family(r, family, start), down, r.phrase))
    return True


def _by_family(r: Reading, family: frozenset[str], start: int) -> Expr:
    """The output that a bare superlative ranks. Raises: Unclear when it is not the only one."""
    outputs = {one.name: one for one in [*r.prior.outputs, *r.intent.outputs]}
    fitting = [one for one in outputs.values() if _in_family(one, family)]
    groups = [*r.intent.groups, *r.prior.groups] if family else []
    dated = {one.name: one.expression for one in groups if set(stems(one.name)) & family}
    if not fitting and len(dated) == 1:
        return next(iter(dated.values()))
    if len(fitting) == 1:
        return recalled(r, fitting[0])
    options = [(one.name, one.name) for one in (fitting or outputs.values())]
    if not options:
        raise r.unknown(start, "what this orders by is not said; write `sorted by <column>`")
    name = r.asking.choose("sort", r.cur.span(start), f"{r.cur.quote(start)!r}: by which column?", options)
    return recalled(r, outputs[name])


def _in_family(output: Output, family: frozenset[str]) -> bool:
    if not family:
        return bool(output.expression.measures())
    words = {stem for word in output.words for stem in stems(word)}
    return bool(words & family) and output.expression.kind not in ("text", "boolean")


def read_limit(r: Reading) -> bool:
    """`top 10 customers by revenue`, `first 100 rows`, `limit 5`. Raises: Unclear."""
    start = r.cur.at
    word = r.cur.take_any({"top", "bottom", "first", "limit"})
    token = r.cur.peek()
    if word is None or token is None or token.kind != "number" or not token.text.isdigit():
        r.cur.at = start
        return False
    r.cur.next()
    if word == "limit" or (word == "first" and r.cur.low() in ROW_NOUNS):
        r.cur.skip(ROW_NOUNS)
        r.intent.limit = (int(token.text), r.phrase)
        return True
    return _top(r, int(token.text), down=word == "top", start=start, ranked=word != "first")


def _top(r: Reading, count: int, *, down: bool, start: int, ranked: bool) -> bool:
    entity = r.take_entity()
    things = r.take_column(least=0.7) if entity is None else None
    r.cur.skip(ROW_NOUNS)
    if r.cur.low() in ("per", "for", "in", "within") or not ranked:
        raise r.unknown(start, "the first rows of each group, or without an order, are not supported", r.cur.at + 2)
    if entity is None and r.intent.sorts and (r.cur.done or r.cur.low() in (",", ".", ";", "and", "into", "to")):
        r.intent.limit = (count, r.phrase)
        return True
    if not r.cur.take("by", "with the most", "with the highest", "with the largest"):
        raise r.unknown(start, "ranked by what? write `top N … by <measure>`")
    found = _sortable(r)
    if found is None:
        before = take_measures(r)
        found = before[0][0] if len(before) == 1 else None
    if found is None:
        raise r.unknown(start, "what ranks the rows is not a column of the result", r.cur.at + 1)
    if entity is not None and found.measures():
        group_by_entity(r, entity, start)
    if things is not None:
        group_by_column(r, things, start + 2)
    if found.measures() and not any(one.expression == found for one in r.intent.outputs):
        words = r.cur.quote(start).lower().split(" by ")[-1]
        r.intent.outputs.append(Output(slug(words), found, r.phrase, tuple(words.split())))
    r.intent.sorts.append(Sort(found, down, r.phrase))
    r.intent.limit = (count, r.phrase)
    return True
