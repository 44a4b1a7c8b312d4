"""`per …`, `by …`, `for each …`: what one row of the result stands for."""

from agent_etl.agents.rules.expressions import Expr, column
from agent_etl.agents.rules.ground import columns, entities, key_of
from agent_etl.agents.rules.intent import GroupKey, Source
from agent_etl.agents.rules.lexicon import ARTICLES, GRAIN_ADJECTIVES, GRAINS
from agent_etl.agents.rules.names import slug
from agent_etl.agents.rules.periods import date_column
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import grain

__all__ = ["add_grain", "group_by_column", "group_by_entity", "read_grain_fact", "read_group"]

_OPENERS = (
    "for each",
    "for every",
    "grouped by",
    "group by",
    "broken down by",
    "split by",
    "aggregated by",
    "per each",
    "per",
    "by",
)
_TEMPORAL = frozenset({"date", "timestamp"})


def read_group(r: Reading) -> bool:
    """The keys after an opener. Raises: Unclear for a key that cannot be grounded."""
    start = r.cur.at
    if r.cur.take("group it by", "group them by", "group the result by", "group the results by", "and group by"):
        each = False
    elif r.cur.take(*_OPENERS):
        each = r.cur.tokens[start].low == "for"
    else:
        return False
    if any(target.span[1] == r.cur.tokens[start - 1].end for target in r.intent.targets if start):
        raise r.unknown(
            start, "after a destination this may mean groups, files, a key or an order; say which", r.cur.at + 1
        )
    opened, known = r.cur.at, len(r.intent.groups)
    while True:
        r.cur.skip(ARTICLES | {"every"})
        if not _key(r, each=each):
            r.cur.at = min(r.cur.at + 1, len(r.cur.tokens))
            raise r.unknown(start, _reason(r, opened))
        before = r.cur.at
        if not _more(r):
            r.cur.at = before
            if len(r.intent.groups) > known:
                r.intent.trail.append("G")
            return True


def read_grain_fact(r: Reading) -> bool:
    """`(day of ts)` after `per day`: the date of the group, said again."""
    start, known = r.cur.at, list(r.intent.groups)
    if start and r.cur.tokens[start - 1].text == "(" and known and r.cur.low(1) == "of" and _grain_key(r, start):
        same = len(r.intent.groups) == len(known) and ")" in (r.cur.low(), r.cur.tokens[r.cur.at - 1].text)
        r.intent.groups[:] = known
        if same:
            return True
    r.cur.at = start
    return False


def _reason(r: Reading, at: int) -> str:
    words = [one.text for one in r.cur.tokens[at : at + 3] if one.kind == "word"]
    near = r.nearest(words) or r.nearest(words[-1:])
    return "no column or table in scope is called that" + (f"; near are {', '.join(near)}" if near else "")


def _more(r: Reading) -> bool:
    """Another key follows: after `and` when it can be grounded, after a comma when the list ends in `and`."""
    took = r.cur.take(", and", "and by", "and per", "and for each", "and", "&", "+")
    comma = not took and r.cur.take(",")
    if not (took or comma):
        return False
    start, known = r.cur.at, len(r.intent.groups)
    r.cur.skip({"per", "by", "each"})
    resume = r.cur.at
    fits = _key(r, each=False, probe=True)
    if fits and comma:
        fits = _more(r)
    del r.intent.groups[known:]
    r.cur.at = resume if fits else start
    return fits


def _key(r: Reading, *, each: bool, probe: bool = False) -> bool:
    r.cur.skip(ARTICLES)
    start = r.cur.at
    if r.cur.kind() not in ("word", "string"):
        return False
    if _grain_key(r, start):
        return True
    entity = r.take_entity()
    entity_end = r.cur.at
    r.cur.at = start
    found = r.take_column(least=0.92) or r.take_column() or r.take_column(least=0.7)
    if entity is not None and found is not None and r.cur.at > entity_end and _is_key(entity, found):
        # `per batch of x.batches`
        _entity(r, entity, start, each=each)
        return True
    if entity is not None and (found is None or r.cur.at <= entity_end):
        if found is not None and r.cur.at == entity_end and not _beats(r, start, entity_end):
            _choose(r, start, entity, found, each=each)
            return True
        r.cur.at = entity_end
        _entity(r, entity, start, each=each)
        return True
    if found is None:
        return False
    if found.kind in _TEMPORAL and (word := r.cur.take_any(GRAINS)) and word not in GRAIN_ADJECTIVES:
        r.intent.groups.append(GroupKey(grain(found, GRAINS[word]), GRAINS[word], r.phrase))
        return True
    _column(r, found, start, each=each)
    return True


