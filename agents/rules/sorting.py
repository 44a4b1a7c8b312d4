"""Order and limit: `sorted by total desc`, `longest first`, `top 10 customers by revenue`."""

from agent_etl.agents.rules.expressions import Expr, column
from agent_etl.agents.rules.groups import group_by_column, group_by_entity
from agent_etl.agents.rules.intent import Output, Sort
from agent_etl.agents.rules.lexicon import (
    ARTICLES,
    PRONOUNS,
    RESULT_WORDS,
    ROW_NOUNS,
    SMALL_NUMBERS,
    SORT_VERBS,
    SUPERLATIVES,
)
from agent_etl.agents.rules.measures import take_measures
from agent_etl.agents.rules.names import slug, stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.recall import known_measure, recalled

__all__ = ["read_limit", "read_sort"]

_AFTER = frozenset({"first", "descending", "desc", "ascending", "asc", "on", "at", "then", "and", "into", "to"})


def read_sort(r: Reading) -> bool:
    """`sorted by total desc`, `longest first`, `by revenue descending`. Raises: Unclear."""
    start = r.cur.at
    if r.cur.take_any(SORT_VERBS):
        r.cur.skip(PRONOUNS | RESULT_WORDS | ARTICLES)
        if not r.cur.take("by", "on"):
            at = r.cur.at
            if not _first(r, at) and not _from_to(r, at):
                r.cur.at = start
                return False
            return _then(r, start)
        return _sort_list(r, start)
    if _first(r, start):
        return _then(r, start)
    if r.cur.take("in date order", "in chronological order", "in time order", "chronologically"):
        r.intent.sorts.append(Sort(_by_family(r, SUPERLATIVES["oldest"][0], start), False, r.phrase))
        return True
    if r.cur.take("in") and (found := r.take_column(least=0.86)) is not None and r.cur.take("order"):
        # `in date order`
        r.intent.sorts.append(Sort(found, bool(_direction(r)), r.phrase))
        return _then(r, start)
    r.cur.at = start
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
        down = _direction(r)
        r.intent.sorts.append(Sort(found, bool(down), r.phrase, unsaid=down is None))
        if not _another(r):
            return True


def _then(r: Reading, start: int) -> bool:
    """`…, then last_name`: further columns of the order, after the first one. Raises: Unclear."""
    at = r.cur.at
    if "then" in (r.cur.low(), r.cur.low(1)) and _another(r):
        return _sort_list(r, start)
    r.cur.at = at
    return True


def _another(r: Reading) -> bool:
    """One more column of the order follows the comma or conjunction, which are taken."""
    at = r.cur.at
    if not r.cur.take(", then by", "then by", "and then by", ", and then", "and then", ", and", "and", ",", "then"):
        return False
    r.cur.skip({"by", "then"})
    probe = r.cur.at
    named = probe not in r.target_starts and r.cur.kind() in ("word", "string") and _sortable(r) is not None
    # `sorted by a, b only` shows b.
    if not named or r.cur.low() == "only":
        r.cur.at = at
        return False
    r.cur.at = probe
    return True


def _from_to(r: Reading, start: int) -> bool:
    """`from the highest amount to the lowest`, `from newest to oldest`."""
    if r.cur.take("from"):
        r.cur.skip(ARTICLES)
        ends = [_superlative(r)]
        found = _sortable(r) if r.cur.low() != "to" else None
        if r.cur.take("to"):
            r.cur.skip(ARTICLES)
            ends.append(_superlative(r))
        if len(ends) == 2 and ends[0] and ends[1] and ends[0][1] != ends[1][1]:
            by = found if found is not None else _by_family(r, ends[0][0], start)
            r.intent.sorts.append(Sort(by, ends[0][1], r.phrase))
            return True
    r.cur.at = start
    return False


def _superlative(r: Reading) -> tuple[frozenset[str], bool] | None:
    """`most expensive`, `longest`, `most recent`, taken: the nouns it is about, and whether the highest comes first."""
    if r.cur.take("most expensive"):
        return SUPERLATIVES["priciest"]
    if r.cur.low() == "most" and r.cur.low(1) == "recent":
        r.cur.next()
    word = r.cur.take_any(SUPERLATIVES)
    return SUPERLATIVES[word] if word is not None else None


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
    return _shown(r) or r.take_column()


