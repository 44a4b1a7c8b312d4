"""Clauses that keep or leave out rows, and periods."""

from dataclasses import replace

from agent_etl.agents.rules.adjectives import take_adjective
from agent_etl.agents.rules.conditions import take_condition
from agent_etl.agents.rules.expressions import Expr, build, column
from agent_etl.agents.rules.intent import Edge, Filter, Having, Source
from agent_etl.agents.rules.lexicon import ARTICLES, DROP_VERBS, EXCLUDE_VERBS, ROW_NOUNS
from agent_etl.agents.rules.literals import during
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.sources import named_table
from agent_etl.agents.rules.values import take_period

__all__ = ["add_condition", "date_column", "read_anti", "read_filter", "read_period"]

_KEEP = (
    "keep only",
    "only keep",
    "only include",
    "include only",
    "take only",
    "only take",
    "filter for",
    "filter to",
    "filter on",
    "filter by",
    "filter",
    "restrict to",
    "limit to",
    "keep",
    "only consider",
    "consider only",
    "retain",
    "only",
    "just",
    "select only",
    "use only",
    "only use",
    "retain only",
    "keeping only",
    "restrict it to",
)
_LINKS = frozenset(
    ("where", "with", "whose", "that", "which", "who", "having", "when", "if", "those", "from", "for", "in")
)
_ABSENT = (
    *("without any", "without", "with no", "with zero", "have no", "having no"),
    *(f"{who} {verb}" for who in ("that", "which", "who") for verb in ("have no", "do not have any", "do not have")),
    *(f"{who} {verb}" for who in ("that", "who") for verb in ("never placed", "have never placed", "never had")),
    *(f"{who} {verb}" for who in ("that", "who") for verb in ("never made", "have not placed", "did not place")),
)
_TEMPORAL = frozenset({"date", "timestamp"})


def read_filter(r: Reading) -> bool:
    """`keep only …`, `where …`, `with …`, `exclude … where …`, `drop rows with …`. Raises: Unclear."""
    start = r.cur.at
    if r.cur.take_any(EXCLUDE_VERBS) or _drop_rows(r):
        return _excluded(r, start)
    if r.cur.take(*_KEEP):
        return _kept(r, start)
    if r.cur.take("where", "whose", "having", "provided", "such that", "when", "if"):
        return _stated(r, start)
    if r.cur.take("with", "that have", "who have", "which have", "that are", "which are", "who are", "that", "which"):
        return _maybe(r, start)
    return False


def _drop_rows(r: Reading) -> bool:
    """`drop rows …`, `remove orders …`: rows, not columns."""
    start = r.cur.at
    if r.cur.take_any(DROP_VERBS):
        r.cur.skip(ARTICLES | {"all", "any"})
        at = r.cur.at
        if r.cur.low() not in ("duplicate", "duplicates", "duplicated", "column", "columns"):
            entity = r.cur.take_any(ROW_NOUNS) or r.take_entity(least=0.86)
            if entity is not None and (r.cur.low() in _LINKS | {"without", "missing", "not"}):
                r.cur.at = at
                return True
    r.cur.at = start
    return False


def _subject(r: Reading) -> Source | None:
    """`rows`, `orders` before the condition."""
    r.cur.skip(ARTICLES | {"all", "any"})
    if r.cur.take_any(ROW_NOUNS | {"those", "ones"}):
        return None
    at = r.cur.at
    if _grouped_thing(r):
        return None
    r.cur.at = at
    if r.take_column(least=0.92) is not None:
        r.cur.at = at
        return None
    r.cur.at = at
    entity = r.take_entity(least=0.86)
    if entity is not None:
        r.current = entity
    else:
        r.cur.at = at
    return entity


def _grouped_thing(r: Reading) -> bool:
    """`customers` for the groups of customer_id, before a condition on them."""
    found = r.take_column(least=0.7)
    groups = [*r.intent.groups, *r.prior.groups]
    return found is not None and r.cur.low() in _LINKS and any(one.expression == found for one in groups)