def _is_key(entity: Source, found: Expr) -> bool:
    """The column is what tells the table's rows apart."""
    sole = found.sole
    return sole is not None and sole.source == entity.alias and key_of(entity.table) == (sole.column,)


def _beats(r: Reading, start: int, end: int) -> bool:
    """The table's name fits the words better than any column's."""
    words = [one.text for one in r.cur.tokens[start:end]]
    best = entities(words, r.sources)
    rival = columns(words, r.sources)
    return bool(best) and (not rival or rival[0].score < 0.92)


def _choose(r: Reading, start: int, entity: Source, found: Expr, *, each: bool) -> None:
    sole = found.sole
    name = r.label(sole) if sole is not None else "column"
    answer = r.asking.choose(
        "group",
        r.cur.span(start),
        f"{r.cur.quote(start)!r} names a table and a column. Which one makes a row?",
        [(entity.alias, f"each row of {entity.table.name}"), (name, f"each value of {name}")],
    )
    if answer == entity.alias:
        _entity(r, entity, start, each=each)
    else:
        _column(r, found, start, each=each)


def _entity(r: Reading, entity: Source, start: int, *, each: bool) -> None:
    r.current = entity
    key = key_of(entity.table) or _shared_key(r, entity)
    if not key:
        raise r.unknown(start, f"{entity.table.name} has no key that tells its rows apart; name the column to group by")
    for name in key:
        found = entity.table.column(name)
        if found is not None:
            whole = column(entity.alias, found.name, found.type)
            r.intent.groups.append(GroupKey(whole, found.name, r.phrase, entity.alias, each))


def _shared_key(r: Reading, entity: Source) -> tuple[str, ...]:
    """The only column that another table holds under the same name and that tells this table's rows apart."""
    others = [source.table for source in r.sources if source != entity]
    found = [
        one.name
        for one in entity.table.columns
        if any(other.column(one.name) is not None for other in others)
        and r.request.prober.keys(entity.table, (one.name,)).unique
    ]
    return tuple(found) if len(found) == 1 else ()


def group_by_entity(r: Reading, entity: Source, start: int) -> None:
    """Group by the rows of a source unless something of it is grouped by already."""
    if not any(ref.source == entity.alias for group in r.intent.groups for ref in group.expression.refs()):
        _entity(r, entity, start, each=True)


def group_by_column(r: Reading, found: Expr, start: int) -> None:
    """Group by a column unless it is grouped by already."""
    if not any(group.expression == found for group in r.intent.groups):
        sole = found.sole
        name = sole.column if sole is not None else slug(r.cur.quote(start, start + 1))
        r.intent.groups.append(GroupKey(found, name, r.phrase))


def _column(r: Reading, found: Expr, start: int, *, each: bool) -> None:
    sole = found.sole
    words = [one.text for one in r.cur.tokens[start : r.cur.at] if one.low not in ARTICLES]
    name = slug(" ".join(words).replace("'s", "")) if sole is None else sole.column
    if sole is not None and r.shared(sole) and any(one.possessive for one in r.cur.tokens[start : r.cur.at]):
        name = slug(" ".join(words).replace("'s", ""))
    if not any(one.expression == found for one in r.intent.groups):
        r.intent.groups.append(GroupKey(found, name, r.phrase, None, each))


def _grain_key(r: Reading, start: int) -> bool:
    """`month`, `month of order_date`, `calendar month`."""
    r.cur.take("calendar")
    word = r.cur.low()
    if word not in GRAINS or word in GRAIN_ADJECTIVES:
        r.cur.at = start
        return False
    exact = r.take_column(least=1.0)
    if exact is not None:
        r.cur.at = start
        return False
    r.cur.next()
    if r.cur.take("of", "(") and (when := r.take_column(want=_TEMPORAL)) is not None:
        r.cur.take(")")
        if when.kind not in _TEMPORAL:
            raise r.unknown(start, f"the column holds {when.kind}, not dates; cast it first")
        add_grain(r, when, word)
        return True
    r.cur.at = start + 1
    add_grain(r, date_column(r, start), word)
    return True


def add_grain(r: Reading, when: Expr, word: str) -> None:
    """Group by a date's grain; once."""
    key = GroupKey(grain(when, GRAINS[word]), GRAINS[word], r.phrase)
    if not any(one.expression == key.expression for one in r.intent.groups):
        r.intent.groups.append(key)
