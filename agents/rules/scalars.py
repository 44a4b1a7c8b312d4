"""Scalar expressions in words: arithmetic, date parts, text functions, rounding and units."""

from agent_etl.agents.rules.expressions import Expr, build, number
from agent_etl.agents.rules.lexicon import ARTICLES, ROUND_VERBS, SMALL_NUMBERS, UNIT_FAMILIES, UNITS
from agent_etl.agents.rules.names import singular, stems
from agent_etl.agents.rules.reading import Reading

__all__ = ["NUMERIC", "convert", "grain", "require", "rounded", "take_places", "take_scalar", "take_suffixes"]

NUMERIC = frozenset({"integer", "number"})
_TEXT = {"uppercase": "upper", "upper": "upper", "uppercased": "upper", "lowercase": "lower", "lower": "lower"}
_TEXT |= {"lowercased": "lower", "trimmed": "trim", "trim": "trim", "upper-case": "upper", "lower-case": "lower"}
_PARTS = {"year": "year", "day": "day", "hour": "hour", "minute": "minute", "weekday": "isodow", "quarter": "quarter"}
_SUM = {"+": "+", "plus": "+", "-": "-", "minus": "-"}
_PRODUCT = {"*": "*", "times": "*", "multiplied": "*", "/": "/", "divided": "/"}


def take_scalar(r: Reading, *, owner: str | None = None) -> Expr | None:
    """An expression over columns and numbers, taken; None (and the cursor back) when none stands here."""
    start = r.cur.at
    left = _product(r, owner)
    while left is not None and (sign := _operator(r, _SUM)):
        before = r.cur.at - 1
        right = _product(r, owner)
        if right is None:
            r.cur.at = before
            break
        left = _arithmetic(r, start, left, sign, right)
    if left is None:
        r.cur.at = start
    return left


def _operator(r: Reading, words: dict[str, str]) -> str | None:
    word = r.cur.low()
    if word not in words or r.cur.kind() not in ("op", "word"):
        return None
    r.cur.next()
    if word in ("multiplied", "divided"):
        r.cur.take("by", "with")
    return words[word]


def _product(r: Reading, owner: str | None) -> Expr | None:
    start = r.cur.at
    left = _factor(r, owner)
    while left is not None:
        before = r.cur.at
        sign = _operator(r, _PRODUCT)
        if sign is None:
            break
        right = _factor(r, owner)
        if right is None:
            r.cur.at = before
            break
        left = _arithmetic(r, start, left, sign, right)
    return left


def _arithmetic(r: Reading, start: int, left: Expr, sign: str, right: Expr) -> Expr:
    both = (left.kind, right.kind)
    if sign == "-" and set(both) <= {"date", "timestamp"}:
        raise r.unknown(
            start, "differences of dates are not supported; name the unit's columns or load them as they are"
        )
    for side in (left, right):
        if side.kind not in NUMERIC:
            raise r.unknown(start, f"arithmetic needs numbers, and one side holds {side.kind}")
    unit = left.unit if left.unit == right.unit and sign in "+-" else None
    if sign in "*/" and (left.unit is None) != (right.unit is None) and (sign == "*" or right.unit is None):
        unit = left.unit or right.unit
    kind = "number" if sign == "/" or "number" in both else "integer"
    shape = "({} / nullif({}, 0))" if sign == "/" and right.refs() else f"({{}} {sign} {{}})"
    return build(shape, left, right, kind=kind, unit=unit)  # type: ignore[arg-type]


def _factor(r: Reading, owner: str | None) -> Expr | None:
    start = r.cur.at
    if r.cur.kind() == "number":
        return _number(r, owner)
    if r.cur.take("("):
        inner = take_scalar(r, owner=owner)
        if inner is not None and r.cur.take(")"):
            return inner
        r.cur.at = start
        return None
    found = _function(r, owner)
    if found is not None:
        return found
    r.cur.at = start
    return r.take_column(owner=owner)


def _number(r: Reading, owner: str | None) -> Expr | None:
    token = r.cur.next()
    if r.cur.take("%", "percent"):
        start = r.cur.at
        if r.cur.take("of") and (whole := _factor(r, owner)) is not None:
            return build(f"({token.text} / 100.0 * {{}})", whole, kind="number", unit=whole.unit)
        r.cur.at = start - 1
        return None
    return number(token.text)


def _function(r: Reading, owner: str | None) -> Expr | None:
    word = r.cur.low()
    if r.cur.kind() != "word":
        return None
    if word in _TEXT:
        return _text_function(r, _TEXT[word], owner)
    if word in _PARTS or word in ("month", "week", "date"):
        return _part(r, word, owner)
    return None


def _text_function(r: Reading, name: str, owner: str | None) -> Expr | None:
    start = r.cur.at
    r.cur.next()
    closing = r.cur.take("(")
    r.cur.skip(ARTICLES | {"of"})
    inner = take_scalar(r, owner=owner)
    if inner is None or inner.kind != "text" or (closing and not r.cur.take(")")):
        r.cur.at = start
        return None
    return build(name + "({})", inner, kind="text")


def _part(r: Reading, word: str, owner: str | None) -> Expr | None:
    """`year of order_date`, `year(order_date)`."""
    start = r.cur.at
    r.cur.next()
    closing = r.cur.take("(")
    if not closing and not r.cur.take("of"):
        r.cur.at = start
        return None
    inner = r.take_column(owner=owner, want=frozenset({"date", "timestamp"}))
    if inner is None or (closing and not r.cur.take(")")):
        r.cur.at = start
        return None
    require(r, inner, frozenset({"date", "timestamp"}), start, f"the {word}")
    if word == "date":
        return build("CAST({} AS DATE)", inner, kind="date")
    if word in ("month", "week"):
        answer = r.asking.choose(
            "part",
            r.cur.span(start),
            f"Is {r.cur.quote(start)!r} the {word}'s number in the year or its first day?",
            [("number", f"the number of the {word}"), ("start", f"the first day of the {word}, as a date")],
        )
        if answer == "start":
            return grain(inner, word)
    return build(f"extract({_PARTS.get(word, word)} FROM {{}})", inner, kind="integer")


