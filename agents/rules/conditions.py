"""Conditions in words: tests joined by and, or, not; counts of things."""

from agent_etl.agents.rules.comparisons import BE, take_comparison, tested
from agent_etl.agents.rules.expressions import Expr, build
from agent_etl.agents.rules.lexicon import ARTICLES
from agent_etl.agents.rules.measures import count_of, take_measures
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.recall import known_measure
from agent_etl.agents.rules.scalars import take_scalar

__all__ = ["take_condition", "take_count_condition"]


def take_condition(r: Reading) -> Expr | None:
    """A boolean expression, taken; None (and the cursor back) when none stands here. Raises: Unclear."""
    left = _conjunction(r)
    while left is not None:
        before = r.cur.at
        if not r.cur.take("or"):
            break
        right = _conjunction(r)
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
        right = _single(r)
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
            return build("(NOT {})", inner, kind="boolean")
    elif r.cur.take("("):
        inner = take_condition(r)
        if inner is not None and r.cur.take(")"):
            return inner
    else:
        for reader in (take_count_condition, _null_before, _compared):
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
    token = r.cur.peek()
    if token is None or token.kind != "number" or not token.text.isdigit():
        r.cur.at = start
        return None
    r.cur.next()
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
    return build(f"({{}} {sign} {token.text})", counted, kind="boolean")


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
    if empty and found.kind == "text":
        return build("({} IS NULL OR trim({}) = '')", found, found, kind="boolean")
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
        return None
    if left.kind == "boolean":
        return _boolean(r, left)
    return tested(r, left, start)


def _boolean(r: Reading, left: Expr) -> Expr:
    if r.cur.take(*(f"{be} not true" for be in BE), "is false", "are false", "= false", "= no", "= 0", "is no"):
        return build("({} = false)", left, kind="boolean")
    r.cur.take("is true", "are true", "= true", "= yes", "= 1", "is set")
    return build("({} = true)", left, kind="boolean")