def _excluded(r: Reading, start: int) -> bool:
    adjective = take_adjective(r)
    if adjective is not None:
        add_condition(r, build("({} IS NOT TRUE)", adjective[1], kind="boolean"))
        return True
    subject = _subject(r)
    if r.cur.take("without", "with no", "that have no", "which have no", "having no"):
        found = _missing(r)
        if found is not None:
            add_condition(r, build("NOT {}", found, kind="boolean"))
            return True
        return _anti(r, subject, start, keep=True)
    r.cur.skip(_LINKS | {"are", "have"})
    condition = _condition(r)
    if condition is None:
        raise _not_understood(r, start)
    _tail(r, condition)
    add_condition(r, build("({} IS NOT TRUE)", condition, kind="boolean"))
    return True


def _kept(r: Reading, start: int) -> bool:
    adjective = take_adjective(r)
    if adjective is not None:
        r.current = adjective[0]
        add_condition(r, adjective[1])
        return True
    subject = _subject(r)
    if read_anti(r, subject):
        return True
    r.cur.skip(_LINKS | {"are", "have"})
    condition = _condition(r)
    if condition is None and subject is None:
        # `only order_id and amount`: columns are chosen with the same words.
        r.cur.at = start
        return False
    if condition is None:
        raise _not_understood(r, start)
    if condition.measures() and subject is not None and not _row_stands_for(r, subject):
        reason = f"the result has no row for each of {subject.table.name}, so that a total cannot limit them"
        raise r.unknown(start, reason)
    _tail(r, condition)
    add_condition(r, condition)
    return True


def _row_stands_for(r: Reading, subject: Source) -> bool:
    """The result's rows are things of that table."""
    groups = [*r.intent.groups, *r.prior.groups]
    return any(group.entity == subject.alias for group in groups)


def _stated(r: Reading, start: int) -> bool:
    condition = _condition(r)
    if condition is None:
        raise _not_understood(r, start)
    add_condition(r, condition)
    return True


def _maybe(r: Reading, start: int) -> bool:
    """`with …` opens a condition only when one follows."""
    r.cur.skip(ARTICLES)
    condition = _condition(r)
    if condition is None:
        r.cur.at = start
        return False
    add_condition(r, condition)
    return True


def _condition(r: Reading) -> Expr | None:
    """A condition, or a period of the subject's only date column."""
    found = take_condition(r)
    if found is not None:
        return found
    start = r.cur.at
    ranged = _period_condition(r, start)
    if ranged is None:
        r.cur.at = start
    return ranged


def _tail(r: Reading, condition: Expr) -> None:
    """`status = 'completed' orders from 2024`: the noun after a condition."""
    at = r.cur.at
    r.cur.skip({"rows", "records", "ones", "lines"})
    if r.cur.at == at:
        named = {ref.source for ref in condition.refs()}
        entity = r.take_entity([source for source in r.sources if source.alias in named], least=0.86)
        if entity is not None:
            r.current = entity


def _not_understood(r: Reading, start: int) -> Exception:
    r.cur.at = max(r.cur.at, start + 1)
    return r.unknown(start, "no condition over the columns in scope could be read here", _clause_end(r))


def _clause_end(r: Reading) -> int:
    at = r.cur.at
    while at < len(r.cur.tokens) and r.cur.tokens[at].text not in (",", ";", "."):
        at += 1
    return at


def add_condition(r: Reading, condition: Expr) -> None:
    """A condition on measures filters groups, any other filters rows."""
    if condition.measures():
        if condition.refs():
            raise r.unknown(r.cur.at - 1, "a condition mixes totals with single rows")
        r.intent.havings.append(Having(condition, r.phrase))
    else:
        r.intent.filters.append(Filter(condition, r.phrase))