def grain(inner: Expr, word: str) -> Expr:
    """A date cut to its year (a number), or to the first day of its quarter, month, week, or to the day or hour."""
    if word == "year":
        return build("extract(year FROM {})", inner, kind="integer")
    if word == "hour":
        return build("date_trunc('hour', {})", inner, kind="timestamp")
    if word == "day":
        return inner if inner.kind == "date" else build("CAST({} AS DATE)", inner, kind="date")
    return build(f"CAST(date_trunc('{word}', {{}}) AS DATE)", inner, kind="date")


def require(r: Reading, found: Expr, kinds: frozenset[str], start: int, purpose: str) -> None:
    """Refuse when the expression's kind does not serve. Raises: Unclear."""
    if found.kind not in kinds:
        need = " or ".join(sorted(kinds))
        raise r.unknown(
            start, f"{purpose} needs a column of kind {need}, and this one holds {found.kind}; cast it first"
        )


def take_suffixes(r: Reading, value: Expr) -> Expr:
    """`in minutes`, `(cents to dollars)`, `rounded to 2 decimals` after a value, applied in that order."""
    while True:
        start = r.cur.at
        pair = _from_to(r)
        if pair is not None:
            value = convert(r, value.as_kind(value.kind, value.unit or pair[0]), pair[1], start)
            continue
        unit = _unit(r)
        if unit is not None:
            value = convert(r, value, unit, start)
            continue
        places = take_places(r)
        if places is None:
            r.cur.at = start
            return value
        require(r, value, NUMERIC, start, "rounding")
        value = rounded(value, places)


def _from_to(r: Reading) -> tuple[str, str] | None:
    """`(cents to dollars)`, `from cents to dollars`, `cents as dollars`: the stored unit and the wanted one."""
    start = r.cur.at
    closing = r.cur.take("(")
    r.cur.take("converted from", "convert from", "from", "converted", "convert")
    units: list[str] = []
    for links in ((), ("to", "as", "into", "in")):
        if links and not r.cur.take(*links):
            break
        words = stems(r.cur.low())
        if not words or words[-1] not in UNITS or r.cur.kind() != "word":
            break
        units.append(words[-1])
        r.cur.next()
    if len(units) == 2 and (not closing or r.cur.take(")")):
        return units[0], units[1]
    r.cur.at = start
    return None


def _unit(r: Reading) -> str | None:
    """The unit that is asked for; a stated stored unit is applied by the caller through `convert`."""
    start = r.cur.at
    if r.cur.take("in", "as", "to", "into") and stems(r.cur.low())[-1:] and stems(r.cur.low())[-1] in UNITS:
        return stems(r.cur.next().low)[-1]
    r.cur.at = start
    return None


def rounded(value: Expr, places: int) -> Expr:
    """The value rounded half away from zero to that many decimals."""
    return build(f"round({{}}, {places})", value, kind="number", unit=value.unit)


def take_places(r: Reading) -> int | None:
    """`rounded to 2 decimals`, `, one decimal place`: the number of decimals, taken."""
    start = r.cur.at
    r.cur.take(",")
    r.cur.take("and")
    if r.cur.take_any(ROUND_VERBS):
        if r.cur.take("to whole numbers", "to the nearest integer", "to integers", "to the nearest whole number"):
            return 0
        r.cur.skip({"it", "them", "off", "up"} if r.cur.low(1) == "to" else ())
        r.cur.take("to", "at")
    else:
        r.cur.take("with", "to")
    token = r.cur.peek()
    digits = str(SMALL_NUMBERS.get(token.low, token.text)) if token is not None else ""
    if digits.isdecimal() and int(digits) <= 12:
        r.cur.next()
        if r.cur.take("decimal places", "decimal place", "decimal digits", "decimals", "decimal", "digits", "places"):
            return int(digits)
    r.cur.at = start
    return None


def convert(r: Reading, value: Expr, unit: str, start: int) -> Expr:
    """The value in another unit.

    The stored unit must be known from the goal or the column's name, else it is asked. Raises: Unclear.
    """
    stored = value.unit
    require(r, value, NUMERIC, start, f"a conversion to {unit}")
    if stored is None:
        names = sorted({name for family in UNIT_FAMILIES if unit in family for name in family})
        stored = r.asking.choose(
            "unit",
            r.cur.span(start),
            f"{r.cur.quote(start)!r}: in which unit are the values stored?",
            [(name, f"stored in {name}s") for name in names if singular(name) == name],
        )
    for family in UNIT_FAMILIES:
        if unit in family and stored in family:
            return _scaled(value, family[stored], family[unit], unit)
    raise r.unknown(start, f"values in {stored} cannot be turned into {unit} without a rate")


def _scaled(value: Expr, stored: int, wanted: int, unit: str) -> Expr:
    if stored == wanted:
        return value.as_kind(value.kind, unit)
    if wanted % stored == 0:
        return build(f"({{}} / {wanted // stored}.0)", value, kind="number", unit=unit)
    if stored % wanted == 0:
        return build(f"({{}} * {stored // wanted})", value, kind=value.kind, unit=unit)
    return build(f"({{}} * {stored}.0 / {wanted})", value, kind="number", unit=unit)
