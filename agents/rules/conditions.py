"""Conditions in words: comparisons, ranges, lists, periods, null tests, counts of things, and, or, not."""

from dataclasses import replace

from agent_etl.agents.rules.expressions import Expr, build, number, text
from agent_etl.agents.rules.ground import STRONG, columns
from agent_etl.agents.rules.lexicon import ARTICLES, BREAKS
from agent_etl.agents.rules.measures import count_of, known_measure, take_measures
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.scalars import NUMERIC, take_scalar
from agent_etl.agents.rules.values import Period, ground_value, take_period

__all__ = ["during", "take_condition", "take_count_condition"]

_COMPARISONS: tuple[tuple[str, str], ...] = (
    ("is greater than or equal to", ">="),
    ("is less than or equal to", "<="),
    ("greater than or equal to", ">="),
    ("less than or equal to", "<="),
    ("is not equal to", "<>"),
    ("does not equal", "<>"),
    ("is equal to", "="),
    ("equal to", "="),
    ("is no more than", "<="),
    ("no more than", "<="),
    ("not more than", "<="),
    ("no less than", ">="),
    ("no fewer than", ">="),
    ("not less than", ">="),
    ("is greater than", ">"),
    ("is larger than", ">"),
    ("is higher than", ">"),
    ("is bigger than", ">"),
    ("is more than", ">"),
    ("is less than", "<"),
    ("is lower than", "<"),
    ("is smaller than", "<"),
    ("is at least", ">="),
    ("is at most", "<="),
    ("of at least", ">="),
    ("of at most", "<="),
    ("of more than", ">"),
    ("of less than", "<"),
    ("greater than", ">"),
    ("larger than", ">"),
    ("higher than", ">"),
    ("bigger than", ">"),
    ("longer than", ">"),
    ("more than", ">"),
    ("less than", "<"),
    ("lower than", "<"),
    ("fewer than", "<"),
    ("smaller than", "<"),
    ("shorter than", "<"),
    ("at least", ">="),
    ("at most", "<="),
    ("is above", ">"),
    ("is over", ">"),
    ("is below", "<"),
    ("is under", "<"),
    ("are above", ">"),
    ("are below", "<"),
    ("exceeds", ">"),
    ("exceed", ">"),
    ("exceeding", ">"),
    ("above", ">"),
    ("over", ">"),
    ("below", "<"),
    ("under", "<"),
    ("equals", "="),
    (">=", ">="),
    ("<=", "<="),
    ("!=", "<>"),
    ("=", "="),
    (">", ">"),
    ("<", "<"),
)
_DATE_WORDS: tuple[tuple[str, str], ...] = (
    ("is on or after", ">="),
    ("is on or before", "<="),
    ("on or after", ">="),
    ("on or before", "<="),
    ("is after", ">"),
    ("is before", "<"),
    ("after", ">"),
    ("before", "<"),
    ("since", ">="),
    ("until", "<="),
    ("through", "<="),
    ("up to", "<="),
)
_BE = ("is", "are", "was", "were", "be")
_NULLS = frozenset({"null", "missing", "nulls", "none", "unknown"})
_TEMPORAL = frozenset({"date", "timestamp"})


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
    sign = _comparison(r) or ("=" if r.cur.take("exactly") else None)
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


def _comparison(r: Reading) -> str | None:
    for words, sign in _COMPARISONS:
        if r.cur.take(words):
            return sign
    return None


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
    return _tested(r, left, start)


def _boolean(r: Reading, left: Expr) -> Expr:
    if r.cur.take(*(f"{be} not true" for be in _BE), "is false", "are false", "= false", "= no", "= 0", "is no"):
        return build("({} = false)", left, kind="boolean")
    r.cur.take("is true", "are true", "= true", "= yes", "= 1", "is set")
    return build("({} = true)", left, kind="boolean")


def _tested(r: Reading, left: Expr, start: int) -> Expr | None:
    """The test after an operand."""
    null = _null_test(r, left)
    if null is not None:
        return null
    if r.cur.take("between", "is between", "are between", "from") and (ranged := _range(r, left)) is not None:
        return ranged
    listed = _list(r, left)
    if listed is not None:
        return listed
    like = _pattern(r, left, start)
    if like is not None:
        return like
    sign = _dated(r, left) or _comparison(r)
    if sign is None and r.cur.take(*(f"{be} not" for be in _BE)):
        sign = "<>"
    elif sign is None:
        r.cur.take(*_BE)
        sign = "="
    return _against(r, left, sign, start)