def date_column(r: Reading, start: int) -> Expr:
    """The one date of the rows in question. Raises: Unclear when there are several or none."""
    pools = [[r.current]] if r.current is not None else []
    homes = {one.home for one in [*r.intent.measures, *r.prior.measures]}
    if len(homes) == 1:
        # `revenue per month`: the date of what is added up.
        pools.append([source for source in r.sources if source.alias in homes])
    pools.append(list(r.sources))
    for pool in pools:
        found = [
            column(source.alias, one.name, one.type)
            for source in pool
            for one in source.table.columns
            if column(source.alias, one.name, one.type).kind in _TEMPORAL
        ]
        if len(found) == 1:
            return found[0]
        if found:
            names = {r.label(ref): one for one in found for ref in one.refs()}
            options = [(name, f"{name} ({one.kind})") for name, one in names.items()]
            text = f"{r.cur.quote(start)!r} needs a date, and there are several. Which one?"
            return names[r.asking.choose("date", r.cur.span(start), text, options)]
    raise r.unknown(start, "no column in scope holds a date; text that looks like dates must be cast first")


def read_period(r: Reading) -> bool:
    """`from 2024`, `in March 2024`, `between 2024-01-01 and 2024-03-31`, `since 2024-05-01`. Raises: Unclear."""
    start = r.cur.at
    condition = _period_condition(r, start)
    if condition is None:
        r.cur.at = start
        return False
    add_condition(r, condition)
    return True


def _period_condition(r: Reading, start: int) -> Expr | None:
    r.cur.skip({"placed", "made", "dated"})
    ranged = r.cur.take("between", "from")
    if ranged and (first := take_period(r.cur)) is not None:
        if r.cur.take("and", "to", "through", "until") and (last := take_period(r.cur)) is not None:
            return during(date_column(r, start), replace(first, end=last.end))
        r.cur.at = start
    word = r.cur.take_any({"from", "in", "during", "for", "of", "since", "after", "before", "until", "through"})
    if word is None:
        return None
    if word == "since" or word == "from":
        r.cur.take("the")
    r.cur.take("the year", "year", "the month of")
    period = take_period(r.cur)
    if period is None:
        return None
    when = date_column(r, start)
    edges = {"since": (">=", period.start), "after": (">=", period.end), "before": ("<", period.start)}
    edges |= {"until": ("<", period.end), "through": ("<", period.end)}
    if word in edges:
        sign, day = edges[word]
        return build(f"({{}} {sign} DATE '{day.isoformat()}')", when, kind="boolean")
    return during(when, period)


def read_anti(r: Reading, subject: Source | None = None) -> bool:
    """`customers without orders`, `that have no payments`, `who never ordered`. Raises: Unclear."""
    start = r.cur.at
    if not r.cur.take(*_ABSENT):
        return False
    found = _missing(r)
    if found is not None:
        add_condition(r, found)
        return True
    return _anti(r, subject, start, keep=False)


def _missing(r: Reading) -> Expr | None:
    """`without email`: a column that is null."""
    at = r.cur.at
    r.cur.skip(ARTICLES | {"any"})
    entity = r.take_entity(least=0.86)
    end = r.cur.at
    r.cur.at = at
    r.cur.skip(ARTICLES | {"any"})
    found = r.take_column(least=0.9)
    if found is None or (entity is not None and end >= r.cur.at):
        r.cur.at = at
        return None
    return build("({} IS NULL)", found, kind="boolean")


def _anti(r: Reading, subject: Source | None, start: int, *, keep: bool) -> bool:
    r.cur.skip(ARTICLES | {"any", "matching", "corresponding"})
    other = r.take_entity(least=0.8) or named_table(r)
    left = subject or r.current or next((source for source in r.sources if source != other), None)
    unsaid = subject is None and start > 0 and r.cur.tokens[start - 1].text in (",", ";", ".", "and", "then")
    if unsaid and len([source for source in r.sources if source != other]) > 1:
        raise r.unknown(start, "which rows must have none? name their table", r.cur.at)
    if other is None or left is None or left == other:
        r.cur.at = max(r.cur.at, start + 1)
        raise r.unknown(start, "what must be absent is neither a table in scope nor a column", _clause_end(r))
    r.intent.edges.append(Edge(left.alias, other.alias, (), "semi" if keep else "anti", r.phrase))
    return True