def _shown(r: Reading) -> Expr | None:
    """`delay` where the only listed column of that word is dep_delay; a column's whole name means that column."""
    word = r.cur.low()
    outputs = {one.name: one for one in [*r.prior.outputs, *r.intent.outputs] if not one.expression.measures()}
    found = [one for one in outputs.values() if set(stems(word)) < set(stems(one.name))]
    whole = any(one.name.lower() == word for source in r.sources for one in source.table.columns)
    if len(found) != 1 or whole or r.cur.kind() != "word" or (r.cur.kind(1) == "word" and r.cur.low(1) not in _AFTER):
        return None
    r.cur.next()
    return found[0].expression


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
    said = _superlative(r)
    if said is None:
        r.cur.at = start
        return False
    family, down = said
    found: Expr | None = None
    if r.cur.low() not in ("first", "on", "at"):
        found = _sortable(r)
    if not r.cur.take("first", "on top", "at the top", "come first", "comes first"):
        r.cur.at = start
        return False
    if found is None:
        found = _bracketed(r)
    if family and found is not None and r.cur.quote(start).lower().startswith("worst"):
        _worst(r, found, family, start)
    r.intent.sorts.append(Sort(found if found is not None else _by_family(r, family, start), down, r.phrase))
    return True


def _worst(r: Reading, found: Expr, family: frozenset[str], start: int) -> None:
    """The highest is worst only of what is bad. Raises: Unclear."""
    if not family & {stem for ref in found.refs() for stem in stems(ref.column)}:
        raise r.unknown(start, "whether the highest or the lowest is the worst is not said")


def _bracketed(r: Reading) -> Expr | None:
    """`heaviest first (weight grams)`: the column in brackets."""
    start = r.cur.at
    if r.cur.take("("):
        r.cur.take("by")
        found = _sortable(r)
        if found is not None and r.cur.take(")"):
            return found
    r.cur.at = start
    return None


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
        held = _held(r, family)
        if held is not None:
            return held
        raise r.unknown(start, "what this orders by is not said; write `sorted by <column>`")
    name = r.asking.choose("sort", r.cur.span(start), f"{r.cur.quote(start)!r}: by which column?", options)
    return recalled(r, outputs[name])


def _held(r: Reading, family: frozenset[str]) -> Expr | None:
    """The only column of the rows that the superlative can be about."""
    found = [
        column(source.alias, one.name, one.type)
        for source in r.sources
        for one in source.table.columns
        if set(stems(one.name)) & family
    ]
    fitting = [one for one in found if one.kind not in ("text", "boolean")]
    return fitting[0] if len(fitting) == 1 else None


def _in_family(output: Output, family: frozenset[str]) -> bool:
    if not family:
        return bool(output.expression.measures())
    words = {stem for word in output.words for stem in stems(word)}
    return bool(words & family) and output.expression.kind not in ("text", "boolean")


def read_limit(r: Reading) -> bool:
    """`top 10 customers by revenue`, `first 100 rows`, `just the top one`, `limit 5`. Raises: Unclear."""
    start = r.cur.at
    r.cur.take("take", "keep", "only", "just", "show", "keep only", "show only")
    r.cur.take("the")
    word = r.cur.take_any({"top", "bottom", "first", "limit"})
    count = _count(r) if word is not None else None
    if word is None or count is None:
        r.cur.at = start
        return False
    if word == "limit" or (word == "first" and (r.cur.low() in ROW_NOUNS or _alone(r))):
        r.cur.skip(ROW_NOUNS)
        r.intent.limit = (count, r.phrase)
        return True
    return _top(r, count, down=word == "top", start=start, ranked=word != "first")


def _count(r: Reading) -> int | None:
    """`3`, `three`, `one`, taken."""
    token = r.cur.peek()
    digits = str(SMALL_NUMBERS.get(token.low, token.text)) if token is not None else ""
    if not digits.isdigit():
        return None
    r.cur.next()
    return int(digits)


def _alone(r: Reading) -> bool:
    """An order was said, and nothing follows that the number could be of."""
    return bool(r.intent.sorts) and r.cur.low() in ("", ",", ".", ";", ")", "and", "into", "to", "->", "then")


def _top(r: Reading, count: int, *, down: bool, start: int, ranked: bool) -> bool:
    if _alone(r):
        if not down and ranked:
            raise r.unknown(start, "the order is said already; turn it round and write `first N`")
        if ranked and r.intent.sorts[0].unsaid:
            raise r.unknown(start, "the highest or the lowest? write `sorted by … descending`, or `first N`")
        r.intent.limit = (count, r.phrase)
        return True
    entity = r.take_entity()
    things = r.take_column(least=0.7) if entity is None else None
    r.cur.skip(ROW_NOUNS)
    if r.cur.low() in ("per", "for", "in", "within") or not ranked:
        raise r.unknown(start, "the first rows of each group, or without an order, are not supported", r.cur.at + 2)
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