def _null_test(r: Reading, left: Expr) -> Expr | None:
    start = r.cur.at
    be = r.cur.take(*_BE, "=", "has", "have")
    negative = r.cur.take("not", "non")
    if be and r.cur.low() in _NULLS:
        r.cur.next()
        return build("({} IS NOT NULL)" if negative else "({} IS NULL)", left, kind="boolean")
    if be and r.cur.take("set", "present", "filled", "given"):
        return build("({} IS NULL)" if negative else "({} IS NOT NULL)", left, kind="boolean")
    if be and left.kind == "text" and r.cur.take("empty", "blank"):
        shape = "({} IS NOT NULL AND trim({}) <> '')" if negative else "({} IS NULL OR trim({}) = '')"
        return build(shape, left, left, kind="boolean")
    r.cur.at = start
    if r.cur.take("exists", "exist"):
        return build("({} IS NOT NULL)", left, kind="boolean")
    return None


def _dated(r: Reading, left: Expr) -> str | None:
    if left.kind not in _TEMPORAL:
        return None
    for words, sign in _DATE_WORDS:
        if r.cur.take(words):
            return sign
    if r.cur.take("is in", "in", "is on", "on", "of", "during", "is during", "is from", "from"):
        return "="
    return None


def _range(r: Reading, left: Expr) -> Expr | None:
    start = r.cur.at
    if left.kind in _TEMPORAL:
        first = take_period(r.cur)
        if first is not None and r.cur.take("and", "to", "through", "until"):
            last = take_period(r.cur)
            if last is not None:
                return during(left, replace(first, end=last.end))
    low = _number(r)
    if low is not None and left.kind in NUMERIC and r.cur.take("and", "to"):
        high = _number(r)
        if high is not None:
            return build("({} BETWEEN {} AND {})", left, low, high, kind="boolean")
    r.cur.at = start - 1
    return None


def _number(r: Reading) -> Expr | None:
    start = r.cur.at
    minus = r.cur.take("-")
    token = r.cur.peek()
    if token is None or token.kind != "number":
        r.cur.at = start
        return None
    r.cur.next()
    after = r.cur.peek()
    if after is not None and after.text == "," and (digits := r.cur.peek(1)) is not None and digits.kind == "number":
        if after.start == token.end and digits.start == after.end and len(digits.text) == 3:
            raise r.unknown(start, "is this one number or two? write it without a comma", r.cur.at + 2)
    return number(("-" if minus else "") + token.text)


def _list(r: Reading, left: Expr) -> Expr | None:
    """`in (a, b)`, `is one of a, b or c`, `not in (…)`."""
    start = r.cur.at
    r.cur.take(*_BE)
    negative = r.cur.take("not")
    if left.kind in _TEMPORAL or not r.cur.take("in", "one of", "any of", "either", "among"):
        r.cur.at = start
        return None
    closing = r.cur.take("(")
    if not closing and r.cur.take("["):
        raise r.unknown(start, "write the list in round brackets")
    values: list[Expr] = []
    while (value := _value(r, left)) is not None:
        values.append(value)
        before = r.cur.at
        if not (r.cur.take(", or", ", and", ",", "or", "and")):
            break
        if not closing and (r.cur.kind() not in ("word", "string", "number") or r.cur.low() in BREAKS):
            r.cur.at = before
            break
    if not values or (closing and not r.cur.take(")")):
        r.cur.at = start
        return None
    shape = "({} NOT IN (" if negative else "({} IN ("
    return build(shape + ", ".join("{}" for _ in values) + "))", left, *values, kind="boolean")


def _pattern(r: Reading, left: Expr, start: int) -> Expr | None:
    if left.kind != "text":
        return None
    before = r.cur.at
    negative = r.cur.take("does not", "do not", "not")
    for words, name in (
        (("starts with", "start with", "starting with", "begins with", "begin with"), "starts_with"),
        (("ends with", "end with", "ending with", "ending in"), "ends_with"),
        (("contains", "contain", "containing", "includes"), "contains"),
    ):
        if r.cur.take(*words):
            token = r.cur.peek()
            if token is None or token.kind not in ("string", "word", "number", "place"):
                raise r.unknown(start, "the text to look for is missing", r.cur.at)
            r.cur.next()
            inner = build(name + "({}, {})", left, text(token.text), kind="boolean")
            return build("(NOT {})", inner, kind="boolean") if negative else inner
    r.cur.at = before
    return None


