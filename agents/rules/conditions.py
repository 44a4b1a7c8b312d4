"""Conditions in words: tests joined by and, or, not; counts of things."""

from agent_etl.agents.rules.adjectives import dated_by, opposite
from agent_etl.agents.rules.comparisons import BE, continued, emptiness, null_test, take_comparison, tested
from agent_etl.agents.rules.expressions import Expr, build
from agent_etl.agents.rules.ground import STRONG
from agent_etl.agents.rules.intent import Filter, Having
from agent_etl.agents.rules.lexicon import ARTICLES
from agent_etl.agents.rules.literals import take_number
from agent_etl.agents.rules.measures import count_of, take_measures
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.recall import known_measure
from agent_etl.agents.rules.scalars import NUMERIC, take_scalar

__all__ = ["PERIOD_WORDS", "add_condition", "take_condition", "take_count_condition", "take_dated"]

PERIOD_WORDS = frozenset({"on", "in", "before", "after", "since", "until", "between", "during", "from", "through"})


def take_condition(r: Reading) -> Expr | None:
    """A boolean expression, taken; None (and the cursor back) when none stands here. Raises: Unclear."""
    left = _conjunction(r)
    while left is not None:
        before = r.cur.at
        if not r.cur.take("or"):
            break
        right = _conjunction(r) or continued(r)
        if right is None:
            r.cur.at = before
            break
        left = build("({} OR {})", left, right, kind="boolean")
    return left


def _conjunction(r: Reading) -> Expr | None:
    left = _single(r)
    while left is not None:
        before = r.cur.at
        if not (r.cur.take(", and", "and", "but", "&")):
            break
        r.cur.skip({"where", "with", "whose", "that", "which", "only"})
        right = _single(r) or continued(r)
        if right is None:
            r.cur.at = before
            break
        left = build("({} AND {})", left, right, kind="boolean")
    return left


def _single(r: Reading) -> Expr | None:
    start = r.cur.at
    if r.cur.take("not"):
        inner = _single(r)
        if inner is not None:
            return opposite(r, inner, start)
    elif r.cur.take("("):
        inner = take_condition(r)
        if inner is not None and r.cur.take(")"):
            return inner
    else:
        for reader in (_number_before, take_count_condition, _null_before, _marked, _compared):
            found = reader(r)
            if found is not None:
                return found
            r.cur.at = start
    r.cur.at = start
    return None


def take_count_condition(r: Reading) -> Expr | None:
    """`at least 10 tracks`, `3+ orders`, `3 or more orders`, `exactly 2 albums`, taken."""
    start = r.cur.at
    sign = take_comparison(r) or ("=" if r.cur.take("exactly") else None)
    many = take_number(r) if r.cur.low() != "-" else None
    if many is None or many.kind != "integer":
        r.cur.at = start
        return None
    if sign is None and (r.cur.take("+") or r.cur.take("or more")):
        sign = ">="
    elif sign is None and r.cur.take("or fewer", "or less"):
        sign = "<="
    counted_at = r.cur.at
    if sign is None or r.cur.kind() != "word":
        r.cur.at = start
        return None
    before = list(r.intent.measures)
    counted = count_of(r, counted_at)
    if counted is None:
        r.intent.measures[:] = before
        r.cur.at = start
        return None
    return build(f"({{}} {sign} {{}})", counted, many, kind="boolean")


def _number_before(r: Reading) -> Expr | None:
    """`at least 3 bedrooms`, `zero units`: a number before the column that holds it."""
    r.cur.take("of")
    sign = take_comparison(r) or "="
    value = take_number(r)
    if value is None or r.cur.kind() != "word":
        return None
    at = r.cur.at
    if r.take_entity(least=0.8) is not None or known_measure(r) is not None:
        return None
    r.cur.at = at
    found = r.take_column(least=STRONG)
    if found is None or found.kind not in NUMERIC or _key_like(r, found):
        return None
    return build(f"({{}} {sign} {{}})", found, value, kind="boolean")


def _key_like(r: Reading, found: Expr) -> bool:
    """Nobody has three of what tells rows apart."""
    return any(stems(ref.column)[-1:] in (("id",), ("key",)) for ref in found.refs())


def _marked(r: Reading) -> Expr | None:
    """`not cancelled`, `are paid`: a column that is true or false."""
    start = r.cur.at
    r.cur.take(*BE)
    negative = r.cur.take("not", "never")
    found = r.take_column(least=STRONG) if r.cur.kind() in ("word", "string") else None
    if found is None or found.kind != "boolean" or r.cur.low() in ("=", *BE):
        return None
    marked = build("({} = true)", found, kind="boolean")
    return opposite(r, marked, start) if negative else marked


def _null_before(r: Reading) -> Expr | None:
    """`missing email`, `no email`, `null amounts`, `a non-null email`."""
    r.cur.skip(ARTICLES)
    negative = r.cur.take("non-null", "not null", "non-missing", "known", "non-empty")
    empty = not negative and r.cur.take("empty", "blank")
    if not (negative or empty or r.cur.take("missing", "null", "no")):
        return None
    at = r.cur.at
    found = r.take_column()
    if found is None or found.measures():
        r.cur.at = at
        return None
    if empty:
        return emptiness(found, empty=True)
    return build("({} IS NOT NULL)" if negative else "({} IS NULL)", found, kind="boolean")


def _compared(r: Reading) -> Expr | None:
    start = r.cur.at
    left = known_measure(r)
    if left is None and r.cur.low() in ("number", "count", "total", "average", "sum", "the"):
        before = list(r.intent.measures)
        found = take_measures(r) if r.prior.measures else []
        if len(found) == 1:
            left = found[0][0]
        else:
            r.intent.measures[:] = before
            r.cur.at = start
    left = left or take_scalar(r)
    if left is None:
        return take_dated(r)
    if left.kind == "boolean":
        return null_test(r, left) or _boolean(r, left, start)
    return tested(r, left, start)


def take_dated(r: Reading) -> Expr | None:
    """`booked in March 2024`, `were born before 1960`, taken: the date at which that happened. Raises: Unclear."""
    start = r.cur.at
    r.cur.take(*BE)
    token = r.cur.peek()
    if token is None or token.kind != "word" or r.cur.low(1) not in PERIOD_WORDS:
        r.cur.at = start
        return None
    r.cur.next()
    pools = [[r.current]] if r.current is not None else []
    for pool in [*pools, r.scope]:
        dates = [one for source in pool if (one := dated_by(source, token.text)) is not None]
        found = tested(r, dates[0], start) if len(dates) == 1 else None
        if found is not None:
            return found
    r.cur.at = start
    return None


def _boolean(r: Reading, left: Expr, start: int) -> Expr:
    marked = build("({} = true)", left, kind="boolean")
    unmarked = build("({} = false)", left, kind="boolean")
    if r.cur.take(*(f"{be} not true" for be in BE), "!= true", "!= 1"):
        return opposite(r, marked, start)
    if r.cur.take(*(f"{be} not false" for be in BE), "!= false", "!= 0"):
        return opposite(r, unmarked, start)
    if r.cur.take("is false", "are false", "= false", "false", "= no", "= 0", "is no"):
        return unmarked
    r.cur.take("is true", "are true", "= true", "= yes", "= 1", "is set")
    return marked


def add_condition(r: Reading, condition: Expr) -> None:
    """A condition on measures filters groups, any other filters rows."""
    if condition.measures():
        if condition.refs():
            raise r.unknown(r.cur.at - 1, "a condition mixes totals with single rows")
        r.intent.havings.append(Having(condition, r.phrase))
    else:
        r.intent.filters.append(Filter(condition, r.phrase))
