"""Tests of an operand in words: comparisons, ranges, lists, patterns, null tests."""

from agent_etl.agents.rules.adjectives import opposite
from agent_etl.agents.rules.expressions import Expr, build, text
from agent_etl.agents.rules.ground import STRONG
from agent_etl.agents.rules.lexicon import BREAKS, UNITS
from agent_etl.agents.rules.literals import placed, spanning, take_number, take_values
from agent_etl.agents.rules.names import stems
from agent_etl.agents.rules.reading import Reading
from agent_etl.agents.rules.recall import known_measure
from agent_etl.agents.rules.scalars import NUMERIC, convert, take_scalar
from agent_etl.agents.rules.values import Period, take_period

__all__ = ["BE", "continued", "emptiness", "null_test", "take_comparison", "tested", "unlike"]

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
    ("is not more than", "<="),
    ("is not less than", ">="),
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
BE = ("is", "are", "was", "were", "be")
_NULLS = frozenset({"null", "missing", "nulls", "none", "unknown"})
_TEMPORAL = frozenset({"date", "timestamp"})


def take_comparison(r: Reading) -> str | None:
    """A comparison in words or signs, taken; gives SQL's sign."""
    for words, sign in _COMPARISONS:
        if r.cur.take(words):
            return sign
    return None


def tested(r: Reading, left: Expr, start: int) -> Expr | None:
    """The test after an operand."""
    r.operand = left
    null = null_test(r, left)
    if null is not None:
        return null
    if r.cur.take("between", "is between", "are between", "from") and (ranged := _range(r, left)) is not None:
        return ranged
    negated = _negated(r, left, start)
    if negated is not None:
        return negated
    listed = _list(r, left)
    if listed is not None:
        return listed
    like = _pattern(r, left, start)
    if like is not None:
        return like
    sign = _dated(r, left) or take_comparison(r)
    if sign is None and r.cur.take(*(f"{be} not" for be in BE)):
        sign = "<>"
    elif sign is None:
        r.cur.take(*BE)
        sign = "="
    return _against(r, left, sign, start)


def _negated(r: Reading, left: Expr, start: int) -> Expr | None:
    """`is not between 1 and 5`, `is not over 50`, `is not before 2024`: the rows that fail the test."""
    at = r.cur.at
    r.cur.take(*BE)
    if not r.cur.take("not") or r.cur.low() in ("more", "less"):
        r.cur.at = at
        return None
    opened = r.cur.at
    ranged = _range(r, left) if r.cur.take("between") else None
    sign = _dated(r, left) or take_comparison(r) if ranged is None else None
    inner = _against(r, left, sign, opened) if sign is not None else ranged
    if inner is None:
        r.cur.at = at
        return None
    return opposite(r, inner, start)


def continued(r: Reading) -> Expr | None:
    """`over 10 and less than 50`: a further comparison of the operand before it, taken."""
    start = r.cur.at
    left = r.operand
    sign = (_dated(r, left) or take_comparison(r)) if left is not None else None
    found = _against(r, left, sign, start) if left is not None and sign is not None else None
    if found is None:
        r.cur.at = start
    return found


def null_test(r: Reading, left: Expr) -> Expr | None:
    """`is missing`, `is not null`, `is empty`, taken."""
    start = r.cur.at
    be = r.cur.take(*BE, "=", "has", "have")
    negative = r.cur.take("not", "non")
    # `is still null`, `is not yet known`
    r.cur.skip({"still", "yet"} if be else ())
    if be and r.cur.low() in _NULLS:
        r.cur.next()
        return build("({} IS NOT NULL)" if negative else "({} IS NULL)", left, kind="boolean")
    if be and r.cur.take("set", "present", "filled", "given", "known", "filled in", "available"):
        return build("({} IS NULL)" if negative else "({} IS NOT NULL)", left, kind="boolean")
    if r.cur.take("empty", "blank", "non-empty"):
        return emptiness(left, empty=not (negative or r.cur.tokens[r.cur.at - 1].low == "non-empty"))
    r.cur.at = start
    if r.cur.take("exists", "exist"):
        return build("({} IS NOT NULL)", left, kind="boolean")
    return None


def emptiness(left: Expr, *, empty: bool) -> Expr:
    """No value, or for text also nothing but spaces; with `empty` off the opposite."""
    if left.kind != "text":
        return build("({} IS NULL)" if empty else "({} IS NOT NULL)", left, kind="boolean")
    shape = "({} IS NULL OR trim({}) = '')" if empty else "({} IS NOT NULL AND trim({}) <> '')"
    return build(shape, left, left, kind="boolean")


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
                return spanning(left, first, last)
    low = take_number(r)
    if low is not None and left.kind in NUMERIC and r.cur.take("and", "to"):
        high = take_number(r)
        if high is not None:
            return build("({} BETWEEN {} AND {})", left, low, high, kind="boolean")
    r.cur.at = start - 1
    return None