def _against(r: Reading, left: Expr, sign: str, start: int) -> Expr | None:
    at = r.cur.at
    if left.kind in _TEMPORAL:
        period = take_period(r.cur)
        if period is not None:
            return _placed(left, sign, period)
        other = r.take_column(want=_TEMPORAL)
        if other is not None and other.kind in _TEMPORAL:
            return build(f"({{}} {sign} {{}})", left, other, kind="boolean")
    elif left.kind in NUMERIC:
        right = _number(r) if r.cur.kind(1) != "op" or r.cur.low() == "-" else None
        if right is None:
            right = take_scalar(r) or known_measure(r)
        if right is not None and right.kind in NUMERIC:
            return build(f"({{}} {sign} {{}})", left, right, kind="boolean")
    elif sign in ("=", "<>"):
        return _texts(r, left, sign)
    if at > start and sign != "=":
        r.cur.at = min(at + 1, len(r.cur.tokens))
        raise r.unknown(start, f"a column of kind {left.kind} cannot be compared with this")
    return None


def _texts(r: Reading, left: Expr, sign: str) -> Expr | None:
    """Equality with one value or `a or b`."""
    at = r.cur.at
    token = r.cur.peek()
    if token is not None and token.kind == "word" and "." in token.text:
        other = r.take_column(least=STRONG)
        if other is not None:
            return build(f"({{}} {sign} {{}})", left, other, kind="boolean")
    values: list[Expr] = []
    while (value := _value(r, left)) is not None:
        values.append(value)
        before = r.cur.at
        if not r.cur.take("or", "nor") or _condition_follows(r):
            r.cur.at = before
            break
    if not values:
        r.cur.at = at
        return None
    if len(values) == 1 and sign == "=":
        return build("({} = {})", left, values[0], kind="boolean")
    if sign == "=":
        return build("({} IN (" + ", ".join("{}" for _ in values) + "))", left, *values, kind="boolean")
    if len(values) == 1:
        return build("({} IS DISTINCT FROM {})", left, values[0], kind="boolean")
    return build("(({} IN (" + ", ".join("{}" for _ in values) + ")) IS NOT TRUE)", left, *values, kind="boolean")


def _condition_follows(r: Reading) -> bool:
    """After `or`: another whole condition rather than another value."""
    start = r.cur.at
    column = r.take_column(least=STRONG) if r.cur.kind() == "word" else None
    r.cur.at = start
    return column is not None


def _value(r: Reading, left: Expr) -> Expr | None:
    """One literal for the operand. Raises: Unclear for a text that the column does not hold."""
    token = r.cur.peek()
    start = r.cur.at
    if left.kind in NUMERIC:
        return _number(r)
    if left.kind != "text" or token is None:
        return None
    if token.kind == "word":
        return _bare(r, left)
    if token.kind not in ("string", "number", "place"):
        return None
    r.cur.next()
    return text(_grounded(r, left, token.text, r.cur.span(start)))


def _bare(r: Reading, left: Expr) -> Expr | None:
    """Words without quotes as a value: the longest run that the column holds, else the first word is asked about."""
    sole, start = left.sole, r.cur.at
    words = r.words_ahead(4)
    if sole is not None:
        table = r.table(sole.source)
        for size in range(len(words), 0, -1):
            value = r.cur.goal[slice(*r.cur.span(start, start + size))]
            if r.request.prober.count(table, sole.column, value, fold=True) > 0:
                r.cur.at += size
                return text(_grounded(r, left, value, r.cur.span(start)))
    if words[0].lower() in BREAKS or (
        columns(words[:1], r.sources)[:1] and columns(words[:1], r.sources)[0].score >= STRONG
    ):
        return None
    r.cur.next()
    return text(_grounded(r, left, words[0], r.cur.span(start)))


def _grounded(r: Reading, left: Expr, value: str, span: tuple[int, int]) -> str:
    sole = left.sole
    if sole is None:
        return value
    return ground_value(r.asking, r.request.prober, r.table(sole.source), sole, value, span)


def _placed(left: Expr, sign: str, period: Period) -> Expr:
    if period.moment is not None:
        return build(f"({{}} {sign} TIMESTAMP '{period.moment}')", left, kind="boolean")
    if sign == "=":
        return during(left, period)
    if sign == "<>":
        return build("({} IS NOT TRUE)", during(left, period), kind="boolean")
    edge = {">": period.end, ">=": period.start, "<": period.start, "<=": period.end}[sign]
    shown = {">": ">=", ">=": ">=", "<": "<", "<=": "<"}[sign]
    return build(f"({{}} {shown} DATE '{edge.isoformat()}')", left, kind="boolean")


def during(left: Expr, period: Period) -> Expr:
    """The date or moment lies in the period."""
    low, high = period.start.isoformat(), period.end.isoformat()
    return build(f"({{}} >= DATE '{low}' AND {{}} < DATE '{high}')", left, left, kind="boolean")
