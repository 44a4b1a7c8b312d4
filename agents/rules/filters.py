"""Clauses that keep or leave out rows, and periods."""

from agent_etl.agents.rules.absence import apart, clause_end, missing, read_anti
from agent_etl.agents.rules.conditions import add_condition, take_condition, take_dated
from agent_etl.agents.rules.expressions import Expr, build
from agent_etl.agents.rules.intent import Source
from agent_etl.agents.rules.lexicon import ARTICLES, DROP_VERBS, EXCLUDE_VERBS, ROW_NOUNS
from agent_etl.agents.rules.measured import take_measured
from agent_etl.agents.rules.periods import bare_period, period_condition
from agent_etl.agents.rules.qualities import pass_place, take_bracket, take_kind, take_quality, take_state
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.unknown import take_unknown

__all__ = ["read_bracket", "read_filter", "read_period"]

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
_LEAVE = (
    *("leave out", "leaving out", "left out", "throw away", "throw out", "throwing away", "filter out", "but not"),
    *("filtering out", "get rid of", "minus", "weed out", "take out", "rule out", "not counting", "other than"),
)
_LINKS = frozenset(
    ("where", "with", "whose", "that", "which", "who", "having", "when", "if", "those", "from", "for", "in")
)


def read_filter(r: Reading) -> bool:
    """`keep only …`, `where …`, `with …`, `exclude … where …`, `drop rows with …`. Raises: Unclear."""
    start = r.cur.at
    if r.cur.take(*_LEAVE) or r.cur.take_any(EXCLUDE_VERBS) or _drop_rows(r):
        return _excluded(r, start)
    if r.cur.take(*_KEEP):
        found = _kept(r, start)
        if found:
            # `keep premium members only`
            r.cur.take("only")
        return found
    if r.cur.take("where", "whose", "having", "provided", "such that", "when", "if"):
        return _stated(r, start)
    if _bare(r):
        return True
    if r.cur.take(
        "with",
        "that have",
        "that has",
        "who has",
        "which has",
        "who have",
        "which have",
        "that are",
        "which are",
        "who are",
        "that",
        "which",
    ):
        return _maybe(r, start)
    return False


def _bare(r: Reading) -> bool:
    """`marks above 50`, `films longer than 2 hours by runtime`: a comparison right after the noun."""
    start = r.cur.at
    condition = take_measured(r)
    if condition is None:
        r.cur.at = start
        return False
    add_condition(r, condition)
    return True


def _drop_rows(r: Reading) -> bool:
    """`drop rows …`, `remove orders …`: rows, not columns."""
    start = r.cur.at
    verb = r.cur.take_any(DROP_VERBS)
    if verb == "delete" and not r.target_starts:
        raise r.unknown(
            start, "rows of a source are not deleted; say where the rows that stay are written", clause_end(r)
        )
    if verb is not None:
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
        pass_place(r)
    else:
        r.cur.at = at
    return entity


def _grouped_thing(r: Reading) -> bool:
    """`customers` for the groups of customer_id, before a condition on them."""
    found = r.take_column(least=0.7)
    groups = [*r.intent.groups, *r.prior.groups]
    return found is not None and r.cur.low() in _LINKS and any(one.expression == found for one in groups)


def _excluded(r: Reading, start: int) -> bool:
    adjective = take_quality(r) or take_kind(r)
    if adjective is not None:
        add_condition(r, build("({} IS NOT TRUE)", adjective[1], kind="boolean"))
        return True
    subject = _subject(r)
    if r.cur.take("without", "with no", "that have no", "which have no", "having no"):
        found = missing(r)
        if found is not None:
            add_condition(r, build("NOT {}", found, kind="boolean"))
            return True
        return apart(r, subject, start, keep=True)
    r.cur.skip(_LINKS | {"have"})
    condition = _condition(r) or take_state(r, subject)
    if condition is None:
        raise _not_understood(r, start)
    _tail(r, condition)
    add_condition(r, build("({} IS NOT TRUE)", condition, kind="boolean"))
    return True


def _kept(r: Reading, start: int) -> bool:
    adjective = take_quality(r) or take_kind(r)
    if adjective is not None:
        r.current = adjective[0]
        add_condition(r, adjective[1])
        return True
    subject = _subject(r)
    if read_anti(r, subject):
        return True
    r.cur.skip(_LINKS | {"have"})
    condition = _condition(r) or take_state(r, subject)
    if condition is None and subject is None:
        # `only order_id and amount`: columns are chosen with the same words.
        r.cur.at = start
        return False
    if condition is None:
        raise _not_understood(r, start)
    if condition.measures() and subject is not None and not _row_stands_for(r, subject):
        reason = f"the result has no row for each of {subject.table.name}, so that a total cannot limit them"
        raise r.unknown(start, reason)
    _not_too(r, start, subject, condition)
    _tail(r, condition)
    add_condition(r, condition)
    return True


def _not_too(r: Reading, start: int, subject: Source | None, condition: Expr) -> None:
    """`keep orders whose region is unknown` over a joined table: only these, or these too? Raises: Unclear."""
    others = [ref for ref in condition.refs() if subject is not None and ref.source != subject.alias]
    absent = any(isinstance(part, str) and " IS NULL" in part for part in condition.parts)
    if others and absent and "only" not in [token.low for token in r.cur.tokens[start : r.cur.at]]:
        reason = f"{r.label(others[0])} is of a joined table: say `keep only …`, or `left join` to keep these rows too"
        raise r.unknown(start, reason)


def _row_stands_for(r: Reading, subject: Source) -> bool:
    """The result's rows are things of that table."""
    groups = [*r.intent.groups, *r.prior.groups]
    return any(group.entity == subject.alias for group in groups)


def _stated(r: Reading, start: int) -> bool:
    condition = _condition(r) or take_state(r, None) or take_unknown(r)
    if condition is None:
        raise _not_understood(r, start)
    add_condition(r, condition)
    return True


def _maybe(r: Reading, start: int) -> bool:
    """`with …` opens a condition only when one follows."""
    stateful = r.cur.tokens[r.cur.at - 1].low not in ("with", "have")
    r.cur.skip(ARTICLES)
    condition = _condition(r) or (take_state(r, None) if stateful else None)
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
    ranged = period_condition(r, start) or bare_period(r, start)
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
    return r.unknown(start, "no condition over the columns in scope could be read here", clause_end(r))


def read_period(r: Reading) -> bool:
    """`from 2024`, `in March 2024`, `since 2024-05-01`, `booked in March 2024`. Raises: Unclear."""
    start = r.cur.at
    condition = period_condition(r, start) or take_dated(r)
    if condition is None:
        r.cur.at = start
        return False
    add_condition(r, condition)
    return True


def read_bracket(r: Reading) -> bool:
    """`(paid_on is empty)`: what stands in brackets holds for the rows. Raises: Unclear."""
    condition = take_bracket(r)
    if condition is not None:
        add_condition(r, condition)
    return condition is not None