def _list(r: Reading, left: Expr) -> Expr | None:
    """`in (a, b)`, `is one of a, b or c`, `not in (…)`."""
    start = r.cur.at
    r.cur.take(*BE)
    negative = r.cur.take("not")
    if left.kind in _TEMPORAL or not r.cur.take("in", "one of", "any of", "either", "among"):
        r.cur.at = start
        return None
    closing = r.cur.take("(")
    if not closing and r.cur.take("["):
        raise r.unknown(start, "write the list in round brackets")
    values: list[Expr] = []
    while found := take_values(r, left):
        values.extend(found)
        before = r.cur.at
        if not (r.cur.take(", or", ", and", ",", "or", "and")):
            break
        if not closing and (r.cur.kind() not in ("word", "string", "number") or r.cur.low() in BREAKS):
            r.cur.at = before
            break
    if not values or (closing and not r.cur.take(")")):
        r.cur.at = start
        return None
    if negative:
        return unlike(r, left, values, start)
    return build("({} IN (" + ", ".join("{}" for _ in values) + "))", left, *values, kind="boolean")


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
            return opposite(r, inner, start) if negative else inner
    r.cur.at = before
    return None


def _against(r: Reading, left: Expr, sign: str, start: int) -> Expr | None:
    at = r.cur.at
    if left.kind in _TEMPORAL:
        period = take_period(r.cur)
        if period is not None:
            return _periods(r, left, sign, period)
        other = r.take_column(want=_TEMPORAL)
        if other is not None and other.kind in _TEMPORAL:
            return build(f"({{}} {sign} {{}})", left, other, kind="boolean")
    elif left.kind in NUMERIC:
        right = take_number(r) if r.cur.kind(1) != "op" or r.cur.low() == "-" else None
        if right is None:
            right = take_scalar(r) or known_measure(r)
        if right is not None and right.kind in NUMERIC:
            left = _in_unit(r, left, right, at)
            several = [right, *_alternatives(r, sign)]
            if sign == "<>":
                return unlike(r, left, several, start)
            if len(several) > 1:
                return build("({} IN (" + ", ".join("{}" for _ in several) + "))", left, *several, kind="boolean")
            return build(f"({{}} {sign} {{}})", left, right, kind="boolean")
    elif sign in ("=", "<>"):
        return _texts(r, left, sign)
    if at > start and sign != "=":
        r.cur.at = min(at + 1, len(r.cur.tokens))
        raise r.unknown(start, f"a column of kind {left.kind} cannot be compared with this")
    return None


def _in_unit(r: Reading, left: Expr, right: Expr, start: int) -> Expr:
    """`more than 2 hours`: the operand in the unit of the number. Raises: Unclear where its own unit is not known."""
    unit = stems(r.cur.low())[-1:]
    if right.refs() or right.measures() or not unit or unit[0] not in UNITS:
        return left
    r.cur.next()
    return convert(r, left, unit[0], start)


def _periods(r: Reading, left: Expr, sign: str, first: Period) -> Expr:
    """`in 2022 or 2023`: any of several periods."""
    if sign == "<>":
        return opposite(r, placed(left, "=", first), r.cur.at - 1)
    found = placed(left, sign, first)
    while sign == "=":
        before = r.cur.at
        period = take_period(r.cur) if r.cur.take("or in", "or on", "or") else None
        if period is None:
            r.cur.at = before
            break
        found = build("({} OR {})", found, placed(left, sign, period), kind="boolean")
    return found


def _alternatives(r: Reading, sign: str) -> list[Expr]:
    """`10 or 11`: more numbers after an equality."""
    found: list[Expr] = []
    while sign in ("=", "<>"):
        before = r.cur.at
        value = take_number(r) if r.cur.take("or", "nor") else None
        if value is None:
            r.cur.at = before
            break
        found.append(value)
    return found


def _texts(r: Reading, left: Expr, sign: str) -> Expr | None:
    """Equality with one value or `a or b`."""
    at = r.cur.at
    token = r.cur.peek()
    if token is not None and token.kind == "word" and "." in token.text:
        other = r.take_column(least=STRONG)
        if other is not None:
            if sign == "<>":
                return unlike(r, left, other, at)
            return build(f"({{}} {sign} {{}})", left, other, kind="boolean")
    values: list[Expr] = []
    while found := take_values(r, left):
        values.extend(found)
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
    return unlike(r, left, values, at)


def unlike(r: Reading, left: Expr, right: Expr | list[Expr], start: int) -> Expr:
    """`is not`, `<>`, `not in`: whether an unknown value is unlike is asked where there are unknown values."""
    values = right if isinstance(right, list) else [right]
    inner = build("{} IN (" + ", ".join("{}" for _ in values) + ")", left, *values, kind="boolean")
    if len(values) == 1:
        inner = build("{} = {}", left, values[0], kind="boolean")
    return opposite(r, build("({})", inner, kind="boolean"), start)


def _condition_follows(r: Reading) -> bool:
    """After `or`: another whole condition rather than another value."""
    start = r.cur.at
    column = r.take_column(least=STRONG) if r.cur.kind() == "word" else None
    r.cur.at = start
    return column is not None
